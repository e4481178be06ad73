//! `barograph check`: what would happen, without doing it.

use std::time::Duration;

use barograph_actors::exit_code;
use barograph_actors::ports::{DownKind, Outlook};
use barograph_config::{Loaded, Route, cover};

use crate::client_id;
use crate::exit::Failed;
use crate::ipc::client::Client;
use crate::ipc::protocol::Request;
use crate::mqtt::{MqttBroker, ProbedBroker};
use crate::os::lock::held_by;
use crate::os::world;
use crate::sqlite::{Peek, peek};
use crate::wire::status::{BrokerStatus, Status};

/// Filters or topics that are named in a line.
const FILTERS_SHOWN: usize = 20;

/// A recorder that answers does so within a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Prints what is right and what is wrong, with `show` also the settings in force, and one line of
/// verdict at the end; gives the exit code of the first thing that is wrong.
pub fn check(loaded: Result<Loaded, Failed>, show: bool) -> i32 {
    match loaded {
        Ok(loaded) => check_loaded(&loaded, show),
        Err(Failed { code, message }) => {
            eprintln!("barograph: {message}");
            println!("result: not ok (settings), exit code {code}");
            code
        }
    }
}

fn check_loaded(loaded: &Loaded, show: bool) -> i32 {
    let settings = &loaded.settings;
    let source = match &loaded.source {
        Some(path) => path.display().to_string(),
        None => "no file was found, the built-in defaults are in force".to_owned(),
    };
    if show {
        println!("# Settings in force: {source}\n\n{}", settings.to_toml());
    }
    println!("settings: {source}");
    for warning in &loaded.warnings {
        println!("settings: warning: {warning}");
    }
    if let Some(holder) = held_by(&settings.instance.lock_file) {
        println!("instance: a recorder is running ({holder})");
    }
    print_wider_filters(&settings.routes);
    println!("client id: {}", shown_client_id(loaded));
    let database = check_database(loaded);
    let broker = check_broker(loaded);
    let parts = [(database, "database"), (broker, "broker")];
    let wrong: Vec<_> = parts.into_iter().filter(|(code, _)| *code != exit_code::OK).collect();
    match wrong.first() {
        None => println!("result: ok, `barograph run` can record"),
        Some((code, _)) => {
            let names: Vec<_> = wrong.iter().map(|(_, name)| *name).collect();
            println!("result: not ok ({}), exit code {code}", names.join(", "));
        }
    }
    wrong.first().map_or(exit_code::OK, |(code, _)| *code)
}

