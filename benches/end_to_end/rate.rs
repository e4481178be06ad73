//! How many messages a second, for how much CPU and memory.

use crate::contestant::{Contestant, cpu_s_of_inserts};
use crate::field::{self, BrokerKind, TABLE};
use crate::report::{Figures, Target, median};
use crate::support::publisher::{Publisher, publish};
use crate::support::scene::Scene;
use crate::{Scale, report};

/// Where the messages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// They wait at the broker when the recorder starts: nobody competes for the machine.
    Backlog,
    /// They are published as fast as the broker takes them, by a publisher on the same cores.
    Live,
}

impl Scenario {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Live => "live",
        }
    }
}

/// What one run came to.
#[derive(Debug, Clone, Copy)]
struct Run {
    messages_per_s: f64,
    cpu_s: f64,
    peak_kib: u64,
}

/// The messages before the clock starts: a tenth. Start-up is not what is measured.
pub(crate) fn warm_up(count: i64) -> i64 {
    count / 10
}

/// Everybody, in turns.
pub(crate) fn measure(broker: BrokerKind, scenario: Scenario, qos: u8, scale: Scale) {
    let (mut ours, mut bare, mut reference) = (Vec::new(), Vec::new(), Vec::new());
    let mut inserts = Vec::new();
    for _ in 0..scale.rounds {
        bare.push(run(Contestant::BareLoop, broker, scenario, qos, scale.messages));
        ours.push(run(Contestant::Barograph, broker, scenario, qos, scale.messages));
        reference.push(run(Contestant::Reference, broker, scenario, qos, scale.messages));
        inserts.push(cpu_s_of_inserts(&Scene::new(), scale.messages));
    }
    let (word, from) = (scenario.word(), broker.word());
    report::title(&format!("QoS {qos}, {word}, {from} broker, {} messages", scale.messages));
    let rates = |runs: &[Run]| runs.iter().map(|run| run.messages_per_s).collect::<Vec<_>>();
    Figures::new("messages/s", rates(&ours), "bare loop", rates(&bare))
        .aim((qos == 1).then_some(Target::AtLeast(0.9)))
        .and("reference", rates(&reference))
        .aim(Some(Target::AtLeast(0.9)))
        .print();
    let ten_thousands = scale.messages as f64 / 10_000.0;
    let cpu = |runs: &[Run]| runs.iter().map(|run| run.cpu_s / ten_thousands).collect::<Vec<_>>();
    let bare_cpu = cpu(&bare);
    let inserts: Vec<f64> = inserts.iter().map(|cpu_s| cpu_s / ten_thousands).collect();
    let least = bare_cpu.iter().zip(&inserts).map(|(bare, inserts)| bare + inserts).collect();
    Figures::new("CPU s/10,000", cpu(&ours), "bare loop + inserts", least)
        .aim(Some(Target::AtMost(1.5)))
        .and("reference", cpu(&reference))
        .aim(Some(Target::AtMost(1.25)))
        .print();
    println!(
        "      of which bare loop {:.4}, bare inserts {:.4}",
        median(bare_cpu),
        median(inserts)
    );
    let peak = |runs: &[Run]| runs.iter().map(|run| run.peak_kib as f64 / 1024.0).collect();
    Figures::new("peak RSS, MiB", peak(&ours), "the limit", vec![16.0; scale.rounds])
        .aim(Some(Target::AtMost(1.0)))
        .and("reference", peak(&reference))
        .and("bare loop", peak(&bare))
        .print();
}

fn run(contestant: Contestant, broker: BrokerKind, scenario: Scenario, qos: u8, count: i64) -> Run {
    let scene = broker.scene();
    let load = field::load(qos, count);
    let running = contestant.start(&scene, count);
    let (running, before, publisher) = match scenario {
        Scenario::Backlog => {
            drop(running);
            publish(scene.broker.port(), load);
            (contestant.start(&scene, count), 0.0, None)
        }
        Scenario::Live => {
            let before = running.cpu_s();
            (running, before, Some(Publisher::start(scene.broker.port(), load)))
        }
    };
    let messages_per_s = running.rate(&scene, count);
    publisher.map(Publisher::finish);
    let (cpu_s, peak_kib) = (running.cpu_s_at_rest() - before, running.process.peak_rss_kib());
    if contestant == Contestant::Barograph {
        assert_eq!(scene.database.count(TABLE), count, "rows");
        let different: i64 = scene.database.one(&format!("SELECT count(DISTINCT x) FROM {TABLE}"));
        assert_eq!(different, count, "different rows");
    }
    Run { messages_per_s, cpu_s, peak_kib }
}
