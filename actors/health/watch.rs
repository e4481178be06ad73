//! What only the passing of time shows: a sensor that fell silent, a clock that jumped, messages
//! that wait and do not become durable. Pure: `HealthActor` looks at intervals and passes in what it
//! sees.

use std::time::Duration;

use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;

/// One route's silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    after: Duration,
    state: RouteHearing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RouteHearing {
    /// Nothing is known of what an earlier life told.
    Unknown,
    Heard,
    SilentSince(UnixMillis),
}

/// What a look at a route shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceChange {
    /// It has said nothing since then.
    Fell(UnixMillis),
    /// It spoke again then. The silence before it, if there was one, began then.
    Broke {
        /// When it spoke.
        at: UnixMillis,
        /// When the silence had begun; `None`: perhaps there was none.
        since: Option<UnixMillis>,
    },
    /// We can no longer hear it: whether it is silent is not known from then on.
    Lost(UnixMillis),
}

impl Silence {
    /// How long it may say nothing.
    pub fn after(&self) -> Duration {
        self.after
    }

    /// A route that should say something at least this often.
    pub fn new(after: Duration) -> Self {
        Self { after, state: RouteHearing::Unknown }
    }

    /// Looks. `connected`: since when the broker has been connected; `Err`: since when not.
    pub fn look(
        &mut self,
        now: Moment,
        connected: Result<Moment, UnixMillis>,
        heard: Option<Moment>,
    ) -> Option<SilenceChange> {
        let connected = match connected {
            Ok(since) => since,
            Err(since) => return self.lose(since),
        };
        let heard_here = heard.filter(|heard| heard.steady >= connected.steady);
        let last = heard_here.unwrap_or(connected);
        if now.since(last) >= self.after {
            return match self.state {
                RouteHearing::SilentSince(_) => None,
                RouteHearing::Unknown | RouteHearing::Heard => {
                    self.state = RouteHearing::SilentSince(last.wall);
                    Some(SilenceChange::Fell(last.wall))
                }
            };
        }
        let heard = heard_here?;
        match std::mem::replace(&mut self.state, RouteHearing::Heard) {
            RouteHearing::Heard => None,
            RouteHearing::Unknown => Some(SilenceChange::Broke { at: heard.wall, since: None }),
            RouteHearing::SilentSince(since) => {
                Some(SilenceChange::Broke { at: heard.wall, since: Some(since) })
            }
        }
    }

    /// Since when nothing has come, while it is silent.
    pub fn silent_since(&self) -> Option<UnixMillis> {
        match self.state {
            RouteHearing::SilentSince(since) => Some(since),
            RouteHearing::Unknown | RouteHearing::Heard => None,
        }
    }

    fn lose(&mut self, since: UnixMillis) -> Option<SilenceChange> {
        match std::mem::replace(&mut self.state, RouteHearing::Heard) {
            RouteHearing::SilentSince(_) => Some(SilenceChange::Lost(since)),
            RouteHearing::Unknown => {
                self.state = RouteHearing::Unknown;
                None
            }
            RouteHearing::Heard => None,
        }
    }
}

/// Difference between the clocks, from look to look, that counts as a jump. Slewing by NTP stays far
/// below it, and a busy machine delays both clocks alike.
const JUMP_MIN: Duration = Duration::from_secs(2);

/// The wall clock beside the steady one.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockWatch {
    last: Option<Moment>,
}

/// The wall clock jumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// What it showed before, with the time that really passed since.
    pub expected: UnixMillis,
    /// What it shows now.
    pub shows: UnixMillis,
}

impl ClockWatch {
    /// Looks at both clocks.
    pub fn look(&mut self, now: Moment) -> Option<ClockJump> {
        let last = self.last.replace(now)?;
        let passed = i64::try_from(now.since(last).as_millis()).unwrap_or(i64::MAX);
        let expected = UnixMillis(last.wall.0.saturating_add(passed));
        let off = expected.0.abs_diff(now.wall.0);
        (u128::from(off) >= JUMP_MIN.as_millis()).then_some(ClockJump { expected, shows: now.wall })
    }
}

/// Messages that wait, and nothing that becomes durable.
#[derive(Debug, Clone, Copy, Default)]
pub struct StallWatch {
    waiting_since: Option<Moment>,
    /// While something waits: since when nothing has become durable.
    since: Option<Moment>,
    told: bool,
}

