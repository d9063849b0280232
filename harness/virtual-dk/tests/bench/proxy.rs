//! A debugger's connection that breaks in the middle, as when its process is killed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Listens on a port of its own, connects whoever comes to `address`, and cuts both ways after `limit` bytes
/// have gone to it. Gives the port; serves one connection.
pub fn cutting_proxy(address: String, limit: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("a debugger connects");
        let server = TcpStream::connect(address).expect("the probe listens");
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("a socket option");
        }
        let mut answers = (
            server.try_clone().expect("a handle"),
            client.try_clone().expect("a handle"),
        );
        let back = thread::spawn(move || std::io::copy(&mut answers.0, &mut answers.1));
        let mut passed = 0;
        let mut buffer = [0; 1024];
        while passed < limit {
            let Ok(length @ 1..) = (&client).read(&mut buffer) else {
                break;
            };
            if (&server).write_all(&buffer[..length]).is_err() {
                break;
            }
            passed += length;
        }
        for socket in [server, client] {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let _ = back.join();
    });
    port
}
