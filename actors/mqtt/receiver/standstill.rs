//! Stretches in which nothing can be received although this life runs: a start that takes its time, a connection that
//! stands still, the end of the life.

use tokio::time::Instant;

use super::Receiver;
use crate::message::delivery::UnixMillis;
use crate::message::note::{GapCause, Note};
use crate::mqtt::broker_news as news;
use crate::mqtt::stall::{StallChange, StallEnd};
use crate::ports::{Broker, BrokerSession, DownKind, Liveness};

impl<B: Broker> Receiver<B> {
    /// Looks whether the connection is made in time, and whether it stands still.
    pub(super) fn watch_connection(&mut self) {
        if !self.pause.rests() {
            self.note_slow_start();
        }
        let reading = self.may_read();
        let now = Instant::now();
        let Some(liveness) = self.liveness() else { return };
        if self.echo_monitor.is_deaf() {
            // Its gap lasts until something is heard.
            self.stall.end(now, None);
            return;
        }
        match self.stall.look(now, liveness, reading) {
            Some(StallChange::Began(heard)) => {
                news::stalled(&self.setup.published, self.wall_at(heard));
            }
            Some(StallChange::Ended(heard)) => self.end_stall_at(self.wall_at(heard)),
            None => {}
        }
    }

    /// What the connection in force shows of the broker: its answers, and the echo of our own publications.
    fn liveness(&mut self) -> Option<Liveness> {
        let echo = self.echo_monitor.expects_echo().filter(|_| !self.is_held_back());
        let (_, session) = self.line.session()?;
        let Liveness { heard, asked } = session.liveness();
        Some(Liveness { heard, asked: asked.into_iter().chain(echo).min() })
    }

    /// Since when nothing is known to have come, if this life stops reading now.
    pub(super) fn silent_since(&mut self) -> UnixMillis {
        let last = self.liveness();
        self.silent_from(self.stall.clone().end(Instant::now(), last))
    }

    fn silent_from(&self, end: StallEnd) -> UnixMillis {
        match end {
            StallEnd::Silent(heard) => self.wall_at(heard),
            StallEnd::StoodStill | StallEnd::Alive => (self.setup.world.now)(),
        }
    }

    /// By the wall clock.
    fn wall_at(&self, at: Instant) -> UnixMillis {
        let ago = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
        UnixMillis((self.setup.world.now)().0.saturating_sub(ago))
    }

    fn end_stall_at(&self, at: UnixMillis) {
        self.setup.published.remember(Note::gap_closed(GapCause::Deaf, None, at));
    }

    /// The connection is gone (`kind`: how it broke; `None`: we end it), and if it stood still, that has an end. One that
    /// is given up as deaf stays so until something is heard. Gives since when nothing can have been received.
    pub(super) fn end_stall(&mut self, kind: Option<DownKind>) -> UnixMillis {
        let last = match kind {
            Some(_) => self.line.last_liveness(),
            None => self.liveness(),
        };
        let end = self.stall.end(Instant::now(), last);
        if end == StallEnd::StoodStill && kind != Some(DownKind::Deaf) {
            self.end_stall_at((self.setup.world.now)());
        }
        self.silent_from(end)
    }

    /// Before the first connection of the process.
    pub(super) fn note_slow_start(&mut self) {
        if !self.start_noted {
            let now = (self.setup.world.now)();
            self.start_noted = news::starts_slowly(&self.setup.published, now);
        }
    }

    /// From now on this life receives nothing. Without a connection that was noted when it went.
    pub(super) fn note_end(&mut self) {
        if self.line.session().is_some() && !self.end_noted {
            self.end_noted = true;
            let silent_since = self.end_stall(None);
            news::session_ends(&self.setup.published, silent_since);
        }
    }
}
