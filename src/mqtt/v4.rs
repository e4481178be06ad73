//! MQTT 3.1.1 on rumqttc's codec.

use barograph_actors::ports::{BrokerRefusal, DownKind, Filter, Publication};
use barograph_config::{Mqtt, Qos};
use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4;

use super::outgoing::Takes;
use super::packet::{Keep, MalformedPacket, Packet, Publish, Wire, refused};

/// MQTT 3.1.1.
#[derive(Debug)]
pub(super) struct V4;

/// Writing to memory fails only for a packet beyond MQTT's own limit, and ours are small.
fn put(packet: &v4::Packet, out: &mut BytesMut) {
    let written = packet.write(out, usize::MAX);
    debug_assert!(written.is_ok(), "{written:?}");
}

fn qos_out(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn qos_in(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

impl Wire for V4 {
    fn connect(&self, settings: &Mqtt, will: Option<&Publication>, keep: Keep, out: &mut BytesMut) {
        let mut connect = v4::Connect::new(settings.client_id.clone());
        connect.keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
        connect.clean_session = keep == Keep::Nothing;
        if let Some(username) = &settings.username {
            let password = settings.password.as_ref().map_or("", |password| password.expose());
            connect.set_login(username.clone(), password);
        }
        connect.last_will = will.map(|will| v4::LastWill {
            topic: will.topic.clone(),
            message: will.payload.clone(),
            qos: qos_out(will.qos),
            retain: will.retain,
        });
        put(&v4::Packet::Connect(connect), out);
    }

    fn subscribe(&self, packet_id: u16, filters: &[Filter], _: Option<u32>, out: &mut BytesMut) {
        let filter =
            |filter: &Filter| v4::SubscribeFilter::new(filter.topic.clone(), qos_out(filter.qos));
        let mut subscribe = v4::Subscribe::new_many(filters.iter().map(filter));
        subscribe.pkid = packet_id;
        put(&v4::Packet::Subscribe(subscribe), out);
    }

    fn unsubscribe(&self, packet_id: u16, filters: &[String], out: &mut BytesMut) {
        let unsubscribe = v4::Unsubscribe { pkid: packet_id, topics: filters.to_vec() };
        put(&v4::Packet::Unsubscribe(unsubscribe), out);
    }

    fn publish(&self, message: &Publication, packet_id: Option<u16>, out: &mut BytesMut) {
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        let mut publish = v4::Publish::from_bytes(topic, qos_out(message.qos), payload);
        publish.retain = message.retain;
        publish.pkid = packet_id.unwrap_or(0);
        put(&v4::Packet::Publish(publish), out);
    }

    fn puback(&self, packet_id: u16, out: &mut BytesMut) {
        put(&v4::Packet::PubAck(v4::PubAck::new(packet_id)), out);
    }

    fn pubrec(&self, packet_id: u16, out: &mut BytesMut) {
        put(&v4::Packet::PubRec(v4::PubRec::new(packet_id)), out);
    }

    fn pubcomp(&self, packet_id: u16, out: &mut BytesMut) {
        put(&v4::Packet::PubComp(v4::PubComp::new(packet_id)), out);
    }

    fn pingreq(&self, out: &mut BytesMut) {
        put(&v4::Packet::PingReq, out);
    }

    fn disconnect(&self, out: &mut BytesMut) {
        put(&v4::Packet::Disconnect, out);
    }

    fn decode(&self, input: &mut BytesMut) -> Result<Packet, MalformedPacket> {
        let packet = v4::Packet::read(input, usize::MAX)
            .map_err(|error| MalformedPacket::Codec(Box::new(error)))?;
        Ok(match packet {
            v4::Packet::Publish(p) => Packet::Publish(Publish {
                topic: p.topic,
                payload: p.payload,
                qos: qos_in(p.qos),
                retain: p.retain,
                dup: p.dup,
                packet_id: p.pkid,
                properties: Vec::new(),
                subscription: None,
            }),
            v4::Packet::PubRel(p) => Packet::PubRel(p.pkid),
            v4::Packet::UnsubAck(p) => Packet::UnsubAck(p.pkid),
            v4::Packet::PubAck(p) => Packet::PubAck(p.pkid, Ok(())),
            v4::Packet::PingResp => Packet::PingResp,
            v4::Packet::SubAck(p) => {
                Packet::SubAck(p.pkid, p.return_codes.into_iter().map(granted).collect())
            }
            v4::Packet::ConnAck(p) => Packet::ConnAck {
                session_present: p.session_present,
                refused: refusal(p.code),
                takes: Takes::default(),
            },
            other @ (v4::Packet::Connect(_)
            | v4::Packet::PubRec(_)
            | v4::Packet::PubComp(_)
            | v4::Packet::Subscribe(_)
            | v4::Packet::Unsubscribe(_)
            | v4::Packet::PingReq
            | v4::Packet::Disconnect) => Packet::Unexpected(format!("{other:?}")),
        })
    }

    fn has_properties(&self) -> bool {
        false
    }
}

fn granted(code: v4::SubscribeReasonCode) -> Result<Qos, BrokerRefusal> {
    match code {
        v4::SubscribeReasonCode::Success(qos) => Ok(qos_in(qos)),
        v4::SubscribeReasonCode::Failure => {
            Err(BrokerRefusal("it gives no reason (MQTT 3.1.1, code 128)".to_owned()))
        }
    }
}

fn refusal(code: v4::ConnectReturnCode) -> Option<barograph_actors::ports::Down> {
    use v4::ConnectReturnCode as Code;
    let kind = match code {
        Code::Success => return None,
        Code::BadUserNamePassword | Code::NotAuthorized | Code::BadClientId => {
            DownKind::Credentials
        }
        Code::RefusedProtocolVersion => DownKind::Protocol,
        Code::ServiceUnavailable => DownKind::Closed,
    };
    Some(refused(kind, &format!("{code:?}")))
}
