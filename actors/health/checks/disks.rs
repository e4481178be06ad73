//! Room: on the database's disk, on the spool's, and in the spool itself.
//!
//! | | warning | critical |
//! | --- | --- | --- |
//! | a disk, by what is free | below 256 MiB, or 5 % where that is less | below 64 MiB, or 2 % where that is less |
//! | a disk, by its trend | full within 7 days | full within a day |
//! | the spool | half of `spool.max_size` | 90 % of it |
//!
//! The 64 MiB are `spool.min_free`, the 256 four times that. The shares are for small disks, which are
//! no trouble as long as they do not fill. Where less than `spool.min_free` is left the spool takes
//! nothing: that is at least a warning, however small the disk.

use std::time::Duration;

use super::{CheckInput, Trend, bytes, critical, warning};
use crate::health::probes::DiskSpace;
use crate::status::issue::{Finding, Severity};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// In percent of `spool.max_size`.
const SPOOL_WARNING: u64 = 50;
const SPOOL_CRITICAL: u64 = 90;

/// The disks of database and spool, one if they are the same.
pub(super) fn filling(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(survey) = look.outside.survey() else { return Vec::new() };
    let memory = look.memory;
    let (database, spool) = (survey.database, survey.spool);
    let same = database.map(|disk| disk.device) == spool.map(|disk| disk.device);
    let mut found = Vec::new();
    if let Some(disk) = database {
        let place =
            WatchedDisk { name: "database", is_the_spools: same, trend: &memory.database_disk };
        found.extend(place.judge(look, disk));
    }
    if let Some(disk) = spool.filter(|_| !same) {
        let place = WatchedDisk { name: "spool", is_the_spools: true, trend: &memory.spool_disk };
        found.extend(place.judge(look, disk));
    }
    found
}

struct WatchedDisk<'a> {
    name: &'static str,
    is_the_spools: bool,
    trend: &'a Trend,
}

impl WatchedDisk<'_> {
    fn judge(&self, look: &CheckInput<'_>, disk: DiskSpace) -> Option<Finding> {
        let full_in = self.trend.full_in(look.now.steady, disk.free);
        let min_free = look.settings.spool.min_free;
        let severity = by_room(disk, min_free, self.is_the_spools).max(by_trend(full_in))?;
        let soon = full_in.filter(|full_in| *full_in <= 7 * DAY).map_or(String::new(), |full_in| {
            format!("; at the rate of the last day it is full in {}", about(full_in))
        });
        let name = self.name;
        let (free, size) = (bytes(disk.free), bytes(disk.size));
        let summary = format!("the disk of the {name} has {free} free of {size}{soon}");
        let hint = if self.is_the_spools && disk.free < min_free {
            format!(
                "make room: the spool leaves {} of its disk free (spool.min_free) and takes nothing now; \
                 if the database cannot be written either, messages wait at the broker",
                bytes(min_free)
            )
        } else {
            "make room, or move old rows elsewhere; when it is full messages wait in the spool, if that \
             is on another disk, and then at the broker"
                .to_owned()
        };
        let id = format!("disk_filling:{name}");
        Some(match severity {
            Severity::Warning => warning(id, summary, hint),
            Severity::Critical => critical(id, summary, hint),
        })
    }
}

fn by_room(disk: DiskSpace, min_free: u64, is_the_spools: bool) -> Option<Severity> {
    let critical = min_free.min(disk.size / 50);
    let warning = min_free.saturating_mul(4).min(disk.size / 20);
    if disk.free < critical {
        Some(Severity::Critical)
    } else if disk.free < warning || (is_the_spools && disk.free < min_free) {
        Some(Severity::Warning)
    } else {
        None
    }
}

fn by_trend(full_in: Option<Duration>) -> Option<Severity> {
    match full_in? {
        soon if soon <= DAY => Some(Severity::Critical),
        soon if soon <= 7 * DAY => Some(Severity::Warning),
        _ => None,
    }
}

