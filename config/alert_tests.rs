//! `[[alert]]`: what may be said, what is refused with which remedy, and that no secret is repeated.

use std::time::Duration;

use proptest::prelude::*;

use crate::alert::ChannelKind;
use crate::testing::{every_alert, loaded, only_problem, problems, settings, world};
use crate::words::Word;
use crate::{Alert, AlertSeverity, Channel, Email, EmailTls, QuietHours, Secret, Settings};

fn alert(text: &str) -> Alert {
    settings(&format!("[[alert]]\nname = 'a'\n{text}")).alerts.remove(0)
}

#[test]
fn least_that_must_be_said_of_each_type_gives_the_defaults() {
    let all = settings(&every_alert()).alerts;
    let words: Vec<_> = all.iter().map(|alert| alert.channel.word()).collect();
    assert_eq!(words, ChannelKind::ALL.iter().map(|kind| kind.word()).collect::<Vec<_>>());
    for alert in &all {
        assert_eq!(alert.name, alert.channel.word());
        assert_eq!(alert.min_severity, AlertSeverity::Warning);
        assert_eq!((alert.after, alert.repeat), (Duration::from_secs(60), None));
        assert_eq!((alert.quiet_hours, alert.resolved), (None, true));
        assert_eq!((alert.max_per_hour, alert.timeout), (20, Duration::from_secs(10)));
    }
    let telegram = Channel::Telegram {
        url: "https://api.telegram.org".to_owned(),
        token: Secret::new("hunter2"),
        chat_id: "1".to_owned(),
    };
    assert_eq!(all[4].channel, telegram);
    let mqtt = Channel::Mqtt {
        topic: "barograph/barograph-attic/health".to_owned(),
        discovery: true,
        discovery_prefix: "homeassistant".to_owned(),
    };
    assert_eq!(all[6].channel, mqtt);
}

#[test]
fn port_of_the_mail_server_follows_its_encryption() {
    for (tls, port) in [("starttls", 587), ("tls", 465), ("none", 25)] {
        let text = format!("type = 'email'\nhost = 'h'\nfrom = 'a@b'\nto = ['a@b']\ntls = '{tls}'");
        let Channel::Email(email) = alert(&text).channel else { panic!() };
        assert_eq!((email.port, email.tls.as_str()), (port, tls));
    }
}

#[test]
fn health_topic_of_any_client_id_is_a_topic() {
    let text = "[mqtt]\nclient_id = 'a+b#'\n[[alert]]\nname = 'a'\ntype = 'mqtt'\n";
    let Channel::Mqtt { topic, .. } = settings(text).alerts.remove(0).channel else { panic!() };
    assert_eq!(topic, "barograph/a_b_/health");
}

#[test]
fn secrets_are_read_from_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), "https://hooks.example/a\n").unwrap();
    std::fs::write(dir.path().join("word"), "hunter2\n").unwrap();
    let world = crate::World { cwd: dir.path().to_owned(), ..world() };
    let text = "[[alert]]\nname = 'a'\ntype = 'webhook'\nurl_file = 'url'\nsecret_file = 'word'\n";
    let alert = crate::load_text(text, &world).unwrap().settings.alerts.remove(0);
    let expected = Channel::Webhook {
        url: Secret::new("https://hooks.example/a"),
        headers: Vec::new(),
        secret: Some(Secret::new("hunter2")),
    };
    assert_eq!(alert.channel, expected);
    let text = text.replace("'url'", "'word'");
    let refused = crate::load_text(&text, &world).unwrap_err().to_string();
    assert!(refused.contains("alert[1].url_file") && !refused.contains("hunter2"), "{refused}");
    assert!(refused.contains("write into that file a URL like"), "{refused}");
}

/// What is said besides the name, key, part of the reason, part of the advice.
type Case = (&'static str, &'static str, &'static str, &'static str);

