//! `barograph events`: what happened, and what happens.
//!
//! History is the database's, and the spool's where the database cannot be written, and the small file's where neither can. Following has two
//! sources: the socket, which has an event at once, and the database, which has it for good, half a second
//! or (through the spool) much later. Neither alone would do: the socket knows nothing of what was noted a
//! moment before we came and nothing of other programs' events, and it misses some where we are slow; the
//! database says nothing as long as it cannot be written. So each event is shown when it first comes from
//! either, and not again: it is known by its time, name and detail.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use barograph_actors::exit_code;
use barograph_actors::status::severity::{actor_of, tone_of};
use barograph_config::Settings;
use serde::de::IgnoredAny;
use serde_json::json;

use super::args::EventsArgs;
use super::paint::Paint;
use super::recorder::put;
use crate::commands::database::{TargetDatabase, unreadable};
use crate::exit::Failed;
use crate::ipc::client::Client;
use crate::ipc::protocol::{Content, Request};
use crate::sqlite::{
    LoggedEvent, ReadOnlyDatabase, event_file_path, events_after, kept_events, newest_events,
    spool_path, spooled_events,
};
use crate::text::{glimpse, safe_lines, wrapped};
use crate::time::{shown_text, zone};
use crate::wire::history::EventLine;

/// How many are shown by default.
const LIMIT: usize = 50;
/// Between two looks into the database.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A stream says that it lives more often than that.
const SILENT_MAX: Duration = Duration::from_secs(15);
/// Between two tries to reach a recorder.
const RECONNECT_EVERY: Duration = Duration::from_secs(1);
/// Lines that may wait to be printed.
const LINES_MAX: usize = 1_000;
/// Events that are remembered as shown: some come again from the database hours later.
const SHOWN_MAX: usize = 100_000;

/// Prints the events.
///
/// # Errors
/// The database cannot be read.
pub fn events(settings: &Settings, args: &EventsArgs) -> Result<i32, Failed> {
    // First, so that nothing falls between the two.
    let live = args.follow.then(|| watch(settings));
    let mut voice = Voice { args, paint: Paint::for_stdout(), shown: Shown::default() };
    let last_id = match history(settings, args) {
        Ok((events, last_id)) => {
            if !voice.say_history(&events) {
                return Ok(exit_code::OK);
            }
            last_id
        }
        Err(error) if !args.follow || error.code == exit_code::PERMISSION_DENIED => {
            return Err(error);
        }
        // A recorder that begins makes a database.
        Err(error) => {
            eprintln!("barograph: {}", error.message);
            0
        }
    };
    if let Some(live) = live {
        follow(settings, &mut voice, &live, last_id);
    }
    Ok(exit_code::OK)
}

/// The events that are asked for, oldest first, and the highest id.
fn history(settings: &Settings, args: &EventsArgs) -> Result<(Vec<LoggedEvent>, i64), Failed> {
    let place = TargetDatabase::of(settings)?;
    let look = place.look()?;
    let since = args.since.map(|since| since.to_string());
    let limit = args.limit.unwrap_or(if since.is_some() { usize::MAX } else { LIMIT });
    let wanted = |event: &LoggedEvent| is_about(event, args);
    let (mut events, last_id) = newest_events(&look, since.as_deref(), limit, wanted)
        .map_err(|error| unreadable(&error, &place.database))?;
    let spool = spool_path(&settings.spool.dir, &place.database);
    // One that is gone meanwhile is in the database.
    let spooled = ReadOnlyDatabase::open(&spool).and_then(|spool| spooled_events(&look, &spool));
    let is_new = |event: &LoggedEvent| since.as_ref().is_none_or(|since| event.at >= *since);
    let kept = kept_events(&event_file_path(&settings.instance.lock_file)).into_iter();
    let waiting = spooled.unwrap_or_default().into_iter().chain(kept.map(LoggedEvent::from));
    events.extend(waiting.filter(|event| wanted(event) && is_new(event)));
    let surplus = events.len().saturating_sub(limit);
    Ok((events.split_off(surplus), last_id))
}

fn is_about(event: &LoggedEvent, args: &EventsArgs) -> bool {
    args.actor.as_ref().is_none_or(|actor| actor_of(&event.event, &event.detail) == actor)
}

