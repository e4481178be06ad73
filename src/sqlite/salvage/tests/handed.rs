//! Sources that are no damaged file, and targets that are not empty.

use std::fs;

use rusqlite::{Connection, ErrorCode};

use super::bench::{Bench, beside, create, drive, fill, make_tables, rows_of};
use crate::sqlite::salvage::{Salvage, SalvageStep, SalvagedValue, Walk};

#[test]
fn the_handle_of_a_deleted_file_gives_all_its_rows_and_leaves_the_new_wal() {
    let bench = Bench::new(100, 0);
    let path = bench.folder.path().join("station.db");
    let handle = create(&path, 900);
    fill(&handle, 900, 1000);
    let rows = rows_of(&handle);
    for name in [path.clone(), beside(&path), path.with_extension("db-shm")] {
        fs::remove_file(name).expect("a file to delete");
    }
    let target = bench.target("station.db");
    let mut salvage = Salvage::of_handle(handle, "station.db, deleted".into());
    let salvaged = drive(target, || None, &mut salvage);
    salvaged.assert_true_to(&rows, "handle");
    assert_eq!(salvaged.missing(&rows), 0);
    drop(salvage);
    assert!(beside(&path).exists(), "the WAL at this path is the new database's");
    let count = "SELECT count(*) FROM weather_data";
    let fresh = Connection::open(&path).expect("the new database");
    assert_eq!(fresh.query_row(count, [], |row| row.get::<_, i64>(0)), Ok(1000));
}

#[test]
fn closing_a_handle_leaves_its_damaged_file_and_the_wal_as_they_were() {
    let bench = Bench::new(100, 0);
    let path = bench.folder.path().join("damaged.db");
    let handle = create(&path, 500);
    let read = || (fs::read(&path).ok(), fs::read(beside(&path)).ok());
    let before = read();
    let mut salvage = Salvage::of_handle(handle, "damaged".into());
    salvage.step(&bench.target("target.db"), 100).expect("a step");
    drop(salvage);
    assert!(before == read());
}

#[test]
fn a_handle_that_died_is_given_up_and_its_rest_told() {
    let bench = Bench::new(100, 0);
    let handle = create(&bench.folder.path().join("gone.db"), 500);
    let target = bench.target("target.db");
    let mut salvage = Salvage::of_handle(handle, "gone".into());
    salvage.begin(&target).expect("begun");
    let mut is_weather = false;
    while !is_weather {
        let SalvageStep::Copied(runs) = salvage.step(&target, 100).expect("a step") else { break };
        is_weather = runs.iter().any(|run| run.table == "weather_data");
    }
    drop(salvage);
    assert_eq!(Salvage::unfinished(&target).expect("a list").len(), 0);
    let reports = Salvage::give_up_handles(&target).expect("a list");
    let said: Vec<String> = reports[0].lost.iter().map(ToString::to_string).collect();
    assert!(said.contains(&"weather_data rows 101 to 500".to_owned()), "{said:?}");
    assert_eq!(Salvage::give_up_handles(&target).expect("a list"), []);
}

#[test]
fn what_is_unfinished_is_remembered_and_finished_only_once() {
    let bench = Bench::new(300, 0);
    let target = bench.target("target.db");
    Salvage::of_file(&bench.source).begin(&target).expect("begun");
    let mut found = Salvage::unfinished(&target).expect("a list");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, bench.source.display().to_string());
    while matches!(found[0].step(&target, 500).expect("a step"), SalvageStep::Copied(_)) {}
    assert_eq!(rows_of(&target), bench.rows);
    assert_eq!(Salvage::unfinished(&target).expect("a list").len(), 0);
    let again = Salvage::of_file(&bench.source).step(&target, 500).expect("a step");
    assert!(matches!(again, SalvageStep::Finished(_)), "{again:?}");
    assert_eq!(rows_of(&target), bench.rows);
}

