//! What an earlier database leaves to the next one: handles whose file was deleted, moved or damaged under
//! them, and files that were set aside. Kept until a database has taken it over, however long that takes.
//!
//! A handle of a deleted file holds the only copy of its rows, and the room that they take on the disk; it dies
//! with the process. So it is first copied to the spool's disk, on a thread of its own: from there it is taken
//! over as a file is, also by a later process. Where that disk has no room for it, it is taken over from the
//! open handle.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::event;
use barograph_actors::message::note::Event;
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tracing::{error, info, warn};

use super::catalog::Catalog;
use super::file::{Wreck, place_of, remove_shm, rename_if_there, set_aside, time_for_names};
use crate::os::process::beside;
use crate::os::replace::sync_folder;
use crate::sqlite::salvage::{DELETED, RESCUED, Salvage};

/// Pages copied at a time.
const PAGES_PER_STEP: i32 = 1_000;

/// What must be taken from an earlier database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Take {
    /// All its rows, and our small state.
    Everything,
    /// Its rows; another source of the same database gives the state.
    Rows,
    /// Our small state only: its rows stay in its file.
    State,
}

/// A source, and what must still be taken from it.
#[derive(Debug)]
pub(in crate::sqlite) struct Left {
    pub(in crate::sqlite) salvage: Salvage,
    pub(in crate::sqlite) take: Take,
    /// Its rows are nowhere else.
    is_only_copy: bool,
    /// The spool's disk did not take a copy of it.
    pub(in crate::sqlite) is_refused: bool,
    /// For the events of the database that takes it over.
    pub(in crate::sqlite) event: Option<Event>,
}

impl Left {
    /// A file that was set aside, or copied from a handle.
    pub(in crate::sqlite) fn file(path: &Path, take: Take, event: Option<Event>) -> Self {
        let salvage = Salvage::of_file(path);
        Self { salvage, take, is_only_copy: false, is_refused: false, event }
    }

    /// What it is, where its rows are nowhere else.
    pub(in crate::sqlite) fn only_copy(&self) -> Option<String> {
        self.is_only_copy.then(|| self.salvage.name().to_owned())
    }

    /// A salvage that another database had begun to take over.
    pub(in crate::sqlite) fn begun(salvage: Salvage) -> Self {
        let is_only_copy = salvage.is_of_handle();
        Self { salvage, take: Take::Rows, is_only_copy, is_refused: false, event: None }
    }

    /// Makes a new database ready to take it over. Within a transaction. `has_state`: a newer source has
    /// given its state.
    pub(in crate::sqlite) fn begin(
        &mut self,
        target: &Connection,
        has_state: bool,
    ) -> rusqlite::Result<()> {
        match self.take {
            Take::Everything if has_state => self.salvage.begin_rows(target),
            Take::Everything => self.salvage.begin(target),
            Take::Rows => self.salvage.begin_rows(target),
            Take::State if has_state => Ok(()),
            Take::State => self.salvage.copy_state(target),
        }
    }
}

/// A handle is taken out of the way of the next database: its files get other names.
///
/// # Errors
/// They cannot be renamed; nothing has changed.
pub(in crate::sqlite) fn clear_away(
    wreck: Wreck,
    catalog: &Catalog,
    now: UnixMillis,
) -> Result<Vec<Left>, (Box<Wreck>, io::Error)> {
    let cleared = clear_files(&wreck, now);
    let Cleared { name, take, is_only_copy, aside, litter, event } = match cleared {
        Ok(cleared) => cleared,
        Err(error) => return Err((Box::new(wreck), error)),
    };
    if let Some(id) = catalog.read().last().map(|last| last.id.clone()) {
        let moved_to = place_of(wreck.file.id()).filter(|_| take == Take::State);
        let salvage = match &aside {
            Some(aside) => Some(aside.display().to_string()),
            None => (take == Take::Everything).then(|| name.clone()),
        };
        catalog.moved(&id, moved_to.as_deref().or(aside.as_deref()), salvage.as_deref());
    }
    let mut left = Vec::new();
    if let Some(aside) = &aside {
        left.push(Left::file(aside, Take::Rows, None));
    }
    let salvage = Salvage::of_handle(wreck.conn, name).with_litter(litter);
    left.push(Left { salvage, take, is_only_copy, is_refused: false, event: Some(event) });
    Ok(left)
}

