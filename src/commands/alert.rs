//! `barograph alert`: sends a test to one channel or all of them, from the settings alone, and says what
//! the other side said; or lists them.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use barograph_actors::exit_code;
use barograph_actors::health::notify::notification::Notification;
use barograph_actors::health::notify::notifier::Failure;
use barograph_actors::ports::Publication;
use barograph_config::{Alert, Qos, Settings};
use bytes::Bytes;
use serde_json::{Value, json};

use super::read_args::AlertCommand;
use crate::exit::Failed;
use crate::mqtt::MqttBroker;
use crate::notify::deliver;
use crate::os::world;
use crate::text::wrapped;

/// A person waits: an answer that is later than the channel's timeout and this counts as none.
const GRACE: Duration = Duration::from_secs(3);

/// Does what is asked; gives the exit code.
///
/// # Errors
/// There is no such channel.
pub fn alert(settings: &Settings, command: &AlertCommand) -> Result<i32, Failed> {
    match command {
        AlertCommand::List { json, .. } => {
            list(&settings.alerts, *json);
            Ok(exit_code::OK)
        }
        AlertCommand::Test { channel, json, .. } => {
            let channels = chosen(&settings.alerts, channel.as_deref())?;
            let results = channels.into_iter().map(|alert| {
                let result = test(settings, alert);
                if !json {
                    println!("{}", to_text(alert, &result).trim_end());
                }
                (alert, result)
            });
            let results: Vec<_> = results.collect();
            if *json {
                println!("{}", Value::from_iter(results.iter().map(to_json)));
            }
            let all_took_it = results.iter().all(|(_, result)| result.is_ok());
            Ok(if all_took_it { exit_code::OK } else { exit_code::FOUND_WRONG })
        }
    }
}

fn chosen<'s>(alerts: &'s [Alert], name: Option<&str>) -> Result<Vec<&'s Alert>, Failed> {
    let names = || alerts.iter().map(|alert| alert.name.as_str()).collect::<Vec<_>>().join(", ");
    let failed = |code, message| Err(Failed { code, message });
    let Some(name) = name else {
        if alerts.is_empty() {
            let message = "the settings have no [[alert]]: no alert would be sent; \
                           config/barograph.toml has an example of each type";
            return failed(exit_code::FOUND_WRONG, message.to_owned());
        }
        return Ok(alerts.iter().collect());
    };
    match alerts.iter().find(|alert| alert.name == name) {
        Some(alert) => Ok(vec![alert]),
        None if alerts.is_empty() => {
            failed(exit_code::USAGE, format!("there is no alert {name}: the settings have none"))
        }
        None => {
            failed(exit_code::USAGE, format!("there is no alert {name}; there are: {}", names()))
        }
    }
}

/// A test to one channel, or all of them at a time: by name, what each said.
///
/// # Errors
/// There is no such channel.
pub(crate) fn test_all(
    settings: &Settings,
    channel: Option<&str>,
) -> Result<BTreeMap<String, String>, Failed> {
    let channels = chosen(&settings.alerts, channel)?;
    Ok(thread::scope(|scope| {
        let tests = channels.into_iter().map(|alert| {
            let name = alert.name.clone();
            (name, scope.spawn(move || told(&test(settings, alert))))
        });
        let tests: Vec<_> = tests.collect();
        let ended = tests.into_iter().map(|(name, test)| {
            (
                name,
                test.join().unwrap_or_else(|_| "the test ended with an internal error".to_owned()),
            )
        });
        ended.collect()
    }))
}

fn told(result: &Result<String, Failure>) -> String {
    match result {
        Ok(said) => format!("accepted: {said}"),
        Err(Failure { said, hint, .. }) => format!("failed: {said}; {hint}"),
    }
}

/// In a thread of its own, which is left behind if it hangs.
fn test(settings: &Settings, alert: &Alert) -> Result<String, Failure> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (patience, alert) = (alert.timeout + GRACE, alert.clone());
    let mqtt = settings.mqtt.clone();
    thread::spawn(move || {
        let result = match alert.channel.state_topic() {
            Some(topic) => publish(MqttBroker::new(mqtt, world::now), topic),
            None => {
                let id = format!("{:016x}", (world::REAL.random)());
                deliver(&alert, &Notification::test(id, &mqtt.client_id, world::now()))
            }
        };
        let _nobody_waits = sender.send(result);
    });
    receiver.recv_timeout(patience).unwrap_or_else(|_| {
        let patience = humantime::format_duration(patience);
        Err(Failure {
            said: format!("no end within {patience}"),
            hint: "look at the other side, and at the network between".to_owned(),
            retry_after: None,
        })
    })
}

/// Beside the state, which a running recorder keeps there.
fn publish(broker: MqttBroker, topic: &str) -> Result<String, Failure> {
    let topic = format!("{topic}/test");
    let failure = |said: String, hint: &str| Failure { said, hint: hint.into(), retry_after: None };
    let payload = json!({ "kind": "test", "at": world::now().to_string() }).to_string();
    let payload = Bytes::from(payload);
    let message =
        Publication { topic: topic.clone(), payload, qos: Qos::AtLeastOnce, retain: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failure(error.to_string(), "look at the limits"))?;
    match runtime.block_on(broker.publish_once(&message)) {
        Ok(Ok(())) => Ok(format!("the broker acknowledged a message on {topic}")),
        Ok(Err(reason)) => {
            let hint = "look at what the broker allows our user to publish";
            Err(failure(format!("the broker refused {topic}: {reason}"), hint))
        }
        Err(down) => Err(failure(down.message, "`barograph check` looks at the broker")),
    }
}

fn title(alert: &Alert) -> String {
    format!("{} ({}, {})", alert.name, alert.channel.word(), alert.channel.destination())
}

fn to_text(alert: &Alert, result: &Result<String, Failure>) -> String {
    match result {
        Ok(said) => wrapped(&format!("{}: accepted: {said}", title(alert)), 0),
        Err(Failure { said, hint, .. }) => {
            wrapped(&format!("{}: FAILED: {said}", title(alert)), 0) + &wrapped(hint, 2)
        }
    }
}

fn to_json((alert, result): &(&Alert, Result<String, Failure>)) -> Value {
    json!({
        "name": alert.name,
        "type": alert.channel.word(),
        "destination": alert.channel.destination(),
        "ok": result.is_ok(),
        "said": match result { Ok(said) => said, Err(failure) => &failure.said },
        "hint": result.as_ref().err().map(|failure| &failure.hint),
    })
}

fn list(alerts: &[Alert], as_json: bool) {
    if as_json {
        let alerts = alerts.iter().map(|alert| {
            json!({
                "name": alert.name,
                "type": alert.channel.word(),
                "destination": alert.channel.destination(),
                "after": humantime::format_duration(alert.after).to_string(),
                "quiet_hours": alert.quiet_hours.map(|hours| hours.to_string()),
                "max_per_hour": alert.max_per_hour,
            })
        });
        println!("{}", Value::from_iter(alerts));
    } else if alerts.is_empty() {
        println!("There is no [[alert]] in the settings: no alert is sent.");
    } else {
        alerts.iter().for_each(|alert| print!("{}", wrapped(&title(alert), 0)));
    }
}
