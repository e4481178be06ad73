//! What it costs to turn a delivery into a record, for both payloads of the station, beside JSON alone.

use std::hint::black_box;

use barograph_actors::message::delivery::{Delivery, UnixMillis};
use barograph_actors::message::route::Router;
use barograph_actors::mqtt::decode::decode;
use barograph_config::{Qos, Settings};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;

const WEATHER: (&str, &str) = (
    "backacres/house/weatherstation/weathermeters/",
    r#"{"utc":1759479845,"sampleinterval":5000,"temperature":5.22,"humidity":61.5,"pressure":1004.94,"irradiance":0.83,"winddirectionsensor":96,"raingaugecount":170,"anemometercount":1047952}"#,
);
const FIELD: (&str, &str) =
    ("backacres/house/weatherstation/magneticfluxsensor/", r#"{"x":1115,"y":-558,"z":-305}"#);

fn decoding(criterion: &mut Criterion) {
    let router = Router::new(Settings::default_with("bench").routes);
    for (name, message) in [("weather", WEATHER), ("field", FIELD)] {
        let mut group = criterion.benchmark_group(format!("decode {name}"));
        group.throughput(Throughput::Bytes(message.1.len() as u64));
        group.bench_function("record", |bencher| {
            let decoded = |delivery| decode(delivery, &router, 1 << 20);
            bencher.iter_batched(|| delivery(message), decoded, BatchSize::SmallInput);
        });
        group.bench_function("bare JSON", |bencher| {
            let parse = |payload| serde_json::from_slice::<Value>(payload).expect("JSON");
            bencher.iter(|| parse(black_box(message.1.as_bytes())));
        });
        group.finish();
    }
}

fn delivery((topic, payload): (&str, &'static str)) -> Delivery {
    Delivery {
        topic: topic.to_owned(),
        payload: payload.into(),
        whole_size: payload.len() as u64,
        packet_size: (payload.len() + topic.len() + 6) as u64,
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        packet_id: 1,
        received_at: UnixMillis(1_759_479_845_007),
        properties: Vec::new(),
    }
}

criterion_group!(benches, decoding);
criterion_main!(benches);
