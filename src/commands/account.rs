//! `barograph account`: what became of every message, and whether the tables agree.

use std::collections::BTreeMap;
use std::path::Path;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::database::{TargetDatabase, say, shown_route, unreadable};
use super::read_args::AccountArgs;
use crate::exit::Failed;
use crate::sqlite::{
    AccountingReport, Catalog, DatabaseEntry, DatabaseError, Databases, Held, ReadOnlyDatabase,
    SpoolReport, spool_path, taken_over,
};
use crate::text::{table, wrapped};

/// A recorder may take the spool over while we read; then both are read again.
const TRIES: usize = 5;

/// One line of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct AccountLine {
    received: i64,
    stored: i64,
    /// Rows of the stored ones.
    rows: i64,
    duplicate: i64,
    filtered: i64,
    quarantined: i64,
    spooled: i64,
    /// What is in memory is not acknowledged, and not known here: always 0.
    held: i64,
    dropped: BTreeMap<String, i64>,
}

impl AccountLine {
    fn dropped_in_all(&self) -> i64 {
        self.dropped.values().sum()
    }

    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.rows += other.rows;
        self.duplicate += other.duplicate;
        self.filtered += other.filtered;
        self.quarantined += other.quarantined;
        self.spooled += other.spooled;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(reason.clone()).or_default() += count;
        }
    }

    fn cells(&self, name: &str) -> Vec<String> {
        let Self { received, stored, rows, duplicate, filtered, quarantined, spooled, .. } = self;
        let dropped = &self.dropped_in_all();
        let numbers = [received, stored, rows, duplicate, filtered, quarantined, spooled, dropped];
        let mut cells = vec![name.to_owned()];
        cells.extend(numbers.map(i64::to_string));
        cells
    }
}

/// All that is to be said.
struct AccountReport {
    lines: BTreeMap<String, AccountLine>,
    wrong: Vec<String>,
    notes: Vec<String>,
    /// Databases of this recorder from before, with rows that are not in this one.
    earlier: Vec<DatabaseEntry>,
}

/// Prints the account; gives 1 when it is wrong.
///
/// # Errors
/// The database cannot be read.
pub fn account(settings: &Settings, args: &AccountArgs) -> Result<i32, Failed> {
    let place = TargetDatabase::of(settings)?;
    let catalog = Catalog::of(&settings.spool.dir, &place.database);
    if args.write_off {
        write_off(&catalog)?;
    }
    let spool = spool_path(&settings.spool.dir, &place.database);
    let (books, spool_books) = read(&place, &spool)?;
    let mut account = judge(&books, spool_books, &spool);
    account.earlier = catalog.read().earlier().cloned().collect();
    if let Some(holder) = &place.holder {
        account.notes.push(format!(
            "What a running recorder ({holder}) holds in memory is not counted: it is not acknowledged \
             yet."
        ));
    }
    say(&if args.reply.json { to_json(&account, &place) } else { to_text(&account) })?;
    let code = if account.wrong.is_empty() { exit_code::OK } else { exit_code::FOUND_WRONG };
    Ok(code)
}

/// What earlier databases held and is not here is no longer missed.
fn write_off(catalog: &Catalog) -> Result<(), Failed> {
    catalog.change(true, Databases::write_off_earlier).map_err(|error| Failed {
        code: exit_code::CANNOT_CREATE,
        message: format!("what earlier databases held cannot be written off: {error}"),
    })
}

type SpoolRead = Result<Option<SpoolReport>, DatabaseError>;

