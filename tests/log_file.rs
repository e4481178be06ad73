//! The log in a file: rotated by size, by logrotate, by hand; or on a full disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

const WITHIN: Duration = Duration::from_secs(30);
const RATE: u32 = 1_000;
/// Changes a number of the settings that nobody begins anew for: each reload is a line of its own.
const FIRST: usize = 1_000;

/// A recorder whose log is a file, and which is made to write numbered lines.
struct Talker {
    recorder: Recorder,
    settings: Settings,
    next: usize,
}

impl Talker {
    fn start(scene: &Scene, settings: Settings) -> Self {
        let recorder = Recorder::start(&settings);
        scene.broker.has_subscriber(settings.first_filter());
        Self { recorder, settings, next: FIRST }
    }

    /// One more line, and time to write it.
    fn talk(&mut self) {
        let n = self.next.to_string();
        self.settings = self.settings.clone().set("supervisor", "intensity", &n);
        self.settings.write();
        self.recorder.process.signal(Signal::SIGHUP);
        self.next += 1;
    }

    /// The numbers told of in these files, in their order.
    fn numbers_in(files: &[impl AsRef<Path>]) -> Vec<usize> {
        let mut numbers = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let text = fs::read_to_string(file).unwrap_or_default();
            // The kernel shows a line that is being written page by page; in the others all are whole.
            let is_written = index + 1 == files.len();
            let end = if is_written { text.rfind('\n').unwrap_or(0) } else { text.len() };
            for line in text[..end].lines() {
                let fields: Value = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("half a line ({error}): {line}"));
                let message = fields["fields"]["message"].as_str().unwrap_or_default();
                if let Some((_, after)) = message.split_once("supervisor.intensity: ") {
                    let (_, after) = after.split_once("-> ").expect("a difference");
                    numbers.push(after.parse().expect("a number"));
                }
            }
        }
        numbers
    }

    /// Talks until it has said the last of so many numbers; one that is read a moment too late is
    /// told of by the next reload, so the last is waited for.
    fn talk_until(&mut self, count: usize, files: impl Fn() -> Vec<std::path::PathBuf>) {
        for _ in 0..count {
            self.talk();
            let said = self.next - 1;
            wait::until_true(&format!("number {said} in the log"), WITHIN, || {
                Self::numbers_in(&files()).contains(&said)
            });
        }
    }

    fn all_numbers(&self) -> Vec<usize> {
        (FIRST..self.next).collect()
    }
}

/// `log`, and what it was renamed to, the oldest first.
fn logs(scene: &Scene) -> Vec<std::path::PathBuf> {
    let mut files = scene.files("", "log");
    files.retain(|path| path.extension().is_none_or(|ending| ending != "conf"));
    let number = |path: &std::path::PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        name.strip_prefix("log.").map_or(0, |number| number.parse::<usize>().unwrap_or(0))
    };
    files.sort_by_key(|path| std::cmp::Reverse(number(path)));
    files
}

#[test]
fn a_log_rotated_by_its_size_keeps_every_line_once_and_in_order() {
    let scene = Scene::new();
    let log = scene.folder.path("log");
    let settings = scene
        .settings()
        .path("log", "file", &log)
        .text("log", "rotate_size", "64 KiB")
        .set("log", "rotate_keep", "100");
    let mut talker = Talker::start(&scene, settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    talker.talk_until(1_500, || logs(&scene));
    let files = logs(&scene);
    assert!(files.len() > 2, "{files:?}");
    for file in &files {
        assert!(fs::metadata(file).expect("it is there").len() <= 64 << 10, "{}", file.display());
    }
    assert_eq!(Talker::numbers_in(&files), talker.all_numbers());
    // Fewer are kept from now on, and the log changes its place.
    let elsewhere = scene.folder.path("elsewhere");
    talker.settings = talker.settings.clone().path("log", "file", &elsewhere);
    talker.talk_until(1, || vec![elsewhere.clone()]);
    scene.settle(talker.recorder, &publisher.finish());
}

#[test]
fn logrotate_under_load_loses_no_line_and_doubles_none() {
    let scene = Scene::new();
    let log = scene.folder.path("log");
    let mut talker = Talker::start(&scene, scene.settings().path("log", "file", &log));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    let sample = fs::read_to_string("config/logrotate").expect("the sample is shipped");
    let (before, after) = sample.split_once("postrotate").expect("the signal");
    let (_, after) = after.split_once("endscript").expect("its end");
    let pid = talker.recorder.process.pid();
    let ours = format!("{before}postrotate\n kill -USR1 {pid}\n endscript{after}")
        .replace("/var/log/barograph/barograph.log", &log.display().to_string())
        .replace("rotate 8", "rotate 100")
        .replace("compress", "nocompress")
        .replace("delaynocompress", "");
    let file = scene.folder.path("logrotate.conf");
    fs::write(&file, format!("su root root\n{ours}")).expect("our own folder");
    for _ in 0..10 {
        talker.talk_until(15, || logs(&scene));
        let mut logrotate = Command::new("logrotate");
        logrotate.arg("--force").arg("--state").arg(scene.folder.path("state")).arg(&file);
        let done = logrotate.output().expect("logrotate (package logrotate)");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    talker.talk_until(1, || logs(&scene));
    let files = logs(&scene);
    assert_eq!(files.len(), 11, "{files:?}");
    assert_eq!(Talker::numbers_in(&files), talker.all_numbers());
    let newest = Talker::numbers_in(&[&log]);
    assert!(newest.contains(&(talker.next - 1)), "it was opened anew");
    scene.settle(talker.recorder, &publisher.finish());
}

#[test]
fn a_log_that_cannot_be_written_holds_up_nobody_and_is_said_once() {
    let scene = Scene::new();
    let settings = scene.settings().text("log", "file", "/dev/full");
    let recorder = Recorder::start(&settings);
    scene.broker.has_subscriber(settings.first_filter());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    publisher.has_sent(2_000);
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    recorder.says("the log /dev/full cannot be written");
    assert_eq!(recorder.log().lines().count(), 1, "{}", recorder.log());
    scene.stop_and_check(recorder, &published);
}

#[test]
fn a_log_that_cannot_be_opened_after_a_reload_goes_on_where_it_was() {
    let scene = Scene::new();
    let log = scene.folder.path("log");
    let mut talker = Talker::start(&scene, scene.settings().path("log", "file", &log));
    let nowhere = scene.folder.path("no/such/folder/log");
    talker.settings = talker.settings.clone().path("log", "file", &nowhere);
    talker.talk_until(1, || vec![log.clone()]);
    let text = fs::read_to_string(&log).expect("it goes on");
    assert!(text.contains("reload_failed") && text.contains("look at log.file"), "{text}");
    talker.recorder.stop();
}
