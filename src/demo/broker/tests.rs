use super::hub::{DemoClient, IN_FLIGHT_LEN_MAX};
use super::*;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, PubAck, PubRel, Publish, Subscribe};
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

const CONNACK: &str = "ConnAck(ConnAck { session_present: true, code: Success })";

/// Connects, with a session that is kept or not, and subscribes to "t".
fn join(hub: &mut DemoSessions, id: &str, clean_session: bool) -> (DemoClient, Receiver<Packet>) {
    let connect = Connect { clean_session, ..Connect::new(id) };
    let (client, packets) = hub.connect(connect).unwrap();
    let subscribe = Subscribe { pkid: 7, ..Subscribe::new("t", QoS::ExactlyOnce) };
    hub.receive(&client, Packet::Subscribe(subscribe)).unwrap();
    (client, packets)
}

fn publish(hub: &mut DemoSessions, client: &DemoClient, qos: QoS, payload: &str) {
    let message = Publish { pkid: 9, ..Publish::new("t", qos, payload) };
    hub.receive(client, Packet::Publish(message)).unwrap();
}

fn acknowledge(hub: &mut DemoSessions, client: &DemoClient, packet_id: u16) {
    hub.receive(client, Packet::PubAck(PubAck::new(packet_id))).unwrap();
}

/// What a client is sent; a message is its packet id, "D" for DUP, and the payload.
fn told(packets: &mut Receiver<Packet>) -> Vec<String> {
    let tell = |packet| {
        let Packet::Publish(publish) = packet else { return format!("{packet:?}") };
        let dup = if publish.dup { "D" } else { "" };
        format!("{}{dup} {}", publish.pkid, String::from_utf8_lossy(&publish.payload))
    };
    std::iter::from_fn(|| packets.try_recv().ok()).map(tell).collect()
}

#[test]
fn unacknowledged_messages_come_back_in_order_with_their_ids_before_new_ones() {
    let mut hub = DemoSessions::default();
    let (station, _packets) = join(&mut hub, "station", true);
    let (recorder, mut packets) = join(&mut hub, "recorder", false);
    let granted = "SubAck(SubAck { pkid: 7, return_codes: [Success(AtLeastOnce)] })";
    assert_eq!(told(&mut packets), [CONNACK.replace("true", "false").as_str(), granted]);
    for payload in ["a", "b", "c", "d"] {
        publish(&mut hub, &station, QoS::AtLeastOnce, payload);
    }
    assert_eq!(told(&mut packets), ["1 a", "2 b", "3 c", "4 d"]);
    acknowledge(&mut hub, &recorder, 3);
    acknowledge(&mut hub, &recorder, 1);
    hub.leave(&recorder);
    publish(&mut hub, &station, QoS::AtLeastOnce, "e");
    publish(&mut hub, &station, QoS::AtMostOnce, "not kept for a client that is away");

    let (newer, mut packets) = join(&mut hub, "recorder", false);
    assert_eq!(told(&mut packets), [CONNACK, "2D b", "4D d", "5 e", granted]);
    let (_, mut again) = join(&mut hub, "recorder", false);
    assert_eq!(told(&mut again), [CONNACK, "2D b", "4D d", "5D e", granted], "a takeover");
    assert!(hub.receive(&newer, Packet::PingReq).is_err(), "the older connection ends");
    let (_, mut clean) = join(&mut hub, "recorder", true);
    assert_eq!(told(&mut clean), [CONNACK.replace("true", "false").as_str(), granted]);
}

#[test]
fn full_window_holds_up_no_qos_0() {
    let mut hub = DemoSessions::default();
    let (client, mut packets) = join(&mut hub, "recorder", true);
    for number in 0..=IN_FLIGHT_LEN_MAX {
        publish(&mut hub, &client, QoS::AtLeastOnce, &number.to_string());
    }
    publish(&mut hub, &client, QoS::AtMostOnce, "soon");
    assert_eq!(told(&mut packets).last().unwrap(), "0 soon");
    acknowledge(&mut hub, &client, 3);
    assert_eq!(told(&mut packets), ["21 20"]);
}

#[test]
fn qos_2_is_taken_once_however_often_it_is_sent() {
    let mut hub = DemoSessions::default();
    let (client, mut packets) = join(&mut hub, "station", true);
    publish(&mut hub, &client, QoS::ExactlyOnce, "x");
    publish(&mut hub, &client, QoS::ExactlyOnce, "x");
    hub.receive(&client, Packet::PubRel(PubRel::new(9))).unwrap();
    publish(&mut hub, &client, QoS::ExactlyOnce, "y");
    let (rec, comp) = ("PubRec(PubRec { pkid: 9 })", "PubComp(PubComp { pkid: 9 })");
    assert_eq!(told(&mut packets)[2..], [rec, "1 x", rec, comp, rec, "2 y"]);
}

/// What the broker answers to these bytes until it closes the connection.
async fn answer(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(HANDSHAKE_MAX, stream.read_to_end(&mut answer)).await.expect("closed in time").unwrap();
    answer
}

/// Bytes of a CONNECT: protocol 4 (3.1.1) or 5, clean session, a keep-alive of 1 s, client id "k".
fn connect(protocol: u8) -> [u8; 15] {
    [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', protocol, 2, 0, 1, 0, 1, b'k']
}

#[tokio::test]
async fn silence_and_what_is_no_mqtt_3_1_1_end_their_connection() {
    let broker = DemoBroker::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let addr = broker.local_addr;
    let serving = tokio::spawn(broker.serve(std::future::pending()));
    assert_eq!(answer(addr, &connect(5)).await, [0x20, 2, 0, 1], "unacceptable protocol version");
    for bytes in [&[0xc0, 0][..], &[0x10, 0xff, 0xff, 0xff, 0xff]] {
        assert!(answer(addr, bytes).await.is_empty(), "{bytes:?}");
    }
    let started = Instant::now();
    assert_eq!(answer(addr, &connect(4)).await, [0x20, 2, 0, 0]);
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
    serving.abort();
}
