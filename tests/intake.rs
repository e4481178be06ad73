//! What devices send, and the rows that come of it: each case is what is published, the settings, the rows with their
//! types, and the account.

/// Rows, each in brackets; `()` is NULL.
macro_rules! rows {
    ($([$($value:expr),+ $(,)?]),* $(,)?) => {
        vec![$(vec![$(Cell::from($value).0),+]),*]
    };
}

/// Arrays, filters, retained messages, large ones.
mod messages;
/// Numbers, booleans, texts and times as they are written.
mod values;

use std::time::Duration;

use rusqlite::types::Value;

use crate::support::publisher::publish_one;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::wait;

/// How long until all messages are accounted for, on a busy machine.
const ACCOUNTED_WITHIN: Duration = Duration::from_secs(60);

/// A value of a row as a case writes it.
struct Cell(Value);

impl From<()> for Cell {
    fn from((): ()) -> Self {
        Self(Value::Null)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self(Value::Integer(number))
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self(Value::Real(number))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.to_owned()))
    }
}

impl From<Vec<u8>> for Cell {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Value::Blob(bytes))
    }
}

/// What is published, the settings, and what is expected of them.
#[derive(Default)]
struct IntakeCase<'a> {
    routes: &'a str,
    messages: Vec<(&'a str, &'a [u8])>,
    /// A table, its columns, and its rows in the order of their ids.
    tables: Vec<(&'a str, &'a str, Vec<Vec<Value>>)>,
    /// The number of filtered messages by reason.
    filtered: Vec<(&'a str, i64)>,
    /// Topic and reason, in the order of arrival.
    quarantined: Vec<(&'a str, &'a str)>,
}

impl IntakeCase<'_> {
    /// Publishes and looks at what came of it.
    fn holds(&self) {
        let scene = Scene::new();
        self.holds_in(&scene);
    }

    fn holds_in(&self, scene: &Scene) {
        let settings =
            scene.settings().routes(self.routes).text("mqtt", "max_packet_size", "8 MiB");
        let mut recorder = Recorder::start(&settings);
        recorder.event("ready");
        recorder.event("broker_connected");
        let is_subscription = |line: &str| line.contains("recorder 1 ");
        wait::until_true("a subscription", ACCOUNTED_WITHIN, || {
            scene.broker.count_lines(0, is_subscription) > 0
        });
        for (topic, payload) in &self.messages {
            let (topic, retain) = match topic.strip_prefix("retained:") {
                Some(topic) => (topic, true),
                None => (*topic, false),
            };
            publish_one(scene.broker.port(), topic, payload, retain);
        }
        let wanted = i64::try_from(self.messages.len()).unwrap();
        let received = || scene.database.account().received;
        wait::until_or(
            ACCOUNTED_WITHIN,
            || (received() >= wanted).then_some(()),
            || {
                format!(
                    "{} of {wanted} received; the log:\n{}",
                    received(),
                    recorder.process.tail()
                )
            },
        );
        recorder.stop();
        self.assert_rows(scene);
        self.assert_account(scene, wanted);
    }

    fn assert_rows(&self, scene: &Scene) {
        for (table, columns, expected) in &self.tables {
            let found = rows_of(scene, &format!("SELECT {columns} FROM {table} ORDER BY id"));
            assert_eq!(&found, expected, "{columns} of {table}");
        }
        let kept = "SELECT topic, reason FROM barograph_quarantine ORDER BY id";
        let expected: Vec<Vec<Value>> = self
            .quarantined
            .iter()
            .map(|(topic, reason)| vec![Cell::from(*topic).0, Cell::from(*reason).0])
            .collect();
        let details: Vec<String> = scene.database.all("SELECT detail FROM barograph_quarantine");
        assert_eq!(rows_of(scene, kept), expected, "{details:?}");
    }

    fn assert_account(&self, scene: &Scene, received: i64) {
        let tables: Vec<&str> = self.tables.iter().map(|(table, ..)| *table).collect();
        let account = scene.database.assert_account_equals(&tables);
        let filtered = self.filtered.iter().map(|(_, count)| count).sum::<i64>();
        let quarantined = i64::try_from(self.quarantined.len()).unwrap();
        assert_eq!(
            (account.received, account.filtered, account.quarantined, account.dropped),
            (received, filtered, quarantined, 0)
        );
        assert_eq!(account.stored, received - filtered - quarantined);
        for (reason, count) in &self.filtered {
            let query = "SELECT sum(count) FROM barograph_accounting WHERE outcome = 'filtered' AND \
                         reason = ";
            assert_eq!(
                scene.database.one::<i64>(&format!("{query}'{reason}'")),
                *count,
                "{reason}"
            );
        }
    }
}