struct Cleared {
    /// What the salvage is called.
    name: String,
    take: Take,
    is_only_copy: bool,
    /// Where the file is now, if it is damaged.
    aside: Option<PathBuf>,
    /// The WAL of a deleted file.
    litter: Option<PathBuf>,
    event: Event,
}

fn clear_files(wreck: &Wreck, now: UnixMillis) -> io::Result<Cleared> {
    let path = wreck.file.path();
    if wreck.file.is_in_place() {
        let aside = set_aside(path, now)?;
        let detail = "it was overwritten or truncated while it was open";
        let event = say_set_aside(path, &aside, detail, now);
        let name = format!("the open handle of {}", aside.display());
        let (take, aside) = (Take::Everything, Some(aside));
        return Ok(Cleared { name, take, is_only_copy: false, aside, litter: None, event });
    }
    let deleted = wreck.file.is_deleted();
    let place = place_of(wreck.file.id());
    let is_unreachable = place.is_none();
    // A new file must not find the WAL of another one.
    let wal = match wreck.file.wal_is_in_place() {
        true => Some(put_wal_away(path, place.as_deref(), deleted, now)?),
        false => None,
    };
    remove_shm(path)?;
    let database = path.display();
    let wal_aside = wal.clone();
    let detail = match (deleted, place, wal) {
        (true, _, _) => format!(
            "the database {database} was deleted while it was open: its rows are copied out of the open \
             handle"
        ),
        (false, Some(place), Some(wal)) if !wreck.is_whole => format!(
            "the database {database} was moved to {} while it was open, and its last rows are in \
             {}: keep both together, under these names; recording goes on in a new database",
            place.display(),
            wal.display()
        ),
        (false, Some(place), _) => format!(
            "the database {database} was moved to {} while it was open, with all its rows; \
            recording goes on in a new database",
            place.display()
        ),
        // Its file system was unmounted, or another one was mounted over it.
        (false, None, _) => format!(
            "the database {database} went out of reach while it was open (its file system was unmounted, or covered by another one): its rows are copied \
             out of the open handle"
        ),
    };
    warn!(event = event::DATABASE_REPLACED, "{detail}");
    let event = Event { name: event::DATABASE_REPLACED, at: now, detail };
    let name = format!("the open handle of {database} until {now} UTC");
    let is_only_copy = deleted || is_unreachable;
    let take = if is_only_copy { Take::Everything } else { Take::State };
    let litter = wal_aside.filter(|_| deleted);
    Ok(Cleared { name, take, is_only_copy, aside: None, litter, event })
}

/// The WAL goes to its file, so that both are one database again; where that cannot be, beside the old name.
fn put_wal_away(
    path: &Path,
    place: Option<&Path>,
    deleted: bool,
    now: UnixMillis,
) -> io::Result<PathBuf> {
    let wal = beside(path, "-wal");
    if let Some(place) = place {
        let beside_file = beside(place, "-wal");
        if !beside_file.exists() && fs::rename(&wal, &beside_file).is_ok() {
            sync_folder(&beside_file);
            return Ok(beside_file);
        }
    }
    let what = if deleted { DELETED } else { ".moved-" };
    let aside = beside(path, &format!("{what}{}-wal", time_for_names(now)));
    rename_if_there(&wal, &aside)?;
    Ok(aside)
}

/// Logs that a damaged file was set aside; gives the event.
pub(in crate::sqlite) fn say_set_aside(
    path: &Path,
    aside: &Path,
    detail: &str,
    now: UnixMillis,
) -> Event {
    let detail = format!(
        "the database {} is damaged ({detail}): it is kept as {}, recording goes on in a new one, \
        and what can be read is copied over; look at the disk",
        path.display(),
        aside.display()
    );
    error!(event = event::DATABASE_SET_ASIDE, "{detail}");
    Event { name: event::DATABASE_SET_ASIDE, at: now, detail }
}

