//! Whatever happens, in random order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Ends are told only of what was told, and nothing is new twice.
fn assert_told_in_order(phone: &Phone) {
    let mut believed = Vec::new();
    for (change, id) in phone.changes() {
        let known = believed.contains(&id);
        match change {
            IssueChange::New => believed.push(id),
            IssueChange::Worse | IssueChange::Still => {}
            IssueChange::Eased | IssueChange::Over => believed.retain(|other| *other != id),
        }
        assert_eq!(known, change != IssueChange::New, "{change:?} of {id}");
    }
}

/// One step of a random story.
#[derive(Debug, Clone)]
enum StoryStep {
    Flip(usize),
    Worsen(usize),
    Pass(u64),
    Fails(bool),
    Slow(u64),
    Quiet(bool),
}

fn steps() -> impl Strategy<Value = Vec<StoryStep>> {
    let step = prop_oneof![
        4 => (0..4_usize).prop_map(StoryStep::Flip),
        1 => (0..4_usize).prop_map(StoryStep::Worsen),
        4 => (1..200_u64).prop_map(StoryStep::Pass),
        1 => any::<bool>().prop_map(StoryStep::Fails),
        1 => any::<bool>().prop_map(StoryStep::Quiet),
        1 => (0..10_u64).prop_map(StoryStep::Slow),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_happens_the_person_ends_up_believing_what_is_true(
        steps in steps(), max_per_hour in 1..6_u32, after in 0..90_u64, repeats in any::<bool>(),
    ) {
        let hours = QuietHours { from_minute: 22 * 60, to_minute: 7 * 60 };
        let mut phone = Phone::new(Alert {
            max_per_hour,
            after: Duration::from_secs(after),
            repeat: repeats.then_some(30 * MINUTE),
            quiet_hours: Some(hours),
            ..alert()
        });
        let mut result = Ok(());
        let mut since = BTreeMap::new();
        for step in steps {
            match step {
                StoryStep::Flip(n) => {
                    let id = format!("i{n}");
                    if since.remove(&id).is_some() {
                        phone.issues.retain(|issue| issue.id != id);
                    } else {
                        phone.issues.push(issue(&id, Severity::Warning));
                        since.insert(id, phone.passed);
                    }
                    phone.look(); // what changes twice between two looks has not changed
                }
                StoryStep::Worsen(n) => {
                    let id = format!("i{n}");
                    let there = phone.issues.iter_mut().find(|issue| issue.id == id);
                    there.into_iter().for_each(|issue| issue.severity = Severity::Critical);
                }
                StoryStep::Pass(seconds) => {
                    let before = phone.left.len();
                    phone.pass(Duration::from_secs(seconds), result);
                    for (at, told) in &phone.left[before..] {
                        for item in told.items.iter().filter(|item| item.change == IssueChange::New) {
                            let lasted = *at - since[&item.issue.id];
                            prop_assert!(lasted >= Duration::from_secs(after), "told after {lasted:?}");
                            let quiet = hours.contains(phone.minute);
                            prop_assert!(!quiet || item.issue.severity == Severity::Critical);
                        }
                    }
                }
                StoryStep::Slow(seconds) => phone.latency = Duration::from_secs(seconds),
                StoryStep::Fails(fails) => result = if fails { BAD } else { Ok(()) },
                StoryStep::Quiet(quiet) => phone.minute = if quiet { 0 } else { 720 },
            }
        }
        phone.minute = 720;
        phone.pass(3 * 60 * MINUTE, Ok(()));
        let mut wrong: Vec<&str> = phone.issues.iter().map(|issue| issue.id.as_str()).collect();
        wrong.sort_unstable();
        prop_assert_eq!(phone.beliefs(), wrong);
        assert_rate(&phone, max_per_hour as usize);
        prop_assert!(phone.scheduler.finding().is_none());
        assert_told_in_order(&phone);
    }
}
