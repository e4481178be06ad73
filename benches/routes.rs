//! What a message costs by the number of routes: it must not grow with them.

use std::hint::black_box;

use barograph_actors::message::delivery::{Delivery, UnixMillis};
use barograph_actors::message::route::Router;
use barograph_actors::mqtt::decode::decode;
use barograph_config::{Column, Kind, Qos, Route};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const PAYLOAD: &[u8] = br#"{"temperature":21.5,"humidity":40.5,"battery":97}"#;

/// With as many routes as a file may have.
const COUNTS: [usize; 4] = [2, 100, 480, 10_000];

fn router(count: usize) -> Router {
    let columns =
        || ["temperature", "humidity", "battery"].map(|name| Column::new(name, Kind::Real));
    let route = |number| {
        Route::new(
            &format!("plant/line{number}/+/state"),
            &format!("t{number}"),
            columns().to_vec(),
        )
    };
    Router::new((0..count).map(route).collect())
}

/// Messages of all routes in turn.
fn deliveries(count: usize) -> Vec<Delivery> {
    let delivery = |number| Delivery {
        topic: format!("plant/line{}/device/state", number % count),
        payload: PAYLOAD.into(),
        whole_size: PAYLOAD.len() as u64,
        packet_size: 100,
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        packet_id: 1,
        received_at: UnixMillis(1_759_479_845_007),
        properties: Vec::new(),
    };
    (0..480).map(|number| delivery(number * 7_919)).collect()
}

fn routes(criterion: &mut Criterion) {
    for count in COUNTS {
        let (router, deliveries) = (router(count), deliveries(count));
        let mut group = criterion.benchmark_group(format!("{count} routes, 480 messages"));
        group.bench_function("find", |bencher| {
            bencher.iter(|| {
                deliveries.iter().filter(|it| router.find(black_box(&it.topic)).is_some()).count()
            });
        });
        group.bench_function("decode", |bencher| {
            let decode_all = |deliveries: Vec<Delivery>| -> usize {
                let records = deliveries.into_iter().map(|it| decode(it, &router, 1 << 20));
                records.filter(|record| record.route.0.is_some()).count()
            };
            bencher.iter_batched(|| deliveries.clone(), decode_all, BatchSize::SmallInput);
        });
        group.finish();
    }
}

criterion_group!(benches, routes);
criterion_main!(benches);
