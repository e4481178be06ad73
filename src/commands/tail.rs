//! `barograph tail`: rows as they are stored, until the recorder or the reader ends.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde_json::Value as Json;

use super::args::TailArgs;
use super::grid::Grid;
use super::paint::Paint;
use super::recorder::{put, unanswered};
use super::status::number;
use crate::exit::Failed;
use crate::ipc::client::{Client, NoAnswer};
use crate::text::{WIDTH, counted, glimpse};
use crate::time::shown_text;

/// A stream says that it lives more often than that.
const SILENT_MAX: Duration = Duration::from_secs(15);
/// Rows of a route between two heads.
const HEAD_EVERY: usize = 20;

/// Prints rows.
///
/// # Errors
/// No recorder answers, or there is no such route, or it ended without a word.
pub fn tail(settings: &Settings, args: &TailArgs) -> Result<i32, Failed> {
    let failed = |error: NoAnswer| unanswered(settings, &error);
    let mut client = Client::open(&settings.instance.lock_file, SILENT_MAX).map_err(failed)?;
    let more: Vec<(&str, &str)> =
        args.route.iter().map(|route| ("route", route.as_str())).collect();
    let columns = client.ask("tail", &more).map_err(failed)?;
    let mut printer = Printer::new(&columns, args.json);
    loop {
        match client.next_line() {
            Ok(Some(line)) => {
                if let Some(end) = line.get("end") {
                    let reason = end["reason"].as_str().unwrap_or("the recorder has stopped");
                    eprintln!("The end: {reason}.");
                    return Ok(exit_code::OK);
                }
                if !printer.print(&line) {
                    return Ok(exit_code::OK);
                }
            }
            Ok(None) => return Err(died("the connection ended without a word: the recorder died")),
            Err(NoAnswer::Silent(..)) => return Err(died("the recorder says nothing any more")),
            Err(error) => return Err(unanswered(settings, &error)),
        }
    }
}

fn died(what: &str) -> Failed {
    let message = format!("{what}; barograph status says how it is");
    Failed { code: exit_code::NOT_RUNNING, message }
}

/// Prints lines of the stream.
struct Printer {
    json: bool,
    paint: Paint,
    grids: BTreeMap<String, Route>,
    /// The widest of their names; 0: there is only one.
    name_width: usize,
}

struct Route {
    grid: Grid,
    until_head: usize,
}

impl Printer {
    fn new(columns: &Json, json: bool) -> Self {
        let routes: Vec<&Json> = columns["routes"].as_array().into_iter().flatten().collect();
        let name = |route: &Json| text(&route["route"]);
        let width = |route: &&Json| name(route).chars().count();
        let name_width =
            if routes.len() > 1 { routes.iter().map(width).max().unwrap_or(0) + 1 } else { 0 };
        let grids = routes.iter().map(|route| {
            let columns = route["columns"].as_array().into_iter().flatten();
            let columns: Vec<(String, String)> =
                columns.map(|column| (text(&column["name"]), text(&column["unit"]))).collect();
            let grid = Grid::new(&columns, name_width + TIME_WIDTH, terminal_width());
            (name(route), Route { grid, until_head: 0 })
        });
        Self { json, paint: Paint::for_stdout(), grids: grids.collect(), name_width }
    }

    /// One line of the stream; `false`: nobody reads any more.
    fn print(&mut self, line: &Json) -> bool {
        if let Some(missed) = line.get("missed") {
            let commits = missed["commits"].as_i64().unwrap_or(0);
            let told = format!(
                "(missed the rows of {}: this terminal was too slow; they are in the database)",
                counted(commits, "commit")
            );
            return match self.json {
                true => put(&format!("{line}\n")),
                false => put(&format!("{}\n", self.paint.warning(&told))),
            };
        }
        match line.get("row") {
            Some(row) if self.json => put(&format!("{row}\n")),
            Some(row) => {
                let text = self.row(row);
                put(&text)
            }
            None => true,
        }
    }

    fn row(&mut self, row: &Json) -> String {
        let (name, width) = (text(&row["route"]), self.name_width);
        let Some(Route { grid, until_head }) = self.grids.get_mut(&name) else {
            return format!("{row}\n");
        };
        let label = if width > 0 { name } else { String::new() };
        let mut shown = String::new();
        if *until_head == 0 {
            *until_head = HEAD_EVERY;
            for line in grid.head(&format!("{label:<width$}{:<TIME_WIDTH$}", "arrived")).lines() {
                shown += &self.paint.strong(line);
                shown.push('\n');
            }
        }
        *until_head -= 1;
        let values = row["values"].as_array().into_iter().flatten().map(number);
        let at = shown_text(row["received_at"].as_str().unwrap_or_default());
        let time = at.get(11..).unwrap_or(&at);
        let lead = format!("{label:<width$}{time:<TIME_WIDTH$}");
        shown + &grid.row(&lead, &values.collect::<Vec<_>>())
    }
}

/// `16:27:19`
const TIME_WIDTH: usize = 8;

fn text(json: &Json) -> String {
    json.as_str().map_or_else(String::new, |text| glimpse(text.as_bytes(), 60))
}

/// As wide as the terminal is; elsewhere as wide as most are.
fn terminal_width() -> usize {
    if !stdout().is_terminal() {
        return WIDTH;
    }
    let size = rustix::termios::tcgetwinsize(stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH)
}
