//! The page's live line: what is recorded is seen within a second, every end has its reason, and neither a thousand
//! viewers nor one who never reads costs the recording anything.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::certs::Authority;
use crate::support::heavy;
use crate::support::operator::Operator;
use crate::support::ports::free_port;
use crate::support::publisher::{Load, Publisher, publish_one};
use crate::support::recorder::{Recorder, STOP_MAX};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings, wide};
use crate::support::wait;
use crate::support::web::{self, post};
use crate::support::websocket::{Came, Socket, frame};

const READER: &str = "the-reader-token-of-this-test";
/// Where it is.
const LIVE: &str = "/ws/live";
/// For what should come soon, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings with the page on this port.
fn with_page(scene: &Scene, port: u16) -> Settings {
    scene.settings().text("watchtower", "listen", &format!("127.0.0.1:{port}"))
}

/// A recorder with its page.
fn recorder(scene: &Scene, port: u16) -> Recorder {
    scene.recorder(&with_page(scene, port))
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == kind
}

#[test]
fn a_snapshot_comes_first_and_a_reading_within_a_second_of_publishing() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = recorder(&scene, port);
    let mut viewer = Socket::connect(port, LIVE);
    let first = viewer.frame();
    assert_eq!(first["type"], "snapshot", "{first}");
    assert_eq!(first["status"]["broker"]["connection"], "connected");
    assert_eq!(first["latest"]["routes"][0]["route"], "load");
    for n in 1..=5 {
        let began = Instant::now();
        publish_one(scene.broker.port(), "load/n", format!(r#"{{"n":{n}}}"#).as_bytes(), false);
        let rows = viewer.frame_that("the reading", is("rows"));
        let took = began.elapsed();
        println!("seen {took:?} after publishing began");
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(rows["routes"][0]["route"], "load");
        assert_eq!(rows["routes"][0]["rows"][0][1][0], n, "{rows}");
    }
    let mut late = Socket::connect(port, LIVE);
    let latest = &late.frame()["latest"]["routes"][0];
    assert_eq!(latest["values"]["n"], 5, "{latest}");
    late.close();
    let answer = late.end();
    assert_eq!(answer.0, 1000, "{answer:?}");
    drop(recorder);
}

/// As a viewer over loopback, on another kind of stream.
fn is_served_to(scene: &Scene, mut recorder: Recorder, mut viewer: Socket<impl Read + Write>) {
    assert_eq!(viewer.frame()["type"], "snapshot");
    publish_one(scene.broker.port(), "load/n", br#"{"n":7}"#, false);
    let rows = viewer.frame_that("the reading", is("rows"));
    assert_eq!(rows["routes"][0]["rows"][0][1][0], 7, "{rows}");
    recorder.process.signal(Signal::SIGTERM);
    let (code, reason) = viewer.end();
    assert_eq!(code, 1001, "{reason}");
    assert_eq!(recorder.exit_code(STOP_MAX), Some(0), "{}", recorder.log());
}

#[test]
fn it_is_the_same_over_tls() {
    let (scene, port) = (Scene::new(), free_port());
    let authority = Authority::new(&scene.folder, "authority");
    let identity = authority.sign("page");
    fs::set_permissions(&identity.key, Permissions::from_mode(0o600)).expect("our own file");
    let settings = with_page(&scene, port).path("watchtower", "cert_file", &identity.cert);
    let recorder = scene.recorder(&settings.path("watchtower", "key_file", &identity.key));
    recorder.event("page_served");
    let stream = web::tls(port, &authority.file()).expect("it listens");
    let viewer = Socket::over(stream, &format!("wss://localhost:{port}{LIVE}"), &[]);
    is_served_to(&scene, recorder, viewer);
}

#[test]
fn it_is_the_same_over_a_unix_socket() {
    let scene = Scene::new();
    let path = scene.folder.path("page.sock");
    let listen = format!("unix:{}", path.display());
    let recorder = scene.recorder(&scene.settings().text("watchtower", "listen", &listen));
    recorder.event("page_served");
    let stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    let viewer = Socket::over(stream, &format!("ws://localhost{LIVE}"), &[]);
    is_served_to(&scene, recorder, viewer);
}

#[test]
fn a_thousand_readings_a_second_are_four_frames_and_every_row_is_told_or_counted() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let recorder = recorder(&scene, port);
    let mut viewer = Socket::connect(port, LIVE);
    viewer.frame();
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000).count(5_000));
    let (mut told, mut began, mut frames) = (0, None, 0);
    while told < 5_000 {
        let rows = viewer.frame_that("rows", is("rows"));
        began.get_or_insert_with(Instant::now);
        frames += 1;
        let route = &rows["routes"][0];
        told += route["rows"].as_array().expect("rows").len() as u64;
        told += route["skipped"].as_u64().expect("a number");
    }
    assert_eq!(told, 5_000);
    let seconds = began.expect("frames came").elapsed().as_secs_f64();
    println!("{frames} frames in {seconds:.1} s");
    assert!(f64::from(frames) <= 4.0 * seconds + 2.0, "{frames} frames in {seconds} s");
    scene.settle(recorder, &load.finish());
}

