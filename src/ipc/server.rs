//! The recorder's side: one thread for all clients. Until one connects it only waits; most
//! recorders are never asked.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::{IncomingLine, OperatorConnection};
use super::peer::Peer;
use super::protocol::{self, Content, PlainContent, REQUEST_LEN_MAX, Request};
use super::{Control, actions, event_feed, row_feed, status};
use crate::counted::Counted;
use crate::wire::refusal::Refusal;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// A connection on which nothing is asked for so long is ended.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Pause after the system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// For the last lines of streams.
const GOODBYE_WITHIN: Duration = Duration::from_millis(300);

/// Tells streaming clients that the recorder ends.
#[derive(Debug)]
pub struct Goodbye {
    closing: watch::Sender<bool>,
    open: Arc<AtomicUsize>,
}

impl Goodbye {
    /// Says it, and gives the last lines a moment.
    pub fn say(self) {
        self.closing.send_replace(true);
        let began = Instant::now();
        while self.open.load(Ordering::Relaxed) > 0 && began.elapsed() < GOODBYE_WITHIN {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Answers on a thread of its own, for as long as the process lives.
///
/// # Errors
/// No thread can be started.
pub fn serve(listener: UnixListener, control: Control) -> io::Result<Goodbye> {
    let (closing, closes) = watch::channel(false);
    let open = Arc::new(AtomicUsize::new(0));
    let attending = Attending { control: Arc::new(control), closes, open: Arc::clone(&open) };
    thread::Builder::new().name("operator".to_owned()).spawn(move || {
        if let Err(error) = attend_all(&listener, &attending) {
            tracing::warn!("the operator's socket is closed: {error}");
        }
    })?;
    Ok(Goodbye { closing, open })
}

/// What each connection needs.
#[derive(Debug, Clone)]
struct Attending {
    control: Arc<Control>,
    closes: watch::Receiver<bool>,
    open: Arc<AtomicUsize>,
}

fn attend_all(listener: &UnixListener, attending: &Attending) -> io::Result<()> {
    let first = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => thread::sleep(ACCEPT_PAUSE),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        first.set_nonblocking(true)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
        admit(UnixStream::from_std(first)?, attending);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => admit(stream, attending),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    })
}

/// One more connection, if there is room.
fn admit(stream: UnixStream, attending: &Attending) {
    if attending.open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
        let message = format!("{CONNECTIONS_MAX} connections are open, and more are not served");
        let refusal = Refusal::new(message, "end some of the commands that follow or tail");
        let _gone = stream.try_write(protocol::error(&refusal).as_bytes());
        return;
    }
    let (counted, _others) = Counted::new(&attending.open);
    let attending = attending.clone();
    tokio::spawn(async move {
        if let Err(error) = attend(stream, &attending).await {
            tracing::debug!("the operator's socket: {error}");
        }
        drop(counted);
    });
}

/// One connection, request by request.
async fn attend(stream: UnixStream, attending: &Attending) -> io::Result<()> {
    let peer = Peer::of(&stream);
    let (read, write) = stream.into_split();
    let mut line = OperatorConnection { reader: BufReader::with_capacity(1024, read), write };
    let mut closes = attending.closes.clone();
    loop {
        let request = tokio::select! {
            request = timeout(IDLE_MAX, line.next()) => request,
            _ = closes.changed() => return Ok(()),
        };
        let request = match request {
            Err(_idle) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(IncomingLine::Nothing)) => return Ok(()),
            Ok(Ok(IncomingLine::TooMuch)) => {
                let message = format!("the request is longer than {REQUEST_LEN_MAX} bytes");
                let refusal = Refusal::new(message, "send one short JSON object a line");
                return line.say(PlainContent::Error(refusal)).await;
            }
            Ok(Ok(IncomingLine::For(bytes))) => Request::parse(&bytes),
        };
        let control = &attending.control;
        let refused = match request {
            Err(refusal) => refusal,
            Ok(Request::Status) => {
                let status = status::report(&control.sources).await;
                line.say(Content::Ok(status)).await?;
                continue;
            }
            Ok(Request::Events) => return event_feed::stream(line, control, closes).await,
            Ok(Request::Tail { route }) => match row_feed::RowFilter::of(control, route.as_deref())
            {
                Ok(wanted) => return row_feed::stream(line, control, &wanted, closes).await,
                Err(refusal) => refusal,
            },
            Ok(Request::Order(order)) => match actions::carry_out(control, &peer, &order).await {
                Ok(reply) => {
                    line.say(Content::Ok(reply)).await?;
                    continue;
                }
                Err(refusal) => refusal,
            },
        };
        line.say(PlainContent::Error(refused)).await?;
    }
}
