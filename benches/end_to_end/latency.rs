//! From publish to visible at 100 messages a second, beside a bare commit of one row in the same folder.
//!
//! Publisher and reader are threads of this process, so that both have one clock. The reader sees a row through a
//! read-only connection, as everybody does; it looks so often that its own pause is a tenth of the figure.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::Scale;
use crate::contestant::Contestant;
use crate::field::{self, TABLE};
use crate::report::{self, Figures, Target, quantile};
use crate::support::scene::Scene;
use crate::support::wire::Wire;

/// 100 a second.
const PERIOD: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_micros(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// Everybody, in turns.
pub(crate) fn measure(scale: Scale) {
    let (mut ours, mut reference, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        commits.push(commits_alone(scale.timed));
        ours.push(publish_to_visible(Contestant::Barograph, scale.timed));
        reference.push(publish_to_visible(Contestant::Reference, scale.timed));
    }
    report::title(&format!("QoS 1, 100 messages/s, {} messages a round", scale.timed));
    let at = |q: f64, rounds: &[Vec<f64>]| -> Vec<f64> {
        rounds.iter().map(|round| quantile(q, round)).collect()
    };
    for (what, q, aim) in [
        ("median ms", 0.5, None),
        ("p99 ms", 0.99, Some(Target::AtMost(3.0))),
        ("max ms", 1.0, None),
    ] {
        Figures::new(what, at(q, &ours), "one bare commit", at(q, &commits))
            .aim(aim)
            .and("reference", at(q, &reference))
            .print();
    }
}

/// Milliseconds of each commit of one row, at the same pace.
fn commits_alone(count: i64) -> Vec<f64> {
    let scene = Scene::new();
    let connection = field::open(&scene.folder.path("alone.db")).expect("our own folder");
    let mut took = Vec::new();
    let begun = Instant::now();
    for number in 0..count {
        sleep_until(begun + PERIOD * u32::try_from(number).expect("few"));
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
fn publish_to_visible(contestant: Contestant, count: i64) -> Vec<f64> {
    let scene = Scene::new();
    let _running = contestant.start(&scene, count);
    let reader = scene.database.reader();
    let port = scene.broker.port();
    thread::scope(|scope| {
        let publisher = scope.spawn(move || publish(port, count));
        let seen = watch(&reader, count);
        let sent = publisher.join().expect("the publisher does not panic");
        sent.iter().zip(seen).map(|(sent, seen)| ms(seen.duration_since(*sent))).collect()
    })
}

/// When each number was sent.
fn publish(port: u16, count: i64) -> Vec<Instant> {
    let mut wire = Wire::connect(port, "metronome").expect("the broker runs");
    let begun = Instant::now() + PERIOD;
    let mut sent = Vec::new();
    for number in 0..count {
        sleep_until(begun + PERIOD * u32::try_from(number).expect("few"));
        field::put(&mut wire, number);
        sent.push(Instant::now());
        wire.send().expect("the broker listens");
        wire.receive(PATIENCE).expect("the broker answers");
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
