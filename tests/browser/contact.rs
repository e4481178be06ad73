//! Whether the page hears the recorder, and what it says when it does not.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{SOON, Watched, console_is_clean, looking_at};
use crate::support::browser::Browser;
use crate::support::needs::{Need, are_met};
use crate::support::proxy::Proxy;
use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::command;
use crate::support::settings::wide;
use crate::support::wait;
use crate::support::websocket::frame;

/// Keeps every WebSocket of the page within reach.
const SOCKETS: &str = "const Native = WebSocket; window.sockets = []; \
    window.WebSocket = class extends Native { constructor(...all) { super(...all); window.sockets.push(this); } };";

/// The page's words for a close that it has just had, and the console's.
fn tells_of(browser: &Browser, code: u16, words: &str) {
    console_tells_of(browser, code, words);
    panel_says(browser, code, words);
}

/// A close is in the console, with what it means.
fn console_tells_of(browser: &Browser, code: u16, words: &str) {
    let mut seen = Vec::new();
    let told =
        |line: &String| line.contains(&format!("closed with {code}")) && line.contains(words);
    wait::until_or(
        SOON,
        || {
            seen.extend(browser.console());
            seen.iter().any(told).then_some(())
        },
        || format!("the console does not tell of {code}"),
    );
}

/// What the panel of the connection says of the last close.
fn panel_says(browser: &Browser, code: u16, words: &str) {
    browser.run(
        "document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close()); \
         document.querySelector('#line').click()",
    );
    let said = browser.says("#connection", &format!("code {code}"));
    assert!(said.contains(words), "{code}: {said}");
    browser.key("\u{e00c}");
}

#[test]
fn each_close_of_the_recorder_is_told_in_words() {
    if !are_met(&[Need::Browser]) {
        return;
    }
    let mut watched = Watched::new(|settings| settings);
    let browser = Browser::new();
    browser.before_every_page(SOCKETS);
    browser.open(&watched.url("#/now"));
    let last = "window.sockets.at(-1)";
    for (code, sends, words) in [
        (1009, "'x'.repeat(1 << 20)", "a message above its limit"),
        (1003, "new Uint8Array([1, 2, 3])", "data of a kind that it does not accept from a page"),
    ] {
        browser.says("#line", "Live");
        browser.run(&format!("{last}.send({sends})"));
        tells_of(&browser, code, words);
    }
    browser.says("#line", "Live");
    assert_eq!(command(&["restart-actor", "watchtower"], &watched.settings).code, Some(0));
    tells_of(&browser, 1012, "will be back in a moment");
    browser.says("#line", "Live");
    watched.recorder.stop();
    tells_of(&browser, 1001, "The recorder is stopping, or has stopped");
    browser.says("#headline", "No contact");
    watched.start_again();
    browser.says("#line", "Live");
    watched.recorder.kill();
    tells_of(&browser, 1006, "The connection broke without a close");
    console_is_clean(&browser);
}

/// No page says such things, and a network can be slow or deaf. It takes 45 s: two pings unanswered.
#[test]
fn each_close_for_what_no_page_does_is_told_in_words() {
    if !are_met(&[Need::Browser]) {
        return;
    }
    let watched = Watched::new(|settings| settings.routes(&wide()));
    let proxy = Proxy::before_the_page(watched.port);
    let browser = Browser::new();
    browser.open(&format!("http://127.0.0.1:{}/#/tower", proxy.port()));
    for (code, says, words) in [
        (1007, frame(0x81, b"\xc3\x28"), "a text that is not UTF-8"),
        (1002, vec![0x81, 0x01, b'x'], "something that no browser sends"),
    ] {
        browser.says("#line", "Live");
        proxy.say(&says);
        tells_of(&browser, code, words);
    }
    browser.says("#line", "Live");
    proxy.slow_down(300_000);
    let load = Publisher::start(watched.scene.broker.port(), Load::wide(1).rate(50));
    console_tells_of(&browser, 4000, "more slowly than they came");
    load.finish();
    proxy.slow_down(0);
    browser.says("#line", "Live");
    proxy.muffle();
    tells_of(&browser, 4002, "This page sent nothing for too long");
    browser.says("#line", "Live");
    console_is_clean(&browser);
}

