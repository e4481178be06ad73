//! The account: what became of every delivery. `received = stored + duplicate + filtered + quarantined +
//! dropped`, always, in the database; what waits for it is `spooled` (safe on disk) or `held` (in
//! memory, unacknowledged).

use std::collections::BTreeMap;
use std::fmt;

/// The route a delivery belongs to: an index into the settings' routes, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub Option<u16>);

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Rows in its route's table, as a rule one.
    Stored,
    /// A row in its route's table, copied out of a damaged database.
    Salvaged,
    /// Already there; not stored again.
    Duplicate(Repeat),
    /// Not wanted by the settings.
    Filtered(Filtered),
    /// Kept with its bytes and the reason.
    Quarantined(Reason),
    /// Not kept.
    Dropped(Drop),
}

/// Why a delivery is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repeat {
    /// The broker delivered it again because our acknowledgement had not reached it: the ledger
    /// knows it.
    Redelivery,
    /// A retained message, repeated because we subscribed again.
    Retained,
    /// The route's natural key is already in the table.
    Unique,
}

/// Why a delivery is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filtered {
    /// Its route says `ignore = true`.
    Ignored,
    /// It does not meet the conditions of its route's `when`.
    When,
    /// It is from before the subscription, and its route says `retained = "ignore"`.
    Retained,
    /// No route matches its topic: the subscription is wider than the routes.
    NotWanted,
}

/// Why a delivery is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No bytes at all.
    EmptyPayload,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON (or nested too deep to be a sensor's).
    NotJson,
    /// Not names and values.
    NotKeyvalue,
    /// Not CSV.
    NotCsv,
    /// More rows or elements than one message may have.
    TooManyRows,
    /// No column of its route found a value.
    NoField,
    /// A required field is missing or null.
    MissingField,
    /// A value of another type than the route says.
    WrongType,
    /// A value outside `min` and `max`, or one that its type cannot hold.
    OutOfRange,
    /// Larger than `max_packet_size`; the first bytes are kept.
    TooLarge,
    /// No route's filter matches the topic.
    NoRoute,
    /// The table refused the row (a constraint of its own).
    RefusedByTable,
}

/// Why a delivery was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drop {
    /// QoS 0, in memory, and the process had to stop before the database would take it.
    Shutdown,
    /// QoS 0, and neither database nor spool could be written, and memory was full.
    Holding,
    /// It was in quarantine, which holds only so many rows.
    QuarantineFull,
    /// It was in quarantine for longer than the settings keep it.
    QuarantineAge,
    /// It was in quarantine, and a person dropped it.
    QuarantineDropped,
}

impl Outcome {
    /// The words of the columns `outcome` and `reason` of `barograph_accounting`.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored => ("stored", ""),
            Self::Salvaged => ("stored", "salvaged"),
            Self::Duplicate(repeat) => ("duplicate", repeat.word()),
            Self::Filtered(filtered) => ("filtered", filtered.word()),
            Self::Quarantined(reason) => ("quarantined", reason.word()),
            Self::Dropped(drop) => ("dropped", drop.word()),
        }
    }
}

/// Every outcome there is, so that stored words can be read back.
const OUTCOMES: &[Outcome] = &[
    Outcome::Stored,
    Outcome::Salvaged,
    Outcome::Duplicate(Repeat::Redelivery),
    Outcome::Duplicate(Repeat::Retained),
    Outcome::Duplicate(Repeat::Unique),
    Outcome::Filtered(Filtered::Ignored),
    Outcome::Filtered(Filtered::When),
    Outcome::Filtered(Filtered::Retained),
    Outcome::Filtered(Filtered::NotWanted),
    Outcome::Quarantined(Reason::EmptyPayload),
    Outcome::Quarantined(Reason::NotUtf8),
    Outcome::Quarantined(Reason::NotJson),
    Outcome::Quarantined(Reason::NotKeyvalue),
    Outcome::Quarantined(Reason::NotCsv),
    Outcome::Quarantined(Reason::TooManyRows),
    Outcome::Quarantined(Reason::NoField),
    Outcome::Quarantined(Reason::MissingField),
    Outcome::Quarantined(Reason::WrongType),
    Outcome::Quarantined(Reason::OutOfRange),
    Outcome::Quarantined(Reason::TooLarge),
    Outcome::Quarantined(Reason::NoRoute),
    Outcome::Quarantined(Reason::RefusedByTable),
    Outcome::Dropped(Drop::Shutdown),
    Outcome::Dropped(Drop::Holding),
    Outcome::Dropped(Drop::QuarantineFull),
    Outcome::Dropped(Drop::QuarantineAge),
    Outcome::Dropped(Drop::QuarantineDropped),
];

