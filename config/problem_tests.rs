//! Every mistake is found, once, where it stands, with what to write instead; and no secret is told.

use proptest::prelude::*;

use crate::alert::ChannelKind;
use crate::testing::{only_problem, problems, problems_of, world, world_with};
use crate::words::Word;
use crate::{Place, known_keys, load_text};

/// Text, key, part of the reason, part of the advice.
type Case = (&'static str, &'static str, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (text, key, why, instead) in cases {
        let problem = only_problem(text);
        assert_eq!(problem.key, *key, "{problem}");
        assert!(problem.why.contains(why), "{problem}\n  expected: {why}");
        assert!(problem.instead.contains(instead), "{problem}\n  expected: {instead}");
    }
}

#[test]
fn scalar_mistakes_are_told_with_their_remedy() {
    check(&[
        ("[mqtt]\nkeep_alive = 60", "mqtt.keep_alive", "needs its unit", "keep_alive = \"60s\""),
        ("[mqtt]\nkeep_alive = '60'", "mqtt.keep_alive", "needs its unit", "\"60s\""),
        ("[mqtt]\nkeep_alive = '60 potatoes'", "mqtt.keep_alive", "`potatoes`", "\"60s\""),
        ("[mqtt]\nkeep_alive = '4s'", "mqtt.keep_alive", "least is 5s", "\"5s\""),
        ("[mqtt]\nkeep_alive = '19h'", "mqtt.keep_alive", "most is 18h", "\"18h\""),
        ("[mqtt]\nkeep_alive = '5500ms'", "mqtt.keep_alive", "whole seconds", "\"5s\""),
        ("[mqtt]\nkeep_alive = -5", "mqtt.keep_alive", "needs its unit", "\"60s\""),
        ("[mqtt]\nkeep_alive = ''", "mqtt.keep_alive", "empty", "\"60s\""),
        ("[mqtt]\nprotocol = 5", "mqtt.protocol", "whole number", "protocol = \"5\""),
        ("[mqtt]\nprotocol = 3.1", "mqtt.protocol", "\"3.1.1\"", "\"3.1.1\""),
        ("[mqtt]\nprotocol = '3.1'", "mqtt.protocol", "words known", "\"3.1.1\""),
        ("[mqtt]\nreceive_maximum = 0", "mqtt.receive_maximum", "from 1 to 65535", "1000"),
        ("[mqtt]\nreceive_maximum = 65536", "mqtt.receive_maximum", "from 1 to", "1000"),
        ("[mqtt]\nreceive_maximum = 1.5", "mqtt.receive_maximum", "a number stands", "1000"),
        ("[mqtt]\nmax_packet_size = '1 potato'", "mqtt.max_packet_size", "its unit", "1 MiB"),
        ("[mqtt]\nmax_packet_size = 0", "mqtt.max_packet_size", "128 bytes to 256 MiB", "1 MiB"),
        ("[mqtt]\nmax_packet_size = -1", "mqtt.max_packet_size", "128 bytes to", "1 MiB"),
        ("[mqtt]\nmax_packet_size = '9 EiB'", "mqtt.max_packet_size", "to 256 MiB", "1 MiB"),
        ("[mqtt]\nclient_id = ''", "mqtt.client_id", "empty", "\"barograph-attic\""),
        ("[mqtt]\nclient_id = \"a\\u0000\"", "mqtt.client_id", "NUL", "\"barograph-attic\""),
        ("[mqtt]\nclient_id = true", "mqtt.client_id", "true or false", "write: client_id ="),
        ("[database]\npath = ':memory:'", "database.path", "must be a file", "weather_data.db"),
        ("[database]\nsynchronous = 'ful'", "database.synchronous", "\"full\"", "= \"full\""),
        ("[mqtt]\necho = 'no'", "mqtt.echo", "without quotes", "echo = true"),
        ("[health]\ncheck_interval = 60", "health.check_interval", "its unit", "\"60s\""),
        ("[health]\ncheck_interval = '0s'", "health.check_interval", "least is 1s", "\"1s\""),
        ("[health]\ncheck_interval = '2h'", "health.check_interval", "most is 1h", "\"1h\""),
        ("[health]\nclock_sync = 1", "health.clock_sync", "true or false", "clock_sync = true"),
        ("[log]\nrotate_size = '1 KiB'", "log.rotate_size", "from 64 KiB", "\"10 MiB\""),
        ("[log]\nrotate_size = '10 megs'", "log.rotate_size", "its unit", "\"10 MiB\""),
        ("[log]\nrotate_keep = 0", "log.rotate_keep", "from 1 to 1000", "rotate_keep = 5"),
        ("[metrics]\nlisten = 9464", "metrics.listen", "a text", "\"9464\""),
        ("[metrics]\nlisten = ':9464'", "metrics.listen", "an address", "\"127.0.0.1:9464\""),
        ("[metrics]\nlisten = 'localhost:1'", "metrics.listen", "an address", "127.0.0.1:"),
        ("[metrics]\nport = 9464", "metrics.port", "no such key in [metrics]", "listen"),
        ("[supervisor]\nintensity = 0", "supervisor.intensity", "from 1", "10"),
        ("[log]\nlevel = 'INFO'", "log.level", "\"info\"", "level = \"info\""),
        ("[log]\nlevel = ['info']", "log.level", "a list", "level = \"info\""),
        ("[log]\nstats_interval = 2020-01-01", "log.stats_interval", "date", "\"5min\""),
    ]);
}