#[test]
fn new_rows_go_on_above_the_old_ids_and_taken_ids_are_evaded() {
    let bench = Bench::new(400, 0);
    let target = bench.target("target.db");
    let event = "INSERT INTO barograph_quarantine VALUES (3, 'now', NULL, 't', x'', 0, 1, 'r', '')";
    target.execute(event, []).expect("a row");
    let mut salvage = Salvage::of_file(&bench.source);
    salvage.begin(&target).expect("begun");
    let flux = "INSERT INTO magnetic_flux_data (x, y, z) VALUES (1, 2, 3)";
    target.execute(flux, []).expect("a row");
    assert_eq!(target.last_insert_rowid(), 201);
    let mut runs = Vec::new();
    let report = loop {
        match salvage.step(&target, 1000).expect("a step") {
            SalvageStep::Copied(copied) => runs.extend(copied),
            SalvageStep::Finished(report) => break report,
        }
    };
    assert_eq!(report.renumbered, 1);
    let mine = runs.iter().filter(|run| run.table == "barograph_quarantine");
    let mine: Vec<_> = mine.map(|run| (run.first, run.last, run.rows)).collect();
    assert_eq!(mine, [(1, 2, 2), (9, 9, 1), (4, 8, 5)]);
    let rows = rows_of(&target);
    let kept = bench.rows.iter().filter(|(key, _)| key.0 != "barograph_quarantine");
    kept.for_each(|(key, fields)| assert_eq!(rows.get(key), Some(fields)));
    let ours = |id| &rows[&("barograph_quarantine".to_owned(), id)];
    assert_eq!(ours(9)[1..], bench.rows[&("barograph_quarantine".to_owned(), 3)][1..]);
}

#[test]
fn what_the_target_refuses_is_counted_and_columns_it_lacks_are_added() {
    let bench = Bench::new(200, 0);
    let conn = Connection::open(&bench.source).expect("the source");
    conn.execute_batch(
        "ALTER TABLE weather_data ADD COLUMN mood TEXT; UPDATE weather_data SET mood = 'x'",
    )
    .expect("a column");
    drop(conn);
    let target = bench.target("target.db");
    target.execute_batch("CREATE UNIQUE INDEX key ON weather_data (created_at)").expect("a key");
    let row = "INSERT INTO weather_data (id, timestamp, created_at) VALUES (900, 1, '2025-01-01 00:00:000007')";
    target.execute(row, []).expect("a row");
    let mut salvage = Salvage::of_file(&bench.source);
    let salvaged = drive(target, || None, &mut salvage);
    assert_eq!((salvaged.report.refused, salvaged.report.renumbered), (1, 0));
    let count = "SELECT count(*) FROM weather_data WHERE mood = 'x'";
    assert_eq!(salvaged.target.query_row(count, [], |row| row.get::<_, i64>(0)), Ok(199));
}

#[test]
fn tables_of_the_same_shape_are_told_apart_by_their_trees() {
    let bench = Bench::new(100, 0);
    let path = bench.folder.path().join("twins.db.corrupt");
    let conn = Connection::open(&path).expect("a source");
    make_tables(&conn);
    for (name, sign) in [("north", 1.0), ("south", -1.0)] {
        let sql = format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY AUTOINCREMENT, value REAL)");
        conn.execute(&sql, []).expect("a table");
        conn.execute_batch("BEGIN").expect("a transaction");
        for n in 0..2000 {
            let sql = format!("INSERT INTO {name} (value) VALUES (?1)");
            conn.execute(&sql, [sign * f64::from(n)]).expect("a row");
        }
        conn.execute_batch("COMMIT").expect("a commit");
    }
    let rows = rows_of(&conn);
    drop(conn);
    let mut bytes = fs::read(&path).expect("the source");
    bytes[..100].fill(0);
    fs::write(&path, bytes).expect("the source");
    let salvaged = drive(bench.target("target.db"), || None, &mut Salvage::of_file(&path));
    salvaged.assert_true_to(&rows, "twins");
    assert_eq!(salvaged.missing(&rows), 0);
}

#[test]
fn texts_that_are_not_utf_8_come_over_byte_for_byte() {
    let bench = Bench::new(100, 0);
    let conn = Connection::open(&bench.source).expect("the source");
    conn.execute_batch("INSERT INTO notes (text) VALUES (CAST(x'ff00fe41' AS TEXT))")
        .expect("a row");
    let rows = rows_of(&conn);
    drop(conn);
    let salvaged = bench.salvage("target.db");
    let id = ("notes".to_owned(), 3);
    assert_eq!(salvaged.rows[&id][1], SalvagedValue::Text(vec![0xff, 0, 0xfe, 0x41]));
    assert_eq!(salvaged.rows, rows);
}

