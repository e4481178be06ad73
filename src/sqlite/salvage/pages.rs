//! The pages of a database file, read without SQLite: for a file whose first page or whose inner pages
//! are gone. Follows SQLite's documentation, "Database File Format".

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::record;
use super::wal::Wal;

/// Where page 1 has its tree: the header of the file comes first.
pub(super) const FILE_HEADER_BYTES: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// All that SQLite knows, the usual ones first.
const PAGE_SIZES: [usize; 8] = [4096, 1024, 8192, 2048, 16384, 32768, 65536, 512];
/// How many pages are looked at to find out the page size.
const SAMPLE_PAGES: u64 = 128;

/// How texts are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// A database file, and the committed part of its WAL laid over it.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    wal: Option<Wal>,
    /// In bytes.
    pub(super) page_size: usize,
    /// Of a page, what SQLite uses; in bytes.
    pub(super) usable: usize,
    /// The highest page number.
    pub(super) count: u32,
    pub(super) encoding: Encoding,
    /// Whether the list of free pages can be found.
    pub(super) knows_free: bool,
    first_free: u32,
    /// Of the file without its WAL, in bytes.
    length: u64,
    /// The pages that the file has without its WAL.
    in_file: u32,
}

impl Pages {
    /// # Errors
    /// There is no file, or nothing of it can be read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let wal = Wal::open(&super::wal_path(path));
        let from_wal = wal.as_ref().map(|wal| wal.page_size);
        let header = Header::read(&file, wal.as_ref());
        let page_size = header
            .as_ref()
            .map(|header| header.page_size)
            .or(from_wal)
            .unwrap_or_else(|| guess_page_size(&file, length));
        // The WAL of another page size is none of this file.
        let wal = wal.filter(|wal| wal.page_size == page_size);
        let in_file = u32::try_from(length / page_size as u64).unwrap_or(u32::MAX);
        let count = wal.as_ref().map_or(in_file, |wal| wal.pages.max(in_file));
        let reserved = header.as_ref().map_or(0, |header| header.reserved);
        Ok(Self {
            file,
            wal,
            page_size,
            usable: page_size - reserved,
            count,
            encoding: header.as_ref().map_or(Encoding::Utf8, |header| header.encoding),
            first_free: header.as_ref().map_or(0, |header| header.first_free),
            knows_free: header.is_some(),
            length,
            in_file,
        })
    }

    /// Whether the file ends where it should: not within a page, and what the WAL counts beyond its end is
    /// in the WAL. SQLite would read zeros there, and take them for values.
    pub(super) fn is_whole(&self) -> bool {
        let in_wal = |number| self.wal.as_ref().is_some_and(|wal| wal.has(number));
        self.length.is_multiple_of(self.page_size as u64)
            && (1..=self.count).skip(self.in_file as usize).all(in_wal)
    }

    /// The bytes of a page; `None` where the disk does not give them.
    pub(super) fn read(&self, number: u32) -> Option<Vec<u8>> {
        if number == 0 || number > self.count {
            return None;
        }
        let mut page = vec![0; self.page_size];
        if let Some(read) = self.wal.as_ref().and_then(|wal| wal.read(number, &mut page)) {
            return read.then_some(page);
        }
        let at = u64::from(number - 1) * self.page_size as u64;
        self.file.read_exact_at(&mut page, at).ok()?;
        Some(page)
    }

    /// Where the tree's part of a page begins.
    pub(super) fn tree_start(number: u32) -> usize {
        if number == 1 { FILE_HEADER_BYTES } else { 0 }
    }

    /// Pages that hold nothing any more, where the list of them can be read: rows on them were deleted.
    pub(super) fn free(&self) -> HashSet<u32> {
        let mut free = HashSet::new();
        let mut trunk = self.first_free;
        while trunk != 0 && free.insert(trunk) {
            let Some(page) = self.read(trunk) else { break };
            let count = be32(&page, 4) as usize;
            // A damaged list would have us pass over pages that are in use.
            if count > self.usable / 4 - 2 {
                break;
            }
            let leaves: Vec<u32> = (0..count).map(|at| be32(&page, 8 + 4 * at)).collect();
            if leaves.iter().any(|leaf| *leaf == 0 || *leaf > self.count) {
                break;
            }
            free.extend(leaves);
            trunk = be32(&page, 0);
        }
        free
    }
}

