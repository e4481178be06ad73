//! The rows of a run: over all database files, each message as often as the broker gave it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rusqlite::Connection;

use super::history::{Histories, repeats_redelivered};
use super::outages::{Stretch, UNCOVERED_MAX_MS};
use super::pages::numbers_on_pages;
use super::plan::Qos;
use super::report::{Check, Report};
use super::stage::Stage;
use super::taken::{Taken, numbers_in};
use super::witness::Heard;
use crate::support::publisher::Published;

/// Messages that were published within this time of each other are shown as one stretch.
const STRETCH_MS: i64 = 500;
/// Most stretches that are shown.
const STRETCHES_MAX: usize = 12;

/// What is read of one database file.
#[derive(Default)]
pub(super) struct Content {
    numbers: HashMap<i64, u32>,
    repeated: i64,
    pub(super) gaps: Vec<Stretch>,
}

/// The database files that count, and those that were removed before a recorder could save their rows.
pub(super) struct Files {
    database: Content,
    /// With the place in `TakenFiles::all`.
    moved: Vec<(usize, Content)>,
    /// Numbers that no recorder could save, and how many repeated readings.
    destroyed: HashSet<i64>,
    destroyed_repeated: i64,
    destroyed_gaps: Vec<Stretch>,
    /// Of removed files of which only the -wal was left: when they were removed, and the numbers that they held.
    salvaged_from_wals: Vec<(i64, HashSet<i64>)>,
}

impl Files {
    /// Reads all of them, as an operator would; what cannot be read is a finding.
    pub(super) fn read(stage: &Stage, end_of_run: i64, report: &mut Report) -> Self {
        let copies = stage.copied_databases();
        let database = content(&copies.join("data.db"), end_of_run).unwrap_or_else(|error| {
            report.find(Check::Integrity, format!("data.db cannot be read: {error}"));
            Content::default()
        });
        let mut files = Self {
            database,
            moved: Vec::new(),
            destroyed: HashSet::new(),
            destroyed_repeated: 0,
            destroyed_gaps: Vec::new(),
            salvaged_from_wals: Vec::new(),
        };
        for (place, taken) in stage.taken.all.iter().enumerate() {
            if let Some(path) = &taken.moved_to {
                let copy = copies.join(path.file_name().expect("moved to a file"));
                files.read_moved(stage, (place, taken), &copy, report);
            } else if let Some(rescue) = Rescue::none_for(taken, stage) {
                files.read_removed(stage, (place, taken), rescue);
            }
        }
        if !files.destroyed.is_empty() {
            report.notes.push(format!(
                "{} messages were in files that were removed while no recorder could save them",
                files.destroyed.len()
            ));
        }
        files
    }

    fn read_moved(
        &mut self,
        stage: &Stage,
        (place, taken): (usize, &Taken),
        path: &Path,
        report: &mut Report,
    ) {
        // SQLite's documents forbid it: without its -wal a file may be inconsistent.
        let is_torn = !taken.how.with_wal && Rescue::none_for(taken, stage).is_some();
        if is_torn {
            self.destroyed.extend(numbers_on_pages(path));
        }
        match content(path, taken.at) {
            Ok(content) => self.moved.push((place, content)),
            Err(error) => {
                let what = format!("{}: {error}", path.display());
                if is_torn {
                    report.notes.push(format!("moved without its -wal, with no recorder: {what}"));
                } else {
                    report.find(Check::Moved, what);
                }
            }
        }
    }

    fn read_removed(&mut self, stage: &Stage, (place, taken): (usize, &Taken), rescue: Rescue) {
        let [alone, whole] = taken.copies(stage.folder.root(), place + 1);
        self.destroyed.extend(match rescue {
            Rescue::OfTheWal => {
                self.salvaged_from_wals.push((taken.at, numbers_in(&whole)));
                numbers_on_pages(&alone)
            }
            Rescue::Nothing => numbers_in(&whole),
        });
        if let Ok(content) = content(&whole, taken.at) {
            self.destroyed_repeated += content.repeated;
            self.destroyed_gaps.extend(content.gaps);
        }
    }

    /// All gaps that a person can read of, and those in files that no recorder could save.
    pub(super) fn gaps(&self) -> Vec<Stretch> {
        let moved = self.moved.iter().flat_map(|(_, content)| &content.gaps);
        let all = self.database.gaps.iter().chain(moved).chain(&self.destroyed_gaps);
        all.cloned().collect()
    }

