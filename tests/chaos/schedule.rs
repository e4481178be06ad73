//! The strikes of a run, in order: drawn from a seed, read from text, or written down in a test.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::plan::Plan;
use super::strike::{ACTORS, RELOADED, Strike, Taking, Trouble};
use crate::support::random::Random;

/// Strikes a minute, on average; each may overlap with others.
const STRIKES_A_MINUTE: f64 = 20.0;
/// The beginning of a run is left alone, so that there is something in the database.
const QUIET_MS: u64 = 3_000;
const LASTS_MIN_MS: u64 = 200;
const LASTS_MAX_MS: u64 = 8_000;
/// How long a recorder that was killed or stopped is away.
const RECORDER_AWAY_MAX_MS: u64 = 3_000;
/// How long a broker that was killed or stopped is away.
const BROKER_AWAY_MAX_MS: u64 = 4_000;

/// Kinds of trouble, each as often as its weight says.
const WEIGHTS: [(u32, Draw); 20] = [
    (14, |_| Trouble::KillRecorder),
    (6, |_| Trouble::StopRecorder),
    (5, |_| Trouble::FreezeRecorder),
    (3, |_| Trouble::TakeOver),
    (3, |_| Trouble::Rival),
    (4, |random| match random.below(RELOADED.len() + 1) {
        0 => Trouble::Reload(None),
        place => Trouble::Reload(Some(place - 1)),
    }),
    (5, |random| Trouble::Panic(random.below(ACTORS.len()))),
    (4, |random| Trouble::Hang(random.below(ACTORS.len()))),
    (6, |_| Trouble::Lock),
    (9, |_| Trouble::StopBroker),
    (4, |_| Trouble::FreezeBroker),
    (6, |random| Trouble::Delay([60, 250, 541, 541][random.below(4)])),
    (4, |random| Trouble::Slow([2_000, 8_000, 30_000][random.below(3)])),
    (5, |_| Trouble::Cut),
    (5, |random| match random.below(3) {
        0 => Trouble::HalfOpen { up: true, down: true },
        1 => Trouble::HalfOpen { up: true, down: false },
        _ => Trouble::HalfOpen { up: false, down: true },
    }),
    (4, |_| Trouble::Refuse),
    (4, |_| Trouble::Stall),
    (8, |random| Trouble::Take(taking(random))),
    (5, |_| Trouble::FullDisk),
    (1, |_| Trouble::FullSpool),
];

type Draw = fn(&mut Random) -> Trouble;

/// Strikes, in the order of their beginnings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule(pub(super) Vec<Strike>);

impl Schedule {
    /// What this plan's seed gives, for as long as the plan says.
    pub(super) fn drawn(plan: &Plan) -> Self {
        let mut random = Random::seeded(plan.seed);
        let length = u64::try_from(plan.length.as_millis()).expect("a run ends");
        let (mut strikes, mut at) = (Vec::new(), QUIET_MS);
        loop {
            at += pause_ms(&mut random);
            if at + LASTS_MIN_MS > length {
                break;
            }
            let trouble = draw(&mut random, plan);
            let lasts = lasts_ms(&mut random, trouble).min(length - at);
            strikes.push(Strike::new(at, lasts, trouble));
            strikes.extend(companion(&mut random, at, lasts, trouble));
        }
        strikes.sort_by_key(|strike| strike.at);
        Self(strikes)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Without the strikes from one place to another.
    pub(super) fn without(&self, from: usize, to: usize) -> Self {
        let kept = self.0.iter().enumerate().filter(|(place, _)| !(from..to).contains(place));
        Self(kept.map(|(_, strike)| *strike).collect())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|strike| writeln!(f, "{strike}"))
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let mut strikes = lines.map(str::parse).collect::<Result<Vec<Strike>, _>>()?;
        strikes.sort_by_key(|strike| strike.at);
        Ok(Self(strikes))
    }
}

/// Exponentially distributed: beginnings are independent of each other.
fn pause_ms(random: &mut Random) -> u64 {
    const FINENESS: usize = 1 << 20;
    let part = (random.below(FINENESS) + 1) as f64 / FINENESS as f64;
    let mean_ms = 60_000.0 / STRIKES_A_MINUTE;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "under a minute")]
    let pause = (-part.ln() * mean_ms) as u64;
    pause
}