fn rows_of(scene: &Scene, query: &str) -> Vec<Vec<Value>> {
    let reader = scene.database.reader();
    let mut statement = reader.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let width = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..width).map(|column| row.get(column)).collect();
    let rows = statement.query_map([], row).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// Case 1.
#[test]
fn sensors_under_one_filter_are_told_apart_by_a_level_of_the_topic() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "sensors/temperature/{device}"
table = "temperature"
payload = "text"
[route.columns]
value = { field = "" }
"#,
        messages: vec![
            ("sensors/temperature/28EE", b"18.1250"),
            ("sensors/temperature/28E6", b"23.4375\n"),
        ],
        tables: vec![("temperature", "device, value", rows![["28EE", 18.125], ["28E6", 23.4375]])],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 2.
#[test]
fn a_bridge_beside_its_devices_is_ignored_by_a_route_before_theirs() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "zigbee2mqtt/bridge/#"
ignore = true

[[route]]
topic = "zigbee2mqtt/{device}"
table = "climate"
[route.columns]
temperature = "temperature"
"#,
        messages: vec![
            ("zigbee2mqtt/bridge/state", br#"{"state":"online"}"#),
            ("zigbee2mqtt/living_room", br#"{"temperature":21.4}"#),
        ],
        tables: vec![("climate", "device, temperature", rows![["living_room", 21.4]])],
        filtered: vec![("ignored", 1)],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 3.
#[test]
fn quantities_of_many_topics_fill_one_long_table() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "hoymiles/{device}/emeter-dc/{channel}/{quantity}"
table = "solar"
payload = "text"
[route.columns]
channel = { type = "integer" }
value = { field = "" }
"#,
        messages: vec![
            ("hoymiles/1161/emeter-dc/0/power", b"253.6"),
            ("hoymiles/1161/emeter-dc/0/voltage", b"38.8"),
        ],
        tables: vec![(
            "solar",
            "device, channel, quantity, value",
            rows![["1161", 0_i64, "power", 253.6], ["1161", 0_i64, "voltage", 38.8]],
        )],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 4.
#[test]
fn a_value_that_is_null_is_a_row_and_a_list_is_none() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "N/{portal}/{*path}"
table = "victron"
[route.columns]
value = "value"
"#,
        messages: vec![
            ("N/c0/battery/258/Dc/0/Voltage", br#"{"value":52.3}"#),
            ("N/c0/battery/258/Dc/0/Voltage", br#"{"value":null}"#),
            ("N/c0/battery/258/Alarms", br#"{"value":[]}"#),
            ("N/c0/battery/258/Other", br#"{"v":1}"#),
        ],
        tables: vec![(
            "victron",
            "portal, path, value",
            rows![
                ["c0", "battery/258/Dc/0/Voltage", 52.3],
                ["c0", "battery/258/Dc/0/Voltage", ()],
            ],
        )],
        quarantined: vec![
            ("N/c0/battery/258/Alarms", "wrong_type"),
            ("N/c0/battery/258/Other", "no_field"),
        ],
        ..IntakeCase::default()
    }
    .holds();
}

/// Cases 5, 6 and 7.
#[test]
fn states_that_are_words_are_recorded() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "stat/{device}/POWER"
table = "power"
payload = "text"
[route.columns]
is_on = { field = "", type = "boolean", true = ["ON"], false = ["OFF"] }

[[route]]
topic = "tele/{device}/LWT"
table = "presence"
payload = "text"
[route.columns]
state = { field = "", type = "text" }

[[route]]
topic = "shellies/{device}/relay/{relay}"
table = "relay"
payload = "text"
[route.columns]
is_on = { field = "", type = "boolean" }

[[route]]
topic = "shellies/{device}/online"
table = "online"
payload = "text"
[route.columns]
online = { field = "", type = "boolean" }
"#,
        messages: vec![
            ("stat/plug1/POWER", b"ON"),
            ("tele/x/LWT", b"Online"),
            ("shellies/s1/relay/0", b"on"),
            ("shellies/s1/online", b"true"),
            ("shellies/s1/online", b"asleep"),
        ],
        tables: vec![
            ("power", "device, is_on", rows![["plug1", 1_i64]]),
            ("presence", "device, state", rows![["x", "Online"]]),
            ("relay", "device, relay, is_on", rows![["s1", "0", 1_i64]]),
            ("online", "device, online", rows![["s1", 1_i64]]),
        ],
        quarantined: vec![("shellies/s1/online", "wrong_type")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 8.
#[test]
fn csv_and_names_with_values_are_decoded() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "owntracks/{user}/{device}"
table = "track"
payload = "csv"
header = ["tid", "tst", "t", "lat", "lon"]
[route.columns]
tst = { type = "time" }
lat = "lat"
lon = "lon"

[[route]]
topic = "log/{device}"
table = "log"
payload = "csv"
[route.columns]
place = { type = "text" }
temp = "temp"
line = { from = "index", type = "integer" }

[[route]]
topic = "plain/{device}"
table = "plain"
payload = "keyvalue"
[route.columns]
temp = "temp"
hum = "hum"
"#,
        messages: vec![
            ("owntracks/jane/phone", b"JP,1796032800,u,48.2,16.4"),
            ("log/1", b"place,temp\r\n\"cellar, left\",11.5\r\nattic,\r\n"),
            ("log/1", b"place,temp\r\ncellar\r\n"),
            ("plain/a", b"temp=21.5 hum=40"),
            ("plain/b", b"temp=1;hum=2"),
            ("plain/b", b"warm"),
        ],
        tables: vec![
            (
                "track",
                "user, device, tst, lat, lon",
                rows![["jane", "phone", "2026-11-30 10:00:00.000", 48.2, 16.4]],
            ),
            (
                "log",
                "device, place, temp, line",
                rows![["1", "cellar, left", 11.5, 0_i64], ["1", "attic", (), 1_i64]],
            ),
            ("plain", "device, temp, hum", rows![["a", 21.5, 40.0], ["b", 1.0, 2.0]]),
        ],
        quarantined: vec![("log/1", "not_csv"), ("plain/b", "not_keyvalue")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 9.
#[test]
fn members_of_an_object_are_columns_or_rows() {
    let payload = br#"{"SI7021-00":{"Temperature":17.1},"SI7021-02":{"Temperature":nan}}"#;
    IntakeCase {
        routes: r#"
[[route]]
topic = "wide/{device}"
table = "wide"
[route.columns]
first = "/SI7021-00/Temperature"
second = "/SI7021-02/Temperature"

[[route]]
topic = "long/{device}"
table = "long"
rows = ""
[route.columns]
temperature = "Temperature"
sensor = { from = "index", type = "text" }
"#,
        messages: vec![("wide/x", payload), ("long/x", payload)],
        tables: vec![
            ("wide", "device, first, second", rows![["x", 17.1, ()]]),
            (
                "long",
                "device, sensor, temperature",
                rows![["x", "SI7021-00", 17.1], ["x", "SI7021-02", ()]],
            ),
        ],
        ..IntakeCase::default()
    }
    .holds();
}
