//! The SQL that every batch uses, made once.

use barograph_config::Route;

pub(in crate::sqlite) const LEDGER_INSERT: &str = "INSERT INTO barograph_ledger (number, run, batch, \
    connection, at, confirmed, ids_taken, entries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(in crate::sqlite) const LEDGER_TRIM: &str = "DELETE FROM barograph_ledger WHERE number < ?1";
pub(in crate::sqlite) const LEDGER_DELETE: &str = "DELETE FROM barograph_ledger WHERE number = ?1";
pub(in crate::sqlite) const LEDGER_ENTRIES: &str =
    "UPDATE barograph_ledger SET entries = ?2 WHERE number = ?1";
pub(in crate::sqlite) const LEDGER_CLEAR: &str = "DELETE FROM barograph_ledger";
pub(in crate::sqlite) const RETAINED_INSERT: &str =
    "INSERT OR IGNORE INTO barograph_retained (digest) VALUES (?1)";
pub(in crate::sqlite) const RETAINED_CLEAR: &str = "DELETE FROM barograph_retained";
pub(in crate::sqlite) const QUARANTINE_INSERT: &str = "INSERT INTO barograph_quarantine (received_at, route, \
    topic, payload, size, qos, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(in crate::sqlite) const ACCOUNT_ADD: &str = "INSERT INTO barograph_accounting (route, outcome, reason, \
    count) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (route, outcome, reason) DO UPDATE SET count = \
    count + excluded.count";

/// How many of the statements above and of the inserts of so many routes stay prepared.
pub(in crate::sqlite) fn cached_max(routes: usize) -> usize {
    64 + routes.min(1_000)
}

/// The inserts of the routes, in their order.
#[derive(Debug)]
pub(in crate::sqlite) struct Statements {
    inserts: Vec<String>,
}

impl Statements {
    pub(in crate::sqlite) fn new(routes: &[Route]) -> Self {
        Self { inserts: routes.iter().map(insert).collect() }
    }

    pub(in crate::sqlite) fn insert(&self, route: usize) -> &str {
        &self.inserts[route]
    }
}

/// The route's columns in order, then `created_at`. With a natural key, a row that repeats it is
/// left out.
fn insert(route: &Route) -> String {
    let names: Vec<String> =
        route.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let places = vec!["?"; names.len() + 1].join(", ");
    let key: Vec<String> = route.unique.iter().map(|column| format!("\"{column}\"")).collect();
    let conflict = if key.is_empty() {
        String::new()
    } else {
        format!(" ON CONFLICT ({}) DO NOTHING", key.join(", "))
    };
    format!(
        "INSERT INTO \"{}\" ({}, \"created_at\") VALUES ({places}){conflict}",
        route.table,
        names.join(", ")
    )
}
