//! What a run is made of: the seed, the length, the messages, the broker, the program.

use std::env;
use std::str::FromStr;
use std::time::Duration;

use crate::support::recorder::Build;

/// Of what QoS the messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qos {
    /// A stream of each of 1 and 2.
    Mix,
    Only(u8),
}

/// The settings of one run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// How long strikes are drawn for.
    pub(super) length: Duration,
    pub(super) qos: Qos,
    /// The recorder speaks MQTT 5.
    pub(super) is_five: bool,
    /// The broker is as Debian ships it, and drops what it has no room for.
    pub(super) is_stock: bool,
    /// The broker is also killed with -9.
    pub(super) kills_broker: bool,
    /// Messages a second while it is calm, all streams together.
    pub(super) rate: u32,
    /// A stream of readings that repeat themselves is part of it.
    pub(super) repeats: bool,
    /// The recorder that is struck.
    pub(super) build: Build,
}

impl Plan {
    /// What a run by hand is by default.
    pub(super) fn seeded(seed: u64) -> Self {
        Self {
            seed,
            length: Duration::from_secs(240),
            qos: Qos::Mix,
            is_five: false,
            is_stock: false,
            kills_broker: false,
            rate: 800,
            repeats: true,
            build: Build::right(),
        }
    }

    /// As the environment variables `BAROGRAPH_CHAOS_…` say; scripts/chaos sets them.
    pub(super) fn from_environment() -> Self {
        let minutes: f64 = variable("MINUTES").unwrap_or(4.0);
        let broker: String = variable("BROKER").unwrap_or_else(|| "sample".to_owned());
        assert!(["sample", "stock"].contains(&broker.as_str()), "the broker is sample or stock");
        let qos: String = variable("QOS").unwrap_or_else(|| "mix".to_owned());
        let defaults = Self::seeded(variable("SEED").unwrap_or_else(rand::random));
        Self {
            length: Duration::from_secs_f64(minutes * 60.0),
            qos: match qos.as_str() {
                "mix" => Qos::Mix,
                "0" | "1" | "2" => Qos::Only(qos.parse().expect("a digit")),
                _ => panic!("QoS {qos:?}: expected mix, 0, 1 or 2"),
            },
            is_five: variable("MQTT") == Some(5),
            is_stock: broker == "stock",
            kills_broker: is_set("SIGKILL_BROKER"),
            rate: variable("RATE").unwrap_or(defaults.rate),
            build: variable("PROGRAM").map_or_else(Build::right, Build::at),
            ..defaults
        }
    }

    /// The words of the table: seed, QoS, MQTT version, broker.
    pub(super) fn words(&self) -> String {
        let qos = match self.qos {
            Qos::Mix => "1+2".to_owned(),
            Qos::Only(qos) => qos.to_string(),
        };
        let broker = if self.is_stock { "stock" } else { "sample" };
        let kill = if self.kills_broker { "+kill" } else { "" };
        format!("{} {qos} {} {broker}{kill}", self.seed, if self.is_five { 5 } else { 4 })
    }
}

/// The value of an environment variable that scripts/chaos sets; none where it is not set or empty.
pub(super) fn variable<T: FromStr>(name: &str) -> Option<T> {
    let name = format!("BAROGRAPH_CHAOS_{name}");
    let value = env::var(&name).ok().filter(|value| !value.is_empty())?;
    let parsed = value.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{name}={value:?} cannot be understood")))
}

/// Whether such a variable is set to something other than 0.
pub(super) fn is_set(name: &str) -> bool {
    variable::<String>(name).is_some_and(|value| value != "0")
}
