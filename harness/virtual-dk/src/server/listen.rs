//! Connections of a listener, one after the other.

use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a listener that failed is left alone: out of descriptors, for instance, it fails at once again (ours).
const AGAIN: Duration = Duration::from_millis(50);

/// The next connection. Whoever stops the board stops waiting for it.
pub(super) async fn next_connection(
    listener: &TcpListener,
    board: &str,
    endpoint: &str,
) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => {
                tracing::warn!(board, %error, "{endpoint}: accept failed");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
