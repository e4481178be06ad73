//! The handle by which tests watch the broker and make it misbehave.

use std::collections::BTreeSet;
use std::sync::Arc;

use rumqttc::mqttbytes::v4::{ConnectReturnCode, Login};

use super::hub::Stats;
use super::shared::Shared;

/// Who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Door {
    /// Everybody, with any login or none.
    #[default]
    Open,
    /// Whoever brings exactly this login; others are answered with "bad user name or password".
    Login(Login),
    /// Nobody; all are answered with this code.
    Refuse(ConnectReturnCode),
}

/// How the broker was told to behave towards new connections and subscriptions.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) door: Door,
    /// Filters, letter by letter, whose subscription fails.
    pub(super) refused_filters: BTreeSet<String>,
}

/// Watches a [`super::Broker`] and makes it misbehave. Works from any thread; sockets close as soon
/// as the broker's own thread gets to it.
#[derive(Debug, Clone)]
pub struct Mischief {
    shared: Arc<Shared>,
}

impl Mischief {
    pub(super) fn new(shared: Arc<Shared>) -> Mischief {
        Mischief { shared }
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.shared.with(|hub| hub.stats())
    }

    /// Drops every connection as a failing network would: kept sessions stay, wills are published,
    /// and what was on its way is lost or not. Returns how many connections there were.
    pub fn cut_all(&self) -> usize {
        self.shared.with(|hub| hub.cut_all())
    }

    /// Loses all sessions, as a broker without persistence does at a restart: every connection is
    /// dropped, no will is published, the next CONNACK says that no session is present. Retained
    /// messages and counters stay. Returns how many sessions were lost.
    pub fn forget_sessions(&self) -> usize {
        self.shared.with(|hub| hub.forget_sessions())
    }

    /// Says who is let in from now on. Open connections stay.
    pub fn set_door(&self, door: Door) {
        self.shared.with(|hub| hub.rules.door = door);
    }

    /// Answers subscriptions to exactly this filter with a failure from now on. Existing ones stay.
    pub fn refuse_filter(&self, filter: &str) {
        self.shared.with(|hub| hub.rules.refused_filters.insert(filter.to_owned()));
    }

    /// Takes [`Mischief::refuse_filter`] back.
    pub fn allow_filter(&self, filter: &str) {
        self.shared.with(|hub| hub.rules.refused_filters.remove(filter));
    }
}
