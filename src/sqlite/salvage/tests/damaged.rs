//! A table of damages: what lies on whole pages comes over, exactly once, as it was; the rest is told of.

use std::fs;

use rusqlite::Connection;

use super::bench::{Bench, Salvaged, noise};

const PAGE: usize = 4096;

/// How many rows may be missing.
enum Missing {
    None,
    /// No more than the damaged pages held.
    AtMost(usize),
}

/// Damages a new source, salvages it twice, and holds both against what was there.
fn check(case: &str, in_wal: i64, damage: impl Fn(&Bench) -> Missing) -> Salvaged {
    let bench = Bench::new(4000, in_wal);
    let missing = damage(&bench);
    let salvaged = bench.salvage("straight.db");
    salvaged.assert_true_to(&bench.rows, case);
    let count = salvaged.missing(&bench.rows);
    match missing {
        Missing::None => assert_eq!(count, 0, "{case}: {:?}", salvaged.report),
        Missing::AtMost(most) => assert!(count <= most, "{case}: {count} of {most} are missing"),
    }
    let interrupted = bench.salvage_with_interruptions("interrupted.db");
    interrupted.assert_same_as(&salvaged, case);
    salvaged
}

/// How many rows lie on these pages.
fn rows_on(bench: &Bench, pages: &[u32]) -> usize {
    let leaves = bench.leaves();
    pages.iter().filter_map(|page| leaves.get(page)).map(Vec::len).sum()
}

fn at(page: u32) -> usize {
    (page as usize - 1) * PAGE
}

#[test]
fn a_healthy_file_comes_over_whole() {
    let salvaged = check("healthy", 0, |_| Missing::None);
    assert_eq!(salvaged.report.lost, []);
    assert_eq!(salvaged.report.unclear, 0);
    let count = |sql: &str| -> i64 {
        salvaged.target.query_row(sql, [], |row| row.get(0)).expect("a count")
    };
    assert_eq!(count("SELECT count(*) FROM sensors"), 80);
    assert_eq!(count("SELECT count(*) FROM warm"), 3980);
    assert_eq!(count("SELECT digest FROM barograph_retained"), 77);
    assert_eq!(count("SELECT count(*) FROM barograph_meta WHERE key = 'session'"), 1);
    assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE name IN ('noted', 'idx_notes')"), 2);
    let seq = "SELECT seq FROM sqlite_sequence WHERE name = 'weather_data'";
    assert_eq!(count(seq), 4000);
    // One run for each step: nothing else is among the rows.
    assert!(salvaged.copied.len() < 90, "{:?}", salvaged.copied.len());
}

#[test]
fn what_was_only_in_the_wal_comes_over() {
    check("in the WAL", 1000, |_| Missing::None);
}

#[test]
fn one_leaf_lost_is_the_only_loss() {
    for (case, seed) in [("zeroed leaf", None), ("random leaf", Some(3))] {
        check(case, 0, |bench| {
            let (page, ids) = bench.leaves().into_iter().nth(20).expect("leaves");
            let bytes = seed.map_or_else(|| vec![0; PAGE], |seed| noise(PAGE, seed));
            bench.overwrite(at(page), &bytes);
            Missing::AtMost(ids.len())
        });
    }
}

#[test]
fn a_third_of_all_pages_lost_leaves_the_rest() {
    for seed in 1..5 {
        let salvaged = check("30 % random", 0, |bench| {
            let choice = noise(bench.pages().count as usize, seed);
            let damaged: Vec<u32> =
                (2..=bench.pages().count).filter(|page| choice[*page as usize - 1] < 77).collect();
            let lost = rows_on(bench, &damaged);
            for page in &damaged {
                bench.overwrite(at(*page), &noise(PAGE, u64::from(*page) + seed));
            }
            // A long note is lost with any page of its own.
            Missing::AtMost(lost + 20)
        });
        assert!(!salvaged.report.lost.is_empty());
    }
}

#[test]
fn leaves_below_a_lost_inner_page_are_found() {
    check("inner pages", 0, |bench| {
        let inner = bench.inner_pages();
        assert!(!inner.is_empty());
        for page in inner {
            bench.overwrite(at(page), &noise(PAGE, 9));
        }
        Missing::None
    });
}