/// Names the filters that bring more than the routes want, and what made them so.
fn print_wider_filters(routes: &[Route]) {
    for part in cover(routes).iter().filter(|part| part.is_wider) {
        let mut topics: Vec<&str> =
            part.routes.iter().map(|number| routes[*number].topic.as_str()).collect();
        let more = topics.len().saturating_sub(FILTERS_SHOWN);
        topics.truncate(FILTERS_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        println!(
            "routes: {}{more} overlap: {} is subscribed to in their place, and what it brings that no route wants is \
             counted as filtered",
            topics.join(", "),
            part.filter
        );
    }
}

/// What is subscribed to, in a line.
fn subscribed(routes: &[Route]) -> String {
    let filters: Vec<String> = cover(routes).into_iter().map(|part| part.filter).collect();
    let shown =
        filters.iter().take(FILTERS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match filters.len().saturating_sub(FILTERS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Which one it is, and whether a client is connected under it, as far as the recorder itself knows. (A connection
/// under the same id would end another one.)
fn shown_client_id(loaded: &Loaded) -> String {
    let settings = &loaded.settings;
    let id = &settings.mqtt.client_id;
    let running = Client::open(&settings.instance.lock_file, ANSWER_WITHIN)
        .and_then(|mut client| client.ask::<Status>(&Request::Status));
    if let Ok(status) = running {
        let BrokerStatus { client_id: used, connection, .. } = &status.broker;
        return match (used == id, connection.as_ref()) {
            (true, "connected") => {
                format!("{id}; the recorder that is running is connected under it")
            }
            (true, _) => {
                let why = status.broker.why.as_deref().unwrap_or("it has just started");
                format!("{id}; the recorder that is running is not connected: {why}")
            }
            (false, _) => format!("{id}; the recorder that is running uses {used}"),
        };
    }
    match client_id::kept(settings) {
        Some(kept) if kept != *id => format!(
            "{id}, by mqtt.client_id; warning: it was {kept}, and what the broker keeps under that does not arrive"
        ),
        Some(_) => id.clone(),
        None if loaded.client_id_is_set => id.clone(),
        None => format!("{id}- and six random digits; the first start makes and keeps it"),
    }
}

fn check_database(loaded: &Loaded) -> i32 {
    let settings = &loaded.settings;
    let path = settings.database.path.display();
    match peek(&settings.database, &settings.routes) {
        Ok(Peek::Absent) => {
            println!("database: {path} does not exist yet; the first start creates it");
            exit_code::OK
        }
        Ok(Peek::Present { tables, clashes }) if clashes.is_empty() => {
            let rows: Vec<_> =
                tables.iter().map(|(table, rows)| format!("{table} {rows} rows")).collect();
            let rows = if rows.is_empty() {
                "no table of a route yet".to_owned()
            } else {
                rows.join(", ")
            };
            println!("database: {path} can be opened: {rows}");
            exit_code::OK
        }
        Ok(Peek::Present { clashes, .. }) => {
            for clash in clashes {
                println!("database: WRONG: {clash}");
            }
            exit_code::DATABASE_UNUSABLE
        }
        Err(error) => {
            println!("database: WRONG: {}", error.message);
            match error.outlook {
                Outlook::NeedsAPerson => exit_code::of_open_error(error.cause),
                Outlook::MayPass => exit_code::DATABASE_UNUSABLE,
            }
        }
    }
}

/// Mosquitto grants a subscription also where its access list forbids to read.
fn not_heard(user: Option<&str>, topic: &str) -> String {
    let account = user.map_or_else(|| "this account".to_owned(), |user| format!("user {user}"));
    format!(
        "broker: WRONG: {account} may connect and subscribe, but a message to ourselves on {topic} did not come back: \
         perhaps it may not read.\n        Let it read the topics of its routes, and read and write {topic}; where that \
         topic cannot be allowed, set mqtt.echo = false"
    )
}

fn check_broker(loaded: &Loaded) -> i32 {
    let settings = &loaded.settings;
    let broker = MqttBroker::new(settings.mqtt.clone(), world::now);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = match runtime {
        Ok(runtime) => runtime.block_on(broker.probe(&settings.routes)),
        Err(error) => {
            println!("broker: not tried: {error}");
            return exit_code::BROKER_UNAVAILABLE;
        }
    };
    match answer {
        Ok(ProbedBroker { refused, unheard: None }) if refused.is_empty() => {
            println!(
                "broker: {} accepts the connection and the topic filters {}",
                settings.mqtt.url,
                subscribed(&settings.routes)
            );
            println!(
                "        while the recorder is away the broker must keep its messages; for \
                 Mosquitto: persistence true,"
            );
            println!(
                "        autosave_interval 1, autosave_on_changes true, max_queued_messages 0, \
                 set_tcp_nodelay true"
            );
            println!("        (sample: config/mosquitto.conf)");
            exit_code::OK
        }
        Ok(ProbedBroker { refused, unheard }) => {
            for (filter, reason) in refused {
                println!(
                    "broker: WRONG: refuses the topic filter {filter}: {reason}; look at its access \
                     rules"
                );
            }
            if let Some(topic) = unheard {
                println!("{}", not_heard(settings.mqtt.username.as_deref(), &topic));
            }
            exit_code::BROKER_UNAVAILABLE
        }
        Err(down) => {
            let url = settings.mqtt.url.to_string();
            let at = if down.message.contains(&url) { String::new() } else { format!("{url}: ") };
            println!("broker: WRONG: {at}{}", down.message);
            if down.kind == DownKind::Credentials && settings.mqtt.username.is_none() {
                println!("        no username is set: add mqtt.username and mqtt.password_file");
            }
            exit_code::BROKER_UNAVAILABLE
        }
    }
}