#[test]
fn a_walk_begins_where_it_is_told_and_stops_where_it_is_full() {
    let conn = Connection::open_in_memory().expect("memory");
    conn.execute_batch(
        "CREATE TABLE t (a); INSERT INTO t (rowid, a) VALUES (-5, 'a'), (3, 'b'), (9, 'c');",
    )
    .expect("rows");
    let columns = ["a".to_owned()];
    let mut walk = Walk::new(&conn, "t", &columns, &columns, None);
    let first = walk.next(2);
    assert_eq!(first.rows.iter().map(|row| row.0).collect::<Vec<_>>(), [-5, 3]);
    assert!(!first.end);
    let mut rest = Walk::new(&conn, "t", &columns, &columns, walk.position());
    let last = rest.next(2);
    assert_eq!(last.rows, [(9, vec![SalvagedValue::Text(b"c".to_vec())])]);
    assert!(last.end && rest.position().is_none());
}

#[test]
fn a_full_disk_is_an_error_and_the_step_can_be_done_again() {
    let bench = Bench::new(2000, 0);
    let mut target = bench.target("target.db");
    let mut salvage = Salvage::of_file(&bench.source);
    salvage.begin(&target).expect("begun");
    let mut refused = 0;
    let mut pages = 60;
    loop {
        target.pragma_update(None, "max_page_count", pages).expect("a limit");
        let tx = target.transaction().expect("a transaction");
        match salvage.step(&tx, 200) {
            Ok(step) => {
                tx.commit().expect("a commit");
                if matches!(step, SalvageStep::Finished(_)) {
                    break;
                }
            }
            Err(error) => {
                assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
                drop(tx);
                refused += 1;
                pages += 10;
            }
        }
    }
    assert!(refused > 3, "{refused}");
    assert_eq!(rows_of(&target), bench.rows);
}

#[test]
fn a_locked_source_is_waited_for_and_not_taken_for_a_damaged_one() {
    let bench = Bench::new(300, 0);
    let conn = Connection::open(&bench.source).expect("the source");
    conn.execute_batch("PRAGMA journal_mode = DELETE").expect("a rollback journal");
    let target = bench.target("target.db");
    let mut salvage = Salvage::of_file(&bench.source);
    salvage.begin(&target).expect("begun");
    conn.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    for _ in 0..20 {
        assert_eq!(salvage.step(&target, 500).expect("a step"), SalvageStep::Copied(Vec::new()));
    }
    conn.execute_batch("ROLLBACK").expect("the end of the lock");
    let report = loop {
        if let SalvageStep::Finished(report) = salvage.step(&target, 500).expect("a step") {
            break report;
        }
    };
    assert_eq!(report.lost, []);
    assert_eq!(rows_of(&target), bench.rows);
}

#[test]
fn parents_come_before_the_rows_that_refer_to_them() {
    let bench = Bench::new(100, 0);
    let conn = Connection::open(&bench.source).expect("the source");
    conn.execute_batch(
        "CREATE TABLE child (id INTEGER PRIMARY KEY, of INTEGER REFERENCES parent (id));
         CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO parent VALUES (7, 'x'); INSERT INTO child VALUES (1, 7);",
    )
    .expect("tables");
    let rows = rows_of(&conn);
    drop(conn);
    let salvaged = bench.salvage("target.db");
    assert_eq!(salvaged.rows, rows);
    assert_eq!(salvaged.report.refused, 0);
}

#[test]
fn a_table_that_cannot_be_made_anew_is_told_of() {
    let bench = Bench::new(100, 0);
    let target = bench.target("target.db");
    target.execute_batch("CREATE VIEW notes AS SELECT 1").expect("a view in the way");
    let salvaged = drive(target, || None, &mut Salvage::of_file(&bench.source));
    let said: Vec<String> = salvaged.report.lost.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["notes rows of unknown number"]);
}
