//! The worker process: stock btleplug behind two pipes.
//!
//! Why a process: `docs/decisions/0007-bluetooth-in-a-worker.md`. It has one connection to the bus that its environment
//! names, opens links when it is told to, and ends when its standard input does, after it has hung up.
//!
//! Each adapter has one task that listens to its events for as long as the worker lives ([`adapter`]): only they tell that
//! a link was lost, since a stream of notifications just stays silent. Each link has one task ([`link`]). Every call into
//! btleplug has a deadline of ours ([`call`]): its own is 30 s and fixed.

mod adapter;
mod call;
mod find;
mod link;

use crate::protocol::{Answer, Request, VERSION, frame, read};
use adapter::Radio;
use futures::future::join_all;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// How long hanging up may take when the worker ends.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The runtime or a thread cannot be started.
    #[error("the Bluetooth worker cannot start")]
    Start(#[source] io::Error),
}

/// Where answers go in.
type Answers = UnboundedSender<Answer>;

/// Serves on standard input and output until standard input ends.
///
/// # Errors
///
/// When threads cannot be started. Everything else is told to the client.
pub fn run() -> Result<(), WorkerError> {
    let (answers, outgoing) = unbounded_channel();
    let (incoming, requests) = unbounded_channel();
    tell_panics(&answers);
    let writer = thread::Builder::new()
        .name("answers".to_owned())
        .spawn(move || write_answers(outgoing))
        .map_err(WorkerError::Start)?;
    // Cannot be interrupted while it reads; it ends with the process.
    thread::Builder::new()
        .name("requests".to_owned())
        .spawn(move || read_requests(&incoming))
        .map_err(WorkerError::Start)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(WorkerError::Start)?;
    runtime.block_on(serve(requests, answers));
    // Tasks of btleplug live as long as their connection, which is for ever.
    runtime.shutdown_background();
    tracing::debug!("the worker ends");
    drop(writer);
    Ok(())
}

/// A panic of a task would otherwise be a link that never says anything again.
fn tell_panics(answers: &Answers) {
    let answers = answers.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or("", |location| location.file());
        // bluez-async 0.9.0 panics in a task of its own when a stream is dropped at a moment at which its connection
        // handles a signal. Nothing but that task is lost.
        if place.ends_with("messagestream.rs") {
            return;
        }
        let message = panic.to_string();
        // Nobody listens any more: then nobody minds.
        let _ = answers.send(Answer::Panicked { message });
    }));
}

fn read_requests(requests: &UnboundedSender<Request>) {
    let mut stdin = io::stdin().lock();
    loop {
        match read(&mut stdin) {
            Ok(Some(request)) => {
                if requests.send(request).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "the client's requests cannot be read");
                return;
            }
        }
    }
}

fn write_answers(mut answers: UnboundedReceiver<Answer>) {
    let mut stdout = io::stdout().lock();
    while let Some(answer) = answers.blocking_recv() {
        let mut bytes = frame(&answer);
        // What is waiting goes out in the same write.
        while let Ok(more) = answers.try_recv() {
            bytes.extend(frame(&more));
        }
        if stdout
            .write_all(&bytes)
            .and_then(|()| stdout.flush())
            .is_err()
        {
            // The client is gone; its end of our input closes too.
            return;
        }
    }
}

/// A link's task, and the way to tell it something.
struct Running {
    orders: UnboundedSender<link::Order>,
    task: JoinHandle<()>,
}

async fn serve(mut requests: UnboundedReceiver<Request>, answers: Answers) {
    let radio = Arc::new(Radio::default());
    let mut links: HashMap<u32, Running> = HashMap::new();
    while let Some(request) = requests.recv().await {
        let (number, order) = match request {
            Request::Hello { version } => {
                tell(&answers, Answer::Hello { version: VERSION });
                if version != VERSION {
                    break;
                }
                continue;
            }
            Request::Open {
                link,
                peer,
                within_ms,
            } => {
                links.retain(|_, running| !running.task.is_finished());
                let (orders, incoming) = unbounded_channel();
                let within = Duration::from_millis(within_ms);
                let task = link::Task {
                    number: link,
                    radio: Arc::clone(&radio),
                    answers: answers.clone(),
                };
                let task = tokio::spawn(task.run(peer, within, incoming));
                links.insert(link, Running { orders, task });
                continue;
            }
            Request::Write { link, fragments } => (link, link::Order::Write(fragments)),
            Request::Close { link } => (link, link::Order::Close),
        };
        let closes = matches!(order, link::Order::Close);
        let told = links
            .get(&number)
            .is_some_and(|running| running.orders.send(order).is_ok());
        // What was written to a link that is gone is lost with it, as its end has been told.
        if closes && !told {
            tell(&answers, Answer::Closed { link: number });
        }
    }
    // Without orders the links hang up.
    let tasks = links.into_values().map(|running| running.task);
    if tokio::time::timeout(HANG_UP_WITHIN, join_all(tasks))
        .await
        .is_err()
    {
        tracing::warn!("not every link was closed in time");
    }
}

fn tell(answers: &Answers, answer: Answer) {
    // The writer is gone when the client is, and then the requests end too.
    let _ = answers.send(answer);
}
