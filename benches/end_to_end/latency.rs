//! From publish to visible, from 10 to 5,000 messages a second, beside the reference, and what a message costs the processor
//! at that pace; at 100 a second also beside a bare commit of one row in the same folder.
//!
//! Publisher and reader are threads of this process, so that both have one clock. The reader sees a row through a
//! read-only connection, as everybody does; it looks so often that its own pause is a tenth of the figure.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::Scale;
use crate::contestant::Contestant;
use crate::field::{self, BrokerKind, TABLE};
use crate::report::{self, Figures, Target, quantile};
use crate::support::scene::Scene;
use crate::support::wire::Wire;

/// Messages a second.
const RATES: [u32; 6] = [10, 50, 100, 500, 1_000, 5_000];
/// The pace that is measured beside bare commits, too.
const BESIDE_COMMITS: u32 = 100;
const LOOK: Duration = Duration::from_micros(50);
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that the broker may not have answered.
const UNANSWERED_MAX: usize = 16;

/// One round of one contestant.
struct Round {
    /// Milliseconds of each message.
    took: Vec<f64>,
    /// Microseconds of CPU for each message.
    cpu: f64,
}

/// Everybody, in turns.
pub(crate) fn measure(broker: BrokerKind, scale: Scale) {
    for rate in RATES {
        let count = (f64::from(rate) * scale.timed_s) as i64;
        measure_at(broker, rate, count.max(scale.timed_min), scale.rounds);
    }
}

fn measure_at(broker: BrokerKind, rate: u32, count: i64, rounds: usize) {
    let pace = Pace { rate, count };
    let (mut ours, mut reference, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        if rate == BESIDE_COMMITS {
            commits.push(commits_alone(pace));
        }
        ours.push(publish_to_visible(Contestant::Barograph, broker, pace));
        reference.push(publish_to_visible(Contestant::Reference, broker, pace));
    }
    let from = broker.word();
    report::title(&format!("QoS 1, {rate} messages/s, {from} broker, {count} messages a round"));
    let at = |q: f64, rounds: &[Round]| -> Vec<f64> {
        rounds.iter().map(|round| quantile(q, &round.took)).collect()
    };
    let aim = Some(Target::AtMost(1.3));
    for (what, q, aim) in [("median ms", 0.5, aim), ("p99 ms", 0.99, aim), ("max ms", 1.0, None)] {
        let figures = Figures::new(what, at(q, &ours), "reference", at(q, &reference)).aim(aim);
        if commits.is_empty() {
            figures.print();
        } else {
            let commits = commits.iter().map(|took| quantile(q, took)).collect();
            figures.and("one bare commit", commits).print();
        }
    }
    let cpu = |rounds: &[Round]| rounds.iter().map(|round| round.cpu).collect();
    let aim = (rate == 100).then_some(Target::AtMost(1.25));
    Figures::new("CPU us/message", cpu(&ours), "reference", cpu(&reference)).aim(aim).print();
}

/// How many messages a second, and how many in all.
#[derive(Debug, Clone, Copy)]
struct Pace {
    rate: u32,
    count: i64,
}

impl Pace {
    /// When each is due, after a start.
    fn times(self, begun: Instant) -> impl Iterator<Item = (i64, Instant)> {
        let due = move |number: i64| {
            begun + Duration::from_secs_f64(number as f64 / f64::from(self.rate))
        };
        (0..self.count).map(move |number| (number, due(number)))
    }
}

/// Milliseconds of each commit of one row, at the same pace.
fn commits_alone(pace: Pace) -> Vec<f64> {
    let scene = Scene::new();
    let connection = field::open(&scene.folder.path("alone.db")).expect("our own folder");
    let mut took = Vec::new();
    for (number, due) in pace.times(Instant::now()) {
        sleep_until(due);
        let before = Instant::now();
        commit_one(&connection, number).expect("nobody locks it");
        took.push(ms(before.elapsed()));
    }
    took
}

fn commit_one(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let row = params![number as f64, -558.0, -305.0, "2025-10-03 08:24:05.007"];
    connection.prepare_cached(field::INSERT)?.execute(row)?;
    connection.prepare_cached("COMMIT")?.execute([]).map(|_| ())
}

/// Milliseconds from the write to the broker's socket to the row.
fn publish_to_visible(contestant: Contestant, broker: BrokerKind, pace: Pace) -> Round {
    let scene = broker.scene();
    let running = contestant.start(&scene, pace.count);
    let reader = scene.database.reader();
    let port = scene.broker.port();
    let before = running.cpu_s();
    let took = thread::scope(|scope| {
        let publisher = scope.spawn(move || publish(port, pace));
        let seen = watch(&reader, pace.count);
        let sent = publisher.join().expect("the publisher does not panic");
        sent.iter().zip(seen).map(|(sent, seen)| ms(seen.duration_since(*sent))).collect()
    });
    Round { took, cpu: (running.cpu_s() - before) * 1e6 / pace.count as f64 }
}

/// When each number was sent.
fn publish(port: u16, pace: Pace) -> Vec<Instant> {
    let mut wire = Wire::connect(port, "metronome").expect("the broker runs");
    let (mut sent, mut unanswered) = (Vec::new(), 0);
    for (number, due) in pace.times(Instant::now() + Duration::from_millis(10)) {
        sleep_until(due);
        field::put(&mut wire, number);
        sent.push(Instant::now());
        wire.send().expect("the broker listens");
        unanswered += 1;
        while unanswered > UNANSWERED_MAX {
            wire.receive(PATIENCE).expect("the broker answers").expect("in time");
            unanswered -= 1;
        }
    }
    for _ in 0..unanswered {
        wire.receive(PATIENCE).expect("the broker answers").expect("in time");
    }
    sent
}

/// When each number was seen.
fn watch(reader: &Connection, count: i64) -> Vec<Instant> {
    let query = format!("SELECT id, x FROM {TABLE} WHERE id > ?1 ORDER BY id");
    let mut statement = reader.prepare(&query).expect("the table is there");
    let (mut seen, mut last_id, begun) = (Vec::new(), 0_i64, Instant::now());
    while (seen.len() as i64) < count {
        let mut rows = statement.query([last_id]).expect("one parameter");
        while let Some(row) = rows.next().expect("readers are never locked out") {
            last_id = row.get(0).expect("an id");
            assert_eq!(row.get::<_, f64>(1).expect("x"), seen.len() as f64, "each once, in order");
            seen.push(Instant::now());
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {count} seen", seen.len());
        thread::sleep(LOOK); // leaves the core to the measured
    }
    seen
}

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now())); // the pace is the point
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
