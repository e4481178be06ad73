//! Whether a file that is no sound database was a recorder's before. Only then may it get another name: any other file
//! belongs to another program, and a wrong `database.path` must not change it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;

use super::catalog::Catalog;
use crate::os::process::beside;

/// `PRAGMA application_id` of our databases; no text has these bytes.
const APPLICATION_ID: i32 = 0x0BA0_6AF0;
/// Where a database file has it (SQLite's documentation, "Database File Format").
const APPLICATION_ID_AT: usize = 68;
const DATABASE_BEGINS: &[u8] = b"SQLite format 3\0";
/// With the first three bytes of the magic number of a -wal, of either byte order.
const WAL_BEGINS: &[u8] = &[0x37, 0x7f, 0x06];
/// As the schema names it, which is on the first page or soon behind it.
const OWN_TABLE: &[u8] = b"barograph_meta";
/// So much of a file is looked at, in bytes.
const HEAD_MAX: u64 = 256 << 10;

/// Marks a database as ours, unless another program has marked it. Within a transaction.
pub(super) fn mark(conn: &Connection) -> rusqlite::Result<()> {
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id == 0 {
        conn.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    Ok(())
}

/// Whether a recorder used the file at this path before: the file or its -wal has our marks, or the catalog has a
/// database there.
pub(super) fn was_ours(path: &Path, catalog: &Catalog) -> bool {
    let (file, wal) = (head(path), head(&beside(path, "-wal")));
    let id_ends = APPLICATION_ID_AT + size_of_val(&APPLICATION_ID);
    let is_marked = file.get(APPLICATION_ID_AT..id_ends) == Some(&APPLICATION_ID.to_be_bytes());
    let has_table = |head: &[u8], begins: &[u8]| {
        head.starts_with(begins) && head.windows(OWN_TABLE.len()).any(|at| at == OWN_TABLE)
    };
    is_marked
        || has_table(&file, DATABASE_BEGINS)
        || has_table(&wal, WAL_BEGINS)
        || catalog.read().has_been_at(path)
}

/// The first bytes of a file; none where it cannot be read.
fn head(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(HEAD_MAX).read_to_end(&mut bytes)) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::journal::schema::OWN_TABLES;

    #[test]
    fn a_database_of_ours_is_known_by_its_mark_or_by_its_tables_and_a_text_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let catalog = Catalog::of(folder.path(), &path);
        let is_ours = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            was_ours(&path, &catalog)
        };
        let made = folder.path().join("made.db");
        let conn = Connection::open(&made).unwrap();
        conn.execute_batch(OWN_TABLES).unwrap();
        let unmarked = std::fs::read(&made).unwrap();
        mark(&conn).unwrap();
        let marked = std::fs::read(&made).unwrap();
        assert!(is_ours(&unmarked), "of a recorder from before there was a mark");
        assert!(is_ours(&marked));
        assert!(is_ours(&[&[0; 64][..], &marked[64..]].concat()), "its first bytes were lost");
        assert!(!is_ours(&[&[0; 100][..], &marked[100..]].concat()), "it may be anything");
        assert!(!is_ours(b"CREATE TABLE barograph_meta"), "a text about one");
        assert!(!is_ours(b""));
        let other = Connection::open_in_memory().unwrap();
        other.execute_batch("PRAGMA application_id = 7").unwrap();
        mark(&other).unwrap();
        let id: i32 = other.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
        assert_eq!(id, 7, "another program's mark stays");
    }
}
