//! `barograph simulate`: the simulated weather station, published to any broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::exit_code;
use barograph_config::{Mqtt, Overrides, Secret, World, load};
use jiff::Timestamp;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::commands::args::SimulateArgs;
use crate::demo::station::Station;
use crate::exit::Failed;
use crate::os::signals::on_signal;

/// Messages that may wait for the broker; beyond it the station waits. Few: after a reconnect the
/// client library sends what waits at one a millisecond.
const QUEUE_LEN_MAX: usize = 10;
/// Pause before the broker is tried again: the client library has none.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes until it is ended (Ctrl-C).
///
/// # Errors
/// The URL cannot be used.
pub fn simulate(args: &SimulateArgs) -> Result<i32, Failed> {
    let mqtt = broker_of(&args.mqtt)?;
    let failed =
        |error: std::io::Error| Failed { code: exit_code::ESCALATED, message: error.to_string() };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (stations, seed, interval) = (args.stations.max(1), args.seed, args.interval);
    let stations =
        (0..stations).map(|number| Station::new(seed, number).with_interval(interval)).collect();
    let plan = SimulationPlan { interval, stations };
    println!(
        "{} station(s) publish to {} every {}; Ctrl-C ends it",
        plan.stations.len(),
        mqtt.url,
        humantime::format_duration(plan.interval)
    );
    let asked = Arc::new(Notify::new());
    let handler = Arc::clone(&asked);
    on_signal(move || handler.notify_one())?;
    runtime.block_on(async {
        tokio::select! {
            () = publish(&mqtt, plan, |change| println!("{change}")) => {}
            () = asked.notified() => {}
        }
    });
    Ok(exit_code::OK)
}

/// The same parser and the same words as `mqtt.url` of the settings.
fn broker_of(url: &str) -> Result<Mqtt, Failed> {
    let config = |message: String| Failed { code: exit_code::CONFIG, message };
    let overrides = Overrides { mqtt_url: Some(Secret::new(url)), ..Overrides::default() };
    let nothing_else = World {
        env: BTreeMap::new(),
        etc_file: "/nonexistent".into(),
        cwd: "/nonexistent".into(),
        ..World::of_this_process()
    };
    let loaded = load(&nothing_else, &overrides).map_err(|error| config(error.to_string()))?;
    let mqtt = loaded.settings.mqtt;
    if mqtt.url.tls {
        return Err(config(
            "simulate speaks no TLS: give it an mqtt:// listener of the broker".to_owned(),
        ));
    }
    Ok(mqtt)
}

/// Which stations, how often.
#[derive(Debug, Clone)]
pub struct SimulationPlan {
    /// Time between two readings of a station.
    pub interval: Duration,
    /// The stations.
    pub stations: Vec<Station>,
}

/// Publishes for ever, at QoS 1, and tells of each change of the connection.
pub async fn publish(mqtt: &Mqtt, plan: SimulationPlan, tell: impl FnMut(&str)) {
    let id = format!("barograph-simulate-{}", std::process::id());
    let mut options = MqttOptions::new(id, mqtt.url.host.clone(), mqtt.url.port);
    options.set_keep_alive(Duration::from_secs(30));
    if let Some(username) = &mqtt.username {
        let password = mqtt.password.as_ref().map_or("", |password| password.expose());
        options.set_credentials(username, password);
    }
    let (client, events) = AsyncClient::new(options, QUEUE_LEN_MAX);
    tokio::join!(read_stations(client, plan), keep_connected(events, tell));
}

async fn read_stations(client: AsyncClient, plan: SimulationPlan) {
    let SimulationPlan { interval: pause, mut stations } = plan;
    let mut clock = interval(pause.max(Duration::from_millis(1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        for station in &mut stations {
            for (topic, payload) in station.reading(Timestamp::now()).messages() {
                if client.publish(topic, QoS::AtLeastOnce, false, payload).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn keep_connected(mut events: EventLoop, mut tell: impl FnMut(&str)) {
    events.network_options.set_tcp_nodelay(true);
    let mut down = false;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                tell("connected");
                down = false;
            }
            Ok(_) => {}
            Err(error) => {
                if !std::mem::replace(&mut down, true) {
                    tell(&format!("not connected ({error}); trying again every second"));
                }
                sleep(PAUSE).await;
            }
        }
    }
}
