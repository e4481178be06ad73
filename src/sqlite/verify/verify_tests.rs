//! What a running recorder does between two looks of ours: played at the very moment.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::sqlite::journal::digests::compact;
use crate::sqlite::journal::schema::OWN_TABLES;

const HOUR_MS: i64 = 3_600_000;

struct VerifyFixture {
    conn: Connection,
    shape: Shape,
    path: PathBuf,
    _folder: TempDir,
}

impl VerifyFixture {
    /// A hundred rows in ten batches.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("data.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        conn.execute_batch(OWN_TABLES).unwrap();
        conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a REAL)").unwrap();
        let shape = Shape::of(&conn, "t", vec!["a".to_owned()]).unwrap();
        let scene = Self { conn, shape, path, _folder: folder };
        (0..10).for_each(|batch| scene.batch(batch * 10 + 1));
        scene
    }

    /// Ten rows and their digest.
    fn batch(&self, first: i64) {
        for id in first..first + 10 {
            self.conn.execute("INSERT INTO t VALUES (?1, ?1 / 4.0)", [id]).unwrap();
        }
        self.shape.cover(&self.conn, first, first + 9, 0).unwrap();
    }

    fn drop_row(&self, id: i64) {
        self.shape.forget(&self.conn, id).unwrap();
        self.conn.execute("DELETE FROM t WHERE id = ?1", [id]).unwrap();
    }

    /// Verifies, and does something after the first chunk.
    fn verified(&self, meanwhile: impl Fn()) -> Verified {
        let mut told = 0;
        let verified = verify(&self.path, true, &Interrupt::default(), &mut |_| {
            told += 1;
            if told == 1 {
                meanwhile();
            }
        });
        verified.unwrap()
    }
}

#[test]
fn a_row_that_leaves_for_a_good_reason_meanwhile_is_not_missed() {
    let scene = VerifyFixture::new();
    let verified = scene.verified(|| {
        scene.drop_row(55);
        (91..=100).for_each(|id| scene.drop_row(id));
    });
    assert_eq!(verified.findings, []);
    assert_eq!(verified.digests, 10);
}

#[test]
fn digests_that_are_merged_meanwhile_leave_no_row_unread() {
    let scene = VerifyFixture::new();
    let verified = scene.verified(|| {
        compact(&scene.conn, scene.shape.id, 0, HOUR_MS * 9).unwrap();
        scene.conn.execute("UPDATE t SET a = 77 WHERE id = 95", []).unwrap();
    });
    assert_eq!(verified.findings.len(), 1, "{verified:?}");
    assert_eq!((verified.findings[0].table.as_str(), verified.findings[0].rows), ("t", (1, 100)));
}

#[test]
fn rows_that_come_meanwhile_are_verified_or_not_yet_covered_but_never_wrong() {
    let scene = VerifyFixture::new();
    let verified = scene.verified(|| scene.batch(101));
    assert_eq!((verified.rows, verified.findings.len()), (110, 0));
    assert_eq!(verified.not_covered.len(), 0, "{verified:?}");
    scene.conn.execute("INSERT INTO t VALUES (-5, 1), (200, 1), (201, 1)", []).unwrap();
    assert_eq!(scene.verified(|| ()).not_covered["t"], 3);
}

#[test]
fn digests_without_their_shape_and_shapes_without_columns_are_told() {
    let scene = VerifyFixture::new();
    scene.conn.execute("UPDATE barograph_shapes SET columns = '[\"a'", []).unwrap();
    assert!(scene.verified(|| ()).unusable[0].contains("names no columns"));
    scene.conn.execute("DELETE FROM barograph_shapes", []).unwrap();
    assert!(scene.verified(|| ()).unusable[0].contains("belong to no shape"));
}
