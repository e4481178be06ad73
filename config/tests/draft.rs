//! Settings files made of the declarations: what a key may hold, and a file that has every kind of table.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::alert::Alert;
use crate::alert::channel::ChannelKind;
use crate::declare::key::{Key, Table, Wants};
use crate::declare::text::{print_duration, quote};
use crate::field::Declared;
use crate::part::Part;
use crate::route::Route;
use crate::route::column::Column;
use crate::route::derived::{Derived, DerivedKind};
use crate::route::value::Condition;
use crate::settings::sections;
use crate::word::Word;

/// A table of a file.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) header: String,
    pub(crate) keys: Vec<&'static Key>,
    pub(crate) lines: BTreeMap<String, String>,
}

impl Draft {
    fn new(header: impl Into<String>, tables: &[&'static Table], lines: &[(&str, &str)]) -> Self {
        let keys = tables.iter().flat_map(|table| table.keys()).filter(|key| is_scalar(key));
        let given = lines.iter().map(|(name, value)| ((*name).to_owned(), quote(value)));
        let mut draft =
            Self { header: header.into(), keys: keys.collect(), lines: given.collect() };
        for key in draft.keys.iter().filter(|key| key.spec.is_needed) {
            draft.lines.entry(key.name.to_owned()).or_insert_with(|| key.example());
        }
        draft
    }

    /// With only some of its keys.
    fn only(self, names: &[&str]) -> Self {
        let keys = self.keys.iter().copied().filter(|key| names.contains(&key.name));
        Self { keys: keys.collect(), ..self }
    }

    /// With all its keys that are set in `lines`, and no others.
    pub(crate) fn with(&self, lines: BTreeMap<String, String>) -> Self {
        Self { lines, ..self.clone() }
    }

    /// One source, and of the rest what the type has.
    fn make_column_consistent(&mut self) {
        let sources = ["value", "from", "field", "message"];
        let source = sources.into_iter().find(|name| self.lines.contains_key(*name));
        self.lines.retain(|name, _| !sources.contains(&name.as_str()) || source == Some(name));
        if matches!(source, Some("value" | "from")) {
            let kept =
                ["value", "from", "required", "on_bad", "unit", "label", "decimals", "stuck_after"];
            self.lines.retain(|name, _| kept.contains(&name.as_str()));
        }
        let is = |words: &[&str]| self.is_set_to("type", words);
        let (is_time, is_boolean) = (is(&["time"]), is(&["boolean"]));
        let is_number = is(&["integer", "real"]);
        self.lines.retain(|name, _| match name.as_str() {
            "format" | "zone" => is_time,
            "true" | "false" => is_boolean,
            "decimal" => is_number,
            _ => true,
        });
    }

    fn is_set_to(&self, name: &str, values: &[&str]) -> bool {
        self.lines.get(name).is_some_and(|set| values.iter().any(|value| *set == quote(value)))
    }

    /// Without the keys that contradict the others.
    pub(crate) fn consistent(mut self) -> Self {
        let is_number =
            self.is_set_to("type", &["integer", "real"]) || !self.lines.contains_key("type");
        let is_required = self.lines.get("required").is_some_and(|value| value == "true");
        let kinds = DerivedKind::VARIANTS.iter();
        let kind = kinds.copied().find(|kind| self.is_set_to("kind", &[kind.word()]));
        if self.header.starts_with("[route.columns.") {
            self.make_column_consistent();
        }
        if self.header == "[[route.when]]" {
            let tests = ["equals", "one_of", "exists"];
            let kept = tests.into_iter().find(|name| self.lines.contains_key(*name));
            self.lines.retain(|name, _| !tests.contains(&name.as_str()) || kept == Some(name));
            if kept.is_none() {
                self.lines.insert("exists".to_owned(), "true".to_owned());
            }
        }
        self.lines.retain(|name, _| match name.as_str() {
            "min" | "max" => is_number,
            "on_bad" => !is_required,
            number @ ("per" | "factor" | "offset") => kind.is_some_and(|kind| kind.has(number)),
            _ => true,
        });
        if kind == Some(DerivedKind::SeaLevelPressure) {
            self.lines.entry("offset".to_owned()).or_insert_with(|| "64".to_owned());
        }
        self
    }
}

/// The text of a file.
pub(crate) fn text(drafts: &[Draft]) -> String {
    let text = |draft: &Draft| {
        let lines = draft.lines.iter().map(|(name, value)| format!("{name} = {value}\n"));
        format!("{}\n{}", draft.header, lines.collect::<String>())
    };
    drafts.iter().map(text).collect()
}

fn is_scalar(key: &Key) -> bool {
    !matches!(key.spec.wants, Wants::Table | Wants::Tables | Wants::Section(_))
}

/// Whether a key names a file with a secret that another key may hold itself.
pub(crate) fn is_secret_file(key: &Key) -> bool {
    key.name.ends_with("token_file")
        || ["password_file", "url_file", "secret_file"].contains(&key.name)
}

/// An alert of each type.
fn alerts() -> Vec<Draft> {
    let mut drafts = Vec::new();
    for kind in ChannelKind::VARIANTS {
        let lines: &[(&str, &str)] = match kind {
            ChannelKind::Webhook => &[("url", "https://h/hunter2"), ("secret", "hunter2")],
            ChannelKind::Slack | ChannelKind::Discord => &[("url", "https://h/hunter2")],
            ChannelKind::Ntfy => &[("url", "https://h/hunter2"), ("token", "hunter2")],
            ChannelKind::Telegram => &[("token", "hunter2")],
            ChannelKind::Email => &[("username", "u"), ("password", "hunter2")],
            ChannelKind::Mqtt | ChannelKind::Command => &[],
        };
        let mut alert = Draft::new("[[alert]]", &[&Alert::TABLE, kind.table()], lines);
        alert.lines.insert("name".to_owned(), quote(kind.word()));
        alert.lines.insert("type".to_owned(), quote(kind.word()));
        if *kind == ChannelKind::Email {
            alert.lines.insert("port".to_owned(), "2525".to_owned());
        }
        let has_server = !matches!(kind, ChannelKind::Mqtt | ChannelKind::Command);
        alert.keys.retain(|key| has_server || key.name != "ca_file");
        drafts.push(alert);
        if *kind == ChannelKind::Webhook {
            drafts.push(Draft::new("[alert.headers]", &[], &[("X-Key", "hunter2")]));
        }
    }
    drafts
}

/// A route that stores nothing, one of each format that has settings of its own, and one with columns of each kind.
fn routes() -> Vec<Draft> {
    let mut drafts = Vec::new();
    let ignored = Draft::new("[[route]]", &[&Route::TABLE], &[("topic", "never/#")]);
    drafts.push(ignored.only(&["topic", "ignore"]));
    drafts.last_mut().unwrap().lines.insert("ignore".to_owned(), "true".to_owned());
    for (format, keys) in [
        ("csv", &["header", "field_delimiter"][..]),
        ("keyvalue", &["field_delimiter", "value_delimiter"]),
    ] {
        let topic = format!("{format}/#");
        let lines = [("topic", topic.as_str()), ("table", format), ("payload", format)];
        let route = Draft::new("[[route]]", &[&Route::TABLE], &lines);
        drafts.push(route.only(&[&["topic", "table", "payload"], keys].concat()));
        drafts.push(Draft::new("[route.columns]", &[], &[("x", "x")]));
    }
    let lines = [("topic", "t/{device}/{*path}"), ("table", "t"), ("rows", "/readings")];
    let route = Draft::new("[[route]]", &[&Route::TABLE], &lines);
    let of_others = ["ignore", "payload", "header", "field_delimiter", "value_delimiter"];
    let keys: Vec<&str> = route.keys.iter().map(|key| key.name).collect();
    let keys: Vec<&str> = keys.into_iter().filter(|name| !of_others.contains(name)).collect();
    drafts.push(route.only(&keys));
    for (column, kind) in [("x", Some("real")), ("y", Some("integer")), ("z", None)] {
        let header = format!("[route.columns.{column}]");
        let kind: Vec<_> = kind.iter().map(|kind| ("type", *kind)).collect();
        let mut draft = Draft::new(header, &[&Column::TABLE], &kind);
        if kind.len() == 1 {
            // Derived values are made of them.
            draft.keys.retain(|key| !["value", "from"].contains(&key.name));
        }
        drafts.push(draft);
    }
    for (column, kind) in [("when_read", "time"), ("is_on", "boolean")] {
        let header = format!("[route.columns.{column}]");
        let mut draft = Draft::new(header, &[&Column::TABLE], &[("type", kind)]);
        draft.keys.retain(|key| !["value", "from"].contains(&key.name));
        drafts.push(draft);
    }
    drafts.push(Draft::new("[route.columns.state]", &[&Column::TABLE], &[("type", "integer")]));
    drafts.last_mut().unwrap().keys.clear();
    drafts.last_mut().unwrap().lines.insert("map".to_owned(), "{ off = 0, 'on' = 1 }".to_owned());
    for (field, test, value) in
        [("/a", "equals", "7"), ("/b", "one_of", "['x']"), ("/c", "exists", "true")]
    {
        let mut when = Draft::new("[[route.when]]", &[&Condition::TABLE], &[("field", field)]);
        when.keys.retain(|key| ["field", test].contains(&key.name));
        when.lines.insert(test.to_owned(), value.to_owned());
        drafts.push(when);
    }
    drafts
}

/// A file with every section, an alert of each type, and a route with a derived value of each kind. Every secret is or
/// holds `hunter2`.
pub(crate) fn full() -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for table in sections() {
        let lines: &[(&str, &str)] = match table.name {
            "mqtt" => &[
                ("url", "mqtts://b"),
                ("username", "u"),
                ("password", "hunter2"),
                ("client_cert", "c"),
                ("client_key", "k"),
            ],
            "watchtower" => &[("cert_file", "c"), ("key_file", "k")],
            _ => &[],
        };
        drafts.push(Draft::new(format!("[{}]", table.name), &[table], lines));
    }
    drafts.extend(alerts());
    drafts.extend(routes());
    drafts.push(Draft::new("[route.indexes]", &[], &[]));
    drafts.last_mut().unwrap().lines.insert("i".to_owned(), "['z', 'id']".to_owned());
    for kind in DerivedKind::VARIANTS {
        let lines = [("name", format!("of_{}", kind.word())), ("kind", kind.word().to_owned())];
        let lines = lines.each_ref().map(|(name, value)| (*name, value.as_str()));
        let mut derived = Draft::new("[[route.derived]]", &[&Derived::TABLE], &lines);
        let of = if kind.columns().contains(&1) { "['x']" } else { "['x', 'y']" };
        derived.lines.insert("of".to_owned(), of.to_owned());
        drafts.push(derived.consistent());
    }
    drafts
}

