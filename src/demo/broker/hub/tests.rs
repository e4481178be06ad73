use super::*;
use bytes::BytesMut;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rumqttc::mqttbytes::v4::{ConnAck, Login, PubAck, PubComp, PubRec, PubRel};

fn hub() -> Hub {
    Hub::new(Limits::default())
}

fn kept(client: &str) -> Connect {
    Connect { clean_session: false, ..Connect::new(client) }
}

/// Connects and returns the connection with what came after the CONNACK.
fn join(hub: &mut Hub, connect: Connect, session_present: bool) -> (ConnectionId, Vec<Packet>) {
    let id = hub.connect(connect).expect("admitted");
    let mut packets = drain(hub, id);
    let connack = ConnAck::new(ConnectReturnCode::Success, session_present);
    assert_eq!(packets.remove(0), Packet::ConnAck(connack));
    (id, packets)
}

fn drain(hub: &mut Hub, id: ConnectionId) -> Vec<Packet> {
    std::iter::from_fn(|| hub.next_packet(id)).collect()
}

fn send(hub: &mut Hub, id: ConnectionId, packet: Packet) {
    hub.receive(id, packet).expect("no violation");
}

fn subscribe(hub: &mut Hub, id: ConnectionId, filter: &str, qos: QoS) {
    let subscribe = Subscribe { pkid: 7, ..Subscribe::new(filter, qos) };
    send(hub, id, Packet::Subscribe(subscribe));
    let granted = SubAck::new(7, vec![SubscribeReasonCode::Success(qos)]);
    assert_eq!(hub.next_packet(id), Some(Packet::SubAck(granted)));
}

fn publish(hub: &mut Hub, id: ConnectionId, topic: &str, qos: QoS, payload: &str) {
    let packet_id = if qos == QoS::AtMostOnce { 0 } else { 9 };
    let message = Publish { pkid: packet_id, ..Publish::new(topic, qos, payload) };
    send(hub, id, Packet::Publish(message));
    if qos == QoS::ExactlyOnce {
        send(hub, id, Packet::PubRel(PubRel::new(packet_id)));
    }
    drain(hub, id);
}

/// A message as text: packet id, "D" for DUP, "R" for retained, payload.
fn told(packets: &[Packet]) -> Vec<String> {
    packets.iter().map(tell).collect()
}

fn tell(packet: &Packet) -> String {
    if let Packet::Publish(publish) = packet {
        let dup = if publish.dup { "D" } else { "" };
        let retain = if publish.retain { "R" } else { "" };
        let payload = String::from_utf8_lossy(&publish.payload);
        format!("{}{dup}{retain} {payload}", publish.pkid)
    } else {
        format!("{packet:?}")
    }
}

fn puback(hub: &mut Hub, id: ConnectionId, packet_id: u16) {
    send(hub, id, Packet::PubAck(PubAck::new(packet_id)));
}

#[test]
fn unacked_messages_come_back_in_order_with_dup_and_their_ids_before_fresh_ones() {
    let mut hub = hub();
    let (publisher, _) = join(&mut hub, Connect::new("station"), false);
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::AtLeastOnce);
    for payload in ["a", "b", "c", "d", "e", "f"] {
        publish(&mut hub, publisher, "t", QoS::AtLeastOnce, payload);
    }
    assert_eq!(told(&drain(&mut hub, id)), ["1 a", "2 b", "3 c", "4 d", "5 e", "6 f"]);
    puback(&mut hub, id, 3);
    puback(&mut hub, id, 1);
    hub.leave(id);
    publish(&mut hub, publisher, "t", QoS::AtLeastOnce, "g");
    publish(&mut hub, publisher, "t", QoS::AtMostOnce, "lost");

    let (id, packets) = join(&mut hub, kept("recorder"), true);
    assert_eq!(told(&packets), ["2D b", "4D d", "5D e", "6D f", "7 g"]);
    for packet_id in [2, 4, 5, 6, 7] {
        puback(&mut hub, id, packet_id);
    }
    let stats = hub.stats();
    assert_eq!((stats.delivered, stats.redelivered, stats.acked), (7, 4, 7));
    assert_eq!((stats.dropped, stats.pending, stats.stray_acks), (1, 0, 0));
}

