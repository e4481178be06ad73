//! Other routes on the connection that there is.

use std::time::Duration;

use barograph_config::{Qos, Route};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::message::children::{DB_WRITER, HEALTH, MQTT};
use crate::message::routing::Rerouted;
use crate::message::write::WriteCause;
use crate::ports::{OpenError, Outlook};
use crate::status::Destination;
use crate::supervisor::Fault;
use crate::testing::harness::{House, eventually, settings, with_paused_time};

/// The one route there is, wider, and a second one.
fn others() -> Vec<Route> {
    let mut routes = settings().routes;
    let second = Route { table: "b".into(), ..routes[0].clone() }.on("b/#");
    routes[0].columns.push(barograph_config::Column {
        name: "m".into(),
        pointer: "/m".into(),
        required: false,
        ..second.columns[0].clone()
    });
    routes.push(second);
    routes
}

fn want(house: &House, routes: &[Route]) -> oneshot::Receiver<Rerouted> {
    let (tell, told) = oneshot::channel();
    house.routing.want(routes, |outcome| drop(tell.send(outcome)));
    told
}

/// A column that takes small numbers only.
fn bounded() -> Vec<Route> {
    let mut routes = settings().routes;
    routes[0].columns[0].max = Some(10.0);
    routes
}

#[test]
fn a_trouble_with_a_reading_lasts_over_a_reload_only_where_its_route_does() {
    with_paused_time(async {
        let house =
            House::new(barograph_config::Settings { routes: bounded(), ..settings() }).await;
        house.broker.publish(50, Qos::AtLeastOnce); // from 10 on they are out of bounds
        let troubles = || house.published.readings().troubles().len();
        eventually(10, "a reading is out of bounds", || troubles() == 1).await;
        let mut wider = bounded();
        wider.push(Route { table: "b".into(), ..settings().routes[0].clone() }.on("b/#"));
        assert_eq!(want(&house, &wider).await, Ok(Rerouted::Done));
        assert_eq!(troubles(), 1, "its route is as it was");
        assert_eq!(want(&house, &others()).await, Ok(Rerouted::Done));
        assert_eq!(troubles(), 0, "its column has no bounds any more");
        assert_eq!(want(&house, &bounded()).await, Ok(Rerouted::Done));
        house.broker.publish(1, Qos::AtLeastOnce);
        eventually(10, "again", || troubles() == 1).await;
        assert_eq!(want(&house, &wider[1..]).await, Ok(Rerouted::Done));
        assert_eq!(troubles(), 0, "its route is gone");
    });
}

fn refusal(cause: WriteCause, outlook: Outlook) -> OpenError {
    OpenError { cause, message: "the database says no".to_owned(), outlook }
}

async fn goes_on(house: &House) {
    house.broker.publish(100, Qos::AtLeastOnce);
    house.settle().await;
    house.broker.assert_nothing_lost_and_nothing_twice();
}

#[test]
fn a_change_is_made_whoever_dies_over_it_and_whenever() {
    for victim in [MQTT, DB_WRITER, HEALTH] {
        for millis in [0, 1, 2, 5, 20, 100] {
            with_paused_time(async {
                let house = House::new(settings()).await;
                house.broker.publish(500, Qos::AtLeastOnce);
                let told = want(&house, &others());
                sleep(Duration::from_millis(millis)).await;
                house.inject(victim, Fault::Panic).await;
                assert_eq!(told.await, Ok(Rerouted::Done), "{victim} after {millis} ms");
                let router = house.routing.now();
                let (id, route) = router.find("a/1").expect("it is still there");
                assert_eq!((id.0, route.columns.len()), (Some(0), 2));
                assert!(router.find("b/1").is_some() && house.routing.wanted().is_none());
                goes_on(&house).await;
                if victim != MQTT {
                    assert_eq!(house.broker.state().connects.len(), 1, "the session is kept");
                }
            });
        }
    }
}

#[test]
fn what_the_old_ones_decoded_is_written_first_without_waiting_for_the_commit_interval() {
    with_paused_time(async {
        let mut settings = settings();
        settings.database.commit_interval = Duration::from_secs(60);
        let house = House::new(settings).await;
        house.broker.publish(500, Qos::AtLeastOnce);
        eventually(10, "some of it waits", || house.published.held() > 0).await;
        let began = tokio::time::Instant::now();
        assert_eq!(want(&house, &others()).await, Ok(Rerouted::Done));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(house.seen.in_order(&[" restarting"]), [""; 0], "no row of other columns");
        house.broker.publish(50, Qos::AtLeastOnce);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}

#[test]
fn a_database_that_contradicts_them_refuses_them_and_one_that_is_busy_is_asked_again() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        let clash = refusal(WriteCause::SchemaClash, Outlook::NeedsAPerson);
        house.disk.platter().open_faults.push_back(clash);
        let refused = Rerouted::Refused("the database says no".to_owned());
        assert_eq!(want(&house, &others()).await, Ok(refused));
        assert_eq!(house.routing.now().active().count(), 1, "the old ones stay");
        goes_on(&house).await;
        let busy =
            [WriteCause::Busy, WriteCause::Locked].map(|cause| refusal(cause, Outlook::MayPass));
        house.disk.platter().open_faults.extend(busy);
        let told = want(&house, &others());
        sleep(Duration::from_millis(500)).await;
        assert_eq!(house.routing.now().active().count(), 1, "not yet");
        goes_on(&house).await;
        assert_eq!(told.await, Ok(Rerouted::Done));
        goes_on(&house).await;
        assert!(house.seen.in_order(&[" restarting"]).is_empty());
        assert_eq!(house.broker.state().connects.len(), 1);
    });
}

#[test]
fn while_nothing_becomes_durable_they_wait_and_what_comes_is_taken_by_the_old_ones() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        house.broker.publish(10, Qos::AtLeastOnce);
        eventually(600, "nothing takes it", || {
            house.published.destination.get() == Destination::Nowhere
        })
        .await;
        let mut told = want(&house, &others());
        sleep(Duration::from_secs(60)).await;
        assert!(told.try_recv().is_err() && house.routing.now().active().count() == 1);
        let held = house.published.held();
        house.broker.publish(10, Qos::AtMostOnce);
        eventually(60, "it is still read", || house.published.held() > held).await;
        house.disk.platter().lock(false);
        assert_eq!(told.await, Ok(Rerouted::Done));
        goes_on(&house).await;
    });
}

#[test]
fn only_the_last_of_several_changes_is_made_and_one_that_is_taken_back_is_not() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        let first = want(&house, &others());
        let second = want(&house, &others()[1..]);
        assert_eq!(first.await, Ok(Rerouted::Superseded));
        assert_eq!(second.await, Ok(Rerouted::Done));
        assert!(house.routing.now().find("a/1").is_none());
        let third = want(&house, &others());
        house.routing.want_no_change();
        assert_eq!(third.await, Ok(Rerouted::Superseded));
        sleep(Duration::from_secs(10)).await;
        assert!(house.routing.now().find("a/1").is_none());
        assert_eq!(house.broker.state().connects.len(), 1);
    });
}

#[test]
fn another_commit_interval_holds_at_once() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.broker.publish(1, Qos::AtLeastOnce);
        house.settle().await;
        let mut settings = settings();
        settings.database.commit_interval = Duration::from_secs(30);
        house.in_force.set(settings);
        house.broker.publish(1, Qos::AtLeastOnce);
        sleep(Duration::from_secs(20)).await;
        assert!(!house.broker.is_settled(), "it is not due");
        sleep(Duration::from_secs(11)).await;
        house.settle().await;
    });
}
