//! The door of the page: who is let in, by which name, with which token; and where the door can be.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::certs::Authority;
use crate::support::ports::free_port;
use crate::support::process;
use crate::support::publisher::{self, Load};
use crate::support::recorder::{Recorder, barograph_with, command};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::web::{self, ask, post};
use crate::support::websocket::Socket;

/// What a page may take to be there, on a busy machine.
const WITHIN: Duration = Duration::from_secs(30);
const ADMIN: &str = "the-admin-token-of-this-test";
const READER: &str = "the-reader-token-of-this-test";

/// A page on a free port.
fn with_page(scene: &Scene) -> (Settings, u16) {
    let port = free_port();
    (scene.settings().text("watchtower", "listen", &format!("127.0.0.1:{port}")), port)
}

fn with_tokens(scene: &Scene, settings: Settings) -> Settings {
    let settings =
        settings.path("watchtower", "admin_token_file", &token(scene, "admin-token", ADMIN));
    settings.path("watchtower", "read_token_file", &token(scene, "read-token", READER))
}

fn token(scene: &Scene, name: &str, token: &str) -> PathBuf {
    let file = scene.folder.path(name);
    fs::write(&file, token).expect("our own folder");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("our own file");
    file
}

fn start(scene: &Scene, settings: &Settings) -> Recorder {
    let recorder = scene.recorder(settings);
    recorder.event_within(WITHIN, 1, "page_served");
    recorder
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// The cookie that an answer sets, as a request's header.
fn cookie(reply: &web::Reply) -> String {
    let set = reply.header("set-cookie").expect("a cookie");
    format!("Cookie: {}", set.split(';').next().expect("it has a value"))
}

#[test]
fn who_was_lured_here_is_turned_away() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let settings = settings.set("watchtower", "hosts", r#"["weather.example"]"#);
    let recorder = start(&scene, &settings);
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let (machine, ours) = (format!("Host: {}", machine.trim()), format!("Host: localhost:{port}"));
    let origin = format!("Origin: http://localhost:{port}");
    let table: [(&str, &[&str], u16); 25] = [
        ("GET /healthz", &["Host: localhost"], 200),
        ("GET /healthz", &["Host: 127.0.0.1:1"], 200),
        ("GET /healthz", &["Host: [::1]:9"], 200),
        ("GET /healthz", &["Host: 192.168.7.7"], 200),
        ("GET /healthz", &["Host: weather.example:8443"], 200),
        ("GET /healthz", &[&machine], 200),
        ("GET /healthz", &["Host: evil.example"], 421),
        ("GET /", &["Host: evil.example"], 421),
        ("GET /api/v1/session", &["Host: evil.example:8000"], 421),
        ("GET /healthz", &["Host: localhost.evil.example"], 421),
        ("GET /healthz", &["Host: evil.example\r\nHost: localhost"], 400),
        ("GET /healthz", &["Host: "], 421),
        ("GET http://evil.example/healthz", &["Host: localhost"], 421),
        ("GET /api/v1/session", &[&ours, &origin], 200),
        ("GET /api/v1/session", &[&ours, "Origin: http://evil.example"], 403),
        ("GET /api/v1/session", &[&ours, "Origin: http://localhost:1"], 403),
        ("GET /api/v1/session", &[&ours, "Origin: null"], 403),
        ("GET /api/v1/session", &["Origin: https://weather.example"], 200),
        ("GET /api/v1/session", &["Sec-Fetch-Site: cross-site"], 403),
        ("GET /api/v1/session", &["Sec-Fetch-Site: same-origin"], 200),
        ("GET /", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 200),
        ("POST /api/v1/logout", &["Content-Type: text/plain"], 415),
        ("POST /api/v1/logout", &["Content-Type: application/json"], 200),
        ("POST /api/v1/logout", &["Content-Type: application/json", "Origin: null"], 403),
        ("DELETE /api/v1/session", &[], 405),
    ];
    for (line, headers, status) in table {
        let reply = ask(port, line, headers);
        assert_eq!(reply.status, status, "{line} {headers:?}: {reply:?}");
    }
    let refused = ask(port, "GET /api/v1/status", &["Host: evil.example"]).json();
    let words = refused["error"].to_string();
    assert!(words.contains("evil.example") && words.contains("watchtower.hosts"), "{words}");
    let without = web::raw(port, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(without.status, 400, "{without:?}");
    drop(recorder);
}

#[test]
fn every_answer_keeps_browsers_from_mischief() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let _recorder = start(&scene, &with_tokens(&scene, settings));
    let gzip = ["Content-Type: application/json", "Content-Encoding: gzip"];
    for (line, headers, status) in [
        ("GET /", &[][..], 200),
        ("GET /nothing.js", &[], 404),
        ("GET /api/v1/status", &[], 401),
        ("GET /api/v1/session", &[], 200),
        ("GET /", &["Host: evil.example"], 421),
        ("PUT /", &[], 405),
        ("POST /api/v1/login", &gzip, 415),
    ] {
        let reply = ask(port, line, headers);
        assert_eq!(reply.status, status, "{line}: {reply:?}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{line}: {reply:?}");
        }
        let policy = reply.header("content-security-policy").unwrap_or_default();
        for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{line}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        if line.contains("/api/") {
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{line}");
        }
        assert!(
            reply.header("server").is_none()
                && reply.header("access-control-allow-origin").is_none()
        );
    }
    assert_eq!(ask(port, "GET /api/v1/status", &[]).header("www-authenticate"), Some("Bearer"));
}

