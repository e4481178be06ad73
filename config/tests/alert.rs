//! `[[alert]]`: what may be said, what is refused with which remedy, and that no secret is repeated.

use std::time::Duration;

use proptest::prelude::*;

use crate::alert::channel::ChannelKind;
use crate::tests::testing::world;
use crate::{Alert, AlertSeverity, Channel, Email, EmailTls, QuietHours, Secret, Settings};

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
            let has_file =
                bad && !matches!(channel.kind(), ChannelKind::Mqtt | ChannelKind::Command);
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
