//! The session at the broker: subscriptions, retained messages, qualities of service, credentials, rivals.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use crate::support::folder::Folder;
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load, Publisher};
use crate::support::recorder::{Recorder, json};
use crate::support::scene::Scene;
use crate::support::wire::Wire;
use crate::support::{process, wait};

#[test]
fn qos_0_1_and_2_mixed_are_all_recorded_once() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let loads = [0, 1, 2].map(|qos| {
        let load = Load::numbered(qos).first(i64::from(qos) * 10_000).count(10_000);
        Publisher::start(scene.broker.port(), load.rate(5_000))
    });
    let published = loads.map(Publisher::finish);
    for one in &published {
        assert!(one.doubtful.is_empty(), "nothing was cut");
    }
    let all = publisher::Published { first: 0, next: 30_000, ..Default::default() };
    scene.settle(recorder, &all);
}

/// At each SUBSCRIBE the broker sends what it retains; only the first time it is news.
#[test]
fn a_retained_message_is_taken_only_when_the_subscription_is_new() {
    let scene = Scene::new();
    publisher::publish_one(scene.broker.port(), "load/n", br#"{"n":0}"#, true);
    let mut recorder = scene.recorder(&scene.settings());
    scene.fills_to(&recorder, "load", 1);
    recorder.stop();

    publisher::publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, true); // while we are away
    let recorder = scene.recorder(&scene.settings());
    publisher::publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, true); // while we listen
    let all = publisher::Published { first: 0, next: 3, ..Default::default() };
    scene.settle(recorder, &all);
}

#[test]
fn a_new_broker_connection_does_not_take_retained_messages_again() {
    let mut scene = Scene::new();
    publisher::publish_one(scene.broker.port(), "load/n", br#"{"n":0}"#, true);
    let recorder = scene.recorder(&scene.settings());
    scene.fills_to(&recorder, "load", 1);
    for time in 2..5 {
        scene.broker.stop();
        scene.broker.start_again();
        recorder.event_number(time, "broker_connected");
        scene.broker.has_subscriber("load/#");
    }
    publisher::publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false); // behind whatever came
    let all = publisher::Published { first: 0, next: 2, ..Default::default() };
    scene.settle(recorder, &all);
}

/// Mosquitto's own access lists refuse reading, not subscribing; its dynamic security refuses with 0x80.
#[test]
fn a_refused_filter_is_said_and_is_not_fatal() {
    let scene = Scene::with_broker(no_subscriptions);
    let recorder = Recorder::start(&scene.settings());
    let event = recorder.event("subscription_refused");
    assert!(event.to_string().contains("load/#"), "which filter: {event}");
    let mut recorder = recorder;
    assert!(recorder.process.is_running(), "it can be mended at the broker");
    recorder.stop();
}

#[test]
fn bad_credentials_are_called_bad_credentials() {
    let scene = guarded("right");
    let settings = scene.settings().text("mqtt", "username", "station");
    let mut recorder = Recorder::start(&settings.text("mqtt", "password", "wrong"));
    recorder.event("broker_unreachable");
    assert!(says_credentials(&recorder.log()), "{}", recorder.log());
    assert!(!recorder.log().contains("wrong"), "the password is in the log");
    recorder.stop();
}

#[test]
fn good_credentials_open_the_broker_and_may_come_from_a_file() {
    let scene = guarded("right");
    let file = scene.folder.path("secret");
    fs::write(&file, "right\n").expect("our own folder");
    let settings = scene.settings().text("mqtt", "username", "station");
    let settings = settings.path("mqtt", "password_file", &file);
    Recorder::start(&settings).event("broker_connected");
}

