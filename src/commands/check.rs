//! `barograph check`: what would happen, without doing it.

use barograph_actors::exit_code;
use barograph_config::Loaded;

use crate::mqtt::MqttBroker;
use crate::os::lock::held_by;
use crate::os::world;
use crate::sqlite::{Peek, peek};

/// Prints the settings in force, the broker's answer and what the database holds; gives the exit
/// code of the first thing that is wrong.
pub fn check(loaded: &Loaded) -> i32 {
    let settings = &loaded.settings;
    match &loaded.source {
        Some(path) => println!("# Settings in force, from {}:\n", path.display()),
        None => println!("# Settings in force: the built-in default, no file was found:\n"),
    }
    println!("{}", settings.to_toml());
    if let Some(holder) = held_by(&settings.instance.lock_file) {
        println!("instance: a recorder is running ({holder})");
    }
    let database = check_database(loaded);
    let broker = check_broker(loaded);
    let code = if database == exit_code::OK { broker } else { database };
    if code == exit_code::OK {
        println!("Everything is fine: `barograph run` can record.");
    }
    code
}

fn check_database(loaded: &Loaded) -> i32 {
    let settings = &loaded.settings;
    let path = settings.database.path.display();
    match peek(&settings.database, &settings.routes) {
        Ok(Peek::Absent) => {
            println!("database: {path} does not exist yet; the first start makes it");
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
            error.permanent.unwrap_or(exit_code::DATABASE_UNUSABLE)
        }
    }
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
        Ok(refused) if refused.is_empty() => {
            println!("broker: {} answers and accepts us and every topic filter", settings.mqtt.url);
            println!(
                "        what it does for you while the recorder is away is its own setting; for \
                 Mosquitto:"
            );
            println!(
                "        persistence true, autosave_interval 1, autosave_on_changes true, \
                 max_queued_messages 0,"
            );
            println!("        set_tcp_nodelay true (a sample is in config/mosquitto.conf)");
            exit_code::OK
        }
        Ok(refused) => {
            for (filter, reason) in refused {
                println!(
                    "broker: WRONG: it refuses the topic filter {filter}: {reason}; look at its \
                     access rules"
                );
            }
            exit_code::BROKER_UNAVAILABLE
        }
        Err(down) => {
            println!("broker: WRONG: {}", down.message);
            exit_code::BROKER_UNAVAILABLE
        }
    }
}