/// Shows new events, until the reader is gone.
fn follow(settings: &Settings, voice: &mut Voice<'_>, live: &Receiver<LoggedEvent>, from: i64) {
    let (mut last_id, mut looked) = (from, Instant::now());
    loop {
        let wait = LOOK_EVERY.saturating_sub(looked.elapsed());
        match live.recv_timeout(wait) {
            Ok(event) => {
                if !voice.say_once(&event) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(wait),
        }
        if looked.elapsed() < LOOK_EVERY {
            continue;
        }
        looked = Instant::now();
        // What cannot be read now is read later.
        let read = TargetDatabase::of(settings).and_then(|place| place.look());
        let Some((events, last)) = read.ok().and_then(|look| events_after(&look, last_id).ok())
        else {
            continue;
        };
        last_id = last;
        if !events.iter().all(|event| voice.say_once(event)) {
            return;
        }
    }
}

/// Events from the socket of whichever recorder is there; connects again for as long as it takes.
fn watch(settings: &Settings) -> Receiver<LoggedEvent> {
    let (lines, live) = sync_channel(LINES_MAX);
    let lock_file = settings.instance.lock_file.clone();
    let connect = move || {
        let mut client = Client::open(&lock_file, SILENT_MAX).ok()?;
        client.ask::<IgnoredAny>(&Request::Events).ok()?;
        Some(client)
    };
    let mut client = connect();
    thread::spawn(move || {
        loop {
            while let Some(Ok(Some(line))) = client.as_mut().map(Client::next_line) {
                if let Content::Event(event) = line
                    && lines.send(event.into()).is_err()
                {
                    return;
                }
            }
            thread::sleep(RECONNECT_EVERY);
            client = connect();
        }
    });
    live
}

/// Events that were shown, by their digest, the oldest forgotten first.
#[derive(Default)]
struct Shown {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Shown {
    /// Whether this is the first time.
    fn is_new(&mut self, event: &LoggedEvent) -> bool {
        let mut hasher = DefaultHasher::new();
        (&event.at, &event.event, &event.detail).hash(&mut hasher);
        let digest = hasher.finish();
        if !self.known.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        if self.order.len() > SHOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// How it is printed.
struct Voice<'a> {
    args: &'a EventsArgs,
    paint: Paint,
    shown: Shown,
}

impl Voice<'_> {
    fn say_history(&mut self, events: &[LoggedEvent]) -> bool {
        if self.args.follow {
            return events.iter().all(|event| self.say_once(event));
        }
        if self.args.json {
            let events: Vec<EventLine> = events.iter().cloned().map(EventLine::from).collect();
            return put(&format!("{}\n", json!({ "events": events })));
        }
        if events.is_empty() {
            return put("No such events.\n");
        }
        let events: String = events.iter().map(|event| self.text(event)).collect();
        put(&(wrapped(&zone(), 0) + &events))
    }

    /// Unless it was shown before, or is not asked for; `false`: the reader is gone.
    fn say_once(&mut self, event: &LoggedEvent) -> bool {
        let since = self.args.since.map(|since| since.to_string());
        let is_wanted = is_about(event, self.args) && since.is_none_or(|since| event.at >= since);
        if !is_wanted || !self.shown.is_new(event) {
            return true;
        }
        put(&match self.args.json {
            true => format!("{}\n", json!(EventLine::from(event.clone()))),
            false => self.text(event),
        })
    }

    fn text(&self, event: &LoggedEvent) -> String {
        let at = shown_text(&event.at);
        let (actor, name) = (actor_of(&event.event, &event.detail), &event.event);
        let name = self.paint.toned(tone_of(name), &glimpse(name.as_bytes(), 40));
        let detail = safe_lines(&event.detail);
        format!(
            "{at}  {:<10}  {name}\n{}",
            glimpse(actor.as_bytes(), 20),
            self.paint.faint_lines(&wrapped(&detail, 4))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_once_and_a_long_watch_forgets_the_oldest() {
        let event = |n: usize| LoggedEvent {
            at: "2026-11-23 16:27:19.000".into(),
            event: "ready".into(),
            detail: n.to_string(),
        };
        let mut shown = Shown::default();
        assert!(shown.is_new(&event(0)) && !shown.is_new(&event(0)));
        assert!((1..=SHOWN_MAX).all(|n| shown.is_new(&event(n))));
        assert!(shown.is_new(&event(0)), "forgotten");
        assert_eq!((shown.known.len(), shown.order.len()), (SHOWN_MAX, SHOWN_MAX));
    }
}