#[test]
fn a_file_without_its_header_is_no_database_and_comes_over_all_the_same() {
    for in_wal in [0, 1000] {
        let salvaged = check("header", in_wal, |bench| {
            bench.overwrite(0, &noise(100, 5));
            Missing::None
        });
        assert_eq!(salvaged.report.unclear, 0);
        // The session, and that no new row gets an old id.
        let count = |sql: &str| -> i64 {
            salvaged.target.query_row(sql, [], |row| row.get(0)).expect("a count")
        };
        assert_eq!(count("SELECT count(*) FROM barograph_meta WHERE key = 'session'"), 1);
        assert!(count("SELECT seq FROM sqlite_sequence WHERE name = 'weather_data'") >= 4000);
    }
}

#[test]
fn rows_that_were_deleted_stay_deleted() {
    type DamageFn = fn(&Bench);
    let damages: [(&str, DamageFn); 3] = [
        ("none", |_| {}),
        ("header", |bench| bench.overwrite(0, &noise(100, 5))),
        ("inner pages", |bench| {
            bench.inner_pages().into_iter().for_each(|page| bench.overwrite(at(page), &[9; PAGE]));
        }),
    ];
    for (case, damage) in damages {
        let mut bench = Bench::new(4000, 0);
        let conn = Connection::open(&bench.source).expect("the source");
        conn.execute_batch(
            "DELETE FROM weather_data WHERE id < 2000; PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .expect("a deletion");
        drop(conn);
        bench.rows.retain(|(table, id), _| table != "weather_data" || *id >= 2000);
        damage(&bench);
        let salvaged = bench.salvage("target.db");
        salvaged.assert_true_to(&bench.rows, case);
        assert_eq!(salvaged.missing(&bench.rows), 0, "{case}");
    }
}

#[test]
fn a_file_without_its_beginning_is_read_by_the_shapes_of_our_tables() {
    let salvaged = check("first 8 pages", 0, |bench| {
        let first: Vec<u32> = (1..=8).collect();
        bench.overwrite(0, &noise(8 * PAGE, 6));
        let others = bench.rows.keys().filter(|(table, _)| table == "notes");
        Missing::AtMost(rows_on(bench, &first) + others.count() + 80)
    });
    let weather = salvaged.rows.keys().filter(|(table, _)| table == "weather_data").count();
    assert!(weather > 3900, "{weather}");
}

#[test]
fn a_file_cut_short_gives_what_is_left_of_it() {
    // Within a page SQLite would read zeros for the rest of it.
    for within_page in [0, 1, 2000, 4000] {
        cut_short(within_page);
    }
}

fn cut_short(within_page: usize) {
    check("60 %", 0, |bench| {
        let bytes = fs::read(&bench.source).expect("the source");
        let kept = bytes.len() * 6 / 10 / PAGE * PAGE + within_page;
        let pages = u32::try_from(bytes.len() / PAGE).expect("few");
        let gone: Vec<u32> = (u32::try_from(kept / PAGE).expect("few") + 1..=pages).collect();
        let lost = rows_on(bench, &gone);
        fs::write(&bench.source, &bytes[..kept]).expect("the source");
        Missing::AtMost(lost + 20)
    });
}

#[test]
fn an_empty_file_with_all_in_its_wal_loses_nothing() {
    let salvaged = check("empty, with WAL", 4000, |bench| {
        fs::write(&bench.source, b"").expect("the source");
        Missing::AtMost(0)
    });
    assert!(salvaged.rows.len() > 6000);
}

#[test]
fn a_file_of_noise_gives_nothing_and_says_so() {
    let salvaged = check("noise", 0, |bench| {
        let length = fs::metadata(&bench.source).expect("the source").len();
        let length = usize::try_from(length).expect("small");
        fs::write(&bench.source, noise(length, 8)).expect("the source");
        Missing::AtMost(bench.rows.len())
    });
    assert_eq!(salvaged.rows.len(), 0);
}

#[test]
fn the_source_is_not_changed() {
    let bench = Bench::new(400, 100);
    let read =
        || (fs::read(&bench.source).ok(), fs::read(super::bench::beside(&bench.source)).ok());
    let before = read();
    bench.salvage("target.db");
    assert!(read() == before);
}
