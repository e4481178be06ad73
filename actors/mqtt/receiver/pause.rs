//! A pause: a person wants nothing received for a while. What is in hand is committed and
//! acknowledged, the broker hears a goodbye and keeps the session, and what comes until the end of
//! the pause.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::info;

use super::Receiver;
use crate::health::actor::ConnectionChanged;
use crate::message::event;
use crate::message::note::{GapCause, Note};
use crate::ports::Broker;
use crate::status::{Connection, Published};

/// How long what is in hand may take to be committed; what is not by then is kept in memory, and not
/// acknowledged.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// Where a pause is.
#[derive(Debug)]
pub(super) enum Pause {
    /// There is none.
    None,
    /// Nothing is read any more, and what is in hand is committed, until then at most. These want to
    /// know when it is done.
    Leaving { until: Instant, told: Vec<oneshot::Sender<()>> },
    /// There is no connection, and none is made.
    Away,
    /// It is over, and there has been no connection since.
    Over,
}

impl Pause {
    /// A life begins: the pause survives the life before.
    pub(super) fn of(published: &Published) -> Self {
        match published.broker.read(|broker| broker.paused) {
            Some(_) => Self::Away,
            None => Self::None,
        }
    }

    /// Whether the line is left alone.
    pub(super) fn rests(&self) -> bool {
        match self {
            Self::Leaving { .. } | Self::Away => true,
            Self::None | Self::Over => false,
        }
    }

    /// Whether what is in hand must be committed now.
    pub(super) fn hurries(&self) -> bool {
        matches!(self, Self::Leaving { .. })
    }
}

impl<B: Broker> Receiver<B> {
    pub(super) fn on_pause(&mut self, done: oneshot::Sender<()>) {
        match &mut self.pause {
            Pause::Leaving { told, .. } => return told.push(done),
            Pause::Away => return tell(done),
            Pause::None | Pause::Over => {}
        }
        let now = (self.setup.world.now)();
        let told = "paused by a person: the broker keeps what is published at QoS 1 and 2, QoS 0 is \
            missing; `barograph resume` ends it";
        info!(event = event::PAUSED, "{told}");
        let published = &self.setup.published;
        published.broker.update(|broker| broker.paused = Some(now));
        published.note(event::PAUSED, now, told);
        published.remember(Note::gap_closed(GapCause::BrokerUnreachable, None, now));
        let from = self.silent_since();
        self.setup.published.remember(Note::gap_opened(GapCause::Paused, None, from, told));
        let until = Instant::now() + LEAVE_WITHIN;
        self.pause = Pause::Leaving { until, told: vec![done] };
    }

    pub(super) fn on_resume(&mut self, done: oneshot::Sender<()>) {
        if self.pause.rests() {
            let now = (self.setup.world.now)();
            let told = "a person ended the pause: receiving again";
            info!(event = event::RESUMED, "{told}");
            self.setup.published.broker.update(|broker| broker.paused = None);
            self.setup.published.note(event::RESUMED, now, told);
            self.pause = match std::mem::replace(&mut self.pause, Pause::Over) {
                // The connection is still there, and nothing was missed.
                Pause::Leaving { told, .. } if self.line.session().is_some() => {
                    told.into_iter().for_each(tell);
                    self.end_pause();
                    Pause::None
                }
                Pause::Leaving { told, .. } => {
                    told.into_iter().for_each(tell);
                    Pause::Over
                }
                Pause::Away | Pause::Over | Pause::None => Pause::Over,
            };
        }
        tell(done);
    }

    /// Goes when everything in hand is committed and acknowledged, or when that takes too long.
    pub(super) async fn leave_if_done(&mut self) {
        let Pause::Leaving { until, .. } = &self.pause else { return };
        let (late, empty) = (*until <= Instant::now(), self.window().is_empty());
        let done = empty && self.echo_monitor.answered_all();
        if !(done || late) {
            return;
        }
        self.say_goodbye().await;
        let now = (self.setup.world.now)();
        let why = "paused by a person".to_owned();
        let down = Connection::Down(now, why.clone());
        self.setup.published.broker.update(|broker| broker.connection = down);
        self.setup.health.tell(ConnectionChanged { down: Some(why) });
        if let Pause::Leaving { told, .. } = std::mem::replace(&mut self.pause, Pause::Away) {
            told.into_iter().for_each(tell);
        }
    }

    /// From here on nothing is missed because of a pause.
    pub(super) fn end_pause(&mut self) {
        let now = (self.setup.world.now)();
        self.setup.published.remember(Note::gap_closed(GapCause::Paused, None, now));
    }
}

/// The requester may have gone.
fn tell(done: oneshot::Sender<()>) {
    let _nobody_waits = done.send(());
}
