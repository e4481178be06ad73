//! The words of the operator's socket: one JSON object a line, in both directions. What is here is stable
//! for scripts, and documented in docs/api.md.

use std::time::Duration;

use barograph_actors::supervisor::{Fault, Inject};
use serde_json::{Value as Json, json};

/// The version that both sides name in each line.
pub const VERSION: u64 = 1;

/// Longest request, in bytes, with its line feed.
pub const REQUEST_LEN_MAX: usize = 64 * 1024;

/// Why a request was not answered with what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    /// Both sentences.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// What is asked for, by the words of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// How it is.
    Status,
    /// Something is to be done.
    Order(Order),
    /// Events as they happen, one a line.
    Events,
    /// Rows as they are committed, one a line, of one route or all.
    Tail(Option<String>),
}

/// What somebody wants to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The ordered stop.
    Stop,
    /// An actor is to be started anew.
    RestartActor(String),
    /// Receive nothing any more.
    Pause,
    /// Receive again.
    Resume,
    /// Fold the WAL into the database.
    Checkpoint,
    /// Another level for the log.
    LogLevel(String),
    /// Somebody knows of an issue, by its id.
    AcknowledgeIssue(String),
    /// A test to one channel of alerts, or all.
    AlertTest(Option<String>),
    /// What is in quarantine is to be tried again.
    QuarantineReplay,
    /// A fault on purpose. Only the page has it: the fault socket is for programs.
    Fault(Inject),
}

/// Every command, for the error that lists them.
const COMMANDS: &str = "status, stop, restart-actor, pause, resume, checkpoint, log-level, \
                        acknowledge-issue, alert-test, quarantine-replay, events, tail";
/// Those of the page.
const PAGE_COMMANDS: &str = "restart-actor, pause, resume, checkpoint, log-level, acknowledge-issue, \
                             alert-test, quarantine-replay, and fault with --fault-injection";
/// How long an actor hangs for which nobody said how long.
const HANG: Duration = Duration::from_secs(10);
/// The longest that it may be told to.
const HANG_MAX: Duration = Duration::from_secs(600);

impl Request {
    /// Understands a line.
    ///
    /// # Errors
    /// It is no request of this version.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let hint = r#"send one JSON object a line: {"barograph":1,"command":"status"}"#;
        let json: Json = serde_json::from_slice(line)
            .map_err(|error| Refusal::new(format!("the request is not JSON: {error}"), hint))?;
        match json.get("barograph").map(Json::as_u64) {
            Some(Some(VERSION)) => {}
            Some(_) => {
                let asked = &json["barograph"];
                let message = format!(
                    "this recorder speaks version {VERSION} of the protocol, and was asked in version \
                     {asked}"
                );
                return Err(Refusal::new(message, "use the barograph that is running"));
            }
            None => {
                return Err(Refusal::new("the request names no version of the protocol", hint));
            }
        }
        Ok(match needed(&json, "command", hint)?.as_str() {
            "status" => Self::Status,
            "stop" => Self::Order(Order::Stop),
            "events" => Self::Events,
            "tail" => Self::Tail(text(&json, "route")),
            command => match Order::parse(command, &json, hint)? {
                Some(order) => Self::Order(order),
                None => return Err(unknown(command, COMMANDS)),
            },
        })
    }
}

impl Order {
    /// Understands what the page sends.
    ///
    /// # Errors
    /// It is no command that the page may give.
    pub fn of_page(json: &Json) -> Result<Self, Refusal> {
        let hint = r#"send one JSON object: {"id":1,"command":"checkpoint"}"#;
        let command = needed(json, "command", hint)?;
        if command == "fault" {
            return fault(json, hint).map(Self::Fault);
        }
        Self::parse(&command, json, hint)?.ok_or_else(|| unknown(&command, PAGE_COMMANDS))
    }

    /// What socket and page have in common.
    fn parse(command: &str, json: &Json, hint: &str) -> Result<Option<Self>, Refusal> {
        let needed = |key: &str| needed(json, key, hint);
        Ok(Some(match command {
            "restart-actor" => Self::RestartActor(needed("actor")?),
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "checkpoint" => Self::Checkpoint,
            "log-level" => Self::LogLevel(needed("level")?),
            "acknowledge-issue" => Self::AcknowledgeIssue(needed("issue")?),
            "alert-test" => Self::AlertTest(text(json, "channel")),
            "quarantine-replay" => Self::QuarantineReplay,
            _ => return Ok(None),
        }))
    }
}

