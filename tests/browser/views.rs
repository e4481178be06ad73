//! The five views, over a year of readings: each is whole, and can be moved through.

use std::time::Duration;

use serde_json::Value;

use super::{SOON, console_is_clean, fetched};
use crate::support::browser::Browser;
use crate::support::folder::Folder;
use crate::support::needs::{Need, are_met};
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::recorder::barograph;
use crate::support::wait;

/// The demo, which begins with a past.
struct Demo {
    _process: Process,
    port: u16,
    _folder: Folder,
}

impl Demo {
    fn with_past(past: &str) -> Self {
        let folder = Folder::new();
        let port = free_port();
        let mut command = barograph(&["demo", "--no-open", "--past", past, "--page-port"]);
        command.arg(port.to_string()).arg("--keep").arg(folder.root()).current_dir(folder.root());
        let process = Process::spawn(command);
        wait::until_or(
            SOON,
            || std::net::TcpStream::connect(("127.0.0.1", port)).ok(),
            || format!("the demo serves no page: {}", process.tail()),
        );
        Self { _process: process, port, _folder: folder }
    }

    fn url(&self, view: &str) -> String {
        format!("http://127.0.0.1:{}/{view}", self.port)
    }
}

#[test]
fn every_view_of_the_demo_is_whole() {
    if !are_met(&[Need::Browser]) {
        return;
    }
    let demo = Demo::with_past("7days");
    let browser = Browser::in_zone("Australia/Sydney");
    let views = [
        ("now", ".spark .trace[d]:not([d=''])"),
        ("history", ".chart canvas"),
        ("wind", ".rose .petal"),
        ("tower", ".tree .node"),
        ("log", ".calendar rect"),
    ];
    for (view, whole) in views {
        browser.open("about:blank");
        browser.open(&demo.url(&format!("#/{view}")));
        browser.says("#headline", "Recording");
        browser.has(whole);
        browser.until("main", SOON, |text| !text.contains("Waiting for"));
        wait::until_true("nothing is being fetched any more", SOON, || {
            browser.run("return document.querySelector('.busy') === null") == Value::Bool(true)
        });
        browser.photograph(view);
        assert_eq!(
            browser.run("return document.documentElement.scrollWidth > innerWidth"),
            Value::Bool(false),
            "{view} is wider than the window"
        );
    }
    console_is_clean(&browser);
}

#[test]
fn a_recorded_year_can_be_looked_through() {
    if !are_met(&[Need::Browser]) {
        return;
    }
    let demo = Demo::with_past("365days");
    let browser = Browser::in_zone("Asia/Tokyo");
    browser.open(&demo.url("#/history?range=1y&c=weather_data.temperature"));
    browser.has("[data-column=\"weather_data.temperature\"] canvas");
    let caption = "[data-column=\"weather_data.temperature\"] figcaption";
    // The year is summed up in the background; then the chart has all of it.
    let days = |browser: &Browser| {
        let answer = fetched(
            browser,
            &format!(
                "api/v1/series?route=weather_data&columns=temperature&from={}&to={}&bucket_ms=86400000",
                jiff::Timestamp::now().as_millisecond() - 364 * 86_400_000_i64,
                jiff::Timestamp::now().as_millisecond()
            ),
        );
        answer["t"].as_array().map_or(0, Vec::len)
    };
    wait::until_true("the whole year", Duration::from_secs(120), || days(&browser) >= 364);
    browser.says(caption, "lowest");
    for range in ["30min", "1h", "6h", "24h", "7d", "30d", "1y", "all"] {
        browser.click(&format!("[data-range=\"{range}\"]"));
        wait::until_true("the range is in the address", SOON, || {
            let hash = browser.run("return location.hash");
            hash.as_str().is_some_and(|hash| hash.contains(&format!("range={range}")))
        });
        browser.has(".chart canvas");
    }
    // Zoomed into by a drag over a quarter of the plot.
    browser.click("[data-range=\"24h\"]");
    browser.says("main", "24 h");
    browser.drag("[data-column=\"weather_data.temperature\"] .u-over", 0.5, 0.75);
    let hours = "const q = new URLSearchParams(location.hash.split('?')[1]); \
        return (Date.parse(q.get('to')) - Date.parse(q.get('from'))) / 3600000";
    wait::until_true("it is zoomed to six hours", SOON, || {
        browser.run(hours).as_f64().is_some_and(|hours| (hours - 6.0).abs() < 0.2)
    });
    browser.photograph("history-zoomed");
    console_is_clean(&browser);
}
