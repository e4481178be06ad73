//! What follows from a difference. Pure.

use barograph_actors::message::children::{DB_WRITER, HEALTH, MQTT, STATS, WATCHTOWER};
use barograph_config::{Difference, Part, Settings};

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ReloadPlan {
    /// Actors that begin a new life.
    pub(super) renew: Vec<&'static str>,
    /// The supervisor gets other limits.
    pub(super) supervisor: bool,
    /// Parts that have changed.
    pub(super) parts: Vec<Part>,
}

impl ReloadPlan {
    pub(super) fn of(old: &Settings, new: &Settings, different: &[&Difference]) -> Self {
        let mut plan = Self::default();
        for difference in different {
            if !plan.parts.contains(&difference.part) && !is_for_next_start(difference.part) {
                plan.parts.push(difference.part);
            }
        }
        let mut renew = |children: &[&'static str]| {
            let new = children.iter().filter(|child| !plan.renew.contains(child));
            let new: Vec<_> = new.copied().collect();
            plan.renew.extend(new);
        };
        for part in &plan.parts {
            match part {
                Part::Mqtt => renew(&[MQTT]),
                Part::Watchtower => renew(&[WATCHTOWER]),
                // The data path looks at the commit interval each time.
                Part::Database if writer_is_concerned(old, new) => renew(&[DB_WRITER]),
                Part::Spool | Part::Quarantine => renew(&[DB_WRITER]),
                // The writer's reflex has its limits there.
                Part::Health => renew(&[DB_WRITER, HEALTH]),
                Part::Log if old.log.stats_interval != new.log.stats_interval => renew(&[STATS]),
                Part::Supervisor => plan.supervisor = true,
                Part::Database
                | Part::Log
                | Part::Metrics
                | Part::Alerts
                | Part::Routes
                | Part::Derived
                | Part::Instance
                | Part::DatabasePath
                | Part::SpoolDir => {}
            }
        }
        // The spool decodes, too.
        if old.mqtt.max_packet_size != new.mqtt.max_packet_size {
            renew(&[DB_WRITER]);
        }
        plan
    }
}

fn writer_is_concerned(old: &Settings, new: &Settings) -> bool {
    let of_writer =
        |settings: &Settings| (settings.database.busy_timeout, settings.database.synchronous);
    of_writer(old) != of_writer(new)
}

/// A running recorder stays with its files.
pub(super) fn is_for_next_start(part: Part) -> bool {
    match part {
        Part::Instance | Part::DatabasePath | Part::SpoolDir => true,
        Part::Mqtt
        | Part::Database
        | Part::Spool
        | Part::Health
        | Part::Quarantine
        | Part::Supervisor
        | Part::Log
        | Part::Metrics
        | Part::Watchtower
        | Part::Routes
        | Part::Derived
        | Part::Alerts => false,
    }
}

/// What the routes are concerned with, and all the rest. Derived values that change together with routes wait with them:
/// they may follow from a column that is still to come.
pub(super) fn apart(different: &[Difference]) -> (Vec<&Difference>, Vec<&Difference>) {
    let routes_change = different.iter().any(|difference| difference.part == Part::Routes);
    different.iter().partition(|difference| {
        let waits = difference.part == Part::Derived && routes_change;
        difference.part == Part::Routes || waits
    })
}

/// Sets back what only the next start can change, and says what that is.
pub(super) fn keep_what_cannot_change(
    old: &Settings,
    new: &mut Settings,
    different: &[Difference],
) -> Vec<String> {
    new.instance.clone_from(&old.instance);
    new.database.path.clone_from(&old.database.path);
    new.spool.dir.clone_from(&old.spool.dir);
    let kept = different.iter().filter(|difference| is_for_next_start(difference.part));
    kept.map(|difference| format!("{difference} (takes effect at the next start)")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use barograph_actors::message::route::derive;
    use barograph_config::differences;

    use super::*;

    fn plan(change: impl FnOnce(&mut Settings)) -> ReloadPlan {
        let old = Settings::default_with("attic");
        let mut new = old.clone();
        change(&mut new);
        let different = differences(&old, &new);
        keep_what_cannot_change(&old, &mut new, &different);
        let different: Vec<_> = different.iter().collect();
        ReloadPlan::of(&old, &new, &different)
    }

    #[test]
    fn only_what_changed_begins_anew() {
        assert_eq!(plan(|_| {}), ReloadPlan::default());
        let minute = Duration::from_secs(61);
        assert_eq!(plan(|s| s.mqtt.keep_alive = minute).renew, [MQTT]);
        assert_eq!(plan(|s| s.mqtt.max_packet_size = 2_000_000).renew, [MQTT, DB_WRITER]);
        assert_eq!(plan(|s| s.database.busy_timeout = minute).renew, [DB_WRITER]);
        assert!(plan(|s| s.database.commit_interval = minute).renew.is_empty());
        assert_eq!(plan(|s| s.spool.max_size = 1 << 30).renew, [DB_WRITER]);
        assert_eq!(plan(|s| s.quarantine.max_rows = 1).renew, [DB_WRITER]);
        assert_eq!(plan(|s| s.health.probe_max = minute).renew, [DB_WRITER, HEALTH]);
        assert_eq!(plan(|s| s.log.stats_interval = minute).renew, [STATS]);
        assert!(plan(|s| s.log.level = barograph_config::LogLevel::Debug).renew.is_empty());
        let supervisor = plan(|s| s.supervisor.intensity = 1);
        assert!(supervisor.supervisor && supervisor.renew.is_empty());
    }

    #[test]
    fn derived_values_wait_only_for_other_routes() {
        let old = Settings::default_with("attic");
        let mut new = old.clone();
        new.routes[0].derived.clear();
        let different = differences(&old, &new);
        let (of_routes, others) = apart(&different);
        assert_eq!((of_routes.len(), others.len()), (0, 3), "{different:?}");
        assert!(ReloadPlan::of(&old, &new, &others).renew.is_empty());
        let mut routes = old.routes.clone();
        derive(&mut routes, &new.routes);
        assert!(routes[0].derived.is_empty() && routes[1] == old.routes[1]);
        new.routes[1].silent_after = None;
        let different = differences(&old, &new);
        let (of_routes, others) = apart(&different);
        assert_eq!((of_routes.len(), others.len()), (4, 0), "{different:?}");
    }

    #[test]
    fn a_running_recorder_stays_with_its_files() {
        let old = Settings::default_with("attic");
        let mut new = old.clone();
        new.database.path = "elsewhere.db".into();
        new.instance.lock_file = "elsewhere.lock".into();
        new.spool.dir = "elsewhere".into();
        let different = differences(&old, &new);
        let kept = keep_what_cannot_change(&old, &mut new, &different);
        assert_eq!((kept.len(), new), (3, old));
        assert!(kept.iter().all(|line| line.ends_with("(takes effect at the next start)")));
        assert!(plan(|s| s.database.path = "elsewhere.db".into()).parts.is_empty());
    }
}
