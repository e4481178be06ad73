//! The supervisor over puppets: children that do what a test wants.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::supervisor::child::ThreadPlacement;
use crate::supervisor::{Cause, Link};
use crate::testing::harness::{Seen, eventually, with_paused_time};

/// What a puppet does in each of its lives.
#[derive(Debug, Clone)]
struct Script {
    ready: bool,
    beats: bool,
    heeds_stop: bool,
    gives_up: Option<Cause>,
}

const GOOD: Script = Script { ready: true, beats: true, heeds_stop: true, gives_up: None };

struct Puppet {
    script: Script,
    lifeline: Lifeline,
}

impl Actor for Puppet {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.script.beats {
            ctx.run_interval(Duration::from_millis(100), |puppet, _| {
                puppet.lifeline.pulse().beat()
            });
        }
        if let Some(cause) = self.script.gives_up.clone() {
            self.lifeline.fail(cause);
            ctx.stop();
        } else if self.script.ready {
            self.lifeline.ready();
        }
    }
}

impl Handler<Stop> for Puppet {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        if self.script.heeds_stop {
            ctx.stop();
        }
    }
}

impl Handler<Fault> for Puppet {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}

/// A theatre of three puppets, and the links to them.
struct Theatre {
    seen: Seen,
    supervisor: actix::Addr<Supervisor>,
    links: [Link<Puppet>; 3],
    /// Released with the supervisor.
    lock: std::rc::Weak<()>,
}

const NAMES: [&str; 3] = ["first", "second", "third"];
const STOP_WITHIN: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

fn policy() -> Policy {
    Policy {
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_secs(1),
        intensity: 8,
        intensity_period: Duration::from_secs(60),
        stable_after: Duration::from_secs(30),
    }
}

/// A lock that is never lost.
impl InstanceLock for Rc<()> {
    fn lost(&self) -> Option<String> {
        None
    }
}

/// `scripts` are asked for anew in each life.
fn open(scripts: [Rc<RefCell<Script>>; 3]) -> Theatre {
    open_with(scripts, |spec| spec)
}

fn open_with(scripts: [Rc<RefCell<Script>>; 3], change: fn(ChildSpec) -> ChildSpec) -> Theatre {
    let links = [Link::new(), Link::new(), Link::new()];
    let specs = (0..3).map(|index| {
        let script = Rc::clone(&scripts[index]);
        change(ChildSpec::of(
            NAMES[index],
            STOP_WITHIN[index],
            ThreadPlacement::Shared,
            links[index].clone(),
            move |lifeline| {
                let script = script.borrow().clone();
                Box::new(move || Puppet { script, lifeline })
            },
        ))
    });
    let (seen, lock) = (Seen::default(), Rc::new(()));
    let held = Rc::downgrade(&lock);
    let observer = Box::new(seen.clone());
    let stuck_after = Duration::from_secs(30);
    let supervisor =
        Supervisor::new(specs.collect(), policy(), stuck_after, || 1.0, observer, Box::new(lock));
    Theatre { seen, supervisor: supervisor.start(), links, lock: held }
}

fn with_second(second: Script) -> Theatre {
    open([GOOD, second, GOOD].map(|script| Rc::new(RefCell::new(script))))
}

impl Theatre {
    async fn ready(self) -> Self {
        eventually(5, "ready", || self.seen.has("ready")).await;
        self
    }

    async fn inject(&self, child: &str, fault: Fault) -> bool {
        self.supervisor
            .send(Inject { child: child.to_owned(), fault })
            .await
            .expect("the supervisor lives")
    }

    async fn renew(&self, child: &str) -> bool {
        let renew = Renew { child: child.to_owned(), why: "a test".to_owned() };
        self.supervisor.send(renew).await.expect("the supervisor lives")
    }

    /// How long the ordered stop took.
    async fn shut_down(&self) -> (TreeOutcome, Duration) {
        let began = Instant::now();
        self.supervisor.do_send(Shutdown);
        (self.seen.outcome(60).await, began.elapsed())
    }
}