fn check(head: &str, cases: &[Case]) {
    for (text, key, why, instead) in cases {
        let problem = only_problem(&format!("[[alert]]\n{head}{text}\n"));
        assert_eq!(problem.key, format!("alert[1]{key}"), "{problem}");
        assert!(problem.why.contains(why), "{problem}\n  expected: {why}");
        assert!(problem.instead.contains(instead), "{problem}\n  expected: {instead}");
    }
}

#[test]
fn mistakes_in_what_all_alerts_have_are_told_with_their_remedy() {
    let command = "argv = ['x']\ntype = 'command'\n";
    check(command, &[("", ".name", "the alert lacks it", "name = \"phone\"")]);
    let command = "argv = ['x']\ntype = 'command'\nname = 'a'\n";
    check(
        command,
        &[
            ("min_severity = 'Critcal'", ".min_severity", "\"warning\"", "\"critical\""),
            ("after = 5", ".after", "needs its unit", "\"5s\""),
            ("after = '2days'", ".after", "most is 1day", "\"1day\""),
            ("repeat = '59s'", ".repeat", "least is 1m", "\"1m\""),
            ("quiet_hours = '22-7'", ".quiet_hours", "hours and minutes", "22:00-07:00"),
            ("quiet_hours = 22", ".quiet_hours", "a whole number", "22"),
            ("resolved = 'true'", ".resolved", "without quotes", "resolved = true"),
            ("max_per_hour = 0", ".max_per_hour", "from 1 to 3600", "20"),
            ("timeout = '500ms'", ".timeout", "least is 1s", "\"1s\""),
            ("timeout = '6min'", ".timeout", "most is 5m", "\"5m\""),
            ("tiemout = '6s'", ".tiemout", "no such key in `alert[1]`", "timeout"),
        ],
    );
    let nameless = "type = 'command'\nargv = ['x']\n";
    check(
        nameless,
        &[
            ("name = 'a b'", ".name", "letters, digits", "\"a_b\""),
            ("name = ''", ".name", "empty", "\"phone\""),
            ("name = 7", ".name", "a text in quotes", "\"7\""),
        ],
    );
    check(
        "name = 'a'\n",
        &[
            ("", ".type", "\"webhook\", \"slack\", \"discord\", \"ntfy\"", "type = \"webhook\""),
            ("type = 'emial'", ".type", "words known", "\"email\""),
            ("type = 5", ".type", "a whole number", "\"webhook\""),
        ],
    );
}

#[test]
fn mistakes_in_the_addresses_of_alerts_are_told_with_their_remedy() {
    check(
        "name = 'a'\n",
        &[
            ("type = 'slack'", ".url", "lacks it, and url_file", "url = \"https://"),
            ("type = 'slack'\nurl = 'h'", ".url", "begin with https://", "url = \"https://"),
            ("type = 'slack'\nurl = 'ftp://h'", ".url", "begins with https://", "https://"),
            ("type = 'slack'\nurl = 5", ".url", "a URL in quotes", "https://"),
            ("type = 'slack'\nurl_file = '/no/such'", ".url_file", "cannot be read", "secret"),
            (
                "type = 'slack'\nurl = 'https://h'\nurl_file = '/x'",
                ".url_file",
                "alert[1].url (line 4, column 7) says this, too",
                "only one",
            ),
            ("type = 'telegram'\nchat_id = '1'", ".token", "lacks it", "token = "),
            ("type = 'telegram'\ntoken = 't'", ".chat_id", "lacks it", "chat_id = "),
            (
                "type = 'telegram'\ntoken = 't'\nchat_id = 5",
                ".chat_id",
                "a text in quotes",
                "chat_id = \"5\"",
            ),
            (
                "type = 'telegram'\ntoken = 't'\nchat_id = '1'\nurl = 'https://h/?x'",
                ".url",
                "ends with its host",
                "https://api.telegram.org",
            ),
            ("type = 'command'", ".argv", "lacks it", "argv = ["),
            ("type = 'command'\nargv = []", ".argv", "the program", "argv = ["),
            ("type = 'command'\nargv = ['']", ".argv", "the program", "argv = ["),
            ("type = 'command'\nargv = 'x y'", ".argv", "a list of", "argv = ["),
            ("type = 'command'\nargv = ['x', 5]", ".argv[2]", "a text, in quotes", "argv = ["),
        ],
    );
}