#[test]
fn a_change_is_told_as_event_and_status_and_an_idle_line_lives() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = recorder(&scene, port);
    let mut viewer = Socket::connect(port, LIVE);
    viewer.frame();
    viewer.frame_that("a sign of life", is("alive"));
    let answer = Operator::connect(&scene.folder.path("barograph.sock")).ask("pause");
    assert!(answer["ok"].is_object(), "{answer}");
    let event = viewer.frame_that("the event", |frame| frame["event"]["event"] == "paused");
    assert_eq!(event["event"]["actor"], "mqtt", "{event}");
    assert_eq!(event["event"]["severity"], "warning", "{event}");
    viewer.frame_that("the status", |frame| frame["status"]["paused_since"].is_string());
    drop(recorder);
}

/// What no page says, and how it ends.
#[test]
fn whoever_says_what_no_page_says_is_told_why_the_line_ends() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = recorder(&scene, port);
    let declared = |len: u64| [&[0x81, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat();
    let fragments = |size: usize, n: usize| {
        let rest = frame(0x00, &vec![b'x'; size]).repeat(n);
        [frame(0x01, b"x"), rest].concat()
    };
    let table: [(&str, Vec<u8>, u16, &str); 10] = [
        ("2^62 bytes", declared(1 << 62), 1009, "4096 bytes"),
        ("5000 bytes", frame(0x81, &[b'x'; 5_000]), 1009, "4096 bytes"),
        ("fragments without an end", fragments(1_000, 6), 1009, "4096 bytes"),
        ("empty fragments without an end", fragments(0, 200), 1008, "20 frames in a second"),
        ("pings without an end", frame(0x89, b"hello").repeat(500), 1008, "20 frames"),
        ("bytes", frame(0x82, b"\x00\x01"), 1003, "binary"),
        ("text that is none", frame(0x81, b"\xc3\x28"), 1007, "UTF-8"),
        ("no mask", vec![0x81, 0x01, b'x'], 1002, "masked"),
        ("reserved bits", vec![0xf1, 0x80, 0, 0, 0, 0], 1002, "reserved bit"),
        ("a kind of its own", vec![0x83, 0x80, 0, 0, 0, 0], 1002, "kind"),
    ];
    let mut other = Socket::connect(port, LIVE);
    for (what, bytes, code, words) in table {
        let mut socket = Socket::connect(port, LIVE);
        socket.frame();
        socket.send_raw(&bytes);
        let (told, reason) = socket.end();
        assert_eq!(told, code, "{what}: {reason}");
        assert!(reason.contains(words), "{what}: {reason}");
    }
    let mut talker = Socket::connect(port, LIVE);
    talker.frame();
    other.frame();
    talker.say(r#"{"id":1,"command":"stop"}"#);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    talker.frame_that("rows: what is said here is not heard", is("rows"));
    other.frame_that("rows for the others", is("rows"));
    drop(recorder);
}

#[test]
fn when_the_recorder_stops_two_hundred_viewers_are_told_before_the_port_is_free() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let mut recorder = recorder(&scene, port);
    let mut viewers: Vec<_> = (0..200).map(|_| Socket::connect(port, LIVE)).collect();
    viewers.iter_mut().for_each(|viewer| drop(viewer.frame()));
    recorder.terminate();
    for viewer in &mut viewers {
        assert_eq!(viewer.end(), (1001, "the recorder stops".to_owned()));
    }
    assert_eq!(recorder.exit_code(Duration::from_secs(10)), Some(0));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is free");
}

#[test]
fn when_only_the_page_restarts_that_is_said_and_it_is_there_again() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = recorder(&scene, port);
    let mut viewer = Socket::connect(port, LIVE);
    viewer.frame();
    let mut operator = Operator::connect(&scene.folder.path("barograph.sock"));
    operator.send(b"{\"barograph\":1,\"command\":\"restart-actor\",\"actor\":\"watchtower\"}\n");
    assert_eq!(viewer.end(), (1012, "the page restarts".to_owned()));
    assert!(operator.line().expect("an answer")["ok"].is_object());
    assert_eq!(Socket::connect(port, LIVE).frame()["type"], "snapshot");
    drop(recorder);
}

