//! A look into the recorder's database, through a read-only connection of another process.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};

use super::publisher::Published;
use super::wait;

/// Most examples that a complaint lists.
const EXAMPLES: usize = 8;

/// A database file.
pub(crate) struct Database {
    path: PathBuf,
}

/// What became of the messages: sums of `barograph_accounting`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) received: i64,
    pub(crate) stored: i64,
    pub(crate) duplicate: i64,
    pub(crate) filtered: i64,
    /// Rows beyond the first of each stored message.
    pub(crate) further_rows: i64,
    pub(crate) quarantined: i64,
    pub(crate) dropped: i64,
}

impl Account {
    /// `received = stored + duplicate + filtered + quarantined + dropped`
    pub(crate) fn is_balanced(&self) -> bool {
        self.received
            == self.stored + self.duplicate + self.filtered + self.quarantined + self.dropped
    }
}

/// The promise, and how it was kept.
pub(crate) struct Comparison {
    published: i64,
    /// Certainly published, and not there.
    pub(crate) lost: Vec<i64>,
    /// There more than once.
    pub(crate) twice: Vec<i64>,
}

impl Comparison {
    /// 0 lost, 0 twice.
    pub(crate) fn is_exact(&self) -> bool {
        self.lost.is_empty() && self.twice.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { published, lost, twice } = self;
        let (some_lost, some_twice) =
            (&lost[..lost.len().min(EXAMPLES)], &twice[..twice.len().min(EXAMPLES)]);
        write!(f, "of {published} published {} are lost {some_lost:?}, ", lost.len())?;
        write!(f, "{} are there twice {some_twice:?}", twice.len())
    }
}

impl Database {
    /// The file need not exist yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A read-only connection with the patience of Python's default.
    pub(crate) fn reader(&self) -> Connection {
        self.try_reader().expect("the database can be read")
    }

    fn try_reader(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection)
    }

    /// A connection that may write, as a foreign process would have.
    pub(crate) fn writer(&self) -> Connection {
        let connection = Connection::open(&self.path).expect("the database can be opened");
        connection.busy_timeout(Duration::from_secs(5)).expect("a pragma");
        connection
    }

    /// The rows of a table; none while there is no such file or table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        let count = self.try_reader().and_then(|db| db.query_row(&query, [], |row| row.get(0)));
        count.unwrap_or(0)
    }

    /// One value.
    pub(crate) fn one<T: FromSql>(&self, query: &str) -> T {
        self.reader()
            .query_row(query, [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Waits until a query gives this number.
    pub(crate) fn wait_for_one(&self, query: &str, wanted: i64) {
        let complaint = || format!("{query}: {}, wanted {wanted}", self.one::<i64>(query));
        let is_there = || (self.one::<i64>(query) == wanted).then_some(());
        wait::until_or(Duration::from_secs(10), is_there, complaint);
    }

    /// One column of all rows.
    pub(crate) fn all<T: FromSql>(&self, query: &str) -> Vec<T> {
        let reader = self.reader();
        let mut statement = reader.prepare(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        let rows = statement.query_map([], |row| row.get(0)).expect("no parameters");
        rows.collect::<rusqlite::Result<_>>().unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Compares column `n` of a table with what was published.
    pub(crate) fn compare(&self, table: &str, published: &Published) -> Comparison {
        let query = format!("SELECT n, count(*) FROM {table} GROUP BY n");
        let reader = self.reader();
        let mut statement = reader.prepare(&query).expect("a table with a column n");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: rusqlite::Result<HashMap<i64, i64>> = rows.expect("no parameters").collect();
        let rows = rows.expect("integers");
        let is_lost = |n: &i64| !rows.contains_key(n) && !published.doubtful.contains(n);
        let lost = (published.first..published.next).filter(is_lost).collect();
        let mut twice: Vec<i64> = rows.iter().filter(|row| *row.1 > 1).map(|row| *row.0).collect();
        twice.sort_unstable();
        Comparison { published: published.next - published.first, lost, twice }
    }

    /// The sums of the account.
    pub(crate) fn account(&self) -> Account {
        self.accounts().values().fold(Account::default(), |sum, one| Account {
            received: sum.received + one.received,
            stored: sum.stored + one.stored,
            duplicate: sum.duplicate + one.duplicate,
            filtered: sum.filtered + one.filtered,
            further_rows: sum.further_rows + one.further_rows,
            quarantined: sum.quarantined + one.quarantined,
            dropped: sum.dropped + one.dropped,
        })
    }

    /// The account must balance, for each route and in all, and say what the tables hold.
    pub(crate) fn assert_account_equals(&self, tables: &[&str]) -> Account {
        self.checked_account(tables).unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    /// The account, or what is wrong with it.
    pub(crate) fn checked_account(&self, tables: &[&str]) -> Result<Account, String> {
        for (route, account) in self.accounts() {
            if !account.is_balanced() {
                return Err(format!("route {route} does not balance: {account:?}"));
            }
        }
        let account = self.account();
        let rows: i64 = tables.iter().map(|table| self.count(table)).sum();
        let quarantined = self.count("barograph_quarantine");
        if (account.stored + account.further_rows, account.quarantined) == (rows, quarantined) {
            Ok(account)
        } else {
            Err(format!(
                "{rows} rows of {tables:?}, {quarantined} in quarantine, but the account says \
                 {account:?}"
            ))
        }
    }

    fn accounts(&self) -> BTreeMap<String, Account> {
        let query = "SELECT coalesce(route, ''), outcome, sum(count) FROM barograph_accounting \
                     GROUP BY 1, 2";
        let reader = self.reader();
        let mut statement = reader.prepare(query).expect("the table of the design");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let mut accounts = BTreeMap::<String, Account>::new();
        for row in rows.expect("no parameters") {
            let (route, outcome, count): (String, String, i64) = row.expect("text, text, integer");
            let account = accounts.entry(route).or_default();
            match outcome.as_str() {
                "received" => account.received = count,
                "stored" => account.stored = count,
                "duplicate" => account.duplicate = count,
                "filtered" => account.filtered = count,
                "rows" => account.further_rows = count,
                "quarantined" => account.quarantined = count,
                "dropped" => account.dropped = count,
                other => panic!("an outcome that the design does not know: {other}"),
            }
        }
        accounts
    }
}