#[test]
fn window_bounds_what_is_in_flight_and_holds_up_no_qos_0() {
    let mut hub = Hub::new(Limits { in_flight_len_max: 2, ..Limits::default() });
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::ExactlyOnce);
    for payload in ["a", "b", "c", "d"] {
        publish(&mut hub, id, "t", QoS::AtLeastOnce, payload);
    }
    let publisher = join(&mut hub, Connect::new("station"), false).0;
    publish(&mut hub, publisher, "t", QoS::AtMostOnce, "fleeting");
    assert_eq!(told(&drain(&mut hub, id)), ["0 fleeting"], "a and b are in flight");
    assert_eq!(hub.stats().pending, 4);
    puback(&mut hub, id, 1);
    assert_eq!(told(&drain(&mut hub, id)), ["3 c"]);
}

#[test]
fn packet_ids_wrap_past_those_in_flight() {
    let mut hub = Hub::new(Limits { in_flight_len_max: 2, ..Limits::default() });
    let (publisher, _) = join(&mut hub, Connect::new("station"), false);
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::AtLeastOnce);
    publish(&mut hub, publisher, "t", QoS::AtLeastOnce, "stays");
    assert_eq!(told(&drain(&mut hub, id)), ["1 stays"]);
    for expected in (2..=u16::MAX).chain(2..5) {
        publish(&mut hub, publisher, "t", QoS::AtLeastOnce, "goes");
        assert_eq!(told(&drain(&mut hub, id)), [format!("{expected} goes")]);
        puback(&mut hub, id, expected);
    }
}

#[test]
fn full_queue_drops_the_oldest_qos_0_first_and_then_the_newcomer() {
    let mut hub = Hub::new(Limits { queue_len_max: 3, in_flight_len_max: 1, ..Limits::default() });
    let (publisher, _) = join(&mut hub, Connect::new("station"), false);
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::ExactlyOnce);
    let (zero, one) = (QoS::AtMostOnce, QoS::AtLeastOnce);
    for (qos, payload) in [(zero, "a"), (one, "b"), (zero, "c"), (one, "d"), (zero, "e")] {
        publish(&mut hub, publisher, "t", qos, payload);
    }
    assert_eq!(hub.stats().dropped, 2, "a and c");
    publish(&mut hub, publisher, "t", one, "f");
    publish(&mut hub, publisher, "t", one, "g");
    assert_eq!(hub.stats().dropped, 4, "e and the newcomer g");
    assert_eq!(told(&drain(&mut hub, id)), ["1 b"]);
    puback(&mut hub, id, 1);
    assert_eq!(told(&drain(&mut hub, id)), ["2 d"]);
    puback(&mut hub, id, 2);
    assert_eq!(told(&drain(&mut hub, id)), ["3 f"]);
}

#[test]
fn qos_2_from_a_client_is_taken_once_however_often_it_is_sent() {
    let mut hub = hub();
    let (listener, _) = join(&mut hub, Connect::new("listener"), false);
    subscribe(&mut hub, listener, "t", QoS::AtMostOnce);
    let (id, _) = join(&mut hub, kept("station"), false);
    let message = Publish { pkid: 5, ..Publish::new("t", QoS::ExactlyOnce, "x") };
    send(&mut hub, id, Packet::Publish(message.clone()));
    assert_eq!(drain(&mut hub, id), [Packet::PubRec(PubRec::new(5))]);
    hub.leave(id);

    let (id, _) = join(&mut hub, kept("station"), true);
    send(&mut hub, id, Packet::Publish(Publish { dup: true, ..message.clone() }));
    send(&mut hub, id, Packet::PubRel(PubRel::new(5)));
    send(&mut hub, id, Packet::PubRel(PubRel::new(5)));
    let comp = Packet::PubComp(PubComp::new(5));
    assert_eq!(drain(&mut hub, id), [Packet::PubRec(PubRec::new(5)), comp.clone(), comp]);
    assert_eq!(told(&drain(&mut hub, listener)), ["0 x"]);

    send(&mut hub, id, Packet::Publish(message));
    assert_eq!(told(&drain(&mut hub, listener)), ["0 x"], "a released id means a new message");
    assert_eq!((hub.stats().published, hub.stats().repeated), (2, 1));
}

