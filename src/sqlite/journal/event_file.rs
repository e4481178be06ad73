//! A small file for events that neither database nor spool takes: the next process finds them there, and so does
//! `barograph events`. Its room is taken when it is made and never given back, because the most frequent reason for
//! its use is a full disk: what overwrites it in place needs no more room.
//!
//! One JSON object a line, oldest first; the rest is filled with zeros.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::event;
use barograph_actors::message::note::Event;
use barograph_actors::ports::KeepEvents;
use serde_json::{Value as Json, json};

/// The size of the file.
const SIZE: usize = 64 << 10;
/// What is longer is cut.
const DETAIL_CHARS_MAX: usize = 2_000;

/// The file that belongs to this lock.
pub fn event_file_path(lock_file: &Path) -> PathBuf {
    lock_file.with_extension("events")
}

/// The file of this process.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
}

impl EventFile {
    /// The file at this path; it is made where there is none. That it cannot be made is no failure: then events are kept
    /// as long as the process lives.
    pub fn at(path: PathBuf) -> Self {
        if let Err(error) = reserve(&path) {
            tracing::debug!("no events can be kept in {}: {error}", path.display());
        }
        Self { path }
    }
}

impl KeepEvents for EventFile {
    fn keep(&mut self, events: &[Event]) -> io::Result<()> {
        let file = open(&self.path)?;
        file.write_all_at(&encode(events), 0)
    }

    fn kept(&mut self) -> Vec<Event> {
        kept_events(&self.path)
    }
}

/// The events that are kept there, oldest first; none where the file cannot be read.
pub fn kept_events(path: &Path) -> Vec<Event> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(SIZE as u64).read_to_end(&mut bytes).map(|_| ()));
    match read {
        Ok(()) => bytes.split(|byte| matches!(byte, b'\n' | 0)).filter_map(decode).collect(),
        Err(_) => Vec::new(),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o640).open(path)
}

/// Takes the room, unless it is taken.
fn reserve(path: &Path) -> io::Result<()> {
    let mut file = open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(SIZE);
    if size < SIZE {
        let mut there = Vec::new();
        file.read_to_end(&mut there)?;
        file.write_all(&vec![0; SIZE - there.len()])?;
    }
    Ok(())
}

/// The newest of them that fit, and zeros.
fn encode(events: &[Event]) -> Vec<u8> {
    let mut left = SIZE;
    let mut lines = Vec::new();
    for event in events.iter().rev() {
        let line = encode_one(event);
        if line.len() > left {
            break;
        }
        left -= line.len();
        lines.push(line);
    }
    lines.reverse();
    let mut bytes = lines.concat();
    bytes.resize(SIZE, 0);
    bytes
}

fn encode_one(Event { name, at, detail }: &Event) -> Vec<u8> {
    let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
    format!("{}\n", json!({ "at": at.0, "event": name, "detail": detail })).into_bytes()
}

/// A line that was written only in part is left out.
fn decode(line: &[u8]) -> Option<Event> {
    let json: Json = serde_json::from_slice(line).ok()?;
    let name = event::known(json["event"].as_str()?)?;
    let at = UnixMillis(json["at"].as_i64()?);
    Some(Event { name, at, detail: json["detail"].as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: i64, detail: &str) -> Event {
        Event { name: event::MODE_CHANGED, at: UnixMillis(n), detail: detail.to_owned() }
    }

    #[test]
    fn events_are_kept_in_place_of_those_before_and_the_file_keeps_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("barograph.events");
        let mut file = EventFile::at(path.clone());
        assert_eq!(file.kept(), []);
        let size = || std::fs::metadata(&path).unwrap().len();
        assert_eq!(size(), SIZE as u64);
        let events = [event(1, "a \"sentence\"\nof two lines"), event(2, "b")];
        file.keep(&events).unwrap();
        assert_eq!(EventFile::at(path.clone()).kept(), events, "the next process has them");
        file.keep(&events[1..]).unwrap();
        assert_eq!(file.kept(), events[1..]);
        file.keep(&[]).unwrap();
        assert_eq!((file.kept(), size()), (Vec::new(), SIZE as u64));
    }

    #[test]
    fn of_too_many_events_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::at(folder.path().join("barograph.events"));
        let events: Vec<Event> = (0..1_000).map(|n| event(n, &"long ".repeat(40))).collect();
        file.keep(&events).unwrap();
        let kept = file.kept();
        assert!((100..400).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept, events[1_000 - kept.len()..]);
    }

    #[test]
    fn what_is_no_event_in_the_file_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("barograph.events");
        let whole = encode_one(&event(7, "whole"));
        std::fs::write(&path, [b"{\"at\":7,\"eve\n", &whole[..], b"\xff\n{\"at\""].concat())
            .unwrap();
        assert_eq!(kept_events(&path), [event(7, "whole")]);
        assert_eq!(kept_events(&folder.path().join("missing")), []);
    }
}
