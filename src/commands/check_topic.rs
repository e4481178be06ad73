//! `barograph check --topic`: what would become of one message, without a broker and a database.

use std::io::Read;
use std::path::Path;

use barograph_actors::exit_code;
use barograph_actors::message::batch::{Body, Value};
use barograph_actors::message::delivery::Delivery;
use barograph_actors::message::route::Router;
use barograph_actors::mqtt::decode::decode;
use barograph_config::{Loaded, Qos, Route};
use bytes::Bytes;

use crate::exit::Failed;
use crate::os::world;

/// Bytes of a payload that are read, at most: MQTT's own limit.
const PAYLOAD_MAX: u64 = 268_435_455;

/// Rows that are printed.
const ROWS_SHOWN: usize = 20;

/// Prints which route takes the messages of a topic, and with a payload what comes of one: the rows, or why there are
/// none. Gives the exit code: 65 of a message that goes to quarantine.
///
/// # Errors
/// The settings have problems, or the payload cannot be read.
pub fn check_topic(
    loaded: Result<Loaded, Failed>,
    topic: &str,
    payload: Option<&Path>,
) -> Result<i32, Failed> {
    let settings = loaded?.settings;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        let message = format!("--topic {topic:?}: expected a topic without wildcards");
        return Err(Failed { code: exit_code::USAGE, message });
    }
    let router = Router::new(settings.routes);
    println!("topic: {topic}");
    let found = router.find(topic);
    match found {
        Some((_, route)) => print_route(&router, route),
        None => println!("route: none"),
    }
    let Some(payload) = payload else {
        let is_heard = router
            .cover()
            .iter()
            .find(|part| barograph_config::filter_matches(&part.filter, topic));
        if let (None, Some(part)) = (found, is_heard) {
            println!("filtered: not_wanted ({} is subscribed to, and brings it)", part.filter);
        }
        return Ok(exit_code::OK);
    };
    let payload = read(payload)?;
    let size = payload.len() as u64;
    let delivery = Delivery {
        topic: topic.to_owned(),
        payload,
        whole_size: size,
        packet_size: size + topic.len() as u64,
        qos: found.map_or(Qos::AtLeastOnce, |(_, route)| route.qos),
        retain: false,
        dup: false,
        packet_id: 0,
        received_at: world::now(),
        properties: Vec::new(),
    };
    let record = decode(delivery, &router, settings.mqtt.max_packet_size);
    let route = router.get(record.route);
    if let (Some((first, _)), Some(taking)) = (found, route)
        && first != record.route
    {
        println!("its conditions (when) are not met; the next route that matches takes it");
        print_route(&router, taking);
    }
    Ok(print_body(&record.body, route))
}

fn print_route(router: &Router, route: &Route) {
    let into = if route.ignore { "ignored".to_owned() } else { format!("table {}", route.table) };
    let number = router.active().position(|(_, other)| std::ptr::eq(other, route));
    let number = number.map(|number| format!("route[{}], ", number + 1)).unwrap_or_default();
    println!("route: {number}{} -> {into}", route.topic);
}

fn print_body(body: &Body, route: Option<&Route>) -> i32 {
    match body {
        Body::Rows(rows) => {
            for row in rows.iter().take(ROWS_SHOWN) {
                println!("row:");
                let columns = route.map_or(&[][..], |route| &route.columns);
                for (column, value) in columns.iter().zip(row) {
                    println!("  {} = {}", column.name, shown(value));
                }
            }
            let more = rows.count().saturating_sub(ROWS_SHOWN);
            if more > 0 {
                println!("and {more} more rows");
            }
            exit_code::OK
        }
        Body::Filtered(filtered) => {
            println!("filtered: {}", filtered.word());
            exit_code::OK
        }
        Body::Quarantined(refusal) => {
            println!("quarantined: {}: {}", refusal.reason.word(), refusal.detail);
            exit_code::FILE_UNUSABLE
        }
    }
}

/// As an SQL literal, but a text of control characters is escaped.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => format!("'{}'", text.escape_debug()),
        Value::Time(time) => format!("'{time}'"),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn read(path: &Path) -> Result<Bytes, Failed> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(PAYLOAD_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(PAYLOAD_MAX).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes.into()),
        Err(error) => {
            let message = format!("the payload {} cannot be read: {error}", path.display());
            Err(Failed { code: exit_code::FILE_UNUSABLE, message })
        }
    }
}
