//! Clients that mean harm cost the recording nothing: it keeps its rate, its memory, and every message.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::heavy;
use crate::support::hostile::Siege;
use crate::support::ports::free_port;
use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::{wait, web};

/// Messages a second that are offered.
const RATE: u32 = 5_000;
/// How long the quiet and the siege last.
const QUIET: Duration = Duration::from_secs(10);
const SIEGE: Duration = Duration::from_secs(25);
/// Less than this share of what is offered may not be stored while it is offered.
const SHARE_MIN: f64 = 0.9;
/// The whole process.
const MEMORY_MAX_KIB: u64 = 64 << 10;
/// How long the page may need to find itself again.
const BACK_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_siege_of_the_page_costs_the_recording_nothing() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let settings = scene.settings().text("watchtower", "listen", &format!("127.0.0.1:{port}"));
    let settings = settings.set("watchtower", "max_connections", "300");
    let recorder = scene.recorder(&settings);
    recorder.event("page_served");
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    load.has_sent(2_000);
    let measure = |during: Duration| {
        let (begun, sent) = (Instant::now(), load.sent());
        let stored = scene.database.count("load");
        let mut answers = (0, 0);
        while begun.elapsed() < during {
            let asked = web::raw(port, &web::request("GET /healthz", &[], ""));
            answers.0 += u32::from(asked.is_ok_and(|reply| reply.status == 200));
            answers.1 += 1;
            thread::sleep(Duration::from_millis(500)); // the measure of the siege is time
        }
        let (sent, stored) = (load.sent() - sent, scene.database.count("load") - stored);
        let seconds = begun.elapsed().as_secs_f64();
        let rates = (sent as f64 / seconds, stored as f64 / seconds);
        println!("{rates:.0?} a second offered and stored; {answers:?} signs of life");
        (rates, answers)
    };
    let ((offered, stored), _) = measure(QUIET);
    assert!(stored > offered * SHARE_MIN, "even in quiet {stored} of {offered} are stored");
    let quiet_kib = recorder.process.peak_rss_kib();
    let siege = Siege::default();
    let (rates, answers) = thread::scope(|scope| {
        siege.begin(scope, port);
        let measured = measure(SIEGE);
        siege.ends();
        measured
    });
    let besieged_kib = recorder.process.peak_rss_kib();
    println!("{} attempts; {quiet_kib} KiB before, {besieged_kib} KiB", siege.attempts());
    let (besieged_offer, besieged_stored) = rates;
    assert!(besieged_stored > besieged_offer * SHARE_MIN, "{besieged_stored} of {besieged_offer}");
    assert!(besieged_stored > stored * SHARE_MIN, "{besieged_stored} after {stored} a second");
    assert!(besieged_kib < MEMORY_MAX_KIB, "{besieged_kib} KiB");
    assert!(answers.0 > 0, "it never answered an honest question");
    recorder.wait_for("the page answers again", BACK_WITHIN, || {
        let asked = web::raw(port, &web::request("GET /healthz", &[], ""));
        asked.ok().filter(|reply| reply.status == 200)
    });
    let published = load.finish();
    scene.drain(&recorder, &published);
    let log = recorder.log();
    assert!(!log.contains("actor_restarted"), "{log}");
    assert!(log.lines().count() < 200, "they filled the log");
    scene.stop_and_check(recorder, &published);
}

/// A page that takes few connections.
fn small_page(scene: &Scene) -> (Recorder, u16) {
    let port = free_port();
    let settings = scene.settings().text("watchtower", "listen", &format!("127.0.0.1:{port}"));
    let recorder = scene.recorder(&settings.set("watchtower", "max_connections", "50"));
    recorder.event("page_served");
    (recorder, port)
}

/// Waits until the other side has ended the connection, reading nothing.
fn is_thrown_out(socket: &mut TcpStream, within: Duration) {
    socket.set_nonblocking(true).expect("a socket option");
    wait::until_true("the connection's end", within, || match socket.write(b"x") {
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    });
}

#[test]
fn a_crowd_that_only_stands_there_locks_nobody_out() {
    let scene = Scene::new();
    let (_recorder, port) = small_page(&scene);
    let crowd: Vec<_> = (0..250).map(|_| web::connect(port).expect("it listens")).collect();
    let begun = Instant::now();
    let reply = web::raw(port, &web::request("GET /healthz", &[], "")).expect("an answer");
    assert_eq!(reply.status, 200);
    // The crowd itself would be gone after 5 s.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    drop(crowd);
}

/// A time limit for the first head only would not be enough.
#[test]
fn a_second_request_may_not_take_for_ever_either() {
    let scene = Scene::new();
    let (_recorder, port) = small_page(&scene);
    let mut socket = web::connect(port).expect("it listens");
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    assert!(socket.read(&mut [0; 2_048]).expect("an answer") > 0);
    socket.write_all(b"GET /healthz HTTP/1.1\r\nX: ").expect("it reads");
    is_thrown_out(&mut socket, Duration::from_secs(25));
}

#[test]
fn a_body_without_an_end_is_not_read_for_ever() {
    let scene = Scene::new();
    let (_recorder, port) = small_page(&scene);
    let mut socket = web::connect(port).expect("it listens");
    let head = "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).expect("it reads");
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let (begun, mut taken) = (Instant::now(), 0);
    while let Ok(()) = socket.write_all(chunk.as_bytes()) {
        taken += chunk.len();
        assert!(taken < 64 << 20 && begun.elapsed() < Duration::from_secs(20), "{taken} bytes");
    }
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let scene = Scene::new();
    let (_recorder, port) = small_page(&scene);
    let mut socket = web::connect(port).expect("it listens");
    // More than the buffers of both sides hold.
    let asked = "GET /vendor/uPlot.iife.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(15);
    for _ in 0..10 {
        socket.set_nonblocking(true).expect("a socket option");
        let _full = socket.write(asked.as_bytes());
        thread::sleep(Duration::from_millis(200)); // it answers as far as it can
    }
    is_thrown_out(&mut socket, Duration::from_secs(60));
}