#[test]
fn no_path_leads_out_and_what_is_no_request_ends_the_connection() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let mut recorder = start(&scene, &settings);
    let long = format!("/{}", "a".repeat(12 << 10));
    for path in [
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/lib/../../API.md",
        "//etc/passwd",
        "/etc/passwd",
        "/index.html%00.js",
        "/..\\..\\etc\\passwd",
        "/%ff%fe",
        &long,
    ] {
        let reply = ask(port, &format!("GET {path}"), &[]);
        assert!([400, 404].contains(&reply.status), "{path}: {reply:?}");
        assert!(!reply.body.contains("root:") && !reply.body.contains("[package]"), "{reply:?}");
    }
    let large =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(40 << 10));
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    for (what, bytes) in [
        ("nonsense", b"\x00\x01\x02\r\n\r\n".as_slice()),
        ("a handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("a NUL in the path", b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a bare CR in a header", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n"),
        (
            "two lengths",
            b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\
            Content-Length: 2\r\n\r\nx",
        ),
        (
            "length and chunks",
            b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
            Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("a large head", large.as_bytes()),
        ("many headers", many.as_bytes()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        match web::raw(port, bytes) {
            Ok(reply) => assert!((400..500).contains(&reply.status), "{what}: {reply:?}"),
            Err(_closed_without_a_word) => {}
        }
    }
    assert_eq!(ask(port, "GET /healthz", &[]).status, 200);
    recorder.stop();
    let log = recorder.log();
    assert!(
        !log.contains("hyper") && !log.contains("\"ERROR\""),
        "hostile clients filled the log:\n{log}"
    );
}

fn login(port: u16, headers: &[&str], token: &str) -> web::Reply {
    post(port, "/api/v1/login", headers, &format!(r#"{{"token":"{token}"}}"#))
}

/// Whether it is not the door that answers.
fn is_open(port: u16, path: &str, headers: &[&str]) -> bool {
    ![401, 403, 429].contains(&ask(port, &format!("GET {path}"), headers).status)
}

#[test]
fn a_token_opens_what_it_is_for() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let settings = with_tokens(&scene, settings).text("log", "level", "trace");
    let mut recorder = start(&scene, &settings);
    for path in ["/", "/healthz", "/readyz", "/api/v1/session"] {
        assert!(is_open(port, path, &[]), "{path} is for everybody");
    }
    for path in ["/api/v1/status", "/api/v1/nothing", "/metrics"] {
        assert!(!is_open(port, path, &[]), "{path} needs a token");
        assert!(is_open(port, path, &[&bearer(READER)]), "{path}");
        assert!(is_open(port, path, &[&bearer(ADMIN)]), "{path}");
        assert!(!is_open(port, path, &["Cookie: barograph=0123"]), "{path}");
    }
    // The way to a handler decodes what the door might not.
    for path in
        ["/%61pi/v1/status", "/api%2fv1/status", "/api/v1/%73tatus", "/%6detrics", "/%77s/live"]
    {
        assert_eq!(ask(port, &format!("GET {path}"), &[]).status, 404, "{path}");
    }
    for body in ["", "{}", "nonsense", r#"{"token":7}"#] {
        assert_eq!(post(port, "/api/v1/login", &[], body).status, 400, "{body}");
    }
    assert_eq!(login(port, &[], &"x".repeat(8_000)).status, 413);
    recorder.stop();
    let log = recorder.log();
    assert!(!log.contains(ADMIN) && !log.contains(READER), "{log}");
}

#[test]
fn who_signs_in_gets_a_cookie_that_only_this_page_gets_back() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let _recorder = start(&scene, &with_tokens(&scene, settings));
    let session = |headers: &[&str]| ask(port, "GET /api/v1/session", headers).json();
    let nobody = session(&[]);
    assert_eq!((&nobody["admin"], &nobody["commands"]), (&false.into(), &true.into()));
    assert_eq!(nobody["anonymous_read"], false);
    assert_eq!(session(&[&bearer(ADMIN)])["admin"], true);
    let reader = login(port, &[], READER);
    assert_eq!((reader.status, &reader.json()["admin"]), (200, &false.into()));
    let set = reader.header("set-cookie").expect("a cookie").to_lowercase();
    for part in ["httponly", "samesite=strict", "path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("secure") && set.starts_with("barograph="), "{set}");
    assert!(is_open(port, "/api/v1/status", &[&cookie(&reader)]));
    assert_eq!(session(&[&cookie(&reader)])["admin"], false);
    let admin = login(port, &[], ADMIN);
    assert_eq!(session(&[&cookie(&admin)])["admin"], true);
    let forwarded = login(port, &["X-Forwarded-Proto: https"], ADMIN);
    let set = forwarded.header("set-cookie").expect("a cookie");
    assert!(set.starts_with("__Host-barograph=") && set.contains("Secure"), "{set}");
    assert_eq!(post(port, "/api/v1/logout", &[&cookie(&admin)], "{}").status, 200);
    assert_eq!(session(&[&cookie(&admin)])["admin"], false);
}

#[test]
fn who_guesses_tokens_waits() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let recorder = start(&scene, &with_tokens(&scene, settings));
    let login =
        |token: &str| post(port, "/api/v1/login", &[], &format!(r#"{{"token":"{token}"}}"#));
    let inside = cookie(&login(READER));
    let statuses: Vec<u16> =
        (0..5).map(|n| login(&format!("a-guess-of-a-token-{n}")).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429]);
    let refused = login(ADMIN);
    assert_eq!(refused.status, 429, "the right one is not looked at either");
    let wait: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=8).contains(&wait), "{wait}");
    assert_eq!(ask(port, "GET /api/v1/status", &[&bearer(ADMIN)]).status, 429);
    assert_ne!(ask(port, "GET /api/v1/status", &[&inside]).status, 429, "who is in stays in");
    recorder.wait_for("the end of the wait", WITHIN, || (login(ADMIN).status == 200).then_some(()));
    let told = recorder.event("login_refused");
    assert_eq!(recorder.events("login_refused").len(), 1, "not for each");
    assert!(told.to_string().contains("127.0.0.1"), "{told}");
}

#[test]
fn a_session_outlives_the_page_but_not_its_token() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let settings = with_tokens(&scene, settings);
    let mut recorder = start(&scene, &settings);
    let login = post(port, "/api/v1/login", &[], &format!(r#"{{"token":"{ADMIN}"}}"#));
    let is_admin = || {
        let reply = web::raw(port, &web::request("GET /api/v1/session", &[&cookie(&login)], ""));
        reply.ok().and_then(|reply| reply.json()["admin"].as_bool())
    };
    assert_eq!(is_admin(), Some(true));
    let watch = || {
        let number = cookie(&login).trim_start_matches("Cookie: ").to_owned();
        let mut socket = Socket::connect_with(port, "/ws/live", &[("cookie", number)]);
        socket.frame();
        socket
    };
    let mut watcher = watch();
    let restarted = command(&["restart-actor", "watchtower"], &settings);
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    assert_eq!(watcher.end().0, 1012);
    recorder.wait_for("the page is back", WITHIN, || is_admin().filter(|admin| *admin));
    let mut watcher = watch();
    token(&scene, "admin-token", "another-token-from-now-on");
    recorder.process.signal(Signal::SIGHUP);
    assert_eq!(watcher.end().0, 4001);
    recorder.wait_for("the session's end", WITHIN, || is_admin().filter(|admin| !*admin));
}

#[test]
fn a_renewed_certificate_is_shown_to_whoever_comes_next() {
    let scene = Scene::new();
    let authority = Authority::new(&scene.folder, "authority");
    let identities = [authority.sign("first"), authority.sign("second")];
    let [cert, key] = ["page.pem", "page.key"].map(|name| scene.folder.path(name));
    let put = |n: usize| {
        fs::copy(&identities[n].cert, &cert).expect("our own folder");
        fs::copy(&identities[n].key, &key).expect("our own folder");
        fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("our own file");
    };
    put(0);
    let (settings, port) = with_page(&scene);
    let settings = settings.path("watchtower", "cert_file", &cert).watchful();
    let settings = settings.path("watchtower", "key_file", &key);
    let mut recorder = start(&scene, &settings);
    recorder.says(&format!("https://127.0.0.1:{port}/"));
    let shown = || web::ask_tls(port, &authority.file(), "GET /healthz").expect("TLS");
    let (reply, first) = shown();
    assert_eq!(reply.status, 200);
    let plain = web::raw(port, &web::request("GET /", &[], "")).expect("an answer in plain text");
    assert!(plain.status == 400 && plain.body.contains("https"), "{plain:?}");
    fs::write(&cert, "no certificate").expect("our own file");
    recorder.process.signal(Signal::SIGHUP);
    recorder.has_issue("page_certificate_stale", "warning");
    assert_eq!(shown().1, first, "the old one stays");
    put(1);
    recorder.process.signal(Signal::SIGHUP);
    recorder.wait_for("the new certificate", WITHIN, || (shown().1 != first).then_some(()));
    recorder.is_rid_of("page_certificate_stale");
    assert_eq!(recorder.events("page_served").len(), 1, "nobody was sent away for it");
    let login = "POST /api/v1/login";
    let refused = web::ask_tls(port, &authority.file(), login).expect("TLS").0;
    assert_eq!(refused.status, 415, "{refused:?}");
}

#[test]
fn a_unix_socket_is_for_its_group_and_a_killed_one_is_replaced() {
    let scene = Scene::new();
    let path = scene.folder.path("page.sock");
    let settings =
        scene.settings().text("watchtower", "listen", &format!("unix:{}", path.display()));
    let mut recorder = start(&scene, &settings);
    assert_eq!(web::ask_file(&path, "GET /healthz").expect("it listens").status, 200);
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777, 0o660);
    recorder.kill();
    assert!(path.exists());
    let mut recorder = start(&scene, &settings);
    assert_eq!(web::ask_file(&path, "GET /healthz").expect("it listens").status, 200);
    recorder.stop();
    assert!(!path.exists(), "it is taken away in the end");
}

/// As systemd hands it over: the third file, and a variable that says whose it is. Whoever we start has neither.
#[test]
fn a_socket_of_systemds_is_served_and_inherited_by_nobody() {
    let mut scene = Scene::new();
    let port = free_port();
    let [script, out] = ["alert", "alert.out"].map(|name| scene.folder.path(name));
    let text = format!("(ls -l /proc/self/fd; env) > {}", out.display());
    fs::write(&script, text).expect("our own folder");
    let alert = format!(
        "[[alert]]\nname = \"x\"\ntype = \"command\"\nafter = \"0s\"\nargv = [\"/bin/sh\", {script:?}]\n"
    );
    let settings = scene.settings().text("watchtower", "listen", "systemd");
    let settings = settings.set("watchtower", "anonymous_read", "true");
    let settings = settings.routes(&format!("{LOAD}\n{alert}"));
    let mut activate = Command::new("python3");
    activate.args(["-c", ACTIVATE, &port.to_string()]);
    let command = process::wrap(activate, &barograph_with("run", &settings));
    let mut recorder = Recorder::spawn(command);
    recorder.event_within(WITHIN, 1, "page_served");
    recorder.event("broker_connected");
    assert_eq!(ask(port, "GET /healthz", &[]).status, 200);
    scene.broker.kill();
    let said = recorder.wait_for("the alert's program", WITHIN * 2, || {
        fs::read_to_string(&out).ok().filter(|text| text.contains("PATH="))
    });
    assert!(!said.contains("socket:"), "it holds a socket of ours:\n{said}");
    assert!(!said.contains("LISTEN_FDS"), "{said}");
    recorder.stop();
}

/// What systemd does: bind, say it, become the program.
const ACTIVATE: &str = "import os, socket, sys\n\
    held = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
    os.dup2(held.fileno(), 3)\n\
    os.set_inheritable(3, True)\n\
    os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
    os.execvp(sys.argv[2], sys.argv[2:])\n";

#[test]
fn a_port_that_is_taken_names_its_holder_and_holds_up_no_recording() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let mut holder = Command::new("python3");
    holder.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    holder.current_dir(scene.folder.root());
    let mut holder = process::Process::spawn(holder);
    crate::support::wait::until_true("the port is taken", WITHIN, || web::connect(port).is_ok());
    let recorder = scene.recorder(&settings.watchful());
    let told = recorder.has_issue("page_port_taken", "warning").to_string();
    assert!(
        told.contains(&format!("pid {}", holder.pid())) && told.contains("http.server"),
        "{told}"
    );
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    scene.drain(&recorder, &published);
    holder.kill();
    recorder.event_within(WITHIN, 1, "page_served");
    recorder.is_rid_of("page_port_taken");
    assert_eq!(ask(port, "GET /healthz", &[]).status, 200);
    assert_eq!(recorder.events("page_not_served").len(), 1, "said once, not for each try");
    scene.stop_and_check(recorder, &published);
}