    fn copies(&self, number: i64) -> u32 {
        let of = |content: &Content| content.numbers.get(&number).copied().unwrap_or(0);
        of(&self.database) + self.moved.iter().map(|(_, content)| of(content)).sum::<u32>()
    }

    fn rows(&self) -> i64 {
        let of =
            |content: &Content| i64::from(content.numbers.values().sum::<u32>()) + content.repeated;
        of(&self.database) + self.moved.iter().map(|(_, content)| of(content)).sum::<i64>()
    }
}

/// What a recorder could have saved of a database that was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rescue {
    /// The rows that were only in the -wal, which is still there.
    OfTheWal,
    Nothing,
}

impl Rescue {
    /// Where not all could be saved, what could: no recorder ran, or it was killed before it had copied the rows.
    pub(super) fn none_for(taken: &Taken, stage: &Stage) -> Option<Self> {
        let of_the_wal = if taken.how.with_wal { Self::Nothing } else { Self::OfTheWal };
        let Some(life) = taken.life.map(|number| &stage.lives.all[number]) else {
            return Some(of_the_wal);
        };
        let says = |event| life.events(event).iter().any(|(at, _)| *at >= taken.at);
        let is_killed =
            life.ended.is_some_and(|(_, status)| status.signal() == Some(Signal::SIGKILL as i32));
        let is_saved =
            says("database_salvaged") || (taken.moved_to.is_some() && says("database_replaced"));
        if !is_killed || is_saved {
            None
        } else if says("database_replaced") {
            Some(Self::Nothing)
        } else {
            Some(of_the_wal)
        }
    }
}

/// Everything that the rows are judged by.
pub(super) struct Evidence<'a> {
    pub(super) stage: &'a Stage,
    pub(super) streams: &'a [Published],
    /// How many repeated readings were published.
    pub(super) repeated: i64,
    pub(super) heard: &'a Heard,
    pub(super) files: &'a Files,
    pub(super) gaps: &'a [Stretch],
}

/// Holds the rows to the promise.
pub(super) fn judge(evidence: &Evidence, report: &mut Report) {
    let Evidence { stage, streams, files, .. } = *evidence;
    report.published = streams.iter().map(|it| it.next - it.first).sum::<i64>() + evidence.repeated;
    report.stored = files.rows();
    let (mut lost, mut twice) = (Vec::new(), Vec::new());
    for stream in streams {
        for number in stream.first..stream.next {
            let copies = files.copies(number);
            let given = u32::from(evidence.heard.copies(number));
            if copies == 0 && evidence.is_expected(stream, number, given) {
                lost.push(number);
            } else if copies > given.max(1) {
                twice.push(number);
            }
        }
    }
    let suspects: HashSet<i64> = lost.iter().chain(&twice).copied().collect();
    let histories = Histories::of(&suspects, &stage.log);
    evidence.judge_lost(&lost, &histories, report);
    evidence.judge_twice(&twice, &histories, report);
    evidence.judge_repeated(report);
}

