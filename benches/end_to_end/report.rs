//! What the run says: ratios, each the median of the rounds' own ratios, with their spread.

use std::num::NonZero;
use std::{fs, thread};

/// How busy the machine is: beside a build, even ratios mean little (1.75 was seen for 0.85).
pub(crate) fn say_load() {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, NonZero::get);
    println!("\nload of the last minute: {minute} on {cores} cores");
}

/// What a ratio should be. It is said, and nothing fails by it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn verdict(self, ratio: f64) -> String {
        let (sign, limit, met) = match self {
            Self::AtLeast(limit) => (">=", limit, ratio >= limit),
            Self::AtMost(limit) => ("<=", limit, ratio <= limit),
        };
        format!("target {sign} {limit}: {}", if met { "met" } else { "MISSED" })
    }
}

/// One figure of ours, round by round, beside those of others.
pub(crate) struct Figures {
    what: &'static str,
    ours: Vec<f64>,
    others: Vec<(&'static str, Vec<f64>, Option<Target>)>,
}

impl Figures {
    /// Ours beside the yardstick.
    pub(crate) fn new(
        what: &'static str,
        ours: Vec<f64>,
        other: &'static str,
        others: Vec<f64>,
    ) -> Self {
        Self { what, ours, others: vec![(other, others, None)] }
    }

    /// What the ratio to the yardstick named last should be.
    pub(crate) fn aim(mut self, target: Option<Target>) -> Self {
        if let Some(last) = self.others.last_mut() {
            last.2 = target;
        }
        self
    }

    /// Beside another one as well.
    pub(crate) fn and(mut self, other: &'static str, others: Vec<f64>) -> Self {
        self.others.push((other, others, None));
        self
    }

    /// A line for each ratio.
    pub(crate) fn print(self) {
        let ours = median(self.ours.clone());
        for (name, others, target) in self.others {
            let ratios: Vec<f64> = self.ours.iter().zip(&others).map(|(a, b)| a / b).collect();
            let (least, most) = (quantile(0.0, &ratios), quantile(1.0, &ratios));
            let (other, ratio) = (median(others), median(ratios));
            let verdict = target.map(|target| target.verdict(ratio)).unwrap_or_default();
            let (ours, other) = (shown(ours), shown(other));
            println!(
                "  {:<14}{ours:>9} / {other:>9} {name:<20} = {ratio:5.2} ({least:.2} to {most:.2})  {verdict}",
                self.what
            );
        }
    }
}

pub(crate) fn title(text: &str) {
    println!("\n{text}: ours / theirs = ratio, median of the rounds (least to most)");
}

pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(0.5, &values)
}

/// The value below which this part of them lies: 0 the least, 1 the greatest.
pub(crate) fn quantile(part: f64, values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

fn shown(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.4}") }
}
