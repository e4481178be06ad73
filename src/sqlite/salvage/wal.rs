//! The write-ahead log of a database, read without SQLite: which pages have a newer, committed version
//! there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::pages::be32;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The lowest bit says which byte order the checksums use.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// A WAL whose checksums hold.
#[derive(Debug)]
pub(super) struct Wal {
    file: File,
    /// In bytes.
    pub(super) page_size: usize,
    /// The size of the database after the last commit, in pages.
    pub(super) pages: u32,
    /// Where in the file the last committed version of a page begins.
    at: HashMap<u32, u64>,
}

impl Wal {
    /// `None` where there is no WAL, or nothing in it was committed.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).ok()?);
        let mut header = [0; HEADER_BYTES];
        reader.read_exact(&mut header).ok()?;
        let magic = be32(&header, 0);
        let page_size = be32(&header, 8) as usize;
        let mut sum = Checksum { big_endian: magic & 1 == 1, sums: (0, 0) };
        sum.add(&header[..24]);
        let sound = magic & !1 == MAGIC
            && be32(&header, 4) == VERSION
            && page_size.is_power_of_two()
            && (512..=65536).contains(&page_size)
            && sum.sums == (be32(&header, 24), be32(&header, 28));
        if !sound {
            return None;
        }
        let mut wal = Self { file, page_size, pages: 0, at: HashMap::new() };
        wal.take_frames(&mut reader, &header[16..24], sum);
        (wal.pages > 0).then_some(wal)
    }

    /// Reads until the first frame that does not belong: left from an earlier round, or torn.
    fn take_frames(&mut self, reader: &mut impl Read, salts: &[u8], mut sum: Checksum) {
        let mut frame = vec![0; FRAME_HEADER_BYTES + self.page_size];
        let mut at = HEADER_BYTES as u64;
        let mut uncommitted = Vec::new();
        while reader.read_exact(&mut frame).is_ok() {
            let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
            sum.add(&head[..8]);
            sum.add(page);
            let number = be32(head, 0);
            let belongs =
                head[8..16] == *salts && sum.sums == (be32(head, 16), be32(head, 20)) && number > 0;
            if !belongs {
                return;
            }
            uncommitted.push((number, at + FRAME_HEADER_BYTES as u64));
            let size_after_commit = be32(head, 4);
            if size_after_commit > 0 {
                self.at.extend(uncommitted.drain(..));
                self.pages = size_after_commit;
            }
            at += frame.len() as u64;
        }
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.at.contains_key(&number)
    }

    /// Fills `page` if the WAL has this page: whether that could be read.
    pub(super) fn read(&self, number: u32, page: &mut [u8]) -> Option<bool> {
        let at = self.at.get(&number)?;
        Some(self.file.read_exact_at(page, *at).is_ok())
    }
}

/// The running checksum of a WAL.
struct Checksum {
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    /// `bytes` are a multiple of eight.
    fn add(&mut self, bytes: &[u8]) {
        let word = |four: &[u8]| {
            let number = be32(four, 0);
            if self.big_endian { number } else { number.swap_bytes() }
        };
        let (mut one, mut two) = self.sums;
        for eight in bytes.chunks_exact(8) {
            one = one.wrapping_add(word(&eight[..4])).wrapping_add(two);
            two = two.wrapping_add(word(&eight[4..])).wrapping_add(one);
        }
        self.sums = (one, two);
    }
}