impl Evidence<'_> {
    /// Whether the recorder has to have it.
    fn is_expected(&self, stream: &Published, number: i64, given: u32) -> bool {
        let plan = &self.stage.plan;
        // At QoS 0 the broker may give it to one subscriber and not to the other; a killed one loses it for one.
        let is_certain =
            plan.qos != Qos::Only(0) && !plan.kills_broker && !stream.doubtful.contains(&number);
        (given > 0 || is_certain) && !self.files.destroyed.contains(&number)
    }

    fn judge_lost(&self, lost: &[i64], histories: &Histories, report: &mut Report) {
        let plan = &self.stage.plan;
        let (mut in_gaps, mut by_broker) = (0, 0);
        let mut causes = Causes::default();
        let elsewhere = self.elsewhere();
        for number in lost.iter().copied() {
            let is_acknowledged = histories.is_acknowledged(number);
            if plan.kills_broker && !is_acknowledged {
                by_broker += 1;
                continue;
            }
            let may_drop = plan.is_stock || plan.qos == Qos::Only(0);
            if may_drop && !is_acknowledged && self.is_in_gap(number) {
                in_gaps += 1;
                continue;
            }
            let mut cause = histories.cause_of_loss(number);
            let named = elsewhere.iter().filter(|(_, numbers)| numbers.contains(&number));
            named.for_each(|(name, _)| cause += &format!("; it is in {name}"));
            causes.add(number, cause);
        }
        report.lost = causes.count();
        causes.tell(Check::Lost, histories, self, report);
        if in_gaps > 0 {
            report.notes.push(format!("{in_gaps} messages were lost within recorded gaps"));
        }
        if by_broker > 0 {
            report.notes.push(format!("{by_broker} messages were lost by the killed broker"));
        }
    }

    fn judge_twice(&self, twice: &[i64], histories: &Histories, report: &mut Report) {
        let stage = self.stage;
        let (mut without_ledger, mut rolled_back) = (0, 0);
        let mut causes = Causes::default();
        for number in twice.iter().copied() {
            let given = u32::from(self.heard.copies(number)).max(1);
            let repeated = histories.repeated_by_a_killed_broker(number, &stage.journal);
            let by_broker = u32::try_from(histories.fresh(number) + repeated).expect("few");
            if stage.plan.kills_broker && self.files.copies(number) <= by_broker.max(given) {
                rolled_back += 1;
            } else if self.lost_its_ledger(number, given, histories) {
                without_ledger += 1;
            } else {
                causes.add(number, histories.cause_of_twice(number, &stage.journal));
            }
        }
        report.twice = causes.count();
        causes.tell(Check::Twice, histories, self, report);
        if without_ledger > 0 {
            report.notes.push(format!(
                "{without_ledger} messages are in a moved file, or came over from a -wal alone, and were delivered again: \
                 their ledger was taken away with the file while no recorder ran"
            ));
        }
        if rolled_back > 0 {
            report.notes.push(format!(
                "{rolled_back} messages are stored as often as the killed broker delivered them as new, or again after it \
                 had taken their acknowledgement"
            ));
        }
    }

    /// Whether one copy is in a file that was moved while no recorder ran, or came over from the -wal of one that was
    /// removed then, and it was delivered again after that.
    fn lost_its_ledger(&self, number: i64, given: u32, histories: &Histories) -> bool {
        let again_after = |at: i64| {
            let mut steps = histories.steps(number).iter();
            steps.any(|step| step.entry.is_message() && step.entry.is_dup() && step.at >= at)
        };
        let surplus = self.files.copies(number) - given;
        let is_moved = |(place, content): &(usize, Content)| {
            let taken = &self.stage.taken.all[*place];
            content.numbers.get(&number).is_some_and(|copies| *copies >= surplus)
                && again_after(taken.at)
                && Rescue::none_for(taken, self.stage).is_some()
        };
        let is_salvaged = |(at, numbers): &(i64, HashSet<i64>)| {
            surplus == 1 && numbers.contains(&number) && again_after(*at)
        };
        self.files.moved.iter().any(is_moved)
            || self.files.salvaged_from_wals.iter().any(is_salvaged)
    }

    /// As many rows as the broker gave, where the witness was given the same.
    fn judge_repeated(&self, report: &mut Report) {
        let plan = &self.stage.plan;
        let rows = |content: &Content| content.repeated;
        let stored = rows(&self.files.database)
            + self.files.moved.iter().map(|(_, content)| rows(content)).sum::<i64>();
        let given = self.heard.repeated;
        let words = format!("of {given} repeated readings {stored} are stored");
        if plan.is_stock || plan.kills_broker || plan.qos == Qos::Only(0) {
            return report.notes.push(words);
        }
        let least = given - self.files.destroyed_repeated;
        let most = given + self.redelivered_without_ledger();
        if !(least..=most).contains(&stored) {
            report.find(Check::Repeated, words);
        }
    }

    fn redelivered_without_ledger(&self) -> i64 {
        let stage = self.stage;
        let without = |taken: &&Taken| match Rescue::none_for(taken, stage) {
            Some(Rescue::OfTheWal) => true,
            Some(Rescue::Nothing) => taken.moved_to.is_some(),
            None => false,
        };
        let taken = stage.taken.all.iter().filter(without);
        taken.map(|taken| repeats_redelivered(&stage.log, taken.at, taken.at + 30_000)).sum()
    }

    fn is_in_gap(&self, number: i64) -> bool {
        let sent_at = self.sent_at(number);
        let is_near = |gap: &Stretch| {
            let around = gap.from - UNCOVERED_MAX_MS..=gap.to + UNCOVERED_MAX_MS;
            around.contains(&sent_at)
        };
        self.gaps.iter().any(is_near)
    }

    /// When it was published, in milliseconds since 1970.
    fn sent_at(&self, number: i64) -> i64 {
        let mut streams = self.streams.iter();
        let stream = streams.find(|it| (it.first..it.next).contains(&number)).expect("published");
        let place = usize::try_from(number - stream.first).expect("in the stream");
        stream.sent_at[place]
    }

    /// When such messages were published: stretches of time, in seconds since the log began.
    fn times(&self, numbers: &[i64]) -> String {
        let mut times: Vec<i64> = numbers.iter().map(|number| self.sent_at(*number)).collect();
        times.sort_unstable();
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for at in times {
            match stretches.last_mut().filter(|(_, to)| at - *to <= STRETCH_MS) {
                Some((_, to)) => *to = at,
                None => stretches.push((at, at)),
            }
        }
        let began = self.stage.log.began;
        let seconds = |at: i64| (at - began) as f64 / 1_000.0;
        let shown = stretches.iter().take(STRETCHES_MAX);
        let words = shown.map(|(from, to)| format!("{:.3} to {:.3}", seconds(*from), seconds(*to)));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Files that do not count and in which a lost message may be found.
    fn elsewhere(&self) -> Vec<(String, HashSet<i64>)> {
        let stage = self.stage;
        let copies = stage.copied_databases();
        let entries = fs::read_dir(copies).into_iter().flatten().flatten();
        let is_aside = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.contains(".corrupt-") && !name.ends_with("-wal") && !name.ends_with("-shm")
        };
        let aside = entries.map(|entry| entry.path()).filter(is_aside);
        let mut found: Vec<(String, HashSet<i64>)> =
            aside.map(|path| (path.display().to_string(), numbers_in(&path))).collect();
        for (place, taken) in stage.taken.all.iter().enumerate() {
            let [_, whole] = taken.copies(stage.folder.root(), place + 1);
            found.push((format!("the file that `{}` took away", taken.how), numbers_in(&whole)));
        }
        found
    }
}