impl Outcome {
    /// Every outcome.
    pub fn all() -> &'static [Self] {
        OUTCOMES
    }

    /// The outcome that [`Outcome::words`] wrote.
    pub fn from_words(outcome: &str, reason: &str) -> Option<Self> {
        OUTCOMES.iter().copied().find(|known| known.words() == (outcome, reason))
    }
}

impl Drop {
    /// The word of the column `reason` of `barograph_accounting`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Holding => "holding",
            Self::QuarantineFull => "quarantine_full",
            Self::QuarantineAge => "quarantine_age",
            Self::QuarantineDropped => "quarantine_dropped",
        }
    }
}

impl Repeat {
    fn word(self) -> &'static str {
        match self {
            Self::Redelivery => "redelivery",
            Self::Retained => "retained",
            Self::Unique => "unique",
        }
    }
}

impl Filtered {
    /// The word of the column `reason` of `barograph_accounting`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::When => "when",
            Self::Retained => "retained",
            Self::NotWanted => "not_wanted",
        }
    }

    /// The reason that [`Filtered::word`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        match Outcome::from_words("filtered", word) {
            Some(Outcome::Filtered(filtered)) => Some(filtered),
            Some(Outcome::Stored | Outcome::Salvaged | Outcome::Duplicate(_)) => None,
            Some(Outcome::Quarantined(_) | Outcome::Dropped(_)) | None => None,
        }
    }
}

impl Reason {
    /// The word of the column `reason` of `barograph_quarantine`.
    pub fn word(self) -> &'static str {
        match self {
            Self::EmptyPayload => "empty_payload",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotKeyvalue => "not_keyvalue",
            Self::NotCsv => "not_csv",
            Self::TooManyRows => "too_many_rows",
            Self::NoField => "no_field",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::TooLarge => "too_large",
            Self::NoRoute => "no_route",
            Self::RefusedByTable => "refused_by_table",
        }
    }

    /// The reason that [`Reason::word`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        OUTCOMES.iter().find_map(|outcome| match outcome {
            Outcome::Quarantined(reason) => (reason.word() == word).then_some(*reason),
            Outcome::Stored | Outcome::Salvaged | Outcome::Duplicate(_) => None,
            Outcome::Filtered(_) | Outcome::Dropped(_) => None,
        })
    }
}

/// Counts by route and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<(RouteId, Outcome), u64>,
    /// Rows beyond the first of each stored delivery.
    further_rows: BTreeMap<RouteId, u64>,
}

/// Outcome and reason under which the stored account has the rows beyond the first of each stored delivery.
pub const FURTHER_ROWS: (&str, &str) = ("rows", "further");

impl Tally {
    /// Counts `n` deliveries.
    pub fn add(&mut self, route: RouteId, outcome: Outcome, n: u64) {
        *self.counts.entry((route, outcome)).or_default() += n;
    }

    /// Counts `n` rows beyond the first of a stored delivery.
    pub fn add_further_rows(&mut self, route: RouteId, n: u64) {
        if n > 0 {
            *self.further_rows.entry(route).or_default() += n;
        }
    }