#[test]
fn settings_that_contradict_each_other_are_told_once() {
    check(&[
        (
            "[supervisor]\nbackoff_min = '1m'",
            "supervisor.backoff_min",
            "longer than backoff_max (30s, its default)",
            "backoff_min = \"30s\"",
        ),
        (
            "[supervisor]\nbackoff_max = '1ms'",
            "supervisor.backoff_max",
            "shorter than backoff_min (100ms, its default)",
            "\"100ms\"",
        ),
        (
            "[supervisor]\nbackoff_max = '1ms'\nbackoff_min = 7",
            "supervisor.backoff_min",
            "unit",
            "",
        ),
        (
            "[mqtt]\nreconnect_min = '2s'\nreconnect_max = '1s'",
            "mqtt.reconnect_min",
            "longer than reconnect_max (1s)",
            "\"1s\"",
        ),
        ("[log]\nfile = './weather_data.db'", "log.file", "database's own", "another path"),
        (
            "[instance]\nlock_file = './weather_data.db'",
            "instance.lock_file",
            "database",
            "another",
        ),
    ]);
}

#[test]
fn credentials_and_certificates_that_contradict_each_other_are_told_once() {
    check(&[
        ("[mqtt]\nca_file = 'ca.pem'", "mqtt.ca_file", "mqtts://", "url = \"mqtts://"),
        (
            "[mqtt]\nurl = 'mqtts://b'\nclient_cert = 'c'",
            "mqtt.client_cert",
            "its key",
            "client_key",
        ),
        (
            "[mqtt]\nurl = 'mqtts://b'\nclient_key = 'k'",
            "mqtt.client_key",
            "its cert",
            "client_cert",
        ),
        (
            "[mqtt]\nusername = 'u'\npassword = 'p'\npassword_file = '/x'",
            "mqtt.password_file",
            "mqtt.password (line 3, column 12)",
            "only one",
        ),
        (
            "[mqtt]\nusername = 'u'\nurl = 'mqtt://v@b'",
            "mqtt.url",
            "mqtt.username (line 2, column 12)",
            "only one",
        ),
        ("[mqtt]\npassword = 'p'", "mqtt.password", "without a user", "username"),
        (
            "[mqtt]\nusername = 'u'\npassword_file = '/no/such'",
            "mqtt.password_file",
            "cannot be read: No such file",
            "readable",
        ),
    ]);
}

#[test]
fn unknown_names_are_told_with_the_nearest_known_one() {
    check(&[
        ("[mqtt]\nkeepalive = '60s'", "mqtt.keepalive", "no such key in [mqtt]", "keep_alive"),
        ("[mqqt]\nurl = 'x'", "mqqt", "no table", "write: [mqtt]"),
        ("[routes]\n", "routes", "no table", "write: [[route]]"),
        ("keep_alive = '60s'", "keep_alive", "no table or key", "below the line [mqtt]"),
        ("[log]\nkeep_alive = '60s'", "log.keep_alive", "no such key", "below the line [mqtt]"),
        ("[log]\ncolour = 1", "log.colour", "no such key", "known here: level, format"),
        ("mqtt = 'mqtt://b'", "mqtt", "a text stands here", "write: [mqtt]"),
        ("route = 5", "route", "where a list of tables", "write: [[route]]"),
        ("[route]\ntopic = 'a'", "route", "where a list of tables", "write: [[route]]"),
        ("route = [5]", "route[1]", "a whole number", "[[route]]"),
        ("route = []", "route", "nothing would be recorded", "[[route]]"),
        ("\"a b\" = 1", "\"a b\"", "no table", "known here: instance"),
    ]);
}

