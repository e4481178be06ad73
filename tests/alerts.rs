//! What is wrong reaches a person: every channel, over a real cause, by servers that keep what they get; and no
//! channel, however it misbehaves, costs the recording anything.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::certs::Authority;
use crate::support::locker::Locker;
use crate::support::process;
use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::sinks::http::{HttpSink, Reply, Request};
use crate::support::sinks::smtp::{Manners, SmtpSink};
use crate::support::sinks::tls::Security;
use crate::support::wait;

/// An alert leaves within seconds; the machine may be busy.
const WITHIN: Duration = Duration::from_secs(40);
const SECRET: &str = "hunter2-Zaphod";

/// The scene's settings, and these alerts.
fn with_alerts(scene: &Scene, alerts: &str) -> Settings {
    let settings = scene.settings().quick_to_heal().set("health", "clock_sync", "false");
    settings.routes(&format!("{LOAD}\n{alerts}"))
}

/// A script; it is read by /bin/sh.
fn script(scene: &Scene, name: &str, text: &str) -> PathBuf {
    let file = scene.folder.path(name);
    fs::write(&file, text).expect("our own folder");
    file
}

fn subject_of(request: &Request) -> String {
    request.json()["subject"].as_str().unwrap_or_default().to_owned()
}

fn tells(words: &'static str) -> impl Fn(&Request) -> bool {
    move |request| request.text().contains(words)
}

/// Waits until a file holds this.
fn file_holds(file: &PathBuf, words: &str) -> String {
    let read = || fs::read_to_string(file).unwrap_or_default();
    wait::until_or(
        WITHIN,
        || Some(read()).filter(|text| text.contains(words)),
        || format!("{words:?} in {}: {}", file.display(), read()),
    )
}

#[test]
fn every_chat_and_webhook_tells_of_a_dead_broker_and_of_its_return() {
    let mut scene = Scene::new();
    let sink = HttpSink::start();
    let url = |path: &str| sink.url(&format!("/{path}/{SECRET}"));
    let common = "after = \"0s\"";
    let alerts = format!(
        "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\n{common}\nurl = \"{hook}\"\nsecret = \"{SECRET}\"\n\
         headers = {{ X-Key = \"{SECRET}\" }}\n\
         [[alert]]\nname = \"team\"\ntype = \"slack\"\n{common}\nurl = \"{slack}\"\n\
         [[alert]]\nname = \"club\"\ntype = \"discord\"\n{common}\nurl = \"{discord}\"\n\
         [[alert]]\nname = \"phone\"\ntype = \"ntfy\"\n{common}\nurl = \"{ntfy}\"\ntoken = \"{SECRET}\"\n\
         [[alert]]\nname = \"chat\"\ntype = \"telegram\"\n{common}\nurl = \"{root}\"\ntoken = \"{SECRET}\"\n\
         chat_id = \"-42\"\n",
        hook = url("hook"),
        slack = url("slack"),
        discord = url("discord"),
        ntfy = url("ntfy"),
        root = sink.url(""),
    );
    let settings = with_alerts(&scene, &alerts).text("log", "level", "trace");
    let mut recorder = scene.recorder(&settings);
    scene.broker.kill();
    let paths = ["hook", "slack", "discord", "ntfy"].map(|path| format!("/{path}/{SECRET}"));
    let paths = paths.into_iter().chain([format!("/bot{SECRET}/sendMessage")]).collect::<Vec<_>>();
    for path in &paths {
        let is_it = |it: &Request| it.path == *path && it.text().contains("not connected");
        let told = sink.gets(path, WITHIN, is_it);
        check_form(&scene, &told);
    }
    scene.broker.start_again();
    for path in &paths {
        let over = |it: &Request| it.path == *path && it.text().to_lowercase().contains("resolved");
        sink.gets(&format!("{path}, the end"), WITHIN, over);
    }
    assert_eq!(sink.kept().len(), 10, "each was told twice: {:#?}", sink.kept());
    recorder.wait_for("ten events", WITHIN, || {
        (recorder.events("alert_sent").len() == 10).then_some(())
    });
    recorder.stop();
    assert!(!recorder.log().contains("hunter2"), "a secret is in the log");
}

