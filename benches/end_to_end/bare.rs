//! The bare receive loop, a process of its own: rumqttc's client, each message acknowledged by hand and thrown away.

use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS};
use tokio::runtime::Builder;

use crate::field::{CLIENT_ID, FILTER};
use crate::rate::warm_up;

/// Acknowledgements that may wait. Under load rumqttc reads much faster than it takes requests: with 200,000 the channel of
/// the reference overflowed in the middle of 300,000.
const REQUESTS: usize = 1_000_000;

/// The client of both naive contestants, and its subscription under way.
pub(crate) fn connect(port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(CLIENT_ID, "127.0.0.1", port);
    options.set_clean_session(false).set_manual_acks(true).set_keep_alive(Duration::from_secs(60));
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    client.try_subscribe(FILTER, QoS::ExactlyOnce).expect("the channel is empty");
    (client, events)
}

/// Receives `count` messages, says the messages a second after the warm-up, and goes on for ever.
pub(crate) fn receive(port: u16, count: i64) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, mut events) = connect(port);
        let (mut received, mut warm) = (0, Instant::now());
        loop {
            if let Event::Incoming(Packet::Publish(publish)) =
                events.poll().await.expect("a broker")
            {
                client.try_ack(&publish).expect("room for an acknowledgement");
                received += 1;
                if received == warm_up(count) {
                    warm = Instant::now();
                } else if received == count {
                    let rate = (count - warm_up(count)) as f64 / warm.elapsed().as_secs_f64();
                    println!("{rate}");
                }
            }
        }
    });
}
