//! The broker through real sockets, with the client that the recorder uses.

use super::*;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

/// A serving broker; dropping `stop` shuts it down.
struct Rig {
    addr: SocketAddr,
    mischief: Mischief,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn rig() -> Rig {
    let broker = Broker::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let (addr, mischief) = (broker.local_addr(), broker.mischief());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(broker.serve(async {
        let _ = stopped.await;
    }));
    Rig { addr, mischief, stop, serving }
}

fn client(rig: &Rig, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, "127.0.0.1", rig.addr.port());
    options.set_clean_session(false).set_manual_acks(true);
    AsyncClient::new(options, 100)
}

/// Polls until `wanted` answers something; connection errors on the way are survived, as rumqttc
/// reconnects.
async fn until<T>(events: &mut EventLoop, mut wanted: impl FnMut(Packet) -> Option<T>) -> T {
    let found = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if let Some(found) = wanted(packet) {
                        return found;
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(DEADLINE, found).await.expect("the packet arrives in time")
}

fn publish(packet: Packet) -> Option<Publish> {
    if let Packet::Publish(publish) = packet { Some(publish) } else { None }
}

fn session_present(packet: Packet) -> Option<bool> {
    if let Packet::ConnAck(ack) = packet { Some(ack.session_present) } else { None }
}

/// Lets the client's own traffic run until the broker's counters satisfy `enough`.
async fn until_stats(events: &mut EventLoop, rig: &Rig, enough: impl Fn(Stats) -> bool) {
    let reached = async {
        while !enough(rig.mischief.stats()) {
            let _ = timeout(Duration::from_millis(10), events.poll()).await;
        }
    };
    timeout(DEADLINE, reached).await.expect("the counters get there in time");
}

#[tokio::test]
async fn client_that_was_cut_gets_back_what_it_had_not_acked() {
    let rig = rig().await;
    let (recorder, mut events) = client(&rig, "recorder");
    assert!(!until(&mut events, session_present).await);
    recorder.subscribe("a/#", QoS::ExactlyOnce).await.unwrap();
    until(&mut events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
    for (qos, payload) in [(QoS::AtLeastOnce, "one"), (QoS::ExactlyOnce, "two")] {
        recorder.publish("a/b/", qos, false, payload).await.unwrap();
    }
    let first = until(&mut events, publish).await;
    let second = until(&mut events, publish).await;
    assert_eq!((first.pkid, &first.payload[..], first.dup), (1, &b"one"[..], false));
    assert_eq!((second.pkid, &second.payload[..]), (2, &b"two"[..]));
    recorder.ack(&first).await.unwrap();
    until_stats(&mut events, &rig, |stats| stats.acked == 1).await;

    assert_eq!(rig.mischief.cut_all(), 1);
    assert!(until(&mut events, session_present).await);
    let again = until(&mut events, publish).await;
    assert_eq!((again.pkid, &again.payload, again.dup), (2, &second.payload, true));
    recorder.ack(&again).await.unwrap();
    until_stats(&mut events, &rig, |stats| stats.acked == 2 && stats.pending == 0).await;

    rig.mischief.forget_sessions();
    assert!(!until(&mut events, session_present).await);
    let stats = rig.mischief.stats();
    assert_eq!((stats.delivered, stats.redelivered, stats.connects), (2, 1, 3));
}

#[tokio::test]
async fn refusals_reach_the_client() {
    let rig = rig().await;
    rig.mischief.refuse_filter("a");
    rig.mischief.set_door(Door::Refuse(rumqttc::ConnectReturnCode::BadUserNamePassword));
    let (recorder, mut events) = client(&rig, "recorder");
    let refused = timeout(DEADLINE, events.poll()).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("BadUserNamePassword"), "{refused}");
    rig.mischief.set_door(Door::Open);
    recorder.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let codes =
        |packet| if let Packet::SubAck(ack) = packet { Some(ack.return_codes) } else { None };
    assert_eq!(until(&mut events, codes).await, [rumqttc::SubscribeReasonCode::Failure]);
    rig.mischief.allow_filter("a");
    recorder.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let granted = rumqttc::SubscribeReasonCode::Success(QoS::AtLeastOnce);
    assert_eq!(until(&mut events, codes).await, [granted]);
}

#[tokio::test]
async fn shutdown_ends_all_connections() {
    let rig = rig().await;
    let (_recorder, mut events) = client(&rig, "recorder");
    until(&mut events, session_present).await;
    let mut silent = TcpStream::connect(rig.addr).await.unwrap();
    rig.stop.send(()).unwrap();
    timeout(DEADLINE, rig.serving).await.unwrap().unwrap();
    assert_eq!(rig.mischief.stats().connected, 0);
    assert!(matches!(timeout(DEADLINE, silent.read_u8()).await, Ok(Err(_))));
    assert!(timeout(DEADLINE, events.poll()).await.unwrap().is_err());
}

/// Bytes of a CONNECT: clean session, the given keep-alive in seconds, client id "k".
fn connect_bytes(keep_alive_s: u8) -> [u8; 15] {
    [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, keep_alive_s, 0, 1, b'k']
}

#[tokio::test]
async fn client_that_falls_silent_is_cut_after_one_and_a_half_keep_alives() {
    let rig = rig().await;
    let mut stream = TcpStream::connect(rig.addr).await.unwrap();
    let started = tokio::time::Instant::now();
    stream.write_all(&connect_bytes(1)).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let rig = rig().await;
    let (_recorder, mut events) = client(&rig, "recorder");
    until(&mut events, session_present).await;
    let after_connect = [&connect_bytes(0)[..], &[0xf0, 1, 1]].concat();
    // Read as MQTT, a browser's "GE" announces a packet of 69 bytes.
    let browser = format!("GET / HTTP/1.1\r\nUser-Agent: {:60}\r\n\r\n", "Mozilla");
    let endless_length = [0x10, 0xff, 0xff, 0xff, 0xff];
    let nonsense = [browser.as_bytes(), &[0xc0, 0], &endless_length, &after_connect];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(rig.addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Closing with bytes unread resets the connection, so an error is an end as good as any.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed in time");
    }
    until_stats(&mut events, &rig, |stats| stats.connected == 1).await;
}
