//! `barograph tail`: rows as they are stored, until the recorder or the reader ends.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde_json::json;

use super::args::TailArgs;
use super::grid::Grid;
use super::paint::Paint;
use super::recorder::{put, unanswered};
use super::status::number;
use crate::exit::Failed;
use crate::ipc::client::{Client, NoAnswer};
use crate::ipc::protocol::{self, Content, Missed, PlainContent, Request};
use crate::text::{WIDTH, counted, glimpse};
use crate::time::shown_text;
use crate::wire::history::{RowLine, TailRoutes};

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
    let wanted = Request::Tail { route: args.route.clone() };
    let columns: TailRoutes = client.ask(&wanted).map_err(failed)?;
    let mut printer = Printer::new(&columns, args.json);
    loop {
        match client.next_line() {
            Ok(Some(Content::End { reason })) => {
                eprintln!("The end: {reason}.");
                return Ok(exit_code::OK);
            }
            Ok(Some(line)) => {
                if !printer.print(line) {
                    return Ok(exit_code::OK);
                }
            }
            Ok(None) => return Err(died("the connection ended unexpectedly: the recorder died")),
            Err(NoAnswer::Silent(..)) => return Err(died("the recorder no longer sends anything")),
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
    grids: BTreeMap<String, RouteGrid>,
    /// The widest of their names; 0: there is only one.
    name_width: usize,
}

struct RouteGrid {
    grid: Grid,
    until_head: usize,
}

impl Printer {
    fn new(columns: &TailRoutes, json: bool) -> Self {
        let routes = &columns.routes;
        let width = routes.iter().map(|route| text(&route.route).chars().count()).max();
        let name_width = if routes.len() > 1 { width.unwrap_or(0) + 1 } else { 0 };
        let grids = routes.iter().map(|route| {
            let columns: Vec<(String, String)> = route
                .columns
                .iter()
                .map(|column| {
                    (text(&column.name), text(column.unit.as_deref().unwrap_or_default()))
                })
                .collect();
            let grid = Grid::new(&columns, name_width + TIME_WIDTH, terminal_width());
            (route.route.clone(), RouteGrid { grid, until_head: 0 })
        });
        Self { json, paint: Paint::for_stdout(), grids: grids.collect(), name_width }
    }

    /// One line of the stream; `false`: the reader is gone.
    fn print<T>(&mut self, line: Content<T>) -> bool {
        match line {
            Content::Missed(missed) if self.json => {
                put(&protocol::line(&PlainContent::Missed(missed)))
            }
            Content::Missed(Missed::Commits(commits) | Missed::Events(commits)) => {
                let told = format!(
                    "(missed the rows of {}: this terminal was too slow; they are in the database)",
                    counted(commits.cast_signed(), "commit")
                );
                put(&format!("{}\n", self.paint.warning(&told)))
            }
            Content::Row(row) if self.json => put(&format!("{}\n", json!(row))),
            Content::Row(row) => {
                let text = self.row(&row);
                put(&text)
            }
            Content::Ok(_)
            | Content::Error(_)
            | Content::Event(_)
            | Content::Alive { .. }
            | Content::End { .. } => true,
        }
    }

    fn row(&mut self, row: &RowLine) -> String {
        let (name, width) = (text(&row.route), self.name_width);
        let Some(RouteGrid { grid, until_head }) = self.grids.get_mut(&row.route) else {
            return format!("{}\n", json!(row));
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
        let at = shown_text(&row.received_at.0);
        let time = at.get(11..).unwrap_or(&at);
        let lead = format!("{label:<width$}{time:<TIME_WIDTH$}");
        shown + &grid.row(&lead, &row.values.iter().map(number).collect::<Vec<_>>())
    }
}

/// `16:27:19`
const TIME_WIDTH: usize = 8;

fn text(name: &str) -> String {
    glimpse(name.as_bytes(), 60)
}

/// As wide as the terminal is; elsewhere as wide as most are.
fn terminal_width() -> usize {
    if !stdout().is_terminal() {
        return WIDTH;
    }
    let size = rustix::termios::tcgetwinsize(stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH)
}