#[test]
fn a_page_without_a_valid_token_is_told_and_lets_a_person_sign_in() {
    if !are_met(&[Need::Browser]) {
        return;
    }
    const TOKEN: &str = "read-token-of-a-test-0123456789";
    let mut watched = {
        let scene = crate::support::scene::Scene::new();
        let file = scene.folder.path("read-token");
        std::fs::write(&file, TOKEN).expect("our own folder");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, private).expect("our own file");
        Watched::over(scene, |settings| settings.path("watchtower", "read_token_file", &file))
    };
    let browser = Browser::new();
    browser.open(&watched.url("#/now"));
    browser.has("#token");
    browser.types("#token", "not-the-token-at-all");
    browser.key("\u{e007}");
    browser.until("dialog", SOON, |text| text.to_lowercase().contains("token"));
    assert_eq!(browser.text("#headline"), "Asking", "nothing is shown to a stranger");
    browser.run("document.querySelector('#token').value = ''");
    browser.types("#token", TOKEN);
    browser.key("\u{e007}");
    browser.says("#line", "Live");
    assert_eq!(
        browser.run("return document.cookie"),
        Value::from(""),
        "no script sees the session"
    );
    // Another token, and this session is over.
    std::fs::write(watched.scene.folder.path("read-token"), "another-token-of-a-test-0123")
        .expect("our own file");
    watched.recorder.process.signal(Signal::SIGHUP);
    console_tells_of(&browser, 4001, "The token was changed or the session ended");
    // Without one it is refused, and says so.
    panel_says(&browser, 1008, "The recorder refuses this page");
}

#[test]
fn a_page_for_which_there_is_no_room_says_so_and_gets_in_later() {
    if !are_met(&[Need::Browser]) {
        return;
    }
    let watched = Watched::new(|settings| settings.set("watchtower", "max_connections", "65"));
    let browser = Browser::new();
    // Now, for it answers no ping.
    let url = format!("ws://127.0.0.1:{}/ws/live", watched.port);
    let (viewer, _) = tungstenite::connect(url).expect("the first viewer gets in");
    browser.open(&watched.url("#/now"));
    browser.says("#line", "Not connected");
    panel_says(&browser, 1013, "its maximum number of viewers");
    drop(viewer);
    browser.says("#line", "Live");
    console_is_clean(&browser);
}

#[test]
fn a_recorder_that_is_killed_is_missed_and_comes_back_without_a_reload_and_no_row_is_missing() {
    let view = "#/history?range=30min&c=weather_data.temperature";
    let Some((mut watched, browser)) = looking_at(view) else { return };
    browser.run("window.notReloaded = true");
    for step in 0..5 {
        watched.publish_weather(f64::from(step) + 0.5, 1, 1);
    }
    browser.has(".chart canvas");
    watched.recorder.kill();
    browser.says("#headline", "No contact");
    let first = browser.says("#lost", "No word from the recorder for");
    browser.until("#lost", SOON, |text| text != first && text.contains("No word"));
    // What is published meanwhile waits at the broker.
    for step in 5..10 {
        watched.publish_weather(f64::from(step) + 0.5, 1, 1);
    }
    watched.start_again();
    for step in 10..15 {
        watched.publish_weather(f64::from(step) + 0.5, 1, 1);
    }
    browser.says("#line", "Live");
    browser.says("#headline", "Recording");
    assert_eq!(browser.run("return window.notReloaded"), Value::Bool(true), "it was reloaded");
    assert_eq!(browser.run("return document.querySelector('#lost').hidden"), Value::Bool(true));
    // Every reading is in the buckets that the chart is made of.
    let counted = "const now = Date.now(); const answer = await fetch(`api/v1/series?route=weather_data&columns=temperature&from=${now - 1800000}&to=${now + 1000}&points=1000`); \
        const { columns } = await answer.json(); return columns.temperature.count.reduce((all, one) => all + one, 0)";
    wait::until_true("every reading is in the chart", SOON, || {
        browser.run_async(counted).as_f64() == Some(15.0)
    });
    watched.recorder.process.signal(Signal::SIGTERM);
    console_is_clean(&browser);
}