#[test]
fn qos_2_to_a_client_resumes_at_the_step_it_had_reached() {
    let mut hub = hub();
    let (publisher, _) = join(&mut hub, Connect::new("station"), false);
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::ExactlyOnce);
    for payload in ["a", "b", "c"] {
        publish(&mut hub, publisher, "t", QoS::ExactlyOnce, payload);
    }
    assert_eq!(told(&drain(&mut hub, id)), ["1 a", "2 b", "3 c"]);
    puback(&mut hub, id, 1);
    send(&mut hub, id, Packet::PubComp(PubComp::new(1)));
    assert_eq!(hub.stats().stray_acks, 2, "QoS 2 needs PUBREC, then PUBCOMP");
    for packet_id in [2, 1] {
        send(&mut hub, id, Packet::PubRec(PubRec::new(packet_id)));
    }
    let releases = [2, 1].map(|packet_id| Packet::PubRel(PubRel::new(packet_id)));
    assert_eq!(drain(&mut hub, id), releases);
    send(&mut hub, id, Packet::PubComp(PubComp::new(1)));
    hub.leave(id);

    let (id, packets) = join(&mut hub, kept("recorder"), true);
    assert_eq!(packets[0], Packet::PubRel(PubRel::new(2)));
    assert_eq!(told(&packets[1..]), ["3D c"]);
    send(&mut hub, id, Packet::PubRec(PubRec::new(3)));
    send(&mut hub, id, Packet::PubComp(PubComp::new(2)));
    send(&mut hub, id, Packet::PubComp(PubComp::new(3)));
    assert_eq!((hub.stats().acked, hub.stats().pending), (3, 0));
}

#[test]
fn delivery_has_the_lower_qos_and_overlapping_subscriptions_deliver_once() {
    let mut hub = hub();
    let (publisher, _) = join(&mut hub, Connect::new("station"), false);
    let (id, _) = join(&mut hub, Connect::new("listener"), false);
    subscribe(&mut hub, id, "a/#", QoS::AtMostOnce);
    subscribe(&mut hub, id, "a/+", QoS::AtLeastOnce);
    publish(&mut hub, publisher, "a/b", QoS::ExactlyOnce, "x");
    publish(&mut hub, publisher, "a/b/c", QoS::ExactlyOnce, "y");
    assert_eq!(told(&drain(&mut hub, id)), ["0 y", "1 x"]);
}

#[test]
fn retained_message_greets_new_subscribers_until_an_empty_one_ends_it() {
    let mut hub = hub();
    let (station, _) = join(&mut hub, Connect::new("station"), false);
    let retained = |payload: &str| {
        let message = Publish::new("a/b", QoS::AtMostOnce, payload);
        Packet::Publish(Publish { retain: true, ..message })
    };
    send(&mut hub, station, retained("old"));
    send(&mut hub, station, retained("new"));
    let (id, _) = join(&mut hub, Connect::new("listener"), false);
    subscribe(&mut hub, id, "a/+", QoS::AtLeastOnce);
    assert_eq!(told(&drain(&mut hub, id)), ["0R new"]);
    send(&mut hub, station, retained("newer"));
    assert_eq!(told(&drain(&mut hub, id)), ["0 newer"], "to a subscriber it is a plain message");
    subscribe(&mut hub, id, "a/+", QoS::AtLeastOnce);
    assert_eq!(told(&drain(&mut hub, id)), ["0R newer"], "subscribing again asks for it again");
    send(&mut hub, station, retained(""));
    drain(&mut hub, id);
    subscribe(&mut hub, id, "a/+", QoS::AtLeastOnce);
    assert!(drain(&mut hub, id).is_empty());
}

#[test]
fn takeover_ends_the_older_connection_and_keeps_the_session() {
    let mut hub = hub();
    let (older, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, older, "t", QoS::AtLeastOnce);
    publish(&mut hub, older, "t", QoS::AtLeastOnce, "a");
    hub.take_stirred();
    let (newer, packets) = join(&mut hub, kept("recorder"), true);
    assert_eq!(told(&packets), ["1D a"]);
    assert!(!hub.is_attached(older) && hub.is_attached(newer));
    assert!(hub.take_stirred().contains(&older), "its task must learn of it");
    puback(&mut hub, older, 1);
    assert_eq!(hub.stats().pending, 1, "an ended connection acknowledges nothing");
    hub.leave(older);
    assert!(hub.is_attached(newer), "the end of the older one does not concern the newer");
}

#[test]
fn clean_session_forgets_before_and_after() {
    let mut hub = hub();
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::AtLeastOnce);
    hub.leave(id);
    let (id, _) = join(&mut hub, Connect::new("recorder"), false);
    publish(&mut hub, id, "t", QoS::AtLeastOnce, "nobody listens");
    assert_eq!(hub.stats().delivered, 0);
    subscribe(&mut hub, id, "t", QoS::AtLeastOnce);
    publish(&mut hub, id, "t", QoS::AtLeastOnce, "not acknowledged");
    hub.leave(id);
    assert_eq!((hub.stats().dropped, hub.stats().pending), (1, 0));
    join(&mut hub, kept("recorder"), false);
}