fn draw(random: &mut Random, plan: &Plan) -> Trouble {
    let all: u32 = WEIGHTS.iter().map(|(weight, _)| weight).sum();
    let mut place = random.below(all as usize);
    for (weight, draw) in WEIGHTS {
        match place.checked_sub(weight as usize) {
            Some(rest) => place = rest,
            None => {
                let trouble = draw(random);
                let killed = trouble == Trouble::StopBroker && plan.kills_broker;
                let killed = killed && random.below(2) == 0;
                return if killed { Trouble::KillBroker } else { trouble };
            }
        }
    }
    unreachable!("the weights are added up")
}

fn lasts_ms(random: &mut Random, trouble: Trouble) -> u64 {
    let (least, most) = match trouble {
        Trouble::KillRecorder | Trouble::StopRecorder => (0, RECORDER_AWAY_MAX_MS),
        Trouble::Take(Taking { while_dead: true, .. }) => (0, RECORDER_AWAY_MAX_MS),
        Trouble::StopBroker | Trouble::KillBroker => (0, BROKER_AWAY_MAX_MS),
        Trouble::TakeOver
        | Trouble::Reload(_)
        | Trouble::Panic(_)
        | Trouble::Cut
        | Trouble::HalfOpen { .. }
        | Trouble::Take(_) => (0, 0),
        Trouble::FreezeRecorder
        | Trouble::Rival
        | Trouble::Hang(_)
        | Trouble::Lock
        | Trouble::FreezeBroker
        | Trouble::Delay(_)
        | Trouble::Slow(_)
        | Trouble::Refuse
        | Trouble::Stall
        | Trouble::FullDisk
        | Trouble::FullSpool => (LASTS_MIN_MS, LASTS_MAX_MS),
    };
    u64::try_from(random.between(least, most).as_millis()).expect("seconds")
}

fn taking(random: &mut Random) -> Taking {
    let mut flip = || random.below(2) == 0;
    let (is_removed, with_wal) = (flip(), flip());
    Taking { is_removed, with_wal, while_dead: random.below(3) == 0 }
}

/// A second strike within the first, where the two are worse together.
fn companion(random: &mut Random, at: u64, lasts: u64, trouble: Trouble) -> Option<Strike> {
    let within = |random: &mut Random| at + 1 + random.below(lasts.max(1) as usize) as u64;
    let is_wanted = random.below(3) == 0;
    let companion = match trouble {
        Trouble::FullDisk => {
            [Trouble::Take(taking(random)), Trouble::KillRecorder, Trouble::FullSpool]
                [random.below(3)]
        }
        Trouble::Lock => [Trouble::KillRecorder, Trouble::TakeOver][random.below(2)],
        Trouble::FreezeBroker | Trouble::Delay(_) => {
            [Trouble::KillRecorder, Trouble::StopBroker][random.below(2)]
        }
        Trouble::KillRecorder
        | Trouble::StopRecorder
        | Trouble::FreezeRecorder
        | Trouble::TakeOver
        | Trouble::Rival
        | Trouble::Reload(_)
        | Trouble::Panic(_)
        | Trouble::Hang(_)
        | Trouble::StopBroker
        | Trouble::KillBroker
        | Trouble::Slow(_)
        | Trouble::Cut
        | Trouble::HalfOpen { .. }
        | Trouble::Refuse
        | Trouble::Stall
        | Trouble::Take(_)
        | Trouble::FullSpool => return None,
    };
    let begin = within(random);
    let lasts = lasts_ms(random, companion);
    is_wanted.then(|| Strike::new(begin, lasts, companion))
}

#[test]
fn a_schedule_can_be_read_back_from_its_text() {
    let plan = Plan { length: Duration::from_secs(1_800), kills_broker: true, ..Plan::seeded(7) };
    let drawn = Schedule::drawn(&plan);
    assert!((400..900).contains(&drawn.len()), "{} strikes in half an hour", drawn.len());
    assert_eq!(drawn.to_string().parse::<Schedule>().as_ref(), Ok(&drawn));
    assert_eq!(Schedule::drawn(&plan), drawn, "the same seed, the same strikes");
}