#[test]
fn mistakes_in_headers_are_told_with_their_remedy() {
    let hook = "name = 'a'\ntype = 'webhook'\nurl = 'https://h'\n[alert.headers]\n";
    check(
        hook,
        &[
            ("Content-Type = 'x'", ".headers.Content-Type", "said already", "remove"),
            ("'a b' = 'x'", ".headers.\"a b\"", "letters, digits", "rename"),
            ("A = 'x'\na = 'y'", ".headers.a", "same letters", "rename"),
            ("A = \"x\\ny\"", ".headers.A", "one line", "one line"),
            ("A = 5", ".headers.A", "a secret in quotes", "A = "),
        ],
    );
}

#[test]
fn mistakes_in_mail_are_told_with_their_remedy() {
    let mail = "name = 'a'\ntype = 'email'\n";
    check(mail, &[("from = 'a@b'\nto = ['a@b']", ".host", "lacks it", "host = \"mail.example\"")]);
    let mail = "name = 'a'\ntype = 'email'\nhost = 'h'\nto = ['a@b']\n";
    check(
        mail,
        &[
            ("", ".from", "lacks it", "from = "),
            ("from = 'Me <a@b>'", ".from", "without a name", "from = \"barograph@"),
            ("from = 'a'", ".from", "one `@`", "from = "),
        ],
    );
    let mail = "name = 'a'\ntype = 'email'\nfrom = 'a@b'\n";
    check(
        mail,
        &[
            ("host = 'smtp://h'\nto = ['a@b']", ".host", "alone", "mail.example"),
            ("host = 'h'", ".to", "lacks it", "to = ["),
            ("host = 'h'\nto = []", ".to", "one recipient", "to = ["),
            ("host = 'h'\nto = 'a@b'", ".to", "a list", "to = ["),
            ("host = 'h'\nto = ['a@b', 'c']", ".to[2]", "one `@`", "to = "),
        ],
    );
    let mail = "name = 'a'\ntype = 'email'\nfrom = 'a@b'\nhost = 'h'\nto = ['a@b']\n";
    check(
        mail,
        &[
            ("port = 0", ".port", "from 1 to 65535", "587"),
            ("tls = 'ssl'", ".tls", "words known", "tls = \""),
            ("username = 'u'", ".username", "needs a password", "password_file"),
            ("password = 'p'", ".username", "needs its user", "username = "),
        ],
    );
}

#[test]
fn mistakes_in_topics_are_told_with_their_remedy() {
    check(
        "name = 'a'\ntype = 'mqtt'\n",
        &[
            ("topic = 'a/+'", ".topic", "no wildcards", "topic = \"barograph/"),
            ("topic = '$SYS/a'", ".topic", "the broker's", "topic = \"barograph/"),
            ("discovery_prefix = '#'", ".discovery_prefix", "no wildcards", "homeassistant"),
            ("discovery = 'no'", ".discovery", "true or false", "discovery = true"),
            (
                "topic = 'a/b/weatherstation/weathermeters/c'",
                ".topic",
                "the route with the topic `+/+/weatherstation/weathermeters/#`",
                "narrower",
            ),
        ],
    );
    let text = "[[alert]]\nname = 'a'\ntype = 'mqtt'\n[[route]]\ntopic = '#'\ntable = 'a'\n\
                columns = { x = 'x' }\n";
    let keys: Vec<_> = problems(text).iter().map(|problem| problem.key.clone()).collect();
    assert_eq!(keys, ["alert[1].discovery_prefix", "alert[1].topic"]);
    let silent = text.replace("'mqtt'\n", "'mqtt'\ndiscovery = false\n");
    assert_eq!(only_problem(&silent).key, "alert[1].topic");
}