#[test]
fn the_next_child_starts_only_when_the_one_before_is_ready() {
    with_paused_time(async {
        let theatre = with_second(Script { ready: false, ..GOOD });
        eventually(5, "the second starts", || theatre.seen.has("second starting")).await;
        tokio::time::sleep(Duration::from_secs(20)).await; // nothing is to happen
        assert_eq!(theatre.seen.in_order(&[" starting"]), ["first starting", "second starting"]);
        theatre.inject("first", Fault::Panic).await;
        eventually(5, "the first is back", || theatre.seen.times("first running").len() == 2).await;
        assert!(!theatre.seen.has("third starting"), "the wrong one has become ready");
        assert!(!theatre.seen.has("ready"));
        let (outcome, took) = theatre.shut_down().await;
        assert!(outcome.code == exit_code::OK && took < Duration::from_millis(50));
    });
}

/// (which child does not heed the request to stop, how long the whole stop takes)
#[test]
fn a_child_that_does_not_stop_is_passed_over_after_its_own_time() {
    for (deaf, expected) in STOP_WITHIN.iter().enumerate() {
        with_paused_time(async {
            let mut scripts = [GOOD, GOOD, GOOD];
            scripts[deaf].heeds_stop = false;
            let theatre = open(scripts.map(|script| Rc::new(RefCell::new(script)))).ready().await;
            let (outcome, took) = theatre.shut_down().await;
            assert_eq!(outcome, TreeOutcome { code: exit_code::OK, reason: None });
            assert!(took >= *expected && took < *expected + Duration::from_millis(50), "{took:?}");
            let asked = theatre.seen.in_order(&[" stopping"]);
            assert_eq!(asked, ["third stopping", "second stopping", "first stopping"]);
        });
    }
}

/// (ready before its pulse stands still)
#[test]
fn a_child_whose_pulse_stands_still_ends_the_process() {
    for ready in [true, false] {
        with_paused_time(async {
            let began = Instant::now();
            let theatre = with_second(Script { ready, beats: false, ..GOOD });
            let outcome = theatre.seen.outcome(60).await;
            assert_eq!(outcome.code, exit_code::ESCALATED);
            assert!(outcome.reason.is_some_and(|reason| reason.contains("second is stuck")));
            let took = began.elapsed();
            assert!(took > Duration::from_secs(30) && took < Duration::from_secs(32), "{took:?}");
            assert_eq!(theatre.seen.look().exits[0], ("second", Exit::Stuck));
            assert!(!theatre.seen.has("second stopping"), "a stuck thread is not asked");
        });
    }
}

#[test]
fn a_stuck_child_that_owns_nothing_is_replaced_and_the_others_do_not_notice() {
    with_paused_time(async {
        let script = Rc::new(RefCell::new(Script { beats: false, ..GOOD }));
        let good = || Rc::new(RefCell::new(GOOD));
        let theatre =
            open_with([good(), Rc::clone(&script), good()], ChildSpec::expendable).ready().await;
        eventually(40, "it is given up", || theatre.seen.has("second stuck")).await;
        script.replace(GOOD);
        eventually(5, "it lives again", || theatre.seen.times("second running").len() == 2).await;
        assert_eq!(theatre.seen.look().exits, [("second", Exit::Stuck), ("second", Exit::Stuck)]);
        assert_eq!(theatre.seen.times("first starting").len(), 1);
        assert_eq!(theatre.seen.times("third starting").len(), 1);
        tokio::time::sleep(Duration::from_secs(60)).await; // the late report of the old life is stale
        assert_eq!(theatre.seen.times("second starting").len(), 2);
    });
}

#[test]
fn a_child_is_renewed_when_asked_for_and_nothing_is_counted_against_it() {
    with_paused_time(async {
        let theatre = with_second(GOOD).ready().await;
        for time in 1..=20 {
            assert!(theatre.renew("second").await);
            eventually(1, "it lives anew", || {
                theatre.seen.times("second running").len() == time + 1
            })
            .await;
        }
        assert_eq!(theatre.seen.times("second renewed: a test").len(), 20);
        assert!(!theatre.seen.has("first stopping") && theatre.seen.look().outcome.is_none());
        assert!(!theatre.renew("fourth").await, "there is none");
    });
}

