//! What no message reports: `HealthActor` looks at intervals, and reports what it sees in log,
//! events and gaps.

use std::time::Duration;

use tracing::{info, warn};

use super::HealthActor;
use crate::health::watch::{ClockJump, SilenceChange};
use crate::message::children::MQTT;
use crate::message::delivery::UnixMillis;
use crate::message::event;
use crate::message::moment::Moment;
use crate::message::note::{GapCause, Note};
use crate::status::freeze::{self, FREEZE_MIN};
use crate::status::mode::Heard;
use crate::status::{BrokerState, Connection, Hearing, Published};
use crate::supervisor::Pulse;

impl HealthActor {
    pub(super) fn look_around(&mut self) {
        freeze::look(&self.setup.published, self.setup.world);
        let now = self.now();
        if let Some(jump) = self.memory.clock.look(now) {
            self.memory.jump = Some((now, jump));
            self.say_jump(jump);
        }
        self.look_for_silence(now);
        self.look_for_hang(now);
        let (published, limit) = (&self.setup.published, self.setup.limits.no_write_issue_after);
        let waits = published.held() > 0;
        let durable = published.last_seen().last_durable();
        if let Some(lasted) = self.memory.stall.look(now, waits, durable, limit) {
            let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
            let told = format!(
                "messages wait, and for {lasted} nothing has become durable: look at the disk and \
                 at the process that locks the database; nothing is acknowledged meanwhile"
            );
            warn!(event = event::NO_WRITES, "{told}");
            published.note(event::NO_WRITES, now.wall, told);
            self.hear(Heard::Stalled);
        }
    }

    fn say_jump(&self, ClockJump { expected, shows }: ClockJump) {
        let by = Duration::from_millis(expected.0.abs_diff(shows.0));
        let by = humantime::format_duration(by);
        let direction = if shows > expected { "forward" } else { "back" };
        let told = format!(
            "the wall clock went {direction} by {by}, from {expected} to {shows} UTC (it was set, \
             or the machine slept): times of arrival before and after are not comparable"
        );
        warn!(event = event::CLOCK_JUMP, "{told}");
        let published = &self.setup.published;
        published.note(event::CLOCK_JUMP, shows, told.clone());
        let (from, to) = (expected.min(shows), expected.max(shows));
        published.remember(Note::gap_opened(GapCause::ClockJump, None, from, told));
        published.remember(Note::gap_closed(GapCause::ClockJump, None, to));
    }

    /// A broker session that makes no step receives nothing; a process that stood still is told of as such.
    fn look_for_hang(&mut self, now: Moment) {
        let published = &self.setup.published;
        let silent = published.pulses().get(MQTT).map_or(Duration::ZERO, Pulse::since_last_beat);
        let hangs = silent > FREEZE_MIN
            && !published.is_waking(now)
            && published.tree.read(|tree| tree.is_running(MQTT));
        if hangs == std::mem::replace(&mut self.memory.session_hangs, hangs) {
            return;
        }
        let silent_ms = i64::try_from(silent.as_millis()).unwrap_or(i64::MAX);
        published.remember(match hangs {
            true => {
                let from = UnixMillis(now.wall.0.saturating_sub(silent_ms));
                let told = format!(
                    "the broker session of the recorder has made no step since {from} UTC: what is published \
                     at QoS 0 meanwhile may be missing; at QoS 1 and 2 the broker keeps it"
                );
                Note::gap_opened(GapCause::Frozen, None, from, told)
            }
            false => Note::gap_closed(GapCause::Frozen, None, now.wall),
        });
    }

    fn look_for_silence(&mut self, now: Moment) {
        let published = self.setup.published.clone();
        let BrokerState { connection, hearing, .. } = published.broker.get();
        let connected = match connection {
            // A deaf recorder calls no sensor silent.
            Connection::Up(_) if hearing.deaf.is_some() => Err(now.wall),
            Connection::Up(since) => {
                // The wall's time of it may have been set since; this life saw it begin then.
                let known = self.connected.filter(|at| at.wall == since);
                let at = known.unwrap_or(Moment { wall: since, steady: now.steady });
                self.connected = Some(at);
                Ok(at)
            }
            Connection::Down(since, _) => Err(since),
            Connection::Starting => return,
        };
        for (name, (route, silence)) in &mut self.memory.silences {
            let heard = published.last_seen().last_heard(*route);
            if let Some(change) = silence.look(now, connected, heard) {
                say_silence(&published, name, change, now, &hearing);
            }
        }
    }
}

fn say_silence(
    published: &Published,
    route: &str,
    change: SilenceChange,
    now: Moment,
    hearing: &Hearing,
) {
    let name = || Some(route.to_owned());
    let closed = |to| Note::gap_closed(GapCause::RouteSilent, name(), to);
    match change {
        SilenceChange::Fell(since) => {
            let told = format!(
                "nothing has come for {route} since {since} UTC, although broker and recorder \
                work{}: look at the sensor, and at its topic",
                hearing.proof()
            );
            warn!(event = event::ROUTE_SILENT, route, "{told}");
            published.note(event::ROUTE_SILENT, now.wall, told.clone());
            published.remember(Note::gap_opened(GapCause::RouteSilent, name(), since, told));
        }
        SilenceChange::Broke { at, since } => {
            if let Some(since) = since {
                let told = format!(
                    "messages of {route} arrive again; none had come since {since} \
                     UTC"
                );
                info!(event = event::ROUTE_HEARD, route, "{told}");
                published.note(event::ROUTE_HEARD, now.wall, told);
            }
            published.remember(closed(at));
        }
        SilenceChange::Lost(at) => published.remember(closed(at)),
    }
}
