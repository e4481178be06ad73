//! The client id is made once and kept: neither another host name, nor a lost database, nor an upgrade loses the session
//! that the broker keeps. Another `mqtt.client_id` is used, and an event and a gap say what is lost by it.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::process;
use crate::support::publisher::{self, Load, Published};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

const SOON: Duration = Duration::from_secs(20);

/// Without a client id in the settings.
fn unnamed(scene: &Scene) -> Settings {
    scene.settings().unset("mqtt", "client_id")
}

fn client_id(recorder: &Recorder) -> String {
    recorder.event("starting")["client_id"].as_str().expect("a text").to_owned()
}

/// So many numbers more, for a broker that keeps them for us.
fn publish_more(scene: &Scene, all: &mut Published, count: i64) {
    let load = Load::numbered(1).first(all.next).count(count);
    let more = publisher::publish(scene.broker.port(), load);
    assert!(more.doubtful.is_empty(), "nothing was cut");
    all.next = more.next;
}

#[test]
fn a_client_id_is_made_once_and_survives_its_copy_or_the_database() {
    let scene = Scene::new();
    let settings = unnamed(&scene);
    let mut all = Published::default();
    let mut recorder = scene.recorder(&settings);
    let made = client_id(&recorder);
    let digits = made.rsplit_once('-').expect("digits at its end").1;
    assert!(made.starts_with("barograph-") && digits.len() == 6, "{made}");
    recorder.kill();
    let copy = scene.folder.path("barograph.client-id");
    assert_eq!(fs::read_to_string(&copy).expect("it is kept"), format!("{made}\n"));
    let no_copy = || fs::remove_file(&copy).expect("it is there");
    let no_database = || {
        for file in scene.files("", "data.db").iter().filter(|it| !it.ends_with("data.db.lock")) {
            fs::remove_file(file).expect("our own folder");
        }
    };
    for (lost, lose) in [("the copy", &no_copy as &dyn Fn()), ("the database", &no_database)] {
        lose();
        publish_more(&scene, &mut all, 20);
        recorder = scene.recorder(&settings);
        assert_eq!(client_id(&recorder), made, "{lost} was lost");
        assert_eq!(recorder.event("broker_connected")["session_present"], true, "{lost}");
        scene.fills_to(&recorder, "load", 20);
        recorder.stop();
    }
}

/// As a recorder left it that knew nothing of a kept client id, on a host of another name.
#[test]
fn a_database_from_before_goes_on_with_the_client_id_of_its_session() {
    let scene = Scene::new();
    let old = scene.settings().text("mqtt", "client_id", "barograph-old-host");
    let mut all = Published::default();
    scene.recorder(&old).stop();
    let forget = "DELETE FROM barograph_meta WHERE key = 'client_id'";
    scene.database.writer().execute_batch(forget).expect("our own file");
    fs::remove_file(scene.folder.path("barograph.client-id")).expect("it is there");
    publish_more(&scene, &mut all, 20);
    let recorder = scene.recorder(&unnamed(&scene));
    assert_eq!(client_id(&recorder), "barograph-old-host");
    assert!(recorder.events("client_id_changed").is_empty());
    scene.settle(recorder, &all);
    let gaps = "SELECT count(*) FROM barograph_gaps WHERE cause = 'broker_forgot_session'";
    assert_eq!(scene.database.one::<i64>(gaps), 0);
    let kept: String =
        scene.database.one("SELECT value FROM barograph_meta WHERE key = 'client_id'");
    assert_eq!(kept, "barograph-old-host");
}

#[test]
fn another_client_id_in_the_settings_is_used_and_is_an_event_and_a_gap() {
    let scene = Scene::new();
    let named = |name: &str| scene.settings().text("mqtt", "client_id", name);
    let mut all = Published::default();
    let mut recorder = scene.recorder(&named("first"));
    publish_more(&scene, &mut all, 5);
    scene.fills_to(&recorder, "load", 5);
    recorder.stop();
    publish_more(&scene, &mut all, 10); // kept for `first`
    recorder = scene.recorder(&named("second"));
    let told = recorder.event("client_id_changed")["message"].to_string();
    assert!(told.contains("second") && told.contains("mqtt.client_id = \\\"first\\\""), "{told}");
    recorder.event("broker_forgot_session");
    named("third").write();
    recorder.process.signal(Signal::SIGHUP);
    assert!(recorder.event_number(2, "client_id_changed").to_string().contains("third"));
    recorder.event_number(2, "broker_forgot_session");
    recorder.stop();
    recorder = scene.recorder(&unnamed(&scene));
    assert_eq!(client_id(&recorder), "third", "the last one is kept");
    recorder.stop();
    let told: Vec<String> = scene
        .database
        .all("SELECT detail FROM barograph_gaps WHERE cause = 'broker_forgot_session' ORDER BY id");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("what the broker kept under first"), "{told:?}");
    let events = "SELECT count(*) FROM barograph_events WHERE event = 'client_id_changed'";
    assert_eq!(scene.database.one::<i64>(events), 2);
    assert_eq!(scene.database.count("load"), 5, "what waits for `first` does not come");
}

#[test]
fn two_recorders_on_one_host_do_not_disconnect_each_other() {
    let (scene, other) = (Scene::new(), Scene::new());
    let url = scene.broker_url();
    let mut recorder = scene.recorder(&unnamed(&scene));
    let mut second = Recorder::start(&unnamed(&other).text("mqtt", "url", &url));
    second.event("broker_connected");
    assert_ne!(client_id(&recorder), client_id(&second));
    recorder.stop();
    second.stop();
    assert!(recorder.events("broker_disconnected").is_empty());
}

#[test]
fn check_names_the_client_id_and_who_is_connected_under_it() {
    let scene = Scene::new();
    let settings = unnamed(&scene);
    let check = |settings: &Settings| {
        let outcome = process::outcome(barograph_with("check", settings), SOON);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let line = outcome.stdout.lines().find(|line| line.starts_with("client id: "));
        line.expect("it is named").to_owned()
    };
    assert!(check(&settings).contains("the first start makes and keeps it"));
    let mut recorder = scene.recorder(&settings);
    let id = client_id(&recorder);
    let line = check(&settings);
    assert!(line.contains(&id) && line.contains("is connected under it"), "{line}");
    let line = check(&scene.settings());
    assert!(line.contains(&format!("recorder; the recorder that is running uses {id}")), "{line}");
    recorder.stop();
    assert_eq!(check(&settings), format!("client id: {id}"));
    assert!(check(&scene.settings()).contains(&format!("warning: it was {id}")));
}