#[test]
fn one_viewer_too_many_is_told_so_and_comes_in_when_another_has_gone() {
    let (scene, port) = (Scene::new(), free_port());
    let settings = with_page(&scene, port).set("watchtower", "max_connections", "66");
    let recorder = scene.recorder(&settings);
    let mut first = Socket::connect(port, LIVE);
    let mut second = Socket::connect(port, LIVE);
    first.frame();
    second.frame();
    let (code, reason) = Socket::connect(port, LIVE).end();
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.contains("2 viewers are connected"), "{reason}");
    second.close();
    wait::until_true("there is room again", PATIENCE, || {
        matches!(Socket::connect(port, LIVE).next(), Came::Frame(_))
    });
    drop(recorder);
}

#[test]
fn a_viewer_too_slow_is_told_so_one_who_never_reads_is_cut_and_others_go_on() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&with_page(&scene, port).routes(&wide()));
    let mut viewer = Socket::connect(port, LIVE);
    let [mut slow, mut dead] = [(); 2].map(|()| Socket::connect(port, LIVE).with_a_small_buffer());
    viewer.frame();
    let load = Publisher::start(scene.broker.port(), Load::wide(1).rate(50));
    let (began, mut slow_end, mut is_cut) = (Instant::now(), None, false);
    let (mut budget, mut last, mut pong_at) = (0.0, Instant::now(), Instant::now());
    slow.wait_for_nothing();
    dead.wait_for_nothing();
    while slow_end.is_none() || !is_cut {
        assert!(began.elapsed() < Duration::from_secs(60), "slow: {slow_end:?}, cut: {is_cut}");
        viewer.frame();
        // two thirds of what comes
        budget += last.elapsed().as_secs_f64() * 300_000.0;
        last = Instant::now();
        while budget > 0.0 && slow_end.is_none() {
            match slow.next() {
                Came::Frame(frame) => budget -= frame.to_string().len() as f64,
                Came::Nothing => break,
                Came::Closed(code, reason) => slow_end = Some((code, reason)),
                Came::Broken => panic!("the slow viewer was not told"),
            }
        }
        if pong_at.elapsed() > Duration::from_millis(300) {
            pong_at = Instant::now();
            is_cut = is_cut || dead.is_gone();
        }
    }
    let (code, reason) = slow_end.expect("it ended");
    assert_eq!(code, 4000, "{reason}");
    assert!(reason.starts_with("slow consumer"), "{reason}");
    let published = load.finish();
    let peak = recorder.process.peak_rss_kib();
    println!("peak RSS: {peak} KiB; both were gone after {:?}", began.elapsed());
    assert!(peak < 64 * 1024, "peak RSS {peak} KiB");
    scene.settle(recorder, &published);
}

/// It takes 45 s: two pings unanswered, and then the goodbye.
#[test]
fn a_peer_that_answers_no_ping_is_let_go() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = recorder(&scene, port);
    let mut mute = Socket::connect(port, LIVE);
    let mut other = Socket::connect(port, LIVE);
    let (began, mut bytes) = (Instant::now(), Vec::new());
    loop {
        let mut some = [0; 4096];
        match mute.read_raw(&mut some).expect("it sends signs of life") {
            0 => break,
            n => bytes.extend_from_slice(&some[..n]),
        }
        other.frame();
    }
    let took = began.elapsed();
    assert!((40..60).contains(&took.as_secs()), "{took:?}");
    let goodbye = [&4002_u16.to_be_bytes()[..], b"2 pings were not answered"].concat();
    assert!(bytes.ends_with(&goodbye), "{:?}", String::from_utf8_lossy(&bytes[bytes.len() - 90..]));
    drop(recorder);
}

#[test]
fn a_killed_recorder_ends_every_line_and_the_next_one_serves_anew() {
    let (scene, port) = (Scene::new(), free_port());
    let mut killed = recorder(&scene, port);
    let mut viewers: Vec<_> = (0..20).map(|_| Socket::connect(port, LIVE)).collect();
    viewers.iter_mut().for_each(|viewer| drop(viewer.frame()));
    killed.kill();
    for viewer in &mut viewers {
        let end = loop {
            match viewer.next() {
                Came::Frame(_) => {}
                other @ (Came::Closed(..) | Came::Broken | Came::Nothing) => break other,
            }
        };
        assert!(matches!(end, Came::Broken), "{end:?}");
    }
    let recorder = recorder(&scene, port);
    let mut viewer = Socket::connect(port, LIVE);
    assert_eq!(viewer.frame()["type"], "snapshot");
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    viewer.frame_that("the reading", is("rows"));
    drop(recorder);
}