/// Any text a setting may hold: not empty, and without NUL.
fn any_text() -> impl Strategy<Value = String> {
    "[^\0]{1,12}|[\"'\\\\\n\t#=]{1,6}"
}

fn one_of(values: &[&str]) -> BoxedStrategy<String> {
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    proptest::sample::select(values).boxed()
}

/// A text of a key that does not take all texts.
fn any_special_text(key: &Key) -> Option<BoxedStrategy<String>> {
    Some(match key.name {
        "listen" => (any::<bool>(), any::<u16>())
            .prop_map(|(ipv6, port)| format!("{}:{port}", if ipv6 { "[::1]" } else { "127.0.0.1" }))
            .boxed(),
        "host" => one_of(&["mail.example", "other.example", "::1"]),
        "from" if key.part == Part::Alerts => one_of(&["a@b", "x@y.example"]),
        "discovery_prefix" => one_of(&["h/a", "homeassistant"]),
        // No route records what an alert publishes.
        "topic" if key.part == Part::Alerts => "alert/[^\0#+$/]{1,8}".boxed(),
        "topic" => "[0-9]/[^\0#+$/{}]{1,8}(/\\{device\\})?(/\\{\\*path\\})?".boxed(),
        "format" => one_of(&["auto", "%d.%m.%Y %H:%M:%S", "%s"]),
        "zone" => one_of(&["UTC", "Europe/Berlin", "America/New_York"]),
        "from" => one_of(&["topic", "payload", "retain", "qos", "index", "property:a b"]),
        "field_delimiter" => one_of(&[";", ",", "|"]),
        "value_delimiter" => one_of(&[":", "->"]),
        "url" => one_of(&["http://[::1]:1/a", "https://t.example"]),
        "table" | "name" => "[a-z]{8,20}_".boxed(),
        "time_column" => one_of(&["x", "y"]),
        "quiet_hours" => (0..1440_u16, 1..1440_u16)
            .prop_map(|(from_minute, length)| {
                let to_minute = (from_minute + length) % 1440;
                crate::QuietHours { from_minute, to_minute }.to_string()
            })
            .boxed(),
        _ => return None,
    })
}

