//! The line to the broker: down, being made, or up. It connects again for as long as it takes, with
//! jittered exponential back-off, and says each change of state once.

use std::time::Duration;

use barograph_config::Mqtt;
use tokio::time::{Instant, sleep_until};

use crate::message::delivery::ConnectionId;
use crate::mqtt::broker_drops::DROPPED_TOPIC;
use crate::ports::{
    Broker, BrokerSession, Connecting, Down, DownKind, Environment, Greeting, Incoming, Liveness,
};
use crate::supervisor::restart::backoff;

/// Pause after another client took our session: trying sooner would only throw that one out, and so
/// on for ever.
const TAKEN_OVER_PAUSE: Duration = Duration::from_secs(60);

/// A connection that lived this long proves that connecting works: the pauses begin anew.
const PROVEN_AFTER: Duration = Duration::from_secs(5);

/// A connection that the broker closes this soon after accepting us counts as cut short.
const CUT_SHORT_WITHIN: Duration = Duration::from_secs(5);

/// So many connections in a row, cut short before a single message came, look like another client
/// with our id: each of the two throws the other out. Not every broker says so (MQTT 3.1.1 has no
/// word for it, and Mosquitto 2.0.11 says nothing to MQTT 5 either).
const CUT_SHORT_MAX: u32 = 3;

/// Where the line is. Each state has only what it needs.
enum ConnectionState<S> {
    Down { retry_at: Instant },
    Connecting { id: ConnectionId, future: Connecting<S> },
    Up { id: ConnectionId, session: S, since: Instant, heard: bool },
}

/// What happened on the line.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// The broker accepted us.
    Connected(ConnectionId, Greeting),
    /// Connecting failed; it is tried again in this time.
    Unreachable(Down, Duration),
    /// The connection ended; it is made again in this time.
    Lost(Down, Duration),
    /// Something came.
    Incoming(Incoming),
}

/// The line to the broker.
pub struct BrokerConnection<B: Broker> {
    broker: B,
    world: Environment,
    pause_min: Duration,
    pause_max: Duration,
    attempt: u32,
    cut_short: u32,
    state: ConnectionState<B::Session>,
    /// What the last connection showed of the broker when it broke.
    ended: Option<Liveness>,
}

impl<B: Broker> BrokerConnection<B> {
    /// A line that is down and connects when it is first asked for its next event.
    pub fn new(broker: B, world: Environment, settings: &Mqtt) -> Self {
        Self {
            broker,
            world,
            pause_min: settings.reconnect_min,
            pause_max: settings.reconnect_max,
            attempt: 0,
            cut_short: 0,
            state: ConnectionState::Down { retry_at: Instant::now() },
            ended: None,
        }
    }

    /// What the last connection showed of the broker when it broke.
    pub fn last_liveness(&self) -> Option<Liveness> {
        self.ended
    }

    /// The session in force and the connection it belongs to.
    pub fn session(&mut self) -> Option<(ConnectionId, &mut B::Session)> {
        match &mut self.state {
            ConnectionState::Up { id, session, .. } => Some((*id, session)),
            ConnectionState::Down { .. } | ConnectionState::Connecting { .. } => None,
        }
    }

    /// Names the session: broker and client id.
    pub fn session_name(&self) -> String {
        self.broker.session_name()
    }

    /// The next event; waits, connects and reads as the state demands. Cancel-safe.
    pub async fn next(&mut self) -> ConnectionEvent {
        loop {
            match &mut self.state {
                ConnectionState::Down { retry_at } => {
                    sleep_until(*retry_at).await;
                    let id = ConnectionId((self.world.random)());
                    self.state =
                        ConnectionState::Connecting { id, future: self.broker.connect(id) };
                }
                ConnectionState::Connecting { id, future } => match future.await {
                    Ok((session, greeting)) => {
                        let id = *id;
                        self.state = ConnectionState::Up {
                            id,
                            session,
                            since: Instant::now(),
                            heard: false,
                        };
                        return ConnectionEvent::Connected(id, greeting);
                    }
                    Err(down) => {
                        let pause = self.fall(down.kind);
                        return ConnectionEvent::Unreachable(down, pause);
                    }
                },
                ConnectionState::Up { session, .. } => {
                    let said = session.next().await;
                    return self.on_said(said);
                }
            }
        }
    }

    /// The next event that needs no waiting for, if there is one.
    pub fn next_now(&mut self) -> Option<ConnectionEvent> {
        match &mut self.state {
            ConnectionState::Up { session, .. } => {
                let said = session.next_now()?;
                Some(self.on_said(said))
            }
            ConnectionState::Down { .. } | ConnectionState::Connecting { .. } => None,
        }
    }

    fn on_said(&mut self, said: Result<Incoming, Down>) -> ConnectionEvent {
        match said {
            Ok(incoming) => {
                if let ConnectionState::Up { heard, .. } = &mut self.state {
                    *heard |= is_message(&incoming);
                }
                ConnectionEvent::Incoming(incoming)
            }
            Err(down) => {
                let down = self.suspect_another_client(down);
                let pause = self.fall(down.kind);
                ConnectionEvent::Lost(down, pause)
            }
        }
    }

    /// Ends the connection at once; the broker keeps what we have not acknowledged. Says whether
    /// there was one.
    pub fn let_go(&mut self) -> bool {
        let was_up = matches!(self.state, ConnectionState::Up { .. });
        self.state = ConnectionState::Down { retry_at: Instant::now() };
        was_up
    }

    /// Sends what is queued, says goodbye, and is done.
    pub async fn disconnect(&mut self) {
        let state =
            std::mem::replace(&mut self.state, ConnectionState::Down { retry_at: Instant::now() });
        if let ConnectionState::Up { session, .. } = state {
            session.disconnect().await;
        }
    }

    /// A broker that closes connections one after the other right after it accepted them is most
    /// likely serving another client under our client id.
    fn suspect_another_client(&mut self, down: Down) -> Down {
        let cut_short = match &self.state {
            ConnectionState::Up { since, heard, .. } => {
                down.kind == DownKind::Closed && !heard && since.elapsed() < CUT_SHORT_WITHIN
            }
            ConnectionState::Down { .. } | ConnectionState::Connecting { .. } => false,
        };
        self.cut_short = if cut_short { self.cut_short + 1 } else { 0 };
        if self.cut_short < CUT_SHORT_MAX {
            return down;
        }
        self.cut_short = 0;
        let message = format!(
            "the broker closed {CUT_SHORT_MAX} connections in a row right after it had accepted \
             them: another client probably uses our client id ({}); give each its own \
             mqtt.client_id. Trying again in a minute",
            self.broker.session_name()
        );
        Down { kind: DownKind::TakenOver, message }
    }

    /// The connection is gone: notes when to try again.
    fn fall(&mut self, kind: DownKind) -> Duration {
        if let ConnectionState::Up { since, session, .. } = &self.state {
            self.ended = Some(session.liveness());
            if since.elapsed() >= PROVEN_AFTER {
                self.attempt = 0;
            }
        }
        self.attempt = self.attempt.saturating_add(1);
        let jitter = (self.world.jitter)();
        let mut pause = backoff(self.pause_min, self.pause_max, self.attempt, jitter);
        if kind == DownKind::TakenOver {
            pause = pause.max(TAKEN_OVER_PAUSE);
        }
        self.state = ConnectionState::Down { retry_at: Instant::now() + pause };
        pause
    }
}

/// A message of another client, not the broker's own count.
fn is_message(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Delivery(delivery, _) if delivery.topic != DROPPED_TOPIC)
}

impl<B: Broker> std::fmt::Debug for BrokerConnection<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerConnection").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