/// What each of them wants, and what makes it more than a text.
fn check_form(scene: &Scene, told: &Request) {
    let kind = told.path.split('/').nth(1).unwrap_or_default();
    match kind {
        "hook" => {
            let json = told.json();
            assert_eq!((&json["version"], &json["kind"]), (&1.into(), &"alert".into()));
            assert_eq!(json["health"], "critical");
            assert_eq!(json["issues"][0]["id"], "broker_unreachable");
            assert_eq!(json["issues"][0]["change"], "new");
            assert!(json["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
            assert_eq!(told.header("x-key"), Some(SECRET));
            assert_eq!(
                told.header("x-barograph-signature"),
                Some(hmac(scene, &told.body).as_str())
            );
        }
        "slack" => assert!(told.json()["text"].is_string()),
        "discord" => {
            let json = told.json();
            assert!(json["content"].as_str().is_some_and(|text| text.chars().count() <= 2000));
            assert_eq!(json["allowed_mentions"]["parse"], serde_json::json!([]), "{json}");
        }
        "ntfy" => {
            assert!(told.header("title").is_some_and(|title| title.contains("critical: ")));
            assert_eq!(
                (told.header("priority"), told.header("tags")),
                (Some("urgent"), Some("rotating_light"))
            );
            assert_eq!(told.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
        }
        _ => assert_eq!(told.json()["chat_id"], "-42"),
    }
}

/// The signature, by somebody else's code.
fn hmac(scene: &Scene, body: &[u8]) -> String {
    let file = scene.folder.path("body");
    fs::write(&file, body).expect("our own folder");
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-hmac", SECRET, "-r"]).arg(file);
    let outcome = process::outcome(command, WITHIN);
    let digest = outcome.stdout.split_whitespace().next().unwrap_or_default().to_owned();
    format!("sha256={digest}")
}

#[test]
fn mail_and_webhooks_with_an_authority_of_their_own_are_trusted_and_others_are_not() {
    let mut scene = Scene::new();
    let authority = Authority::new(&scene.folder, "attic");
    let security = Security::new(&authority.sign("localhost"));
    let web = HttpSink::start_tls(security.clone());
    let user = Some(("station", SECRET));
    let starttls = SmtpSink::start(Manners { starttls: Some(security.clone()), tls: None, user });
    let tls = SmtpSink::start(Manners { starttls: None, tls: Some(security), user });
    let plain = SmtpSink::start(Manners::default());
    let mail = |name: &str, port: u16, rest: &str| {
        format!(
            "[[alert]]\nname = \"{name}\"\ntype = \"email\"\nafter = \"0s\"\nhost = \"localhost\"\n\
             port = {port}\nfrom = \"barograph@attic.example\"\n\
             to = [\"you@attic.example\", \"me@attic.example\"]\n{rest}\n"
        )
    };
    let login = format!("username = \"station\"\npassword = \"{SECRET}\"");
    let ca = format!("ca_file = {:?}", authority.file());
    let alerts = [
        mail("starttls", starttls.port, &format!("{login}\n{ca}")),
        mail("tls", tls.port, &format!("{login}\n{ca}\ntls = \"tls\"")),
        mail("plain", plain.port, "tls = \"none\""),
        mail("downgraded", plain.port, &ca),
        mail("stranger", tls.port, &format!("{login}\ntls = \"tls\"")),
        format!(
            "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nafter = \"0s\"\nurl = \"{}\"\n{ca}\n",
            web.url("/hook")
        ),
    ];
    let mut recorder = scene.recorder(&with_alerts(&scene, &alerts.concat()));
    scene.broker.kill();
    for (sink, user) in [(&starttls, user), (&tls, user), (&plain, None)] {
        let mail = sink.gets("critical: not connected", WITHIN);
        assert_eq!(mail.encrypted, user.is_some());
        assert_eq!(mail.user, user.map(|(name, word)| (name.to_owned(), word.to_owned())));
        assert_eq!(mail.from, "barograph@attic.example");
        assert_eq!(mail.to, ["you@attic.example", "me@attic.example"]);
        assert!(mail.data.contains("Auto-Submitted: auto-generated\n"), "{}", mail.data);
        assert!(mail.data.lines().all(|line| line.len() <= 78), "{}", mail.data);
    }
    web.gets("the webhook by TLS", WITHIN, tells("broker_unreachable"));
    let failed = |name: &str| {
        let events = recorder.events("alert_failed");
        events.into_iter().find(|event| event["channel"] == name)
    };
    for name in ["stranger", "downgraded"] {
        recorder.wait_for(name, WITHIN, || failed(name));
    }
    scene.broker.start_again();
    for sink in [&starttls, &tls, &plain] {
        sink.gets("RESOLVED after", WITHIN);
    }
    assert!(plain.kept().iter().all(|mail| mail.user.is_none()));
    recorder.stop();
    assert!(!recorder.log().contains("hunter2"), "a secret is in the log");
}

#[test]
fn a_channel_that_hangs_for_ever_costs_nothing_and_another_tells_of_it() {
    for reply in [Reply::Hang, Reply::Drip] {
        hold_out(reply, "1s", "alert_channel_failing:hanging");
    }
}

#[test]
fn a_channel_that_may_take_minutes_holds_nobody_up_meanwhile() {
    hold_out(Reply::Hang, "5min", "database_failing");
}

/// Records beside a channel that does not answer, and stops while it is waited for; another channel works, and tells
/// of this.
fn hold_out(reply: Reply, timeout: &str, told: &'static str) {
    let scene = Scene::new();
    let (hangs, works) = (HttpSink::start(), HttpSink::start());
    hangs.replies(reply);
    let hook = |name: &str, sink: &HttpSink| {
        format!(
            "[[alert]]\nname = \"{name}\"\ntype = \"webhook\"\nafter = \"0s\"\ntimeout = \"{timeout}\"\n\
             url = \"{}\"\n",
            sink.url("/")
        )
    };
    let alerts = hook("hanging", &hangs) + &hook("working", &works);
    let recorder = scene.recorder(&with_alerts(&scene, &alerts));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    let locker = Locker::hold(&scene.database);
    hangs.gets("the outage", WITHIN, tells("database_failing"));
    works.gets("the outage", WITHIN, tells("database_failing"));
    works.gets("what it is to tell", WITHIN, tells(told));
    locker.release();
    works.gets("the end", WITHIN, |it| it.text().contains("\"over\""));
    let own = hangs.kept().iter().any(|it| it.text().contains("alert_channel_failing"));
    assert!(!own, "it is not told of itself");
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    let stopping = Instant::now();
    scene.stop_and_check(recorder, &published);
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}", stopping.elapsed());
}

#[test]
fn an_email_server_that_says_nothing_delays_nothing_either() {
    let mut scene = Scene::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = silent.local_addr().expect("bound").port();
    let alerts = format!(
        "[[alert]]\nname = \"mail\"\ntype = \"email\"\nafter = \"0s\"\ntimeout = \"1s\"\nhost = \"127.0.0.1\"\n\
         port = {port}\ntls = \"none\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\n"
    );
    let mut recorder = scene.recorder(&with_alerts(&scene, &alerts));
    scene.broker.kill();
    let failed = recorder.event_within(WITHIN, 1, "alert_failed").to_string();
    assert!(failed.contains("did not answer within 1s"), "{failed}");
    recorder.wait_for("an issue", WITHIN, || {
        let issues = recorder.events("issue_appeared");
        issues.into_iter().find(|issue| issue["id"] == "alert_channel_failing:mail")
    });
    recorder.stop();
}

#[test]
fn a_channel_that_works_again_tells_what_it_missed() {
    let mut scene = Scene::new();
    let sink = HttpSink::start();
    sink.replies(Reply::Say(503, "Retry-After: 2\r\n", "tired".into()));
    let alerts = format!(
        "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nafter = \"0s\"\nurl = \"{}\"\n",
        sink.url("/")
    );
    let mut recorder = scene.recorder(&with_alerts(&scene, &alerts));
    scene.broker.kill();
    let failed = recorder.event_within(WITHIN, 1, "alert_failed").to_string();
    assert!(failed.contains("503") && failed.contains("tired"), "{failed}");
    scene.broker.start_again();
    recorder.wait_for("the connection", WITHIN, || {
        (recorder.events("broker_connected").len() == 2).then_some(())
    });
    let before = sink.kept().len();
    sink.replies(Reply::Say(204, "", String::new()));
    recorder.event_within(WITHIN, 1, "alert_recovered");
    let told = sink.kept().pop().expect("it was told").json();
    assert!(told["failed_since"].is_string(), "{told}");
    assert_eq!(told["issues"].as_array().map(Vec::len), Some(0), "{told}");
    assert_eq!(
        (&told["passed"][0]["id"], &told["passed"][0]["times"]),
        (&"broker_unreachable".into(), &1.into())
    );
    assert!(sink.kept().len() > before && recorder.events("alert_failed").len() == 1);
    recorder.stop();
}

#[test]
fn flaps_of_a_real_cause_give_at_most_the_alerts_of_the_settings() {
    let scene = Scene::new();
    let sink = HttpSink::start();
    let alerts = format!(
        "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nafter = \"0s\"\nmax_per_hour = 3\nurl = \"{}\"\n",
        sink.url("/")
    );
    let mut settings = with_alerts(&scene, &alerts);
    settings = settings.text("database", "busy_timeout", "0s").text("health", "probe_max", "100ms");
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(200));
    scene.fills_to(&recorder, "load", 1);
    let end = Instant::now() + Duration::from_secs(25);
    let mut flaps = 0;
    while Instant::now() < end {
        let changes = recorder.modes().len();
        let lock = || Locker::try_hold(&scene.database).ok();
        let locker = wait::until_or(WITHIN, lock, || "the lock".to_owned());
        recorder.changes_to("degraded", changes);
        locker.release();
        recorder.changes_to("normal", changes);
        flaps += 1;
    }
    let published = publisher.finish();
    scene.settle(recorder, &published);
    let subjects: Vec<String> = sink.kept().iter().map(subject_of).collect();
    println!("{flaps} flaps, {} alerts: {subjects:#?}", subjects.len());
    assert!(flaps >= 10 && (1..=3).contains(&subjects.len()), "{flaps} flaps: {subjects:?}");
}

#[test]
fn quiet_hours_are_local_and_hold_warnings_back_but_nothing_critical() {
    let mut scene = Scene::new();
    let sink = HttpSink::start();
    // Quiet for two hours around now, in UTC; in a zone twelve hours away it is loud.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let minute = now.as_secs() / 60 % 1440;
    let time = |minute: u64| format!("{:02}:{:02}", minute % 1440 / 60, minute % 60);
    let quiet = format!("{}-{}", time(minute + 1380), time(minute + 60));
    let alerts = format!(
        "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nafter = \"0s\"\nquiet_hours = \"{quiet}\"\n\
         url = \"{}\"\n",
        sink.url("/")
    );
    let settings = with_alerts(&scene, &alerts);
    let start = |zone: &str| {
        let mut command = barograph_with("run", &settings);
        command.env("TZ", zone);
        let recorder = Recorder::spawn(command);
        recorder.event("broker_connected");
        recorder
    };
    let mut recorder = start("UTC");
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(50));
    scene.fills_to(&recorder, "load", 1);
    let locker = Locker::hold(&scene.database);
    recorder.event("issue_appeared");
    scene.broker.kill();
    let told = sink.gets("what is critical", WITHIN, tells("broker_unreachable"));
    assert!(!told.text().contains("database_failing"), "{}", told.text());
    assert!(!sink.kept().iter().any(tells("database_failing")), "{:#?}", sink.kept());
    recorder.kill();
    scene.broker.start_again();
    let mut recorder = start("XXX-12");
    sink.gets("the warning", WITHIN, tells("database_failing"));
    locker.release();
    drop(publisher);
    recorder.stop();
}

