//! What connects one process with the next: the note that a process begins, and the events that no place took.

use super::Writer;
use crate::message::event;
use crate::message::note::{Note, RunBegins};
use crate::ports::OpenError;
use crate::status::freeze;

impl Writer {
    /// Notes once, before anything is written, that this process begins. A spool that an earlier process
    /// left must be open by then: what it knows of that one is covered by the first write.
    pub(super) fn note_run(&mut self) {
        let spool_seen = self.spool.as_ref().and_then(|spool| spool.last_seen());
        if !self.setup.memory.update(|memory| std::mem::replace(&mut memory.run_noted, true)) {
            let run = RunBegins { started: self.started(), spool_seen };
            self.published().remember_first(vec![Note::RunBegins(run)]);
        }
    }

    /// No sign of life may reach a disk before the note of a freeze that it ends.
    pub(super) fn look_for_freeze(&self) -> bool {
        freeze::look(&self.setup.published, self.setup.world)
    }

    /// Takes over the events that an earlier process could not write: they go with the first write.
    pub(super) fn take_kept_events(&mut self) {
        self.kept = self.keeper.kept();
        let memory = &self.setup.memory;
        if !memory.update(|memory| std::mem::replace(&mut memory.kept_events_taken, true)) {
            let kept = self.kept.iter().cloned().map(Note::Event).collect();
            self.published().remember_first(kept);
        }
    }

    /// Keeps the events that wait for a place: this process may end before there is one.
    pub(crate) fn keep_events(&mut self) {
        let waiting = self.published().waiting_events();
        if waiting == self.kept {
            return;
        }
        match self.keeper.keep(&waiting) {
            Ok(()) => tracing::debug!("{} events are kept for the next start", waiting.len()),
            Err(error) => tracing::debug!("events cannot be kept for the next start: {error}"),
        }
        self.kept = waiting;
    }

    /// They are durable where they belong.
    pub(super) fn release_kept_events(&mut self) {
        if !self.kept.is_empty() {
            self.keep_events();
        }
    }

    /// The process ends at its start: the next one tells why.
    pub(crate) fn keep_failure(&mut self, error: &OpenError) {
        let now = (self.setup.world.now)();
        self.published().note(event::WRITE_FAILED, now, error.message.clone());
        self.keep_events();
    }
}
