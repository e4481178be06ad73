//! Looks at one trouble that comes and goes.

use super::*;
use crate::message::delivery::UnixMillis;

fn at(began: Instant, ms: u64) -> Moment {
    let wall = UnixMillis(i64::try_from(ms).expect("small"));
    Moment { wall, steady: began + Duration::from_millis(ms) }
}

fn found(severity: Severity, summary: &str) -> Finding {
    let (id, hint) = ("x".to_owned(), "mend it".to_owned());
    Finding { id, severity, summary: summary.to_owned(), hint }
}

fn counts(changes: &Changes) -> (usize, usize, usize) {
    (changes.appeared.len(), changes.changed.len(), changes.resolved.len())
}

#[test]
fn what_comes_once_appears_and_resolves_at_once() {
    let began = Instant::now();
    let mut book = IssueBook::default();
    let trouble = [found(Severity::Warning, "it is so for 1 s")];
    assert_eq!(counts(&book.look(at(began, 0), &trouble)), (1, 0, 0));
    let later = [found(Severity::Warning, "it is so for 2 s")];
    assert_eq!(counts(&book.look(at(began, 500), &later)), (0, 0, 0));
    let issue = &book.issues()[0];
    assert_eq!((issue.since.0, issue.summary.as_str()), (0, "it is so for 2 s"));
    assert_eq!(counts(&book.look(at(began, 1_000), &[])), (0, 0, 1));
    assert!(book.issues().is_empty());
}

#[test]
fn a_thousand_flaps_are_two_issues() {
    let began = Instant::now();
    let mut book = IssueBook::default();
    let trouble = [found(Severity::Critical, "down")];
    let (mut appeared, mut resolved) = (0, 0);
    for flap in 0..1_000 {
        appeared += book.look(at(began, flap * 2_000), &trouble).appeared.len();
        resolved += book.look(at(began, flap * 2_000 + 1_000), &[]).resolved.len();
    }
    assert_eq!((appeared, resolved), (2, 1));
    let watched = &book.issues()[0].summary;
    assert!(watched.starts_with("down (it comes and goes: away since 1970"), "{watched}");
    let end = 1_000 * 2_000;
    assert_eq!(book.look(at(began, end + 298_000), &[]).resolved.len(), 0);
    assert_eq!(book.look(at(began, end + 300_000), &[]).resolved.len(), 1, "5 min at most");
}

#[test]
fn after_a_quiet_hour_it_is_a_first_time_again() {
    let began = Instant::now();
    let mut book = IssueBook::default();
    let trouble = [found(Severity::Warning, "odd")];
    for hour in 0..5 {
        let now = hour * 3_600_000;
        assert_eq!(counts(&book.look(at(began, now), &trouble)), (1, 0, 0));
        assert_eq!(counts(&book.look(at(began, now), &[])), (0, 0, 1));
    }
    book.look(at(began, 10 * 3_600_000), &[]);
    assert!(book.entries.is_empty(), "nothing is remembered for ever");
}

#[test]
fn it_gets_worse_at_once_and_better_at_once_until_it_flaps() {
    let began = Instant::now();
    let mut book = IssueBook::default();
    let (mild, bad) = ([found(Severity::Warning, "mild")], [found(Severity::Critical, "bad")]);
    assert_eq!(counts(&book.look(at(began, 0), &mild)), (1, 0, 0));
    assert_eq!(counts(&book.look(at(began, 1), &bad)), (0, 1, 0));
    assert_eq!(counts(&book.look(at(began, 2), &mild)), (0, 1, 0));
    assert_eq!(counts(&book.look(at(began, 3), &bad)), (0, 1, 0));
    assert_eq!(counts(&book.look(at(began, 4), &mild)), (0, 0, 0), "it was bad before");
    assert_eq!(book.issues()[0].severity, Severity::Critical);
    assert!(book.issues()[0].summary.contains("better since"), "{:?}", book.issues());
    assert_eq!(counts(&book.look(at(began, 10_004), &mild)), (0, 1, 0));
    assert_eq!(book.issues()[0].since.0, 0, "it is the same trouble all the time");
}

#[test]
fn the_worst_come_first_then_the_oldest() {
    let began = Instant::now();
    let mut book = IssueBook::default();
    let of = |id: &str, severity| Finding { id: id.to_owned(), ..found(severity, "x") };
    let mut all = vec![of("b", Severity::Warning)];
    book.look(at(began, 0), &all);
    all.push(of("a", Severity::Warning));
    book.look(at(began, 1), &all);
    all.push(of("c", Severity::Critical));
    book.look(at(began, 2), &all);
    let ids: Vec<String> = book.issues().into_iter().map(|issue| issue.id).collect();
    assert_eq!(ids, ["c", "b", "a"]);
}