/// What the first 100 bytes say, if they are what they should be.
struct Header {
    page_size: usize,
    reserved: usize,
    encoding: Encoding,
    first_free: u32,
}

impl Header {
    fn read(file: &File, wal: Option<&Wal>) -> Option<Self> {
        let newer = wal.and_then(|wal| {
            let mut page = vec![0; wal.page_size];
            wal.read(1, &mut page)?.then_some(page)
        });
        newer.as_deref().and_then(Self::parse).or_else(|| {
            let mut bytes = [0; FILE_HEADER_BYTES];
            file.read_exact_at(&mut bytes, 0).ok()?;
            Self::parse(&bytes)
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let page_size = match be16(bytes, 16) {
            1 => 65536,
            size => size,
        };
        let reserved = usize::from(bytes[20]);
        let plausible = bytes.starts_with(MAGIC)
            && PAGE_SIZES.contains(&page_size)
            && page_size - reserved >= 480
            && bytes[21..24] == [64, 32, 32];
        let encoding = match be32(bytes, 56) {
            2 => Encoding::Utf16Le,
            3 => Encoding::Utf16Be,
            _ => Encoding::Utf8,
        };
        plausible.then(|| Self { page_size, reserved, encoding, first_free: be32(bytes, 32) })
    }
}

/// The size at which the most pages of a sample are well-formed.
fn guess_page_size(file: &File, length: u64) -> usize {
    let well_formed = |size: &usize| {
        let pages = length / *size as u64;
        let stride = (pages / SAMPLE_PAGES).max(1);
        let mut page = vec![0; *size];
        let fitting = (0..pages).step_by(usize::try_from(stride).unwrap_or(1)).filter(|at| {
            *at > 0
                && file.read_exact_at(&mut page, at * *size as u64).is_ok()
                && record::is_leaf(&page, *size)
                && fills_from_the_end(&page, *size)
        });
        // By bytes: a leaf cut at a smaller size is no leaf.
        fitting.count() * size
    };
    let mut best = (PAGE_SIZES[0], 0);
    for size in PAGE_SIZES {
        let found = well_formed(&size);
        if found > best.1 {
            best = (size, found);
        }
    }
    best.0
}

/// Cells are laid down from the end of a page: one that is looked at as part of a larger page has nothing
/// in the upper half of that.
fn fills_from_the_end(page: &[u8], size: usize) -> bool {
    let cells = be16(page, 3);
    (0..cells).map(|at| be16(page, 8 + 2 * at)).any(|cell| cell >= size / 2)
}

pub(super) fn be16(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 2).map_or(0, |two| usize::from(two[0]) << 8 | usize::from(two[1]))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |four| four.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn the_page_size_is_found_without_a_header_also_where_most_pages_are_of_indexes() {
        let folder = tempfile::tempdir().unwrap();
        for size in [512_usize, 1024, 4096, 8192, 32768] {
            for rows in [400, 1_000, 5_000, 9_000] {
                let path = folder.path().join(format!("{size}-{rows}.db"));
                let conn = Connection::open(&path).unwrap();
                let batch = format!(
                    "PRAGMA page_size = {size}; CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, c TEXT);
                     CREATE INDEX i ON t (c); CREATE INDEX j ON t (n, c);
                     WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {rows})
                     INSERT INTO t (n, c) SELECT n, printf('2026-11-26 08:00:%02d.%03d', n / 100, n) FROM k;"
                );
                conn.execute_batch(&batch).unwrap();
                drop(conn);
                let file = File::open(&path).unwrap();
                let length = file.metadata().unwrap().len();
                assert_eq!(guess_page_size(&file, length), size, "{rows} rows");
            }
        }
    }
}