impl StallWatch {
    /// While something waits: since when nothing has become durable.
    pub fn since(&self) -> Option<Moment> {
        self.since
    }

    /// Looks; answers once for each stretch, with how long it has lasted.
    pub fn look(
        &mut self,
        now: Moment,
        waits: bool,
        durable: Option<Moment>,
        limit: Duration,
    ) -> Option<Duration> {
        if !waits {
            *self = Self::default();
            return None;
        }
        let waiting = *self.waiting_since.get_or_insert(now);
        let since = durable.filter(|at| at.steady > waiting.steady).unwrap_or(waiting);
        self.since = Some(since);
        let lasted = now.since(since);
        if lasted < limit {
            self.told = false;
            return None;
        }
        (!std::mem::replace(&mut self.told, true)).then_some(lasted)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// So many seconds after the beginning, by a wall clock that is ahead by so many.
    fn at(began: Instant, seconds: u64, ahead: i64) -> Moment {
        let wall = UnixMillis(1_000 * (i64::try_from(seconds).expect("small") + ahead));
        Moment { wall, steady: began + Duration::from_secs(seconds) }
    }

    #[test]
    fn a_sensor_that_falls_silent_is_told_of_once_and_again_when_it_speaks() {
        let began = Instant::now();
        let at = |seconds| at(began, seconds, 0);
        let mut silence = Silence::new(Duration::from_secs(10));
        let connected = Ok(at(0));
        let broke = |at, since| Some(SilenceChange::Broke { at, since });
        assert_eq!(silence.look(at(1), connected, Some(at(1))), broke(at(1).wall, None));
        assert_eq!(silence.look(at(10), connected, Some(at(1))), None);
        assert_eq!(
            silence.look(at(11), connected, Some(at(1))),
            Some(SilenceChange::Fell(at(1).wall))
        );
        assert_eq!(silence.look(at(50), connected, Some(at(1))), None);
        let again = silence.look(at(60), connected, Some(at(59)));
        assert_eq!(again, broke(at(59).wall, Some(at(1).wall)));
    }

    #[test]
    fn a_recorder_that_hears_nobody_calls_nobody_silent() {
        let began = Instant::now();
        let at = |seconds| at(began, seconds, 0);
        let mut silence = Silence::new(Duration::from_secs(10));
        for seconds in 0..100 {
            assert_eq!(silence.look(at(seconds), Err(at(0).wall), None), None);
        }
        let connected = Ok(at(100));
        assert_eq!(silence.look(at(109), connected, None), None, "it is heard of for 9 s only");
        assert_eq!(silence.look(at(110), connected, None), Some(SilenceChange::Fell(at(100).wall)));
        assert_eq!(
            silence.look(at(120), Err(at(119).wall), None),
            Some(SilenceChange::Lost(at(119).wall))
        );
        assert_eq!(silence.look(at(121), Err(at(119).wall), None), None);
    }

    #[test]
    fn a_wall_clock_that_is_set_is_noticed_in_both_directions_and_once() {
        let began = Instant::now();
        let mut clock = ClockWatch::default();
        assert_eq!(clock.look(at(began, 0, 0)), None);
        assert_eq!(clock.look(at(began, 60, 1)), None, "a second in a minute is drift");
        let jump = clock.look(at(began, 61, 3_601)).expect("an hour");
        assert_eq!((jump.expected, jump.shows), (UnixMillis(62_000), UnixMillis(3_662_000)));
        assert_eq!(clock.look(at(began, 62, 3_601)), None);
        let back = clock.look(at(began, 63, 0)).expect("an hour back");
        assert!(back.shows < back.expected);
    }

    #[test]
    fn what_waits_too_long_is_told_of_once_until_something_is_durable_again() {
        let began = Instant::now();
        let at = |seconds| at(began, seconds, 0);
        let limit = Duration::from_secs(60);
        let mut stall = StallWatch::default();
        assert_eq!(stall.look(at(0), false, None, limit), None);
        assert_eq!(stall.look(at(100), true, Some(at(1)), limit), None, "it waits since now");
        assert_eq!(stall.look(at(159), true, Some(at(1)), limit), None);
        assert_eq!(stall.look(at(160), true, Some(at(1)), limit), Some(limit));
        assert_eq!(stall.look(at(161), true, Some(at(1)), limit), None);
        assert_eq!(stall.look(at(170), true, Some(at(169)), limit), None);
        assert_eq!(stall.look(at(229), true, Some(at(169)), limit), Some(limit));
    }
}