/// A good value of a key, as TOML, that is printed as it is read.
pub(crate) fn any_value(key: &'static Key) -> BoxedStrategy<String> {
    let quoted = |text: String| quote(&text);
    match key.spec.wants {
        Wants::Flag => any::<bool>().prop_map(|flag| flag.to_string()).boxed(),
        Wants::Duration { min, max, whole_seconds } => {
            // The first of a pair may not be longer than the second.
            let high = if key.name.ends_with("_min") { Duration::from_millis(100) } else { max };
            let low = if key.name.ends_with("_max") { Duration::from_secs(60) } else { min };
            let step = if whole_seconds { 1000 } else { 1 };
            let count = low.as_millis() as u64 / step..=high.as_millis() as u64 / step;
            let print = move |count| quote(&print_duration(Duration::from_millis(count * step)));
            count.prop_map(print).boxed()
        }
        Wants::Size { min, max } => (min..=max).prop_map(|size| size.to_string()).boxed(),
        Wants::Whole { min, max } => (min..=max).prop_map(|number| number.to_string()).boxed(),
        // Bounds and heights of a barometer.
        Wants::Real => match key.name {
            "max" | "per" => (0.001..1e300).prop_map(|number| format!("{number:?}")).boxed(),
            _ => (-500.0..-1e-9).prop_map(|number| format!("{number:?}")).boxed(),
        },
        Wants::Word(words) => proptest::sample::select(words).prop_map(quote).boxed(),
        Wants::Url => (1..=u16::MAX, any::<bool>())
            .prop_map(|(port, ipv6)| {
                let host = if ipv6 { "[fe80::1]" } else { "broker.example" };
                format!("\"mqtts://{host}:{port}\"")
            })
            .boxed(),
        Wants::Names => match key.name {
            "to" => one_of(&[r#"["c@d", "e@f"]"#, r#"["x@y"]"#]),
            "header" => one_of(&["['x', 'y']", "['x']"]),
            "true" => one_of(&["['ON', 'open']", "['geöffnet']"]),
            "false" => one_of(&["['OFF']", "['zu', 'x y']"]),
            "of" | "unique" | "key" => one_of(&["['x']", "['y']", "['x', 'y']"]),
            "argv" => one_of(&[r#"["/bin/true"]"#, r#"["a b", "", "\n'"]"#]),
            _ => one_of(&[r#"["a.example", "::1"]"#]),
        },
        Wants::Constant => one_of(&["'x'", "7", "-0.5", "true"]),
        Wants::Constants => one_of(&["['x', 7]", "[true]"]),
        Wants::Pointer => "(/([^/~\0]|~0|~1){0,4}){0,3}".prop_map(quoted).boxed(),
        // No two keys name the same file.
        Wants::Path => {
            let path = move |name: String| quote(&format!("{}/{name}", key.name));
            "[^\0:]{1,12}".prop_map(path).boxed()
        }
        Wants::Text => {
            let special = any_special_text(key);
            special.unwrap_or_else(|| any_text().boxed()).prop_map(quoted).boxed()
        }
        Wants::Secret => one_of(&["\"***\""]),
        Wants::SecretUrl => one_of(&["\"https://hooks.example:8080/***\""]),
        Wants::Table | Wants::Tables | Wants::Section(_) => unreachable!("no draft has such a key"),
    }
}
