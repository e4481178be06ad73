//! Live feeds for page and operator socket: events as they happen, rows as they are committed. Bounded, and
//! never waited for: a watcher that is too slow is told how many it missed. Without a watcher nothing
//! is copied.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::message::account::RouteId;
use crate::message::batch::Value;
use crate::message::delivery::UnixMillis;
use crate::message::note::Event;

/// Events, and commits, that a watcher may be behind.
const FEED_LEN_MAX: usize = 256;

/// A row that has become durable in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its route.
    pub route: RouteId,
    /// When it arrived.
    pub received_at: UnixMillis,
    /// Its values, in the order of the route's columns.
    pub values: Vec<Value>,
}

/// Both feeds. Clones share them.
#[derive(Debug, Clone)]
pub struct Feeds {
    events: broadcast::Sender<Event>,
    rows: broadcast::Sender<Arc<[Row]>>,
}

impl Default for Feeds {
    fn default() -> Self {
        Self {
            events: broadcast::Sender::new(FEED_LEN_MAX),
            rows: broadcast::Sender::new(FEED_LEN_MAX),
        }
    }
}

impl Feeds {
    /// Events from now on.
    pub fn watch_events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Committed rows from now on, one batch at a time.
    pub fn watch_rows(&self) -> broadcast::Receiver<Arc<[Row]>> {
        self.rows.subscribe()
    }

    /// Tells of an event.
    pub(crate) fn event(&self, event: &Event) {
        if self.events.receiver_count() > 0 {
            let _nobody_left = self.events.send(event.clone());
        }
    }

    /// Publishes committed rows; they are copied only if there is a watcher.
    pub(crate) fn rows(&self, rows: impl FnOnce() -> Vec<Row>) {
        if self.rows.receiver_count() > 0 {
            let _nobody_left = self.rows.send(rows().into());
        }
    }
}