/// `3 days`, `5 hours`: a trend is no timetable.
fn about(duration: Duration) -> String {
    let hours = duration.as_secs() / 3_600;
    match hours {
        0 => "less than an hour".to_owned(),
        1 => "an hour".to_owned(),
        2..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

/// The spool may take so much.
pub(super) fn filling_spool(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(survey) = look.outside.survey() else { return Vec::new() };
    let max = look.settings.spool.max_size;
    let percent = survey.spool_size.saturating_mul(100) / max.max(1);
    if look.state.storage.spooled == 0 || percent < SPOOL_WARNING {
        return Vec::new();
    }
    let summary = format!(
        "the spool holds {} messages, {} of the {} that it may ({percent} %)",
        look.state.storage.spooled,
        bytes(survey.spool_size),
        bytes(max)
    );
    let hint = "repair the database: the spool then empties into it by itself; [spool] max_size \
                gives it more room; when it is full messages wait at the broker, and QoS 0 is lost \
                and counted";
    let id = "spool_filling";
    let is_critical = percent >= SPOOL_CRITICAL;
    vec![if is_critical { critical(id, summary, hint) } else { warning(id, summary, hint) }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids, survey};
    use crate::health::probes::SystemSnapshot;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn disk(device: u64, free: u64, size: u64) -> Option<DiskSpace> {
        Some(DiskSpace { device, free, size })
    }

    #[test]
    fn what_is_free_is_judged_by_what_is_needed_and_small_disks_by_their_size() {
        let table: [(&str, u64, u64, &[&str]); 8] = [
            ("large, with room", 10 * GIB, 250 * GIB, &[]),
            ("large, 256 MiB", 256 * MIB, 250 * GIB, &[]),
            ("large, less", 255 * MIB, 250 * GIB, &["warning disk_filling:database"]),
            (
                "large, too little for the spool",
                63 * MIB,
                250 * GIB,
                &["critical disk_filling:database"],
            ),
            ("small, half full", 500 * MIB, GIB, &[]),
            (
                "small, the spool takes nothing",
                63 * MIB,
                100 * MIB,
                &["warning disk_filling:database"],
            ),
            ("small, 1 MiB", MIB, 100 * MIB, &["critical disk_filling:database"]),
            ("full", 0, 250 * GIB, &["critical disk_filling:database"]),
        ];
        for (what, free, size, wanted) in table {
            let mut scene = Scene::new();
            let (database, spool) = (disk(1, free, size), disk(1, free, size));
            scene.surveyed(SystemSnapshot { database, spool, ..survey() });
            assert_eq!(ids(&scene.finds(filling)), wanted, "{what}");
        }
    }

    #[test]
    fn two_disks_are_judged_apart() {
        let mut scene = Scene::new();
        let (database, spool) = (disk(1, 10 * GIB, 20 * GIB), disk(2, 10 * MIB, 16 * MIB));
        scene.surveyed(SystemSnapshot { database, spool, ..survey() });
        assert_eq!(ids(&scene.finds(filling)), ["warning disk_filling:spool"]);
        scene.settings.spool.min_free = MIB;
        assert!(scene.finds(filling).is_empty(), "it does not fill");
    }

    #[test]
    fn a_disk_that_fills_is_told_of_a_week_before() {
        let table = [(10, None), (70, Some("warning")), (600, Some("critical"))];
        for (mib_an_hour, wanted) in table {
            let mut scene = Scene::new();
            for hour in 0..=10 {
                scene.at(hour * 3_600);
                let database = disk(1, 10 * GIB - hour * mib_an_hour * MIB, 20 * GIB);
                scene.surveyed(SystemSnapshot { database, ..survey() });
            }
            let found = scene.finds(filling);
            assert_eq!(found.first().map(|it| it.severity.word()), wanted, "{mib_an_hour} MiB/h");
        }
        assert_eq!(about(Duration::from_secs(3 * 86_400 + 5)), "3 days");
    }

    #[test]
    fn a_spool_is_told_of_when_half_of_it_is_used() {
        let mut scene = Scene::new();
        for (mib, wanted) in [(127, None), (128, Some("warning")), (231, Some("critical"))] {
            scene.surveyed(SystemSnapshot { spool_size: mib * MIB, ..survey() });
            scene.state.storage.spooled = 5;
            assert_eq!(scene.finds(filling_spool).first().map(|it| it.severity.word()), wanted);
            scene.state.storage.spooled = 0;
            assert!(scene.finds(filling_spool).is_empty(), "it is being emptied");
        }
    }
}