#[test]
fn key_of_another_type_is_told_with_the_types_that_have_it() {
    check(
        "name = 'a'\ntype = 'slack'\nurl = 'https://h'\n",
        &[
            ("topic = 'x'", ".topic", "type slack has no such key", "type mqtt"),
            ("token = 'x'", ".token", "type slack has no such key", "type ntfy, telegram"),
            ("headers = {}", ".headers", "type slack has no such key", "type webhook"),
        ],
    );
}

#[test]
fn alerts_that_contradict_each_other_are_told_once() {
    let two = |one: &str, other: &str| {
        format!("[[alert]]\nname = 'a'\n{one}\n[[alert]]\nname = {other}\n")
    };
    let command = "type = 'command'\nargv = ['x']";
    let problem = only_problem(&two(command, &format!("'a'\n{command}")));
    assert_eq!(problem.key, "alert[2].name");
    assert!(problem.why.contains("already (line 2, column 8)"), "{problem}");
    let problem = only_problem(&two("type = 'mqtt'", "'b'\ntype = 'mqtt'"));
    assert!(problem.why.contains("an alert of type mqtt already"), "{problem}");
    for text in ["alert = 5", "[alert]\nname = 'a'\n"] {
        let problem = only_problem(text);
        assert!(problem.instead.contains("write: [[alert]]"), "{problem}");
    }
    assert!(only_problem(&"[[alert]]\n".repeat(101)).why.contains("at most 100"));
}

#[test]
fn what_can_be_read_on_the_way_is_warned_of() {
    let mail = "type = 'email'\ntls = 'none'\nusername = 'u'\npassword = 'p'\nfrom = 'a@b'\n\
                to = ['a@b']\n";
    for (text, warned) in [
        ("type = 'slack'\nurl = 'http://h/hunter2'\n".to_owned(), true),
        ("type = 'slack'\nurl = 'http://127.0.0.1/hunter2'\n".to_owned(), false),
        ("type = 'ntfy'\nurl = 'https://h/hunter2'\n".to_owned(), false),
        (format!("{mail}host = 'mail.example'\n"), true),
        (format!("{mail}host = 'localhost'\n"), false),
    ] {
        let warnings = loaded(&format!("[[alert]]\nname = 'a'\n{text}")).warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{text}: {warnings:?}");
        assert!(!format!("{warnings:?}").contains("hunter2"), "{warnings:?}");
    }
}

#[test]
fn no_secret_of_an_alert_is_told() {
    let good = settings(&every_alert());
    assert!(!format!("{good:?}{}", good.to_toml()).contains("hunter2"), "{}", good.to_toml());
    for key in ["url", "secret", "token", "password"] {
        let kind = ChannelKind::ALL.iter().find(|kind| kind.keys().contains(&key)).unwrap();
        let head = format!("[[alert]]\nname = 'a'\ntype = '{}'\n{key} = ", kind.word());
        for value in [
            "hunter2",
            "\"hunter2",
            "['hunter2']",
            "{ hunter2 = 1 }",
            "\"hunter2\\u0000\"",
            "'hunter2' 'hunter2'",
            "'ftp://hunter2'",
        ] {
            let told = match crate::load_text(&format!("{head}{value}\n"), &world()) {
                Ok(loaded) => format!("{loaded:?}{}", loaded.settings.to_toml()),
                Err(error) => format!("{error}{error:?}"),
            };
            assert!(!told.contains("hunter2"), "{key} = {value}\n---\n{told}");
        }
    }
    let head = "[[alert]]\nname = 'a'\ntype = 'webhook'\nurl = 'https://h'\n[alert.headers]\n";
    for value in ["A = hunter2", "A = \"hunter2\\n\"", "A = ['hunter2']", "host = 'hunter2'"] {
        let problems = problems(&format!("{head}{value}\n"));
        let told = format!("{problems}{problems:?}");
        assert!(!told.contains("hunter2"), "{value}\n---\n{told}");
    }
}

