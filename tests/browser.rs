//! What a person sees on the page: the built recorder, a real Mosquitto, a real Chromium.

mod contact;
mod readings;
mod views;

use std::time::Duration;

use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::needs::{Need, are_met};
use crate::support::ports::free_port;
use crate::support::publisher::publish_one;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::Settings;

/// How long the page may take for what comes by itself, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

const WEATHER: &str = "backacres/house/weatherstation/weathermeters/";
const FIELD: &str = "backacres/house/weatherstation/magneticfluxsensor/";

/// A recorder of the station, with its page.
struct Watched {
    recorder: Recorder,
    settings: Settings,
    port: u16,
    scene: Scene,
}

impl Watched {
    fn new(change: impl FnOnce(Settings) -> Settings) -> Self {
        Self::over(Scene::new(), change)
    }

    /// On a scene whose database may be there already.
    fn over(scene: Scene, change: impl FnOnce(Settings) -> Settings) -> Self {
        let port = free_port();
        let settings = scene.settings().routes("");
        let settings = settings.text("watchtower", "listen", &format!("127.0.0.1:{port}"));
        let settings = change(settings);
        let recorder = scene.recorder(&settings);
        recorder.event("page_served");
        Self { recorder, settings, port, scene }
    }

    fn url(&self, view: &str) -> String {
        format!("http://127.0.0.1:{}/{view}", self.port)
    }

    fn publish_weather(&self, temperature: f64, rain: u64, wind: u64) {
        let utc = jiff::Timestamp::now().as_second();
        let payload = format!(
            "{{\"utc\":{utc},\"sampleinterval\":5000,\"temperature\":{temperature:?},\"humidity\":50.0,\
             \"pressure\":1013.25,\"irradiance\":0.5,\"winddirectionsensor\":90,\
             \"raingaugecount\":{rain},\"anemometercount\":{wind}}}"
        );
        publish_one(self.scene.broker.port(), WEATHER, payload.as_bytes(), false);
    }

    fn publish_field(&self, x: i32, y: i32, z: i32) {
        let payload = format!("{{\"x\":{x},\"y\":{y},\"z\":{z}}}");
        publish_one(self.scene.broker.port(), FIELD, payload.as_bytes(), false);
    }

    fn start_again(&mut self) {
        self.recorder = self.scene.recorder(&self.settings);
        self.recorder.event("page_served");
    }
}

/// A recorder, and a browser that looks at a view of it and is connected; nothing where there is no browser.
fn looking_at(view: &str) -> Option<(Watched, Browser)> {
    if !are_met(&[Need::Browser]) {
        return None;
    }
    let watched = Watched::new(|settings| settings);
    let browser = Browser::new();
    browser.open(&watched.url(view));
    browser.says("#line", "Live");
    Some((watched, browser))
}

/// Complaints of the page are failures, but those about connections that a test broke.
fn console_is_clean(browser: &Browser) {
    let of_a_connection = ["WebSocket connection", "net::ERR_", "Failed to load resource"];
    let complaints = browser.console().into_iter().filter(|line| {
        line.contains("SEVERE") && !of_a_connection.iter().any(|known| line.contains(known))
    });
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<String>::new());
}

/// The number at the beginning of a text (`21.5`, `−3.2 °C`).
fn number(text: &str) -> Option<f64> {
    let text = text.replace('\u{2212}', "-").replace(['\u{2009}', '\u{202f}', ','], "");
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    text[..end.unwrap_or(text.len())].parse().ok()
}

/// What `fetch` gets from the page's own server, as JSON.
fn fetched(browser: &Browser, path: &str) -> Value {
    browser.run_async(&format!("return await (await fetch({})).json()", Value::from(path)))
}