#[test]
fn who_was_killed_has_its_port_back_at_once() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let mut recorder = start(&scene, &settings);
    let mut open: Vec<_> = (0..20).map(|_| web::connect(port).expect("it listens")).collect();
    for socket in &mut open {
        socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    }
    recorder.kill();
    let recorder = start(&scene, &settings);
    assert_eq!(recorder.events("page_not_served").len(), 0);
    assert_eq!(ask(port, "GET /healthz", &[]).status, 200);
}

#[test]
fn an_open_house_without_a_token_is_refused() {
    let scene = Scene::new();
    let settings =
        scene.settings().text("watchtower", "listen", &format!("0.0.0.0:{}", free_port()));
    let outcome = process::outcome(barograph_with("run", &settings), WITHIN);
    assert_eq!(outcome.code, Some(78), "{outcome:?}");
    assert!(outcome.stderr.contains("anonymous_read"), "{outcome:?}");
    let settings = with_tokens(&scene, settings);
    let _recorder = start(&scene, &settings);
}

/// Recording goes first: whatever serves the page has a lower priority.
#[test]
fn the_threads_of_the_page_are_nice() {
    let scene = Scene::new();
    let (settings, port) = with_page(&scene);
    let recorder = start(&scene, &settings);
    let _blocking = ask(port, "GET /api/v1/status", &[]);
    let tasks = fs::read_dir(format!("/proc/{}/task", recorder.process.pid())).expect("it runs");
    // The tests themselves may run under `nice`.
    let recording =
        process::nice_of(format!("/proc/{}/stat", recorder.process.pid())).expect("it runs").1;
    let lower = (recording + 10).min(19);
    let mut seen = Vec::new();
    for task in tasks.flatten() {
        let Some((name, nice)) = process::nice_of(task.path().join("stat")) else { continue };
        let of_page = name == "watchtower";
        assert!(!of_page || nice == lower, "{name} has {nice}");
        seen.push((name, nice));
    }
    let of_page = seen.iter().filter(|(_, nice)| *nice == lower).count();
    assert!(of_page >= 3, "listener, worker, and one that may block: {seen:?}");
    assert!(recording == lower || of_page < seen.len(), "only they: {seen:?}");
}