/// The spool first: what is taken over meanwhile is then in both, and counted once by its position.
fn read(place: &TargetDatabase, spool: &Path) -> Result<(AccountingReport, SpoolRead), Failed> {
    let failed = |error: DatabaseError| unreadable(&error, &place.database);
    let mut tries = 0;
    loop {
        let look: ReadOnlyDatabase = place.look()?;
        let before = taken_over(&look).map_err(failed)?;
        let spool_books = match SpoolReport::read(spool) {
            // It goes as a whole when it is empty.
            Err(_) if !spool.exists() => Ok(None),
            read => read.map(Some),
        };
        let books = AccountingReport::read(&look).map_err(failed)?;
        tries += 1;
        if books.taken_over == before || tries == TRIES {
            return Ok((books, spool_books));
        }
    }
}

fn judge(books: &AccountingReport, spool_books: SpoolRead, spool: &Path) -> AccountReport {
    let mut lines: BTreeMap<String, AccountLine> = BTreeMap::new();
    for count in &books.counts {
        let line = lines.entry(count.route.clone()).or_default();
        match count.outcome.as_str() {
            "received" => line.received += count.count,
            "stored" => {
                line.stored += count.count;
                line.rows += count.count;
            }
            "rows" => line.rows += count.count,
            "filtered" => line.filtered += count.count,
            "duplicate" => line.duplicate += count.count,
            "quarantined" => line.quarantined += count.count,
            _ => *line.dropped.entry(count.reason.clone()).or_default() += count.count,
        }
    }
    let (mut wrong, mut notes) = (Vec::new(), Vec::new());
    for (route, line) in &lines {
        check_line(route, line, &mut wrong);
    }
    check_quarantine(books, &lines, &mut wrong);
    check_tables(books, &lines, &mut wrong, &mut notes);
    match spool_books {
        Ok(None) => {}
        Ok(Some(waiting)) => add_spool(books, &waiting, spool, &mut lines, &mut wrong),
        Err(error) => wrong.push(format!(
            "The spool {} cannot be read ({error}): what waits there is not counted. The recorder \
             sets a damaged one aside and saves what can be read.",
            spool.display()
        )),
    }
    AccountReport { lines, wrong, notes, earlier: Vec::new() }
}

fn check_line(route: &str, line: &AccountLine, wrong: &mut Vec<String>) {
    let AccountLine { received, stored, duplicate, filtered, quarantined, .. } = line;
    let dropped = line.dropped_in_all();
    let sum = stored + duplicate + filtered + quarantined + dropped;
    if *received != sum {
        wrong.push(format!(
            "{}: {received} were received, but {stored} stored + {duplicate} duplicate + {filtered} \
             filtered + {quarantined} quarantined + {dropped} dropped are {sum}.",
            shown_route(route)
        ));
    }
}

fn check_quarantine(
    books: &AccountingReport,
    lines: &BTreeMap<String, AccountLine>,
    wrong: &mut Vec<String>,
) {
    let routes: std::collections::BTreeSet<&String> =
        lines.keys().chain(books.quarantined.keys()).collect();
    for route in routes {
        let counted = lines.get(route).map_or(0, |line| line.quarantined);
        let there = books.quarantined.get(route).copied().unwrap_or(0);
        if counted != there {
            wrong.push(format!(
                "{}: {counted} are counted as quarantined, and barograph_quarantine holds {there}. \
                 (Use `barograph quarantine drop`, which counts, to delete.)",
                shown_route(route)
            ));
        }
    }
}

fn check_tables(
    books: &AccountingReport,
    lines: &BTreeMap<String, AccountLine>,
    wrong: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    for (table, held) in &books.held {
        let (stored, rows) = lines.get(table).map_or((0, 0), |line| (line.stored, line.rows));
        match held {
            Held::Digested { before, covered, there } => {
                if before + covered != rows {
                    let before = match before {
                        0 => String::new(),
                        before => format!(" (and {before} from before there were digests)"),
                    };
                    wrong.push(format!(
                        "{table}: {rows} rows of {stored} messages are counted as stored, and digests were \
                         recorded of {covered} rows{before}."
                    ));
                }
                if covered != there {
                    wrong.push(format!(
                        "{table}: {covered} rows were written, and the table holds {there} of \
                         them. Rows were deleted, or are lost: `barograph verify` names them."
                    ));
                }
            }
            Held::Undigested => notes.push(format!(
                "{table} has no digests (a view, a table without rowids, or one with triggers): its \
                 rows are not checked."
            )),
            Held::Older => notes.push(format!(
                "{table}: this database is older than digests, and its rows are not checked; the \
                 recorder begins them at its next start."
            )),
            Held::Absent => wrong.push(format!(
                "{table}: {stored} are counted as stored, and there is no such table."
            )),
        }
    }
}

