//! Files beside a database's name that are not the database's own: SQLite would delete a -wal without its
//! database, and read one of another database into it. They get other names before SQLite sees them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::event;
use barograph_actors::message::note::Event;
use rusqlite::Connection;
use tracing::warn;

use super::catalog::{Catalog, DatabaseEntry};
use super::file::{FileId, neighbour, remove_shm, rename_if_there, set_aside};
use super::left::{Left, Take};
use super::rows;
use super::schema;
use crate::os::process::beside;
use crate::os::replace::sync_folder;
use crate::sqlite::read::read_only::{open_to_look, open_unchanging};

/// Key of `barograph_meta`: which database this is, whatever its file is called.
pub(in crate::sqlite) const DATABASE: &str = "database";

/// Looks beside a database's path, before it is opened, and clears away what is not its own. Gives what can
/// be taken over from it.
///
/// # Errors
/// A file cannot be renamed.
pub(in crate::sqlite) fn clear_strays(
    path: &Path,
    catalog: &Catalog,
    now: UnixMillis,
) -> io::Result<Vec<Left>> {
    let databases = catalog.read();
    let Some(last) = databases.last() else {
        return Ok(left_of_nobody(path, now)?.into_iter().collect());
    };
    let wal = FileId::of(&beside(path, "-wal")).ok();
    let is_lasts = wal.is_some() && wal == last.wal;
    let is_here = FileId::of(path).is_ok_and(|found| found == last.file);
    let is_other = is_lasts && path.exists() && (!is_here || is_another(path, last));
    let moved_to = place_of(path, last).filter(|place| !is_here && is_it(place, last));
    if path.exists() && !is_other {
        // We leave it in WAL mode: it has no rollback journal.
        if is_here {
            set_journal_aside(path, now)?;
        }
        // A process may have died before the new database had the state of the one that was moved.
        let state_of = moved_to.filter(|_| has_no_id(path));
        return Ok(state_of.map(|of| Left::file(&of, Take::State, None)).into_iter().collect());
    }
    match (moved_to, is_lasts) {
        (Some(place), _) => {
            moved_while_closed(path, &place, last, is_lasts, catalog, now).map(|left| vec![left])
        }
        (None, true) => Ok(vec![wal_alone(path, Some((catalog, last)), now)?]),
        (None, false) => Ok(left_of_nobody(path, now)?.into_iter().collect()),
    }
}

/// Where the database that was open last is now, as far as it can be found.
fn place_of(path: &Path, last: &DatabaseEntry) -> Option<PathBuf> {
    let is_there = FileId::of(&last.path).is_ok_and(|found| found == last.file);
    if is_there { Some(last.path.clone()) } else { neighbour(path, last.file) }
}

/// No recorder has finished making the database ready.
fn has_no_id(path: &Path) -> bool {
    let id = open_to_look(path).and_then(|conn| match schema::exists(&conn, "barograph_meta")? {
        true => rows::meta(&conn, DATABASE),
        false => Ok(None),
    });
    id.is_ok_and(|id| id.is_none())
}

/// The file is the one that was open last, and its content is another database: it was overwritten by a
/// copy.
fn is_another(path: &Path, last: &DatabaseEntry) -> bool {
    let id = open_unchanging(path).and_then(|conn: Connection| rows::meta(&conn, DATABASE));
    id.ok().flatten().is_some_and(|id| id != last.id)
}

/// A file with the inode of the one that was open last may be another one by now.
fn is_it(place: &Path, last: &DatabaseEntry) -> bool {
    let id = open_unchanging(place).and_then(|conn| rows::meta(&conn, DATABASE));
    match id {
        Ok(id) => id.is_some_and(|id| id == last.id),
        // Perhaps everything is in its -wal.
        Err(_) => begins_as_a_database(place).unwrap_or(false),
    }
}

fn begins_as_a_database(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 16];
    fs::File::open(path)?.read_exact(&mut magic)?;
    Ok(&magic == b"SQLite format 3\0")
}