#[test]
fn a_program_gets_the_alert_its_words_as_they_stand_and_nothing_of_ours() {
    let mut scene = Scene::new();
    let [out, env, fds] = ["out.json", "env", "fds"].map(|name| scene.folder.path(name));
    let script = script(
        &scene,
        "notify",
        "cat >> \"$1\"; shift; printf '%s\\n' \"$@\" > \"$1\"; env | grep -E '^(BAROGRAPH|NOTIFY)' >> \"$1\"\n\
         ls -l /proc/self/fd > \"$2\"; echo sent >&2\n",
    );
    let odd = "$(touch pwned); `touch pwned` && * 'x' \"y\"";
    let argv = ["/bin/sh", script.to_str().expect("UTF-8"), out.to_str().expect("UTF-8")];
    let files = [&env, &fds].map(|file| file.to_str().expect("UTF-8"));
    let argv: Vec<&str> = argv.into_iter().chain(files).chain([odd]).collect();
    let alerts =
        format!("[[alert]]\nname = \"sms\"\ntype = \"command\"\nafter = \"0s\"\nargv = {argv:?}\n");
    let settings = with_alerts(&scene, &alerts);
    let mut command = barograph_with("run", &settings);
    command.env("BAROGRAPH_MQTT__USERNAME", "u").env("BAROGRAPH_MQTT__PASSWORD", SECRET);
    let mut recorder = Recorder::spawn(command);
    recorder.event("broker_connected");
    scene.broker.kill();
    let json = file_holds(&out, "broker_unreachable");
    let json: serde_json::Value =
        serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!(json["issues"][0]["severity"], "critical");
    let env = file_holds(&env, "BAROGRAPH_ALERT_TEXT=");
    assert!(env.contains(odd), "{env}");
    assert!(env.contains("BAROGRAPH_ALERT_SEVERITY=critical"), "{env}");
    assert!(!env.contains(SECRET) && !env.contains("BAROGRAPH_MQTT"), "{env}");
    let fds = file_holds(&fds, "->");
    let held = ["data.db", ".lock", "socket:", "barograph.toml"];
    assert!(!held.iter().any(|held| fds.contains(held)), "it holds something of ours:\n{fds}");
    let sent = recorder.event_within(WITHIN, 1, "alert_sent").to_string();
    assert!(sent.contains("exit code 0: sent"), "{sent}");
    assert!(!scene.folder.path("pwned").exists());
    recorder.stop();
}

#[test]
fn a_program_that_does_not_end_is_killed_with_its_children() {
    let mut scene = Scene::new();
    let pids = scene.folder.path("pids");
    let script =
        script(&scene, "stuck", "sleep 1000 & echo $! >> \"$1\"; echo waiting >&2; wait\n");
    let alerts = format!(
        "[[alert]]\nname = \"sms\"\ntype = \"command\"\nafter = \"0s\"\ntimeout = \"1s\"\n\
         argv = [\"/bin/sh\", {script:?}, {pids:?}]\n"
    );
    let mut recorder = scene.recorder(&with_alerts(&scene, &alerts));
    scene.broker.kill();
    let failed = recorder.event_within(WITHIN, 1, "alert_failed").to_string();
    assert!(failed.contains("did not end within 1s") && failed.contains("waiting"), "{failed}");
    let pid: u32 = file_holds(&pids, "\n").lines().next().expect("a line").parse().expect("a pid");
    wait::until_true("its child is gone", WITHIN, || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
    recorder.stop();
}