#[test]
fn ten_different_mistakes_are_ten_problems() {
    let text = "\
[mqtt]
url = 'tcp://broker'
keep_alive = 60
protcol = '5'
max_packet_size = 'huge'
[supervisor]
intensity = 0
backoff_min = '1h'
[log]
level = 'loud'
[[route]]
topic = 'a/#/b'
table = 'sqlite_a'
qos = 3
[route.columns]
x = { type = 'float' }
y = { min = 2, max = 1 }
created_at = 'y'
[route.indexes]
idx = ['z']
";
    let problems = problems(text);
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let expected = [
        "mqtt.url",
        "mqtt.keep_alive",
        "mqtt.protcol",
        "mqtt.max_packet_size",
        "supervisor.intensity",
        "supervisor.backoff_min",
        "log.level",
        "route[1].topic",
        "route[1].table",
        "route[1].qos",
        "route[1].columns.x.type",
        "route[1].columns.y.min",
        "route[1].columns.created_at",
        "route[1].indexes.idx[1]",
    ];
    assert_eq!(keys, expected, "{problems}");
    let lines: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    assert!(problems.to_string().starts_with("the settings have 14 problems:\n"), "{problems}");
}

#[test]
fn problem_is_printed_with_its_place_value_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("barograph.toml"), "[mqtt]\n  keep_alive = 60\n").unwrap();
    let world = crate::World { cwd: dir.path().to_owned(), ..world() };
    let problems = problems_of(crate::load(&world, &crate::Overrides::default()));
    let expected = "\
barograph.toml has 1 problem:

  line 2, column 16: mqtt.keep_alive = 60
    a duration needs its unit
    write: keep_alive = \"60s\"
";
    assert_eq!(problems.to_string(), expected);
    assert_eq!(problems.iter().next().unwrap().place, Place::File { line: 2, column: 16 });
}

#[test]
fn file_that_is_something_else_does_not_flood_the_log() {
    let text: String = (0..130).map(|line| format!("k{line} = 1\n")).collect();
    let problems = problems(&text);
    assert_eq!(problems.iter().count(), 130);
    assert!(problems.to_string().ends_with("\n  and 30 more\n"), "{problems}");
}

#[test]
fn slips_of_syntax_do_not_hide_the_mistakes_of_the_rest() {
    let text = "\
[mqtt]
keep_alive =
protocol = 5 5
client_id = attic
url 'mqtt://b'
[log]
level = info
format = 'xml'
level = 'warn'
";
    let problems = problems(text);
    let told: Vec<_> =
        problems.iter().map(|problem| (problem.key.as_str(), &problem.place)).collect();
    let at = |line, column| Place::File { line, column };
    assert_eq!(
        told,
        [
            ("mqtt.keep_alive", &at(2, 13)),
            ("mqtt.protocol", &at(3, 12)),
            ("mqtt.client_id", &at(4, 13)),
            ("", &at(5, 5)),
            ("log.level", &at(7, 9)),
            ("log.format", &at(8, 10)),
            ("", &at(9, 1)),
        ],
        "{problems}"
    );
    let advice: Vec<_> = problems.iter().map(|problem| problem.instead.as_str()).collect();
    assert_eq!(advice[2], "write: client_id = \"attic\"");
    assert_eq!(advice[4], "write: level = \"info\"");
}

#[test]
fn slip_in_a_route_accuses_nothing_of_being_missing() {
    let problems = problems("[[route]]\ntopic 'a'\ntable = 'a'\n[route.columns]\nx = {\n");
    for problem in &problems {
        assert!(problem.key.is_empty() || !problem.why.contains("lacks"), "{problems}");
    }
}

#[test]
fn every_known_key_refuses_a_value_of_another_type() {
    for key in known_keys() {
        let route = "[[route]]\ntopic = 'a'\ntable = 'a'\n[route.columns]\n";
        let kind = ChannelKind::ALL.iter().find(|kind| kind.keys().contains(&key.name));
        let kind = kind.map(|kind| format!("type = '{}'\n", kind.word())).unwrap_or_default();
        let text = match key.table {
            "alert" => format!("[[alert]]\n{kind}{} = 1979-05-27\n", key.name),
            "route" => format!("[[route]]\n{} = 1979-05-27\n", key.name),
            "route.derived" => {
                format!("{route}x = 'x'\n[[route.derived]]\n{} = 1979-05-27\n", key.name)
            }
            "route.columns.*" => format!("{route}x = {{ {} = 1979-05-27 }}\n", key.name),
            section => format!("[{section}]\n{} = 1979-05-27\n", key.name),
        };
        let problems = problems(&text);
        let told = problems.iter().any(|problem| {
            problem.key.ends_with(&format!(".{}", key.name)) && problem.why.contains("a date")
        });
        assert!(told, "{key}: {problems}");
    }
}

#[test]
fn foreign_bytes_are_told_and_the_rest_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barograph.toml");
    std::fs::write(&path, b"# gr\xfc\xdf\n[log]\nlevel = 5\n").unwrap();
    let world = crate::World { cwd: dir.path().to_owned(), ..world() };
    let problems = problems_of(crate::load(&world, &crate::Overrides::default()));
    let places: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
    assert_eq!(
        places,
        [Place::File { line: 1, column: 5 }, Place::File { line: 3, column: 9 }],
        "{problems}"
    );
}

