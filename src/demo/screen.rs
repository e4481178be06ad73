//! The demo's terminal: redrawn in place on a terminal, a line now and then elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use barograph_actors::message::account::RouteId;
use barograph_actors::message::batch::Value;
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::status::summary::summary;
use barograph_actors::status::{NewestRows, Published, Snapshot};
use barograph_config::Route;

use crate::os::world;

/// Between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(500);
/// Between two lines elsewhere.
const LINE: Duration = Duration::from_secs(5);
/// The rate is that of this many drawings.
const RATE_OVER: usize = 20;

/// Draws on a thread of its own.
pub(super) struct Screen {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Screen {
    pub(super) fn start(published: &Published, routes: Vec<Route>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, published) = (Arc::clone(&ended), published.clone());
        let thread = thread::spawn(move || draw_until(&flag, &published, &routes));
        Self { ended, thread }
    }

    pub(super) fn stop(self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let _panicked = self.thread.join();
    }
}

fn draw_until(ended: &AtomicBool, published: &Published, routes: &[Route]) {
    let terminal = std::io::stdout().is_terminal();
    let mut history: Vec<(Instant, u64)> = Vec::new();
    let mut drawn = 0;
    while !ended.load(Ordering::Relaxed) {
        let state = published.snapshot();
        history.push((Instant::now(), state.arrivals.deliveries()));
        if history.len() > RATE_OVER {
            history.remove(0);
        }
        let picture = if terminal {
            picture(&state, &published.rows.get(), rate(&history), routes)
        } else {
            line(&state, rate(&history))
        };
        // Up to the first line drawn, and clear from there.
        let up = if terminal && drawn > 0 { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
        drawn = picture.lines().count();
        let mut out = std::io::stdout().lock();
        if out.write_all((up + &picture).as_bytes()).and_then(|()| out.flush()).is_err() {
            return;
        }
        drop(out);
        thread::park_timeout(if terminal { REDRAW } else { LINE });
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(history: &[(Instant, u64)]) -> f64 {
    match (history.first(), history.last()) {
        (Some((then, before)), Some((now, after))) if now > then => {
            (after - before) as f64 / now.duration_since(*then).as_secs_f64()
        }
        _ => 0.0,
    }
}

fn line(state: &Snapshot, rate: f64) -> String {
    format!("{}; {}; {rate:.1}/s\n", summary(state), state.account())
}

/// Health, counts, the newest row of each route, the actors.
fn picture(state: &Snapshot, newest: &NewestRows, rate: f64, routes: &[Route]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {}", summary(state));
    let _ = writeln!(text, "  {}   {rate:.1}/s\n", state.account());
    for (index, route) in routes.iter().enumerate() {
        let id = RouteId(u16::try_from(index).ok());
        let rows = state.storage.tally.sums_of(id).stored;
        let age =
            newest.latest.get(&id).map_or_else(String::new, |(at, _)| format!("{} ago", age(*at)));
        let _ = writeln!(text, "  {:<22} {rows:>8} rows   {age}", route.table);
        if let Some((_, values)) = newest.latest.get(&id) {
            for (column, value) in route.columns.iter().zip(values) {
                let unit = column.unit.as_deref().unwrap_or("");
                let _ = writeln!(text, "    {:<20} {:>12} {unit}", column.name, shown(value));
            }
        }
    }
    let _ = writeln!(text);
    for (name, child) in &state.tree.children {
        let restarts = if child.restarts == 1 { "restart" } else { "restarts" };
        let _ = writeln!(text, "  {name:<12} {:<11} {} {restarts}", child.state, child.restarts);
    }
    text
}

fn age(at: UnixMillis) -> String {
    let ms = (world::now().0 - at.0).max(0);
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:.2}"),
        Value::Text(text) => text.chars().take(12).collect(),
        Value::Time(at) => at.to_string(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

/// The end of the demo: every delivery is in one of the columns.
pub(super) fn print_account(state: &Snapshot) {
    println!("\nThe account: {}", state.account());
}
