//! The database file, as everyone else sees it.

use std::time::Duration;

use super::{CheckInput, bytes, critical, spoken, warning};
use crate::status::issue::Finding;

/// A read that takes longer keeps people waiting; a survey that does not come within it is no answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// SQLite begins the WAL anew at some 4 MiB, unless a reader holds it back.
const WAL_LARGE: u64 = 64 << 20;

/// The path leads elsewhere than to the file that is open.
pub(super) fn replaced(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(what) = look.outside.survey().and_then(|survey| survey.replaced.as_deref()) else {
        return Vec::new();
    };
    let path = look.settings.database.path.display();
    let summary = format!("the database {path} was deleted, moved or replaced: {what}");
    let hint = "the writer reopens it by itself and loses nothing that it holds; find the cause, \
         or it will happen again";
    vec![critical("database_replaced", summary, hint)]
}

/// A database began anew, and what an earlier one held is not in it.
pub(super) fn earlier(look: &CheckInput<'_>) -> Vec<Finding> {
    let earlier = look.outside.survey().map(|survey| survey.earlier.as_slice()).unwrap_or_default();
    if earlier.is_empty() {
        return Vec::new();
    }
    let hint = "put the file back while no recorder runs, or copy its rows over, or write them off: barograph \
                account --write-off";
    vec![warning("earlier_database", earlier.join("; "), hint)]
}

/// It does not answer a read.
pub(super) fn unanswered(look: &CheckInput<'_>) -> Vec<Finding> {
    let path = look.settings.database.path.display();
    let id = "database_unanswered";
    let hint = "recording may go on all the same; look at the disk (dmesg), at its load, and at the \
                process that locks the database";
    if let Some(asked) = look.outside.asked
        && look.now.since(asked) > ANSWERS_WITHIN
    {
        let lasted = spoken(look.now.since(asked));
        let summary = format!("the database {path} has not answered a read for {lasted}");
        return vec![warning(id, summary, hint)];
    }
    match look.outside.survey().and_then(|survey| survey.read.as_ref()) {
        None => Vec::new(),
        Some(Ok(took)) if *took <= ANSWERS_WITHIN => Vec::new(),
        Some(Ok(took)) => {
            let took = took.as_secs_f64();
            let summary = format!("the database {path} took {took:.1} s to answer a read");
            vec![warning(id, summary, hint)]
        }
        Some(Err(why)) => {
            vec![critical(id, format!("the database {path} cannot be read: {why}"), hint)]
        }
    }
}

/// Why the writer should open the database anew, if that may help: what a slow disk does not answer, it
/// would not answer the writer either.
pub(crate) fn needs_reopening(look: &CheckInput<'_>) -> Option<String> {
    let survey = look.outside.survey()?;
    match (&survey.replaced, &survey.read) {
        (Some(what), _) => Some(format!("its path no longer leads to the open file ({what})")),
        (None, Some(Err(why))) => Some(format!("it cannot be read ({why})")),
        (None, Some(Ok(_)) | None) => None,
    }
}

/// Its -wal grows, because a reader needs what is in it.
pub(super) fn large_wal(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(survey) = look.outside.survey().filter(|survey| survey.wal > WAL_LARGE) else {
        return Vec::new();
    };
    let path = look.settings.database.path.display();
    let size = bytes(survey.wal);
    let (who, hint) = match &survey.wal_reader {
        Some(reader) => (
            format!("{reader} reads in a transaction that does not end"),
            "end that program, or its transaction; readers must not keep one open",
        ),
        None => (
            "no reader holds it back now".to_owned(),
            "nothing: it becomes small again with the next writes",
        ),
    };
    let summary = format!("the database's {path}-wal has grown to {size}: {who}");
    vec![warning("wal_large", summary, hint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids, survey};
    use crate::health::probes::{ReadFailed, SystemSnapshot};

    #[test]
    fn a_database_that_is_elsewhere_is_reopened() {
        let mut scene = Scene::new();
        scene.surveyed(survey());
        assert!(scene.finds(replaced).is_empty() && needs_reopening(&scene.look()).is_none());
        scene.surveyed(SystemSnapshot { replaced: Some("nothing is there".into()), ..survey() });
        assert_eq!(ids(&scene.finds(replaced)), ["critical database_replaced"]);
        assert!(needs_reopening(&scene.look()).is_some_and(|why| why.contains("nothing is there")));
    }

    #[test]
    fn a_read_is_to_be_answered_within_a_second() {
        let ms = Duration::from_millis;
        let table = [
            (None, None),
            (Some(Ok(ms(1_000))), None),
            (Some(Ok(ms(1_001))), Some("warning database_unanswered")),
            (Some(Err(ReadFailed("I/O error".to_owned()))), Some("critical database_unanswered")),
        ];
        for (read, wanted) in table {
            let mut scene = Scene::new();
            let reopens = matches!(read, Some(Err(_)));
            scene.surveyed(SystemSnapshot { read, ..survey() });
            assert_eq!(ids(&scene.finds(unanswered)).first().copied(), wanted);
            assert_eq!(needs_reopening(&scene.look()).is_some(), reopens);
        }
        let mut scene = Scene::new();
        scene.outside.asked = Some(scene.now());
        scene.passes(1);
        assert!(scene.finds(unanswered).is_empty());
        scene.passes(1);
        assert!(scene.finds(unanswered)[0].summary.ends_with("for 2s"), "no survey comes");
    }

    #[test]
    fn rows_of_an_earlier_database_are_missed_until_they_are_here_or_written_off() {
        let mut scene = Scene::new();
        scene.surveyed(survey());
        assert!(scene.finds(earlier).is_empty());
        let one = "an earlier database of this recorder held 5 rows that are not here".to_owned();
        scene.surveyed(SystemSnapshot { earlier: vec![one], ..survey() });
        let found = scene.finds(earlier);
        assert_eq!(ids(&found), ["warning earlier_database"]);
        assert!(found[0].summary.contains("held 5 rows") && found[0].hint.contains("--write-off"));
    }

    #[test]
    fn the_reader_that_keeps_the_wal_large_is_named() {
        let mut scene = Scene::new();
        scene.surveyed(SystemSnapshot { wal: WAL_LARGE, ..survey() });
        assert!(scene.finds(large_wal).is_empty());
        let wal_reader = Some("pid 7, sqlite3".to_owned());
        scene.surveyed(SystemSnapshot { wal: WAL_LARGE + 1, wal_reader, ..survey() });
        let found = scene.finds(large_wal);
        assert_eq!(ids(&found), ["warning wal_large"]);
        assert!(found[0].summary.contains("grown to 64 MiB: pid 7, sqlite3 reads"), "{found:?}");
    }
}