#[test]
fn a_child_that_does_not_stop_when_it_is_to_be_renewed_is_stuck() {
    with_paused_time(async {
        let theatre = with_second(Script { heeds_stop: false, ..GOOD }).ready().await;
        assert!(theatre.renew("second").await);
        assert!(!theatre.renew("second").await, "it is under way");
        let outcome = theatre.seen.outcome(60).await;
        assert_eq!(outcome.code, exit_code::ESCALATED);
        assert!(outcome.reason.is_some_and(|reason| reason.contains("second is stuck")));
    });
}

#[test]
fn a_stop_while_a_child_is_renewed_stops_it_for_good() {
    with_paused_time(async {
        let theatre = with_second(Script { heeds_stop: false, ..GOOD }).ready().await;
        assert!(theatre.renew("second").await);
        let (outcome, took) = theatre.shut_down().await;
        assert_eq!(outcome.code, exit_code::OK);
        assert!(took <= STOP_WITHIN[1] + Duration::from_millis(50), "{took:?}");
        assert_eq!(theatre.seen.times("second starting").len(), 1);
    });
}

#[test]
fn pauses_double_up_to_their_bound_and_begin_anew_after_a_stable_life() {
    with_paused_time(async {
        let theatre = with_second(GOOD).ready().await;
        let death = async |lived: u64| {
            tokio::time::sleep(Duration::from_secs(lived)).await; // the length of this life
            let deaths = theatre.seen.times("second restarting").len();
            assert!(theatre.inject("second", Fault::Panic).await);
            eventually(9, "it lives", || theatre.seen.times("second starting").len() == deaths + 2)
                .await;
            let (died, began) =
                (theatre.seen.times("second restarting"), theatre.seen.times("second starting"));
            (began[deaths + 1] - died[deaths]).as_millis()
        };
        for (lived, pause) in
            [(1, 100), (1, 200), (1, 400), (1, 800), (1, 1_000), (1, 1_000), (31, 100), (1, 200)]
        {
            let is = death(lived).await;
            assert!((pause..pause + 3).contains(&is), "{is} ms, not {pause}");
        }
    });
}

#[test]
fn a_link_fails_fast_while_its_child_is_dead_and_leads_to_the_next_life() {
    with_paused_time(async {
        let theatre = with_second(GOOD).ready().await;
        let before: Vec<_> = theatre.links.iter().map(|link| link.get().expect("alive")).collect();
        theatre.inject("second", Fault::Stop).await;
        eventually(1, "it is dead", || theatre.seen.has("second restarting")).await;
        assert!(theatre.links[1].get().is_none());
        eventually(1, "it lives again", || theatre.links[1].get().is_some()).await;
        assert!(!before[1].connected() && theatre.links[1].get() != Some(before[1].clone()));
        for untouched in [0, 2] {
            assert_eq!(theatre.links[untouched].get(), Some(before[untouched].clone()));
        }
    });
}

#[test]
fn a_child_that_gives_up_for_now_is_tried_again_and_the_others_wait_for_it() {
    with_paused_time(async {
        let script =
            Rc::new(RefCell::new(Script { gives_up: Some(Cause::passing("not yet")), ..GOOD }));
        let good = || Rc::new(RefCell::new(GOOD));
        let theatre = open([good(), Rc::clone(&script), good()]);
        eventually(5, "it has given up twice", || {
            theatre.seen.times("second restarting").len() == 2
        })
        .await;
        assert_eq!(
            theatre.seen.look().exits[0],
            ("second", Exit::Failed(Cause::passing("not yet")))
        );
        assert!(!theatre.seen.has("third starting"));
        script.replace(GOOD);
        let theatre = theatre.ready().await;
        assert!(theatre.seen.has("third running"));
    });
}

#[test]
fn a_child_that_gives_up_for_good_ends_the_process_with_its_code() {
    with_paused_time(async {
        let theatre =
            with_second(Script { gives_up: Some(Cause::permanent("hopeless", 65)), ..GOOD });
        let outcome = theatre.seen.outcome(5).await;
        assert_eq!(outcome, TreeOutcome { code: 65, reason: Some("hopeless".to_owned()) });
        assert_eq!(theatre.seen.in_order(&["third starting", " restarting"]), Vec::<String>::new());
        assert!(theatre.seen.has("first stopped"));
    });
}