/// A -wal or a -journal without a database, of which nothing is known.
fn left_of_nobody(path: &Path, now: UnixMillis) -> io::Result<Option<Left>> {
    if path.exists() {
        return Ok(None);
    }
    if length_beside(path, "-wal") > 0 {
        return wal_alone(path, None, now).map(Some);
    }
    set_journal_aside(path, now)?;
    remove_shm(path)?;
    Ok(None)
}

fn length_beside(path: &Path, ending: &str) -> u64 {
    fs::metadata(beside(path, ending)).map_or(0, |meta| meta.len())
}

/// A rollback journal that is not the database's: SQLite would write its pages into it.
fn set_journal_aside(path: &Path, now: UnixMillis) -> io::Result<()> {
    if length_beside(path, "-journal") == 0 {
        return Ok(());
    }
    let aside = beside(&set_aside_name(path, now), "-journal");
    rename_if_there(&beside(path, "-journal"), &aside)?;
    sync_folder(path);
    warn!(
        event = event::DATABASE_SET_ASIDE,
        "{} is of another database and is kept as {}; put it back together with its database, while no recorder \
         runs",
        beside(path, "-journal").display(),
        aside.display()
    );
    Ok(())
}

fn set_aside_name(path: &Path, now: UnixMillis) -> PathBuf {
    beside(path, &format!(".corrupt-{}", super::file::time_for_names(now)))
}

/// The database's file was moved within its folder while no recorder ran: its -wal goes with it.
fn moved_while_closed(
    path: &Path,
    place: &Path,
    last: &DatabaseEntry,
    has_wal: bool,
    catalog: &Catalog,
    now: UnixMillis,
) -> io::Result<Left> {
    let wal = beside(place, "-wal");
    if has_wal && wal.exists() {
        return wal_alone(path, Some((catalog, last)), now);
    }
    if has_wal {
        fs::rename(beside(path, "-wal"), &wal)?;
        sync_folder(&wal);
    }
    remove_shm(path)?;
    catalog.moved(&last.id, Some(place), None);
    let with_it = if has_wal {
        format!(", and its last rows were left behind; they are beside it now ({})", wal.display())
    } else {
        String::new()
    };
    let detail = format!(
        "the database {} was moved to {} while no recorder ran{with_it}; recording goes on in a \
        new database",
        path.display(),
        place.display()
    );
    warn!(event = event::DATABASE_REPLACED, "{detail}");
    let event = Event { name: event::DATABASE_REPLACED, at: now, detail };
    Ok(Left::file(place, Take::State, Some(event)))
}

/// Only the -wal of a database is left: what is in it is copied over.
fn wal_alone(
    path: &Path,
    of: Option<(&Catalog, &DatabaseEntry)>,
    now: UnixMillis,
) -> io::Result<Left> {
    let another_is_there = path.exists();
    let aside = if another_is_there {
        // The database that is there stays; an empty file stands for the one that is gone.
        let aside = set_aside_name(path, now);
        fs::rename(beside(path, "-wal"), beside(&aside, "-wal"))?;
        fs::File::create(&aside)?;
        remove_shm(path)?;
        sync_folder(path);
        aside
    } else {
        set_aside(path, now)?
    };
    let what =
        if another_is_there { "belongs to another database" } else { "has no database beside it" };
    let detail = format!(
        "{} {what}: it is kept as {}, and the rows that are in it are copied over. If its database was moved \
         away, move it back and put this beside it under its old name while no recorder runs",
        beside(path, "-wal").display(),
        beside(&aside, "-wal").display()
    );
    warn!(event = event::DATABASE_SET_ASIDE, "{detail}");
    if let Some((catalog, last)) = of {
        catalog.moved(&last.id, None, Some(&aside.display().to_string()));
    }
    let event = Event { name: event::DATABASE_SET_ASIDE, at: now, detail };
    Ok(Left::file(&aside, Take::Everything, Some(event)))
}
