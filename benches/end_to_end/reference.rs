//! The naive recorder, a process of its own: rumqttc, serde_json, one transaction for whatever has arrived, WAL and FULL,
//! acknowledged after the commit. No ledger, no supervision, no account, no quarantine: a kill stores some messages
//! twice, a bad payload ends it. What being safe costs is what the recorder needs more than this.

use std::future::ready;
use std::path::Path;

use barograph::os::world;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Packet, Publish};
use rusqlite::{Connection, params};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::{bare, field};

const BATCH_MAX: usize = 5_000;

/// A delivery and the row it becomes.
struct Received {
    publish: Publish,
    field: [f64; 3],
    at: String,
}

/// Records for ever.
pub(crate) fn record(port: u16, database: &Path) {
    let connection = field::open(database).expect("a folder of our own");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, mut events) = bare::connect(port);
        loop {
            let batch = gather(&mut events).await.expect("a broker");
            store(&connection, &batch).expect("nobody locks it");
            acknowledge(&client, &batch);
        }
    });
}

/// At least one message, and then as many as have already arrived.
async fn gather(events: &mut EventLoop) -> Result<Vec<Received>, ConnectionError> {
    let mut batch = Vec::new();
    while batch.len() < BATCH_MAX {
        tokio::select! {
            biased;
            event = events.poll() => if let Event::Incoming(Packet::Publish(publish)) = event? {
                batch.push(decode(publish));
            },
            () = ready(()), if !batch.is_empty() => break,
        }
    }
    Ok(batch)
}

fn decode(publish: Publish) -> Received {
    let value: Value = serde_json::from_slice(&publish.payload).expect("JSON");
    let field = ["x", "y", "z"].map(|axis| value[axis].as_f64().expect("a number"));
    Received { publish, field, at: world::now().to_string() }
}

fn store(connection: &Connection, batch: &[Received]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut statement = connection.prepare_cached(field::INSERT)?;
    for Received { field: [x, y, z], at, .. } in batch {
        statement.execute(params![x, y, z, at])?;
    }
    connection.execute_batch("COMMIT")
}

fn acknowledge(client: &AsyncClient, batch: &[Received]) {
    for received in batch {
        client.try_ack(&received.publish).expect("room for an acknowledgement");
    }
}