const VIEWERS: usize = 1_000;

#[test]
fn a_thousand_viewers_see_all_and_cost_the_recording_nothing() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&with_page(&scene, port).routes(LOAD));
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
    load.has_sent(2_000);
    let mut viewers: Vec<_> = (0..VIEWERS).map(|_| Socket::connect(port, LIVE)).collect();
    viewers.iter_mut().for_each(|viewer| assert_eq!(viewer.frame()["type"], "snapshot"));
    viewers.iter().for_each(Socket::wait_for_nothing);
    let (began, sent, cpu) = (Instant::now(), load.sent(), cpu_seconds(&recorder));
    let stored = scene.database.count("load");
    let mut seen = vec![0_u32; VIEWERS];
    while began.elapsed() < Duration::from_secs(20) {
        for (viewer, seen) in viewers.iter_mut().zip(&mut seen) {
            loop {
                match viewer.next() {
                    Came::Frame(frame) if frame["type"] == "rows" => *seen += 1,
                    Came::Frame(_) => {}
                    Came::Nothing => break,
                    other @ (Came::Closed(..) | Came::Broken) => {
                        panic!("{other:?} after {:?}", began.elapsed())
                    }
                }
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let (sent, cpu) = ((load.sent() - sent) as f64, cpu_seconds(&recorder) - cpu);
    let stored = (scene.database.count("load") - stored) as f64;
    let (least, peak) = (seen.iter().min().expect("viewers"), recorder.process.peak_rss_kib());
    println!(
        "{VIEWERS} viewers: {:.0} sent and {:.0} stored a second, {least} to {} frames each in \
         {seconds:.0} s, {:.0} % of a core, peak RSS {peak} KiB",
        sent / seconds,
        stored / seconds,
        seen.iter().max().expect("viewers"),
        100.0 * cpu / seconds,
    );
    // The publisher shares the machine; whether it is kept up with is the point.
    assert!(sent / seconds > 500.0, "{sent} in {seconds} s");
    assert!(stored > 0.9 * sent, "{stored} stored of {sent}");
    assert!(f64::from(*least) > 2.0 * seconds, "{least} frames in {seconds} s");
    assert!(peak < 64 * 1024, "peak RSS {peak} KiB");
    drop(viewers);
    scene.settle(recorder, &load.finish());
}

/// What it has used of a processor so far.
fn cpu_seconds(recorder: &Recorder) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", recorder.process.pid()));
    let stat = stat.expect("it runs");
    let fields: Vec<&str> =
        stat.rsplit(") ").next().expect("a name in brackets").split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
fn who_may_not_watch_is_told_why_and_who_signs_out_goes() {
    let (scene, port) = (Scene::new(), free_port());
    let token = scene.folder.path("read-token");
    fs::write(&token, READER).expect("our own folder");
    fs::set_permissions(&token, Permissions::from_mode(0o600)).expect("our own file");
    let settings = with_page(&scene, port).path("watchtower", "read_token_file", &token);
    let recorder = scene.recorder(&settings.set("watchtower", "anonymous_read", "false"));
    let (code, reason) = Socket::connect(port, LIVE).end();
    assert_eq!((code, &*reason), (1008, "this page requires a token"));
    let bearer = ("Authorization", format!("Bearer {READER}"));
    let elsewhere = ("Origin", "http://elsewhere.example".to_owned());
    let mut foreign = Socket::connect_with(port, LIVE, &[bearer.clone(), elsewhere]);
    assert_eq!(foreign.end().0, 1008);
    let mut program = Socket::connect_with(port, LIVE, &[bearer]);
    assert_eq!(program.frame()["type"], "snapshot");
    let login = post(port, "/api/v1/login", &[], &format!(r#"{{"token":"{READER}"}}"#));
    let cookie = login.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("it has a value").to_owned();
    let mut person = Socket::connect_with(port, LIVE, &[("Cookie", cookie.clone())]);
    assert_eq!(person.frame()["type"], "snapshot");
    post(port, "/api/v1/logout", &[&format!("Cookie: {cookie}")], "{}");
    let (code, reason) = person.end();
    assert_eq!((code, &*reason), (4001, "the session ended: sign in again"));
    program.frame_that("it goes on", is("alive"));
    drop(recorder);
}