/// The copy of a handle to the spool's disk, under way.
#[derive(Debug)]
pub(in crate::sqlite) struct Rescue {
    to: PathBuf,
    ended: Receiver<RescueOutcome>,
}

/// What is left after the try.
#[derive(Debug)]
pub(in crate::sqlite) struct RescueOutcome {
    pub(in crate::sqlite) left: Left,
    /// Why it is as before.
    pub(in crate::sqlite) failed: Option<String>,
}

impl Rescue {
    /// Begins, where there is something to rescue: the oldest handle that holds the only copy, and that was not
    /// refused.
    pub(in crate::sqlite) fn begin(
        left: &mut Vec<Left>,
        folder: &Path,
        catalog: &Catalog,
        now: UnixMillis,
    ) -> Option<Self> {
        let at = left.iter().position(|left| left.is_only_copy && !left.is_refused)?;
        let lone = left.remove(at);
        let to = folder.join(format!("{RESCUED}{}.db", time_for_names(now)));
        let (catalog, goal) = (catalog.clone(), to.clone());
        let (tell, ended) = sync_channel(1);
        // Where no thread can be started, the handle must not go with what it should have done.
        let waiting = Arc::new(Mutex::new(Some(lone)));
        let taken = Arc::clone(&waiting);
        let work = move || {
            if let Some(left) = taken.lock().take() {
                let _left_with_the_process = tell.send(rescue(left, &goal, &catalog));
            }
        };
        let started = thread::Builder::new().name("rescue".to_owned()).spawn(work);
        if let Err(error) = started {
            warn!("a deleted database is not copied to {}: {error}; it is kept open", to.display());
            left.extend(waiting.lock().take());
            return None;
        }
        Some(Self { to, ended })
    }

    /// Where the copy will be.
    pub(in crate::sqlite) fn to(&self) -> &Path {
        &self.to
    }

    /// What is left, if it has ended; waits at most this long.
    pub(in crate::sqlite) fn ended(&self, within: Duration) -> Option<RescueOutcome> {
        self.ended.recv_timeout(within).ok()
    }
}

fn rescue(left: Left, to: &Path, catalog: &Catalog) -> RescueOutcome {
    let Some(source) = left.salvage.handle() else { return RescueOutcome { left, failed: None } };
    let id = catalog.read().last().map(|last| last.id.clone()).unwrap_or_default();
    // First: a process that dies after the renaming must not leave a file that the catalog does not list.
    catalog.moved(&id, Some(to), Some(&to.display().to_string()));
    if let Err(why) = copy_whole(source, to) {
        catalog.moved(&id, None, Some(left.salvage.name()));
        return RescueOutcome { left: Left { is_refused: true, ..left }, failed: Some(why) };
    }
    info!("a deleted database was copied to {}: from there its rows are copied over", to.display());
    left.salvage.clear_up();
    RescueOutcome { left: Left::file(to, left.take, left.event), failed: None }
}

/// A copy of the database behind a handle: there as a whole and on the disk, or not at all.
fn copy_whole(source: &Connection, to: &Path) -> Result<(), String> {
    let part = beside(to, ".part");
    let copied = copy_pages(source, &part).map_err(|error| error.to_string()).and_then(|()| {
        let durable = fs::File::open(&part).and_then(|file| file.sync_all());
        durable.and_then(|()| fs::rename(&part, to)).map_err(|error| error.to_string())
    });
    match copied {
        Ok(()) => {
            sync_folder(to);
            Ok(())
        }
        Err(why) => {
            let _there_may_be_none = fs::remove_file(&part);
            Err(why)
        }
    }
}

fn copy_pages(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    if let Some(folder) = to.parent() {
        let _said_by_opening = fs::create_dir_all(folder);
    }
    let mut target = Connection::open(to)?;
    target.execute_batch("PRAGMA synchronous = OFF")?;
    let backup = Backup::new(source, &mut target)?;
    while backup.step(PAGES_PER_STEP)? != StepResult::Done {}
    drop(backup);
    // One file, that leaves no other beside it when it is read.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}