#[test]
fn a_stop_does_not_wait_for_a_child_that_is_about_to_be_restarted() {
    with_paused_time(async {
        let deaf = Script { heeds_stop: false, ..GOOD };
        let theatre = open([deaf, GOOD, GOOD].map(|script| Rc::new(RefCell::new(script))));
        let theatre = theatre.ready().await;
        theatre.inject("second", Fault::Panic).await;
        eventually(1, "it is dead", || theatre.seen.has("second restarting")).await;
        let (_, took) = theatre.shut_down().await;
        assert!(took < STOP_WITHIN[0] + Duration::from_millis(50), "{took:?}");
        assert_eq!(theatre.seen.times("second starting").len(), 1, "nor is it restarted meanwhile");
    });
}

#[test]
fn a_child_that_ends_while_it_is_asked_to_stop_is_not_restarted() {
    with_paused_time(async {
        let theatre = with_second(Script { heeds_stop: false, ..GOOD }).ready().await;
        let second = theatre.links[1].get().expect("alive");
        theatre.supervisor.do_send(Shutdown);
        eventually(1, "it is asked", || theatre.seen.has("second stopping")).await;
        second.do_send(Fault::Panic);
        assert_eq!(theatre.seen.outcome(1).await.code, exit_code::OK);
        assert!(theatre.seen.has("second stopped") && !theatre.seen.has("second restarting"));
    });
}

#[test]
fn too_many_deaths_in_a_short_time_end_the_process_whoever_died() {
    with_paused_time(async {
        let theatre = with_second(GOOD).ready().await;
        for death in 0..=8 {
            let child = NAMES[death % 3];
            eventually(5, "it lives", || theatre.links[death % 3].get().is_some()).await;
            theatre.inject(child, Fault::Panic).await;
            eventually(5, "it died", || theatre.seen.look().exits.len() > 2 * death).await;
        }
        let outcome = theatre.seen.outcome(5).await;
        assert_eq!(outcome.code, exit_code::ESCALATED);
        assert!(outcome.reason.is_some_and(|reason| reason.contains("9th restart")));
        assert_eq!(theatre.seen.in_order(&[" restarting"]).len(), 8);
    });
}

#[test]
fn the_locks_are_held_until_the_last_child_has_stopped() {
    with_paused_time(async {
        let theatre = with_second(Script { heeds_stop: false, ..GOOD }).ready().await;
        theatre.supervisor.do_send(Shutdown);
        eventually(1, "it is asked", || theatre.seen.has("second stopping")).await;
        assert!(theatre.lock.upgrade().is_some());
        theatre.seen.outcome(5).await;
        eventually(1, "they are released", || theatre.lock.upgrade().is_none()).await;
        assert_eq!(theatre.seen.look().abandoned, None, "the end was in order");
    });
}

#[test]
fn a_fault_for_a_child_that_is_not_there_is_answered_with_no() {
    with_paused_time(async {
        let theatre = with_second(GOOD).ready().await;
        assert!(!theatre.inject("fourth", Fault::Stop).await);
        theatre.inject("third", Fault::Stop).await;
        eventually(1, "it is dead", || theatre.seen.has("third restarting")).await;
        assert!(!theatre.inject("third", Fault::Stop).await);
    });
}

#[test]
fn a_child_that_says_ready_again_is_told_of_once() {
    with_paused_time(async {
        let theatre = with_second(GOOD).ready().await;
        let again = theatre.links[1].get().expect("alive");
        again.do_send(Again);
        again.do_send(Again);
        tokio::time::sleep(Duration::from_millis(10)).await; // nothing is to happen
        assert_eq!(theatre.seen.times("second running").len(), 1);
    });
}

/// Says `ready` again.
struct Again;

impl Message for Again {
    type Result = ();
}

impl Handler<Again> for Puppet {
    type Result = ();

    fn handle(&mut self, _: Again, _: &mut Context<Self>) {
        self.lifeline.ready();
    }
}
