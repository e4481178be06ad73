//! `barograph alert test`: without a running recorder, it says what the other side said, and no secret.

use std::time::{Duration, Instant};

use crate::support::process::Outcome;
use crate::support::recorder::{command, json};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::sinks::http::{HttpSink, Reply};
use crate::support::sinks::smtp::{Manners, SmtpSink};
use crate::support::wire::{Packet, Wire};

const SECRET: &str = "hunter2-Zaphod";

fn with_alerts(scene: &Scene, alerts: &str) -> Settings {
    scene.settings().routes(&format!("{LOAD}\n{alerts}"))
}

fn webhook(sink: &HttpSink) -> String {
    format!(
        "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\ntimeout = \"2s\"\nurl = \"{}\"\n",
        sink.url(&format!("/hook/{SECRET}"))
    )
}

fn test(settings: &Settings, name: &[&str]) -> Outcome {
    let outcome = command(&[&["alert", "test"], name].concat(), settings);
    let words = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(!words.contains("hunter2"), "a secret: {words}");
    let fits = |line: &str| line.chars().count() <= 80;
    assert!(outcome.stdout.lines().all(fits), "{words}");
    outcome
}

#[test]
fn each_channel_says_what_the_other_side_said() {
    let scene = Scene::new();
    let (sink, mail) = (HttpSink::start(), SmtpSink::start(Manners::default()));
    let alerts = format!(
        "{}[[alert]]\nname = \"mail\"\ntype = \"email\"\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         from = \"a@b.example\"\nto = [\"c@d.example\"]\n\
         [[alert]]\nname = \"sms\"\ntype = \"command\"\nargv = [\"/bin/sh\", \"-c\", \"cat > /dev/null; echo sent >&2\"]\n\
         [[alert]]\nname = \"house\"\ntype = \"mqtt\"\n",
        webhook(&sink),
        mail.port,
    );
    let settings = with_alerts(&scene, &alerts);
    let mut spy = Wire::connect(scene.broker.port(), "spy").expect("the broker is there");
    spy.put_subscribe("barograph/#", 0);
    spy.send().expect("the broker is there");
    let outcome = test(&settings, &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let flat = outcome.stdout.replace('\n', " ");
    for words in [
        "hook (webhook, http://localhost:",
        "accepted: 200 OK: ok",
        "mail (email, c@d.example by localhost:",
        "accepted: 250 2.0.0 queued as 4711",
        "sms (command, /bin/sh): accepted: exit code 0: sent",
        "house (mqtt, barograph/recorder/health): accepted: the broker acknowledged",
    ] {
        assert!(flat.contains(words), "{words}: {flat}");
    }
    assert_eq!(sink.kept()[0].json()["kind"], "test");
    assert!(mail.kept()[0].data.contains("Subject: [recorder] a test"), "{:?}", mail.kept());
    let heard = (0..10).find_map(|_| match spy.receive(Duration::from_secs(2)) {
        Ok(Some(Packet::Publish { topic, .. })) => Some(topic),
        _ => None,
    });
    assert_eq!(heard.as_deref(), Some("barograph/recorder/health/test"), "and not the state");
}

#[test]
fn who_does_not_take_it_is_named_and_one_failure_is_exit_code_1() {
    let scene = Scene::new();
    let (sink, elsewhere) = (HttpSink::start(), HttpSink::start());
    let settings = with_alerts(&scene, &webhook(&sink));
    let away: &'static str =
        Box::leak(format!("Location: {}\r\n", elsewhere.url("/")).into_boxed_str());
    for (reply, words) in [
        (Reply::Say(401, "", "who are you?".into()), "answers 401 Unauthorized: who are you?"),
        (Reply::Say(303, away, String::new()), "redirects are not followed"),
        (Reply::Echo, "answers 404 Not Found: Cannot POST"),
        (Reply::Say(500, "", "x".repeat(500)), "500 Internal Server Error"),
        (Reply::Flood, "answers 500 Internal Server Error"),
        (Reply::Hang, "did not answer within 2s"),
        (Reply::Drip, "answers 500 Internal Server Error"),
    ] {
        sink.replies(reply.clone());
        let began = Instant::now();
        let outcome = command(&["alert", "test", "hook"], &settings);
        let flat = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(outcome.code, Some(1), "{reply:?}: {outcome:?}");
        assert!(flat.contains("FAILED") && flat.contains(words), "{reply:?}: {flat}");
        assert!(!flat.contains("hunter2") && flat.len() < 700, "{reply:?}: {flat}");
        assert!(began.elapsed() < Duration::from_secs(10), "{reply:?}: {:?}", began.elapsed());
    }
    assert!(elsewhere.kept().is_empty(), "the secret did not go elsewhere");
}

#[test]
fn a_server_that_is_not_there_and_a_wrong_password_are_said_with_a_hint() {
    let scene = Scene::new();
    let mail = SmtpSink::start(Manners { user: Some(("station", "right")), ..Manners::default() });
    let alerts = format!(
        "[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://localhost:1/{SECRET}\"\n\
         [[alert]]\nname = \"mail\"\ntype = \"email\"\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         from = \"a@b.example\"\nto = [\"c@d.example\"]\nusername = \"station\"\npassword = \"{SECRET}\"\n\
         [[alert]]\nname = \"sms\"\ntype = \"command\"\nargv = [\"/nowhere/sms\"]\n\
         [[alert]]\nname = \"fails\"\ntype = \"command\"\nargv = [\"/bin/sh\", \"-c\", \"echo no credit >&2; exit 3\"]\n",
        mail.port,
    );
    let settings = with_alerts(&scene, &alerts);
    let outcome = test(&settings, &[]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let flat = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Connection refused",
        "535",
        "look at the alert's username and password",
        "/nowhere/sms cannot be started",
        "exit status: 3: no credit",
    ] {
        assert!(flat.contains(words), "{words}: {flat}");
    }
    let (code, json) = json(&["alert", "test", "fails"], &settings);
    assert_eq!((code, &json[0]["ok"]), (Some(1), &false.into()), "{json}");
}

#[test]
fn an_unknown_channel_is_a_mistake_of_the_command_line_and_the_list_names_all() {
    let scene = Scene::new();
    let settings = with_alerts(&scene, &webhook(&HttpSink::start()));
    let outcome = test(&settings, &["phone"]);
    assert_eq!(outcome.code, Some(64), "{outcome:?}");
    assert!(outcome.stderr.contains("there are: hook"), "{outcome:?}");
    let outcome = command(&["alert", "list"], &settings);
    assert!(outcome.stdout.starts_with("hook (webhook, http://localhost:"), "{outcome:?}");
    assert!(!outcome.stdout.contains("hunter2"));
    let outcome = test(&scene.settings(), &[]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
}