fn add_spool(
    books: &AccountingReport,
    waiting: &SpoolReport,
    spool: &Path,
    lines: &mut BTreeMap<String, AccountLine>,
    wrong: &mut Vec<String>,
) {
    let (id, position) = books.taken_over;
    let waits = |at: i64| id != waiting.id || at > position;
    for (_, route) in waiting.records.iter().filter(|(at, _)| waits(*at)) {
        let line = lines.entry(route.clone()).or_default();
        line.received += 1;
        line.spooled += 1;
    }
    for (_, route, reason, count) in waiting.dropped.iter().filter(|(at, ..)| waits(*at)) {
        let line = lines.entry(route.clone()).or_default();
        line.received += count;
        *line.dropped.entry(reason.clone()).or_default() += count;
    }
    if waiting.orphans > 0 {
        wrong.push(format!(
            "The spool {} holds {} that belong to no batch: the database will not take them over.",
            spool.display(),
            crate::text::counted(waiting.orphans, "record")
        ));
    }
}

fn in_all(account: &AccountReport) -> AccountLine {
    account.lines.values().fold(AccountLine::default(), |mut sum, line| {
        sum.add(line);
        sum
    })
}

fn to_text(account: &AccountReport) -> String {
    let head = "route received stored rows duplicate filtered quarantined spooled dropped";
    let mut rows = vec![head.split(' ').map(str::to_owned).collect()];
    rows.extend(account.lines.iter().map(|(route, line)| line.cells(shown_route(route))));
    let all = in_all(account);
    if account.lines.len() != 1 {
        rows.push(all.cells("in all"));
    }
    let mut text = table(&rows);
    for (route, line) in account.lines.iter().filter(|(_, line)| line.dropped_in_all() != 0) {
        let reasons = line.dropped.iter().map(|(reason, count)| format!("{count} {reason}"));
        let reasons: Vec<String> = reasons.collect();
        text += &wrapped(&format!("dropped of {}: {}", shown_route(route), reasons.join(", ")), 0);
    }
    text.push('\n');
    if all.spooled > 0 {
        let spooled = "What is spooled is safe on the disk, and waits for the database.";
        text += &wrapped(spooled, 0);
    }
    for note in &account.notes {
        text += &wrapped(note, 0);
    }
    for earlier in &account.earlier {
        text += &wrapped(&format!("Not here: {earlier}."), 0);
    }
    for wrong in &account.wrong {
        text += &wrapped(&format!("WRONG: {wrong}"), 0);
    }
    if account.wrong.is_empty() {
        text += "The account balances, and the tables hold what it says.\n";
    }
    text
}

fn earlier_json(database: &DatabaseEntry) -> Json {
    json!({
        "path": database.path.display().to_string(),
        "last_open": barograph_actors::message::delivery::UnixMillis(database.seen).to_string(),
        "rows": database.rows,
        "missing": database.missing(),
    })
}

fn to_json(account: &AccountReport, place: &TargetDatabase) -> String {
    let json = json!({
        "database": place.database.display().to_string(),
        "routes": account.lines,
        "in_all": in_all(account),
        "notes": account.notes,
        "wrong": account.wrong,
        "earlier_databases": account.earlier.iter().map(earlier_json).collect::<Vec<_>>(),
        "running": place.holder.as_ref().and_then(|holder| holder.pid),
    });
    format!("{json}\n")
}