#[test]
fn secrets_are_in_no_problem() {
    let texts = [
        "[mqtt]\npassword = \"hunter2",
        "[mqtt]\npassword = hunter2",
        "[mqtt]\npassword = ['hunter2']",
        "[mqtt]\npassword = { hunter2 = 1 }",
        "[mqtt]\npassword = \"hunter2\\u0000\"",
        "[mqtt]\npassword = 'hunter2'\npassword = 'hunter2'",
        "[mqtt]\npassword = 'hunter2'\npassword_file = '/x'",
        "[mqtt]\npasswrod = 'hunter2'",
        "password = 'hunter2'",
        "mqtt = 'mqtt://bob:hunter2@host'",
        "url = 'mqtt://bob:hunter2@host'",
        "[mqtt]\nurl = 'mqtt://bob:hunter2@host:port'",
        "[mqtt]\nurl = 'mqtt://bob:hunter2'",
        "[mqtt]\nurl = mqtt://bob:hunter2@host",
        "[mqtt]\nurl = \"mqtt://bob:hunter2@host",
        "[mqtt]\nurl = ['mqtt://bob:hunter2@host']",
        "[mqtt]\nurl = 'http://bob:hunter2@host/'",
        "[mqtt]\nurl = 'bob:hunter2@host'",
        "[mqtt]\nurl = 'mqtt://bob:hunter2@host'\nusername = 'bob'\npassword = 'x'",
        "[mqtt]\nurl = 'mqtt://bob:hunter2@host'\nca_file = 'x'",
    ];
    for text in texts {
        let problems = problems(text);
        let told = format!("{problems}\n{problems:?}");
        assert!(!told.contains("hunter2"), "{text}\n---\n{told}");
    }
    for name in ["BAROGRAPH_MQTT__PASSWRD", "BAROGRAPH_MQTT__URL", "BAROGRAPH_MQTT__PASSWORD"] {
        let world = world_with(name, "x://bob:hunter2@host\0");
        let problems = problems_of(load_text("", &world));
        let told = format!("{problems}\n{problems:?}\n{world:?}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

/// Fragments that make deep and nearly good files far more often than random characters would.
fn fragment() -> impl Strategy<Value = String> {
    let known: Vec<String> = known_keys().map(|key| key.name.to_owned()).collect();
    let words = [
        "[mqtt]\n",
        "[[alert]]\n",
        "type = 'webhook'\n",
        "[alert.headers]\n",
        "[[route]]\n",
        "[route.columns]\n",
        "[route.indexes]\n",
        "[[route.derived]]\n",
        "kind = 'scale'\n",
        "of = ['x']\n",
        "[database]\n",
        "[log]\n",
        "[route]\n",
        "[mqtt.url]\n",
        " = ",
        "\n",
        "'",
        "\"",
        "\"\"\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "'a/#'",
        "'mqtt://u:p@h'",
        "\"mqtt://[\"",
        "5",
        "-1.5",
        "1e999",
        "nan",
        "true",
        "'5s'",
        "'18446744073709551615s 1000ms'",
        "'1 MiB'",
        "'99999999999999999999 EiB'",
        "'$share/a'",
        "x = 'x'\n",
        "y = { type = 'json', min = 1 }\n",
        "id",
        "\u{feff}",
        "°",
        "\0",
        "\r\n",
        "#",
        "\\u",
    ];
    prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(known),
        ".{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn no_text_makes_loading_panic(fragments in proptest::collection::vec(fragment(), 0..40)) {
        let text = fragments.concat();
        if let Err(error) = load_text(&text, &world()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_value_of_any_key_makes_loading_panic(
        key in proptest::sample::select(known_keys().collect::<Vec<_>>()),
        value in "[0-9 .a-zµ:/@#+\\-\\[\\]]{0,40}|.{0,20}",
    ) {
        let quoted = crate::print::quote(&value);
        let text = format!("[{}]\n{} = {quoted}\n{} = {value}\n", key.table, key.name, key.name);
        let _ = load_text(&text, &world());
        let kind = ChannelKind::ALL.iter().find(|kind| kind.keys().contains(&key.name));
        if let Some(kind) = kind {
            let head = format!("[[alert]]\nname = 'a'\ntype = '{}'\n", kind.word());
            let _ = load_text(&format!("{head}{} = {quoted}\n", key.name), &world());
            let _ = load_text(&format!("{head}{} = {value}\n", key.name), &world());
        }
        if let Some(name) = key.variable() {
            let _ = load_text("", &world_with(&name, &value));
        }
    }
}
