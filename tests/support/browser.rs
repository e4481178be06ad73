//! A real browser: Debian's Chromium without a screen, driven by its chromedriver (W3C WebDriver).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::folder::Folder;
use super::heavy::{self, Turn};
use super::ports::free_port;
use super::process::{Process, Stream};
use super::wait;

/// How long the browser may take for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A picture of a large window, in base64.
const ANSWER_LEN_MAX: u64 = 64 << 20;

/// What keeps Chromium to itself.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
];

/// A browser with one window. Ends when dropped.
pub(crate) struct Browser {
    session: String,
    _driver: Process,
    _folder: Folder,
    _turn: Turn,
}

impl Browser {
    /// One whose clock shows this zone (`Asia/Tokyo`).
    pub(crate) fn in_zone(zone: &str) -> Self {
        let turn = heavy::browser();
        let folder = Folder::new();
        // Left to find a port itself, it takes a free one of IPv6, wants the same of IPv4, and ends where that is taken.
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).env("TZ", zone).env("TMPDIR", folder.root());
        let mut driver = Process::spawn(command);
        wait::until_true("a driver listens", PATIENCE, || {
            assert!(driver.is_running(), "the driver: {}", driver.tail());
            driver.text(Stream::Stdout).contains("started successfully")
        });
        let profile = format!("--user-data-dir={}", folder.path("profile").display());
        let arguments: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "binary": "/usr/bin/chromium" },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{port}/session");
        let answer = exchange(&base, &wanted);
        let id = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        let browser =
            Self { session: format!("{base}/{id}"), _driver: driver, _folder: folder, _turn: turn };
        browser.size(1280, 900);
        browser
    }

    /// One in Greenwich.
    pub(crate) fn new() -> Self {
        Self::in_zone("UTC")
    }

    /// The window's size, in CSS pixels.
    pub(crate) fn size(&self, width: u32, height: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Runs before every page from now on.
    pub(crate) fn before_every_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// Runs the body of a function on the page; what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// As [`Browser::run`], of a function that may await.
    pub(crate) fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (async () => {{ {script} }})().then(done, (error) => done(String(error)));"
        );
        self.post("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that the selector finds, blanks as single spaces; nothing without one.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!(
            "return document.querySelector({})?.textContent.replace(/\\s+/g, ' ').trim() ?? ''",
            Value::from(selector)
        );
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until that text is as it should be; the text.
    pub(crate) fn until(
        &self,
        selector: &str,
        within: Duration,
        so: impl Fn(&str) -> bool,
    ) -> String {
        let look = || Some(self.text(selector)).filter(|text| so(text));
        wait::until_or(within, look, || {
            format!("{selector} is {:?}; the page says: {}", self.text(selector), self.text("body"))
        })
    }

    /// Waits until that text has this in it.
    pub(crate) fn says(&self, selector: &str, words: &str) -> String {
        self.until(selector, PATIENCE, |text| text.contains(words))
    }

    /// Waits until the selector finds something.
    pub(crate) fn has(&self, selector: &str) {
        let script = format!("return document.querySelector({}) !== null", Value::from(selector));
        wait::until_or(
            PATIENCE,
            || (self.run(&script) == Value::Bool(true)).then_some(()),
            || format!("no {selector}; the page says: {}", self.text("body")),
        );
    }

    /// A person's click on the first element that the selector finds.
    pub(crate) fn click(&self, selector: &str) {
        self.with(selector, |element| (format!("element/{element}/click"), json!({})));
    }

    /// A person types into the first element that the selector finds.
    pub(crate) fn types(&self, selector: &str, text: &str) {
        self.with(selector, |element| {
            (format!("element/{element}/value"), json!({ "text": text }))
        });
    }

    /// A drag with the mouse through an element, between two shares of its width.
    pub(crate) fn drag(&self, selector: &str, from: f64, to: f64) {
        self.has(selector);
        let place = format!(
            "const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
             return it.getBoundingClientRect().width",
            Value::from(selector)
        );
        let width = self.run(&place).as_f64().expect("a width");
        let button = |kind: &str| json!({ "type": kind, "button": 0 });
        self.with(selector, |element| {
            // WebDriver measures from the middle of the element.
            let moved = |share: f64| {
                let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": element });
                let x = ((share - 0.5) * width).round();
                json!({ "type": "pointerMove", "duration": 50, "origin": origin, "x": x, "y": 0 })
            };
            let actions = [
                moved(from),
                button("pointerDown"),
                moved((from + to) / 2.0),
                moved(to),
                button("pointerUp"),
            ];
            let mouse = json!({ "type": "pointer", "id": "mouse", "actions": actions });
            ("actions".to_owned(), json!({ "actions": [mouse] }))
        });
    }

    /// A key, wherever the focus is.
    pub(crate) fn key(&self, key: &str) {
        let press = |kind: &str| json!({ "type": kind, "value": key });
        let keys =
            json!({ "type": "key", "id": "keys", "actions": [press("keyDown"), press("keyUp")] });
        self.post("actions", &json!({ "actions": [keys] }));
    }

    /// What the page wrote to its console since this was last asked.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().expect("a list").iter();
        lines.map(|line| format!("{} {}", line["level"], line["message"])).collect()
    }

    /// A picture of the window, kept among the artefacts of the tests.
    pub(crate) fn photograph(&self, name: &str) {
        let answer =
            self.devtools("Page.captureScreenshot", &json!({ "format": "webp", "quality": 80 }));
        let picture = answer["data"].as_str().expect("a picture in base64");
        let file = artefacts().join(format!("{name}.webp"));
        let picture = STANDARD.decode(picture).expect("base64");
        fs::write(&file, picture).expect("the folder of artefacts can be written");
    }

    /// A command of Chromium's own.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    fn element(&self, selector: &str) -> String {
        self.has(selector);
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }));
        let (_, id) = found.as_object().and_then(|it| it.iter().next()).expect("it is there");
        id.as_str().expect("a reference").to_owned()
    }

    /// A command about an element. The page may draw the element anew between finding it and the command: then it is
    /// found again.
    fn with(&self, selector: &str, command: impl Fn(&str) -> (String, Value)) {
        let attempt = || {
            let (path, body) = command(&self.element(selector));
            let url = format!("{}/{path}", self.session);
            let answer = exchange_raw(&url, &body);
            if answer["error"] == "stale element reference" {
                let _released = ureq::delete(&format!("{}/actions", self.session)).call();
                return None;
            }
            Some(no_error(&url, &body, answer))
        };
        wait::until_or(PATIENCE, attempt, || format!("{selector} never stays"));
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        exchange(&format!("{}/{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to; killed, it would leave it behind.
        let _ended_already = ureq::delete(&self.session).call();
    }
}

/// Pictures of the views: looked at by people, and kept by CI.
fn artefacts() -> PathBuf {
    let folder = env::var_os("BAROGRAPH_SHOTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shots"), PathBuf::from);
    fs::create_dir_all(&folder).expect("the folder of artefacts can be made");
    folder
}

/// What a command of WebDriver answers.
fn exchange(url: &str, body: &Value) -> Value {
    no_error(url, body, exchange_raw(url, body))
}

fn no_error(url: &str, body: &Value, answer: Value) -> Value {
    assert!(answer.get("error").is_none(), "{url} with {body}: {answer}");
    answer
}

/// The same, or its error.
fn exchange_raw(url: &str, body: &Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE + PATIENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let sent = agent.post(url).content_type("application/json").send(body.to_string());
    let mut answer = sent.unwrap_or_else(|error| panic!("{url}: {error}"));
    let text = answer.body_mut().with_config().limit(ANSWER_LEN_MAX).read_to_string();
    let text = text.unwrap_or_else(|error| panic!("{url}: {error}"));
    let answer: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    answer["value"].clone()
}
