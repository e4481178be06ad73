//! The walk alone, as any other SQLite file of ours is read with it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OpenFlags};

use super::bench::{Bench, noise};
use crate::sqlite::salvage::Walk;

const PAGE: usize = 4096;

/// The ids that are read and those told as lost, and how many calls it took.
fn walk(bench: &Bench) -> (BTreeSet<i64>, Vec<(i64, i64)>, usize) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let conn = Connection::open_with_flags(&bench.source, flags).expect("the source");
    let columns = ["id".to_owned(), "humidity".to_owned()];
    let mut walk = Walk::new(&conn, "weather_data", &columns, &columns, None);
    let (mut ids, mut lost) = (BTreeSet::new(), Vec::new());
    for calls in 1.. {
        assert!(calls < 1000, "it does not end");
        let chunk = walk.next(100);
        assert!(chunk.rows.iter().all(|(id, _)| ids.insert(*id)), "a row came twice");
        lost.extend(chunk.lost);
        if chunk.end {
            return (ids, lost, calls);
        }
    }
    unreachable!("the loop returns or fails")
}

/// The leaves of the weather's table, in the order of their rows.
fn leaves(bench: &Bench) -> Vec<(u32, i64, i64)> {
    let conn = Connection::open(&bench.source).expect("the source");
    let sql = "SELECT pageno FROM dbstat WHERE name = 'weather_data' AND pagetype = 'leaf'";
    let mut statement = conn.prepare(sql).expect("dbstat");
    let pages = statement.query_map([], |row| row.get::<_, u32>(0)).expect("pages");
    let rows = bench.leaves();
    let mut leaves: Vec<(u32, i64, i64)> = pages
        .map(|page| page.expect("a page"))
        .map(|page| (page, rows[&page][0], rows[&page][rows[&page].len() - 1]))
        .collect();
    leaves.sort_by_key(|leaf| leaf.1);
    leaves
}

#[test]
fn exactly_the_rows_of_damaged_leaves_are_told_as_lost() {
    // By position among the leaves; 0 is the first, -1 the last.
    let damages: [&[i64]; 6] = [&[], &[10], &[0], &[-1], &[5, 6, 7, 20], &[0, 3, 9, 10, -2, -1]];
    for damage in damages {
        let bench = Bench::new(4000, 0);
        let leaves = leaves(&bench);
        let length = i64::try_from(leaves.len()).expect("few");
        let mut expected: BTreeSet<i64> = (1..=4000).collect();
        for position in damage {
            let at = usize::try_from(position.rem_euclid(length)).expect("an index");
            let (page, first, last) = leaves[at];
            bench.overwrite((page as usize - 1) * PAGE, &noise(PAGE, 11));
            expected.retain(|id| !(first..=last).contains(id));
        }
        let (ids, lost, calls) = walk(&bench);
        assert_eq!(ids, expected, "{damage:?}");
        let is_lost = |id: i64| lost.iter().any(|(first, last)| (*first..=*last).contains(&id));
        assert!((1..=4000).all(|id| is_lost(id) != ids.contains(&id)), "{damage:?}: {lost:?}");
        assert!(calls < 60, "{damage:?}: {calls} calls");
    }
}

#[test]
fn a_table_of_which_nothing_can_be_read_ends_at_once() {
    let bench = Bench::new(4000, 0);
    bench.inner_pages().into_iter().for_each(|page| {
        bench.overwrite((page as usize - 1) * PAGE, &noise(PAGE, 12));
    });
    let (ids, lost, calls) = walk(&bench);
    assert_eq!((ids.len(), lost, calls), (0, vec![(i64::MIN, i64::MAX)], 1));
}