fn word() -> impl Strategy<Value = String> {
    "[^\0\u{1}-\u{1f}\u{7f}-\u{9f}]{1,12}"
}

/// A secret as it is printed, so that printing it loses nothing.
fn secret() -> Secret {
    Secret::new("***")
}

fn url() -> Secret {
    Secret::new("https://hooks.example:8080/***")
}

fn any_channel() -> impl Strategy<Value = Channel> {
    let tls = [EmailTls::StartTls, EmailTls::Tls, EmailTls::None];
    let names = proptest::collection::btree_set("[A-Z][!a-z.-]{0,8}", 0..3);
    let token = any::<bool>().prop_map(|has| has.then(secret));
    prop_oneof![
        (names, token.clone()).prop_map(|(names, secret)| Channel::Webhook {
            url: url(),
            headers: names.into_iter().map(|name| (name, self::secret())).collect(),
            secret
        }),
        Just(Channel::Slack { url: url() }),
        Just(Channel::Discord { url: url() }),
        token.clone().prop_map(|token| Channel::Ntfy { url: url(), token }),
        word().prop_map(|chat_id| Channel::Telegram {
            url: "http://[::1]:1/a".to_owned(),
            token: secret(),
            chat_id
        }),
        (word(), 1..=u16::MAX, proptest::sample::select(tls.to_vec()), token).prop_map(
            |(username, port, tls, password)| Channel::Email(Email {
                host: "mail.example".to_owned(),
                port,
                tls,
                username: password.is_some().then_some(username),
                password,
                from: "a@b".to_owned(),
                to: vec!["c@d".to_owned(), "e@f".to_owned()],
            })
        ),
        any::<bool>().prop_map(|discovery| Channel::Mqtt {
            topic: "a b/c".to_owned(),
            discovery,
            discovery_prefix: "h/a".to_owned()
        }),
        (word(), proptest::collection::vec("[^\0]{0,6}", 0..3)).prop_map(|(program, words)| {
            Channel::Command { argv: std::iter::once(program).chain(words).collect() }
        }),
    ]
}

fn any_alert() -> impl Strategy<Value = Alert> {
    let millis = |limits: std::ops::Range<u64>| limits.prop_map(Duration::from_millis);
    let times = (millis(0..86_400_000), millis(60_000..9_000_000), millis(1000..300_000));
    let quiet = (0..1440_u16, 1..1440_u16).prop_map(|(from_minute, length)| {
        let to_minute = (from_minute + length) % 1440;
        QuietHours { from_minute, to_minute }
    });
    let options = (any::<bool>(), any::<bool>(), proptest::option::of(quiet), 1..=3600_u32);
    ("[a-zA-Z0-9_-]{1,64}", times, options, any_channel()).prop_map(
        |(name, (after, repeat, timeout), (bad, resolved, quiet_hours, max_per_hour), channel)| {
            let has_file = bad && channel.kind().keys().contains(&"ca_file");
            Alert {
                name,
                ca_file: has_file.then(|| "/etc/ca.pem".into()),
                min_severity: if bad { AlertSeverity::Critical } else { AlertSeverity::Warning },
                after,
                repeat: bad.then_some(repeat),
                quiet_hours,
                resolved,
                max_per_hour,
                timeout,
                channel,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_alert_reads_as_itself(alert in any_alert()) {
        let expected = Settings { alerts: vec![alert], ..Settings::default_with("attic") };
        let text = expected.to_toml();
        match crate::load_text(&text, &world()) {
            Ok(loaded) => prop_assert_eq!(&loaded.settings, &expected, "{}", text),
            Err(error) => prop_assert!(false, "{}\n---\n{}", error, text),
        }
        prop_assert_eq!(crate::differences(&expected, &expected), []);
    }
}