    /// Counts all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (route, outcome, n) in other.iter() {
            self.add(route, outcome, n);
        }
        for (&route, &n) in &other.further_rows {
            self.add_further_rows(route, n);
        }
    }

    /// Raises each count to that of `other`, where that is higher.
    pub fn rise_to(&mut self, other: &Self) {
        let more = other.since(self);
        self.merge(&more);
    }

    /// What this tally has more than `base`.
    #[must_use]
    pub fn since(&self, base: &Self) -> Self {
        Self {
            counts: more(&self.counts, &base.counts),
            further_rows: more(&self.further_rows, &base.further_rows),
        }
    }

    /// Every count.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, Outcome, u64)> + '_ {
        self.counts.iter().map(|(&(route, outcome), &n)| (route, outcome, n))
    }

    /// The lines of the stored account: route, outcome and reason as words, count. After the outcomes, for each route, all
    /// that was received.
    pub fn lines(&self) -> Vec<(RouteId, (&'static str, &'static str), u64)> {
        let mut received: BTreeMap<RouteId, u64> = BTreeMap::new();
        for (route, _, n) in self.iter() {
            *received.entry(route).or_default() += n;
        }
        let outcomes = self.iter().map(|(route, outcome, n)| (route, outcome.words(), n));
        let received = received.into_iter().map(|(route, n)| (route, ("received", ""), n));
        let rows = self.further_rows.iter().map(|(&route, &n)| (route, FURTHER_ROWS, n));
        outcomes.chain(received).chain(rows).collect()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The sums over all routes and reasons.
    pub fn sums(&self) -> Sums {
        self.sums_where(|_| true)
    }

    /// The sums of one route.
    pub fn sums_of(&self, route: RouteId) -> Sums {
        self.sums_where(|r| r == route)
    }

    fn sums_where(&self, wanted: impl Fn(RouteId) -> bool) -> Sums {
        let mut sums = Sums::default();
        for (_, n) in self.further_rows.iter().filter(|(route, _)| wanted(**route)) {
            sums.rows += n;
        }
        for (_, outcome, n) in self.iter().filter(|(route, _, _)| wanted(*route)) {
            match outcome {
                Outcome::Stored | Outcome::Salvaged => {
                    sums.stored += n;
                    sums.rows += n;
                }
                Outcome::Duplicate(_) => sums.duplicate += n,
                Outcome::Filtered(_) => sums.filtered += n,
                Outcome::Quarantined(_) => sums.quarantined += n,
                Outcome::Dropped(_) => sums.dropped += n,
            }
        }
        sums
    }
}

/// What each count is more than in `base`, where it is.
fn more<K: Ord + Copy>(counts: &BTreeMap<K, u64>, base: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let before = |key: &K| base.get(key).copied().unwrap_or(0);
    let more = counts.iter().map(|(key, n)| (*key, n.saturating_sub(before(key))));
    more.filter(|(_, n)| *n > 0).collect()
}

/// The ends that a delivery can come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Stored as rows.
    pub stored: u64,
    /// The rows of those.
    pub rows: u64,
    /// Not stored again.
    pub duplicate: u64,
    /// Not wanted by the settings.
    pub filtered: u64,
    /// Kept with their bytes.
    pub quarantined: u64,
    /// Not kept.
    pub dropped: u64,
}

impl Sums {
    /// All deliveries.
    pub fn total(&self) -> u64 {
        self.stored + self.duplicate + self.filtered + self.quarantined + self.dropped
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, duplicate, filtered, quarantined, dropped, .. } = self;
        write!(
            f,
            "{stored} stored + {duplicate} duplicate + {filtered} filtered + {quarantined} \
             quarantined + {dropped} dropped"
        )
    }
}

/// Where every delivery taken from the broker is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Taken from the broker.
    pub received: u64,
    /// What became of those that the database knows of.
    pub sums: Sums,
    /// Safe in the spool, on their way to the database.
    pub spooled: u64,
    /// In memory: not acknowledged.
    pub held: u64,
}

impl Account {
    /// `received = stored + duplicate + filtered + quarantined + spooled + held + dropped`
    pub fn is_balanced(&self) -> bool {
        self.received == self.sums.total() + self.spooled + self.held
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, sums, spooled, held } = self;
        let Sums { stored, duplicate, filtered, quarantined, dropped, .. } = sums;
        write!(
            f,
            "{received} received = {stored} stored + {duplicate} duplicate + {filtered} filtered + \
             {quarantined} quarantined + {spooled} spooled + {held} held + {dropped} dropped"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_sums_what_was_added_by_route_and_over_all() {
        let (a, b) = (RouteId(Some(0)), RouteId(None));
        let mut tally = Tally::default();
        tally.add(a, Outcome::Stored, 2);
        tally.add(a, Outcome::Stored, 1);
        tally.add(b, Outcome::Quarantined(Reason::NoRoute), 4);
        let mut twice = tally.clone();
        twice.merge(&tally);
        assert_eq!(twice.sums_of(a), Sums { stored: 6, rows: 6, ..Sums::default() });
        assert_eq!(twice.sums().total(), 14);
        tally.add_further_rows(a, 5);
        assert_eq!(tally.sums(), Sums { stored: 3, rows: 8, quarantined: 4, ..Sums::default() });
        assert_eq!(tally.since(&Tally::default()).lines(), tally.lines());
        twice.merge(&tally);
        assert_eq!(twice.sums_of(a), Sums { stored: 9, rows: 14, ..Sums::default() });
        let mut highest = Tally::default();
        highest.rise_to(&twice);
        highest.rise_to(&tally);
        assert_eq!(highest, twice, "what was counted stays counted");
    }
}
