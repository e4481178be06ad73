//! Notes that wait for the writer's next transaction.

use std::collections::VecDeque;

use super::Published;
use crate::message::delivery::UnixMillis;
use crate::message::note::{Event, Note};

/// Notes that may wait for a durable place; beyond it the oldest events are only in the log.
const NOTES_WAITING_MAX: usize = 1_000;

impl Published {
    /// Notes an event for `barograph_events`: the writer takes it with its next transaction. (The
    /// log has it at once.)
    pub fn note(&self, name: &'static str, at: UnixMillis, detail: impl Into<String>) {
        let event = Event { name, at, detail: detail.into() };
        self.feeds.event(&event);
        self.remember(Note::Event(event));
    }

    /// Leaves a note for the writer's next transaction.
    pub fn remember(&self, note: Note) {
        let mut notes = self.notes.lock();
        notes.push_back(note);
        bound(&mut notes);
    }

    /// Events that wait for a durable place, oldest first.
    pub fn waiting_events(&self) -> Vec<Event> {
        let notes = self.notes.lock();
        let event = |note: &Note| match note {
            Note::Event(event) => Some(event.clone()),
            Note::RunBegins(_) | Note::Gap(_) | Note::Stats(_) => None,
        };
        notes.iter().filter_map(event).collect()
    }

    /// Whether notes wait for a durable place.
    pub(crate) fn has_notes(&self) -> bool {
        !self.notes.lock().is_empty()
    }

    /// Notes that wait for a durable place, oldest first.
    pub fn waiting_notes(&self) -> Vec<Note> {
        self.notes.lock().iter().cloned().collect()
    }

    /// Takes the notes that wait for a durable place.
    pub fn take_notes(&self) -> TakenNotes {
        TakenNotes { notes: self.notes.lock().drain(..).collect(), published: self.clone() }
    }

    /// Leaves notes for the writer's next transaction that come before those that wait already.
    pub(crate) fn remember_first(&self, earlier: Vec<Note>) {
        let mut notes = self.notes.lock();
        for note in earlier.into_iter().rev() {
            notes.push_front(note);
        }
        bound(&mut notes);
    }
}

/// The oldest of the least worth gives way: counts before events, events before changes to the list
/// of gaps. The beginning of the process stays.
fn bound(notes: &mut VecDeque<Note>) {
    while notes.len() > NOTES_WAITING_MAX {
        let counts = notes.iter().position(|note| matches!(note, Note::Stats(_)));
        let events = || notes.iter().position(|note| matches!(note, Note::Event(_)));
        let gaps = || notes.iter().position(|note| matches!(note, Note::Gap(_)));
        notes.remove(counts.or_else(events).or_else(gaps).unwrap_or(0));
    }
}

/// Notes taken for a transaction. Unless they became durable they go back to the front of those
/// that wait, also when the writer dies over them.
#[derive(Debug)]
pub struct TakenNotes {
    notes: Vec<Note>,
    published: Published,
}

impl TakenNotes {
    /// The notes, oldest first.
    pub fn as_slice(&self) -> &[Note] {
        &self.notes
    }

    /// They are on the disk.
    pub fn are_durable(mut self) {
        self.notes.clear();
    }
}

impl Drop for TakenNotes {
    fn drop(&mut self) {
        self.published.remember_first(std::mem::take(&mut self.notes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::event;
    use crate::message::note::GapCause;

    #[test]
    fn counts_give_way_before_events_and_events_before_gaps() {
        let published = Published::default();
        let gap = || Note::gap_opened(GapCause::Holding, None, UnixMillis(1), "no place");
        published.remember(gap());
        published.note(event::READY, UnixMillis(2), "first");
        for _ in 0..NOTES_WAITING_MAX * 2 {
            published.remember(Note::Stats(Box::default()));
        }
        let kept = |published: &Published| published.take_notes().as_slice().to_vec();
        let notes = kept(&published);
        assert_eq!(notes.len(), NOTES_WAITING_MAX);
        assert!(notes[0] == gap() && matches!(notes[1], Note::Event(_)));
        for at in 0..NOTES_WAITING_MAX * 2 {
            published.note(event::READY, UnixMillis(i64::try_from(at).unwrap()), "more");
        }
        let notes = kept(&published);
        assert!(notes.len() == NOTES_WAITING_MAX && notes[0] == gap());
        assert!(notes[1..].iter().all(|note| matches!(note, Note::Event(_))));
    }
}