#[test]
fn will_is_published_at_an_abrupt_end_and_discarded_at_a_goodbye() {
    let mut hub = hub();
    let (listener, _) = join(&mut hub, Connect::new("listener"), false);
    subscribe(&mut hub, listener, "gone", QoS::AtLeastOnce);
    let mut station = kept("station");
    station.last_will = Some(LastWill::new("gone", "station", QoS::AtLeastOnce, true));

    let (id, _) = join(&mut hub, station.clone(), false);
    send(&mut hub, id, Packet::Disconnect);
    send(&mut hub, id, Packet::PingReq);
    assert!(!hub.is_attached(id) && drain(&mut hub, listener).is_empty());

    let (id, _) = join(&mut hub, station, true);
    hub.leave(id);
    hub.leave(id);
    assert_eq!(told(&drain(&mut hub, listener)), ["1 station"]);
    subscribe(&mut hub, listener, "gone", QoS::AtLeastOnce);
    assert_eq!(told(&drain(&mut hub, listener)), ["2R station"]);
}

#[test]
fn unsuback_comes_after_the_acks_before_it_were_taken() {
    let mut hub = hub();
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::AtLeastOnce);
    publish(&mut hub, id, "t", QoS::AtLeastOnce, "a");
    puback(&mut hub, id, 1);
    let barrier = Unsubscribe { pkid: 3, ..Unsubscribe::new("nobody/uses/this") };
    send(&mut hub, id, Packet::Unsubscribe(barrier));
    assert_eq!(drain(&mut hub, id), [Packet::UnsubAck(UnsubAck { pkid: 3 })]);
    assert_eq!((hub.stats().acked, hub.stats().pending), (1, 0));
    send(&mut hub, id, Packet::Unsubscribe(Unsubscribe { pkid: 4, ..Unsubscribe::new("t") }));
    publish(&mut hub, id, "t", QoS::AtLeastOnce, "b");
    assert_eq!(hub.stats().pending, 0, "no subscription is left");
}

#[test]
fn forgotten_sessions_are_gone_with_what_they_held() {
    let mut hub = hub();
    let (id, _) = join(&mut hub, kept("recorder"), false);
    subscribe(&mut hub, id, "t", QoS::AtLeastOnce);
    publish(&mut hub, id, "t", QoS::AtLeastOnce, "a");
    assert_eq!(hub.forget_sessions(), 1);
    assert!(!hub.is_attached(id) && hub.take_stirred().contains(&id));
    assert_eq!((hub.stats().dropped, hub.stats().pending), (1, 0));
    let (_, packets) = join(&mut hub, kept("recorder"), false);
    assert!(packets.is_empty());
}

#[test]
fn cut_ends_every_connection_and_keeps_the_sessions() {
    let mut hub = hub();
    join(&mut hub, kept("a"), false);
    join(&mut hub, kept("b"), false);
    assert_eq!((hub.cut_all(), hub.cut_all()), (2, 0));
    assert_eq!(hub.stats().connected, 0);
    join(&mut hub, kept("a"), true);
}

#[test]
fn refused_filters_fail_by_name_and_the_others_are_granted() {
    let mut hub = hub();
    hub.rules.refused_filters.insert("secret/#".to_owned());
    let (id, _) = join(&mut hub, Connect::new("listener"), false);
    let mut subscribe = Subscribe { pkid: 2, ..Subscribe::new("secret/#", QoS::AtLeastOnce) };
    subscribe.add("open/#".to_owned(), QoS::ExactlyOnce).add("bad#".to_owned(), QoS::AtMostOnce);
    send(&mut hub, id, Packet::Subscribe(subscribe));
    let codes = vec![
        SubscribeReasonCode::Failure,
        SubscribeReasonCode::Success(QoS::ExactlyOnce),
        SubscribeReasonCode::Failure,
    ];
    assert_eq!(drain(&mut hub, id), [Packet::SubAck(SubAck::new(2, codes))]);
}