/// Numbers by what happened to them.
#[derive(Default)]
struct Causes(BTreeMap<String, Vec<i64>>);

impl Causes {
    fn add(&mut self, number: i64, cause: String) {
        self.0.entry(cause).or_default().push(number);
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// One finding for each cause, with the history of its first number.
    fn tell(&self, check: Check, histories: &Histories, evidence: &Evidence, report: &mut Report) {
        let stage = evidence.stage;
        for (cause, numbers) in &self.0 {
            let shown = &numbers[..numbers.len().min(8)];
            let (count, times) = (numbers.len(), evidence.times(numbers));
            let what = format!("{count} messages ({cause}), sent from {times}: {shown:?}");
            let history = histories.text(numbers[0], &stage.journal, &stage.log);
            report.explain(check, what, history);
        }
    }
}

/// Reads one file. A table that is not there has no rows; a gap that is open ends at `open_until`.
fn content(path: &Path, open_until: i64) -> rusqlite::Result<Content> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut content = Content::default();
    if has_table(&connection, "load")? {
        let mut statement = connection.prepare("SELECT n, count(*) FROM load GROUP BY n")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        content.numbers = rows.collect::<rusqlite::Result<_>>()?;
    }
    if has_table(&connection, "magnetic_flux_data")? {
        let query = "SELECT count(*) FROM magnetic_flux_data";
        content.repeated = connection.query_row(query, [], |row| row.get(0))?;
    }
    if has_table(&connection, "barograph_gaps")? {
        let query = "SELECT CAST(round(1000 * unixepoch(from_at, 'subsec')) AS INTEGER), \
                     CAST(round(1000 * unixepoch(to_at, 'subsec')) AS INTEGER), cause FROM barograph_gaps";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| {
            let to: Option<i64> = row.get(1)?;
            Ok(Stretch { from: row.get(0)?, to: to.unwrap_or(open_until), cause: row.get(2)? })
        })?;
        content.gaps = rows.collect::<rusqlite::Result<_>>()?;
    }
    Ok(content)
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(query, [name], |row| row.get(0))
}