/// Two recorders with one client id would throw each other out for ever.
#[test]
fn a_session_taken_over_is_said_and_not_fought_for() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    // Mosquitto says nothing of it, in either protocol: what shows it is that we are thrown out again and again.
    let mut rival = None;
    wait::until_true("the rival wins", Duration::from_secs(30), || {
        if recorder.events("broker_connected").len() > recorder.events("broker_disconnected").len()
        {
            rival = Wire::connect(scene.broker.port(), "recorder").ok();
        }
        !recorder.events("session_taken_over").is_empty()
    });
    let event = recorder.event("session_taken_over");
    assert!(event.to_string().contains("recorder"), "which client id: {event}");
    let again = recorder.events("broker_connected").len();
    let quiet = Duration::from_secs(3);
    wait::while_true("the rival is left alone", quiet, || {
        recorder.events("broker_connected").len() == again
    });
    let (_, status) = json(&["status"], &scene.settings());
    let hint = status["issues"][0]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("set another mqtt.client_id"), "{status}");
    drop(rival);
}

/// A broker that gives the reason of MQTT 5 (Mosquitto 2.0.11 does not).
#[test]
fn a_session_taken_over_by_the_brokers_own_word_is_left_alone_for_a_minute() {
    let broker = std::net::TcpListener::bind("127.0.0.1:0").expect("any port");
    let port = broker.local_addr().expect("bound").port();
    let scene = Scene::new();
    let url = format!("mqtt://127.0.0.1:{port}");
    let settings = scene.settings().text("mqtt", "url", &url).text("mqtt", "protocol", "5");
    let recorder = Recorder::start(&settings);
    let (mut line, _) = broker.accept().expect("the recorder connects");
    let mut from_it = [0; 4096];
    for answer in [&[0x20, 3, 0, 0, 0][..], &[0x90, 4, 0, 1, 0, 1, 0xe0, 2, 0x8e, 0]] {
        assert!(line.read(&mut from_it).expect("it speaks") > 0);
        line.write_all(answer).expect("it listens");
    }
    assert_eq!(recorder.event("session_taken_over")["cause"], "taken_over");
    broker.set_nonblocking(true).expect("a listener");
    wait::while_true("it stays away", Duration::from_secs(3), || broker.accept().is_err());
}

#[test]
fn an_unknown_host_and_a_closed_port_and_a_mute_broker_each_say_what_they_are() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("any port");
    let port = mute.local_addr().expect("bound").port();
    let scene = Scene::new();
    let closed = free_port();
    for (url, words) in [
        ("mqtt://no-such-host.invalid".to_owned(), &["resolve", "dns", "lookup", "name"][..]),
        (format!("mqtt://127.0.0.1:{closed}"), &["refused"]),
        (format!("mqtt://127.0.0.1:{port}"), &["time", "answer"]),
    ] {
        let mut recorder = Recorder::start(&scene.settings().text("mqtt", "url", &url));
        let event = recorder.event("broker_unreachable").to_string().to_lowercase();
        assert!(words.iter().any(|word| event.contains(word)), "{url}: none of {words:?}: {event}");
        recorder.stop();
    }
}

fn says_credentials(log: &str) -> bool {
    let log = log.to_lowercase();
    ["credential", "user name", "username", "not authori"].iter().any(|word| log.contains(word))
}

/// A broker that lets in only `station` with this password.
fn guarded(password: &str) -> Scene {
    Scene::with_broker(|folder| {
        let file = folder.path("passwords");
        let mut command = Command::new("mosquitto_passwd");
        command.args(["-b", "-c"]).arg(&file).args(["station", password]);
        assert_eq!(process::outcome(command, Duration::from_secs(10)).code, Some(0));
        format!("allow_anonymous false\npassword_file {}", file.display())
    })
}

/// Lines of mosquitto.conf that load its dynamic security, with a rule set that refuses every SUBSCRIBE.
fn no_subscriptions(folder: &Folder) -> String {
    let plugin = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"]
        .map(|libraries| format!("{libraries}/mosquitto_dynamic_security.so"))
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
        .expect("mosquitto comes with its dynamic security");
    let rules = folder.path("dynamic-security.json");
    let text = r#"{
        "defaultACLAccess": {
            "publishClientSend": true, "publishClientReceive": true,
            "subscribe": false, "unsubscribe": true
        },
        "clients": [], "roles": [],
        "groups": [{ "groupname": "anyone", "roles": [], "clients": [] }],
        "anonymousGroup": "anyone"
    }"#;
    fs::write(&rules, text).expect("our own folder");
    format!("allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {}", rules.display())
}