#[test]
fn door_admits_whom_it_was_told_to() {
    use ConnectReturnCode as Code;
    let with_login = |user: &str, password: &str| {
        let mut connect = Connect::new("a");
        connect.set_login(user, password);
        connect
    };
    let v5 = Connect { protocol: Protocol::V5, ..Connect::new("a") };
    let mut bad_will = Connect::new("a");
    bad_will.last_will = Some(LastWill::new("a/#", "", QoS::AtMostOnce, false));
    let login = Door::Login(Login::new("user", "right"));
    let table = [
        (Door::Open, Connect::new("a"), Ok(())),
        (Door::Open, Connect::new(""), Ok(())),
        (Door::Open, kept(""), Err(Code::BadClientId)),
        (Door::Open, v5, Err(Code::RefusedProtocolVersion)),
        (Door::Open, bad_will, Err(Code::NotAuthorized)),
        (login.clone(), with_login("user", "right"), Ok(())),
        (login.clone(), with_login("user", "wrong"), Err(Code::BadUserNamePassword)),
        (login, Connect::new("a"), Err(Code::BadUserNamePassword)),
        (Door::Refuse(Code::ServiceUnavailable), Connect::new("a"), Err(Code::ServiceUnavailable)),
    ];
    for (door, connect, expected) in table {
        let mut hub = hub();
        hub.rules.door = door;
        let what = format!("{connect:?}");
        assert_eq!(hub.connect(connect).map(|_| ()), expected, "{what}");
        let (accepted, refused) = (u64::from(expected.is_ok()), u64::from(expected.is_err()));
        assert_eq!((hub.stats().connects, hub.stats().refusals), (accepted, refused), "{what}");
    }
}

#[test]
fn violations_are_told() {
    let subscribe = Subscribe::new("a", QoS::AtMostOnce);
    let no_filter = Unsubscribe { pkid: 1, topics: Vec::new() };
    let table = [
        (Packet::Connect(Connect::new("a")), Violation::SecondConnect),
        (Packet::PingResp, Violation::ServerPacket),
        (
            Packet::Publish(Publish::new("a/+", QoS::AtMostOnce, "")),
            Violation::Topic("a/+".to_owned()),
        ),
        (Packet::Subscribe(subscribe), Violation::PacketIdZero),
        (Packet::Unsubscribe(Unsubscribe::new("a")), Violation::PacketIdZero),
        (Packet::Unsubscribe(no_filter), Violation::EmptyUnsubscribe),
    ];
    for (packet, expected) in table {
        let mut hub = hub();
        let (id, _) = join(&mut hub, Connect::new("a"), false);
        assert_eq!(hub.receive(id, packet), Err(expected));
    }
}

/// Whole packets with some bytes changed, as a hostile or broken client would send them.
#[test]
fn hostile_bytes_cause_no_panic() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut login = Connect::new("b");
    login.set_login("u", "p").last_will = Some(LastWill::new("w", "x", QoS::AtLeastOnce, true));
    let samples = [
        Packet::Connect(login),
        Packet::Publish(Publish { pkid: 1, ..Publish::new("é/x", QoS::AtLeastOnce, "x") }),
        Packet::Publish(Publish { pkid: 2, ..Publish::new("t", QoS::ExactlyOnce, "y") }),
        Packet::Subscribe(Subscribe { pkid: 3, ..Subscribe::new("#", QoS::ExactlyOnce) }),
        Packet::Unsubscribe(Unsubscribe { pkid: 4, ..Unsubscribe::new("+/x") }),
        Packet::PubAck(PubAck::new(1)),
        Packet::PubRec(PubRec::new(2)),
        Packet::PubRel(PubRel::new(2)),
        Packet::PubComp(PubComp::new(2)),
        Packet::PingReq,
    ];
    let mut hub = hub();
    let (mut taken, mut malformed, mut violations) = (0, 0, 0);
    let (mut id, _) = join(&mut hub, Connect::new("hostile"), false);
    for round in 0..20_000 {
        let mut bytes = BytesMut::new();
        samples[round % samples.len()].write(&mut bytes, usize::MAX).unwrap();
        for _ in 0..random.random_range(0..3) {
            let place = random.random_range(0..bytes.len());
            bytes[place] = random.random();
        }
        match Packet::read(&mut bytes, 1024) {
            Ok(packet) => match hub.receive(id, packet) {
                Ok(()) => taken += 1,
                Err(_) => violations += 1,
            },
            Err(_) => malformed += 1,
        }
        if !hub.is_attached(id) {
            id = hub.connect(Connect::new("hostile")).unwrap();
        }
        for packet in drain(&mut hub, id) {
            packet.write(&mut BytesMut::new(), usize::MAX).expect("what comes out can be written");
        }
    }
    assert!(taken > 1000 && malformed > 1000 && violations > 100);
}