fn text(json: &Json, key: &str) -> Option<String> {
    json.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn needed(json: &Json, key: &str, hint: &str) -> Result<String, Refusal> {
    text(json, key).ok_or_else(|| Refusal::new(format!("the request lacks {key:?}"), hint))
}

fn unknown(command: &str, there_are: &str) -> Refusal {
    Refusal::new(format!("there is no command {command:?}"), format!("there are: {there_are}"))
}

fn fault(json: &Json, hint: &str) -> Result<Inject, Refusal> {
    let (child, kind) = (needed(json, "actor", hint)?, needed(json, "fault", hint)?);
    let hang = json.get("ms").and_then(Json::as_u64).map_or(HANG, Duration::from_millis);
    let fault = match kind.as_str() {
        "panic" => Fault::Panic,
        "stop" => Fault::Stop,
        "hang" => Fault::Hang(hang.min(HANG_MAX)),
        other => {
            let message = format!("there is no fault {other:?}");
            return Err(Refusal::new(message, "there are: panic, stop, hang"));
        }
    };
    Ok(Inject { child, fault })
}

/// The line that answers.
pub fn ok(answer: &Json) -> String {
    line("ok", answer)
}

/// The line that refuses.
pub fn error(refusal: &Refusal) -> String {
    line("error", &json!({ "message": refusal.message, "hint": refusal.hint }))
}

/// A line of a stream: `event`, `row`, `missed`, `alive` or `end`.
pub fn line(kind: &str, content: &Json) -> String {
    format!("{}\n", json!({ "barograph": VERSION, kind: content }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_and_all_else_is_refused_with_a_hint() {
        let parse = |text: &str| Request::parse(text.as_bytes());
        assert_eq!(parse(r#"{"barograph":1,"command":"status","later":2}"#), Ok(Request::Status));
        let tail = r#"{"barograph":1,"command":"tail","route":"load"}"#;
        assert_eq!(parse(tail), Ok(Request::Tail(Some("load".into()))));
        assert_eq!(parse(r#"{"barograph":1,"command":"tail"}"#), Ok(Request::Tail(None)));
        let stop = parse(r#"{"barograph":1,"command":"stop"}"#);
        assert_eq!(stop, Ok(Request::Order(Order::Stop)));
        let table = [
            ("hello", "not JSON"),
            ("[1]", "names no version"),
            (r#"{"command":"status"}"#, "names no version"),
            (r#"{"barograph":2,"command":"status"}"#, "asked in version 2"),
            (r#"{"barograph":"1","command":"status"}"#, "asked in version \"1\""),
            (r#"{"barograph":1}"#, "lacks \"command\""),
            (r#"{"barograph":1,"command":7}"#, "lacks \"command\""),
            (r#"{"barograph":1,"command":"dance"}"#, "no command \"dance\""),
            (r#"{"barograph":1,"command":"restart-actor"}"#, "lacks \"actor\""),
        ];
        for (text, message) in table {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.message.contains(message), "{text}: {refusal:?}");
            assert!(!refusal.hint.is_empty(), "{text}");
        }
    }

    #[test]
    fn the_page_may_inject_faults_and_may_not_stop_the_recorder() {
        let parse = |text: &str| Order::of_page(&serde_json::from_str(text).unwrap());
        let acknowledged = parse(r#"{"id":1,"command":"acknowledge-issue","issue":"deaf"}"#);
        assert_eq!(acknowledged, Ok(Order::AcknowledgeIssue("deaf".into())));
        assert_eq!(parse(r#"{"command":"alert-test"}"#), Ok(Order::AlertTest(None)));
        let hang = |ms: u64| Fault::Hang(Duration::from_millis(ms));
        for (more, expected) in [("", hang(10_000)), (r#","ms":7"#, hang(7))] {
            let text = format!(r#"{{"command":"fault","actor":"mqtt","fault":"hang"{more}}}"#);
            let injected = Inject { child: "mqtt".into(), fault: expected };
            assert_eq!(parse(&text), Ok(Order::Fault(injected)));
        }
        for (text, message) in [
            (r#"{"command":"stop"}"#, "no command \"stop\""),
            (r#"{"command":"fault","actor":"mqtt"}"#, "lacks \"fault\""),
            (r#"{"command":"fault","actor":"mqtt","fault":"burn"}"#, "no fault \"burn\""),
            (r#"{"command":"acknowledge-issue"}"#, "lacks \"issue\""),
            (r#"[]"#, "lacks \"command\""),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.message.contains(message), "{text}: {refusal:?}");
        }
        let socket =
            Request::parse(br#"{"barograph":1,"command":"fault","actor":"x","fault":"stop"}"#);
        assert!(socket.unwrap_err().message.contains("no command"));
    }
}
