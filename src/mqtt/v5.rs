//! MQTT 5 on rumqttc's codec. No topic alias is announced (so none comes), and no maximum packet
//! size: the broker would drop what is larger without a word.

use barograph_actors::ports::{BrokerRefusal, Down, DownKind, Filter, Publication};
use barograph_config::{Mqtt, Qos};
use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::{QoS, v5};

use super::outgoing::Takes;
use super::packet::{Keep, MalformedPacket, Packet, Publish, Wire, refused};

/// MQTT 5.
#[derive(Debug)]
pub(super) struct V5;

/// Writing to memory fails only for a packet beyond MQTT's own limit, and ours are small.
fn put(packet: &v5::Packet, out: &mut BytesMut) {
    let written = packet.write(out, None);
    debug_assert!(written.is_ok(), "{written:?}");
}

fn qos_in(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn qos_out(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

impl Wire for V5 {
    fn connect(&self, settings: &Mqtt, will: Option<&Publication>, keep: Keep, out: &mut BytesMut) {
        let mut properties = v5::ConnectProperties::new();
        let expiry = u32::try_from(settings.session_expiry.as_secs()).unwrap_or(u32::MAX);
        properties.session_expiry_interval = Some(if keep == Keep::Nothing { 0 } else { expiry });
        properties.receive_maximum = Some(settings.receive_maximum);
        let connect = v5::Connect {
            keep_alive: u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX),
            client_id: settings.client_id.clone(),
            clean_start: keep == Keep::Nothing,
            properties: Some(properties),
        };
        let login = settings.username.as_ref().map(|username| {
            let password = settings.password.as_ref().map_or("", |password| password.expose());
            v5::Login::new(username.clone(), password)
        });
        let will = will.map(|will| v5::LastWill {
            topic: Bytes::copy_from_slice(will.topic.as_bytes()),
            message: will.payload.clone(),
            qos: qos_out(will.qos),
            retain: will.retain,
            properties: None,
        });
        put(&v5::Packet::Connect(connect, will, login), out);
    }

    fn subscribe(
        &self,
        packet_id: u16,
        filters: &[Filter],
        identifier: Option<u32>,
        out: &mut BytesMut,
    ) {
        let filter = |wanted: &Filter| {
            let mut filter = v5::Filter::new(wanted.topic.clone(), qos_out(wanted.qos));
            filter.retain_forward_rule = match wanted.is_repeated {
                true => v5::RetainForwardRule::OnEverySubscribe,
                false => v5::RetainForwardRule::OnNewSubscribe,
            };
            filter
        };
        let id = identifier.and_then(|identifier| usize::try_from(identifier).ok());
        let properties =
            id.map(|id| v5::SubscribeProperties { id: Some(id), user_properties: Vec::new() });
        let mut subscribe = v5::Subscribe::new_many(filters.iter().map(filter), properties);
        subscribe.pkid = packet_id;
        put(&v5::Packet::Subscribe(subscribe), out);
    }

    fn unsubscribe(&self, packet_id: u16, filters: &[String], out: &mut BytesMut) {
        let filters = filters.to_vec();
        let unsubscribe = v5::Unsubscribe { pkid: packet_id, filters, properties: None };
        put(&v5::Packet::Unsubscribe(unsubscribe), out);
    }

    fn publish(&self, message: &Publication, packet_id: Option<u16>, out: &mut BytesMut) {
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        let mut publish = v5::Publish::new(topic, qos_out(message.qos), payload, None);
        publish.retain = message.retain;
        publish.pkid = packet_id.unwrap_or(0);
        put(&v5::Packet::Publish(publish), out);
    }

    fn puback(&self, packet_id: u16, out: &mut BytesMut) {
        put(&v5::Packet::PubAck(v5::PubAck::new(packet_id, None)), out);
    }

    fn pubrec(&self, packet_id: u16, out: &mut BytesMut) {
        put(&v5::Packet::PubRec(v5::PubRec::new(packet_id, None)), out);
    }

    fn pubcomp(&self, packet_id: u16, out: &mut BytesMut) {
        put(&v5::Packet::PubComp(v5::PubComp::new(packet_id, None)), out);
    }

    fn pingreq(&self, out: &mut BytesMut) {
        put(&v5::Packet::PingReq(v5::PingReq), out);
    }

    fn disconnect(&self, out: &mut BytesMut) {
        let normal = v5::Disconnect::new(v5::DisconnectReasonCode::NormalDisconnection);
        put(&v5::Packet::Disconnect(normal), out);
    }

    fn decode(&self, input: &mut BytesMut) -> Result<Packet, MalformedPacket> {
        let packet = v5::Packet::read(input, None)
            .map_err(|error| MalformedPacket::Codec(Box::new(error)))?;
        Ok(match packet {
            v5::Packet::Publish(p) => {
                let (subscription, properties) = match p.properties {
                    Some(given) => (only(&given.subscription_identifiers), given.user_properties),
                    None => (only(&[]), Vec::new()),
                };
                Packet::Publish(Publish {
                    topic: String::from_utf8(p.topic.to_vec())?,
                    payload: p.payload,
                    qos: qos_in(p.qos),
                    retain: p.retain,
                    dup: p.dup,
                    packet_id: p.pkid,
                    properties,
                    subscription,
                })
            }
            v5::Packet::PubRel(p) => Packet::PubRel(p.pkid),
            v5::Packet::UnsubAck(p) => Packet::UnsubAck(p.pkid),
            v5::Packet::PubAck(p) => Packet::PubAck(p.pkid, taken(p)),
            v5::Packet::PingResp(_) => Packet::PingResp,
            v5::Packet::SubAck(p) => {
                Packet::SubAck(p.pkid, p.return_codes.into_iter().map(granted).collect())
            }
            v5::Packet::ConnAck(p) => {
                let takes = takes(p.properties.as_ref());
                let reason = p.properties.and_then(|properties| properties.reason_string);
                Packet::ConnAck {
                    session_present: p.session_present,
                    refused: refusal(p.code, reason),
                    takes,
                }
            }
            v5::Packet::Disconnect(p) => Packet::Disconnect(farewell(p)),
            other @ (v5::Packet::Auth(_)
            | v5::Packet::Connect(..)
            | v5::Packet::PubRec(_)
            | v5::Packet::PubComp(_)
            | v5::Packet::Subscribe(_)
            | v5::Packet::Unsubscribe(_)
            | v5::Packet::PingReq(_)) => Packet::Unexpected(format!("{other:?}")),
        })
    }

    fn has_properties(&self) -> bool {
        true
    }
}

/// The identifier of the only subscription, 0 if it has none; `None` of several.
fn only(identifiers: &[usize]) -> Option<u32> {
    match identifiers {
        [] => Some(0),
        [one] => u32::try_from(*one).ok(),
        _ => None,
    }
}

fn granted(code: v5::SubscribeReasonCode) -> Result<Qos, BrokerRefusal> {
    if let v5::SubscribeReasonCode::Success(qos) = code {
        Ok(qos_in(qos))
    } else {
        Err(BrokerRefusal(format!("{code:?}")))
    }
}

/// What the broker takes from us; what it does not say has no limit.
fn takes(properties: Option<&v5::ConnAckProperties>) -> Takes {
    let free = Takes::default();
    let Some(said) = properties else { return free };
    Takes {
        receive_maximum: said.receive_max.unwrap_or(free.receive_maximum),
        packet_max: said
            .max_packet_size
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(free.packet_max),
        at_least_once: said.max_qos.is_none_or(|max| max > 0),
        retain: said.retain_available.is_none_or(|can| can > 0),
        identifiers: said.subscription_identifiers_available.is_none_or(|can| can > 0),
    }
}

fn taken(answer: v5::PubAck) -> Result<(), BrokerRefusal> {
    use v5::PubAckReason as Reason;
    match answer.reason {
        Reason::Success | Reason::NoMatchingSubscribers => Ok(()),
        Reason::UnspecifiedError
        | Reason::ImplementationSpecificError
        | Reason::NotAuthorized
        | Reason::TopicNameInvalid
        | Reason::PacketIdentifierInUse
        | Reason::QuotaExceeded
        | Reason::PayloadFormatInvalid => {
            let text = answer.properties.and_then(|properties| properties.reason_string);
            Err(BrokerRefusal(with_reason(format!("{:?}", answer.reason), text)))
        }
    }
}

fn refusal(code: v5::ConnectReturnCode, reason: Option<String>) -> Option<Down> {
    use v5::ConnectReturnCode as Code;
    if code == Code::Success {
        return None;
    }
    let credentials = [
        Code::BadUserNamePassword,
        Code::NotAuthorized,
        Code::Banned,
        Code::BadAuthenticationMethod,
        Code::BadClientId,
        Code::ClientIdentifierNotValid,
    ];
    let protocol = [
        Code::RefusedProtocolVersion,
        Code::UnsupportedProtocolVersion,
        Code::ProtocolError,
        Code::MalformedPacket,
    ];
    let kind = if credentials.contains(&code) {
        DownKind::Credentials
    } else if protocol.contains(&code) {
        DownKind::Protocol
    } else {
        DownKind::Closed
    };
    Some(refused(kind, &with_reason(format!("{code:?}"), reason)))
}

fn farewell(disconnect: v5::Disconnect) -> Down {
    let code = disconnect.reason_code;
    let reason = disconnect.properties.and_then(|properties| properties.reason_string);
    if code == v5::DisconnectReasonCode::SessionTakenOver {
        let message = "another client connected with our client id and took the session over; \
            give each recorder its own mqtt.client_id. Trying again in a minute"
            .to_owned();
        return Down { kind: DownKind::TakenOver, message };
    }
    let code = with_reason(format!("{code:?}"), reason);
    Down { kind: DownKind::Closed, message: format!("the broker ended the connection: {code}") }
}

fn with_reason(code: String, reason: Option<String>) -> String {
    match reason {
        Some(reason) => format!("{code}: {reason}"),
        None => code,
    }
}
