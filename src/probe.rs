//! The world outside, looked at for the judge: the database as a reader sees it, the disks, the clock.
//!
//! Each survey has a thread of its own, which ends with it: it may hang on a disk for as long as it
//! likes, costs nothing in between, and keeps no memory.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use std::{fs, io};

use barograph_actors::health::probes::{DiskSpace, SystemProbe, SystemSnapshot};
use barograph_config::Settings;
use nix::sys::statvfs::statvfs;
use std::os::unix::fs::MetadataExt;

use crate::os::paths::folder_of;
use crate::os::process::{beside, sqlite_readers};
use crate::sqlite::{Catalog, DamagedHandles, Sighted, sight, spool_path};

mod clock;

/// From so many bytes on it is worth asking who holds the WAL back.
const WAL_LARGE: u64 = 8 << 20;

/// What is looked at.
#[derive(Debug, Clone)]
struct ProbedFiles {
    database: PathBuf,
    spool: PathBuf,
    wrecks: DamagedHandles,
    catalog: Catalog,
}

/// Makes surveys. `wrecks` knows which file the writer holds.
pub fn system_probe(settings: &Settings, wrecks: &DamagedHandles) -> SystemProbe {
    let places = ProbedFiles {
        database: settings.database.path.clone(),
        spool: spool_path(&settings.spool.dir, &settings.database.path),
        wrecks: wrecks.clone(),
        catalog: Catalog::of(&settings.spool.dir, &settings.database.path),
    };
    Box::new(move |answer| {
        let places = places.clone();
        let thread = thread::Builder::new().name("survey".to_owned());
        let started = thread.spawn(move || {
            let _nobody_asks_any_more = answer.send(places.survey());
        });
        if let Err(error) = started {
            tracing::debug!("no survey: {error}");
        }
    })
}

impl ProbedFiles {
    fn survey(&self) -> SystemSnapshot {
        let wal = size_of(&beside(&self.database, "-wal"));
        let reader =
            (wal > WAL_LARGE).then(|| sqlite_readers(&self.database).into_iter().next()).flatten();
        // The database first: its readers need not wait for the rest.
        let Sighted { read, replaced } = sight(&self.database, &self.wrecks);
        SystemSnapshot {
            read,
            replaced,
            earlier: self.catalog.read().earlier().map(ToString::to_string).collect(),
            wal,
            wal_reader: reader.map(|reader| reader.to_string()),
            database: disk_of(&self.database),
            spool: disk_of(&self.spool),
            spool_size: size_of(&self.spool) + size_of(&beside(&self.spool, "-wal")),
            clock: clock::is_synchronised(),
            up: clock::up().unwrap_or(Duration::MAX),
        }
    }
}

/// Never opened: a handle of ours that is closed again would take SQLite's locks on it along.
pub(crate) fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// The disk of the folder that a file is in, or will be.
pub(crate) fn disk_of(file: &Path) -> Option<DiskSpace> {
    let mut folder = folder_of(file);
    let meta = loop {
        match fs::metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder = folder.parent()?.into()
            }
            found => break found.ok()?,
        }
    };
    let disk = statvfs(&folder).ok()?;
    let bytes = |blocks: u64| blocks * disk.fragment_size();
    let (free, size) = (bytes(disk.blocks_available()), bytes(disk.blocks()));
    Some(DiskSpace { device: meta.dev(), free, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_folder_to_be_is_that_of_the_one_it_will_be_in() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) =
            (folder.path().join("data.db"), folder.path().join("a/b/data.db.spool"));
        let (here, there) = (disk_of(&here).unwrap(), disk_of(&there).unwrap());
        assert_eq!(here.device, there.device);
        assert!(here.size > 0 && here.free <= here.size);
    }
}
