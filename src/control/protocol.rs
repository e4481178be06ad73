//! The words of the operator's socket: one JSON object a line, in both directions. What is here is stable
//! for scripts, and documented in ARCHITECTURE.md.

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
    /// Events as they happen, one a line.
    Events,
    /// Rows as they are committed, one a line, of one route or all.
    Tail(Option<String>),
}

/// Every command, for the error that lists them.
const COMMANDS: &str =
    "status, stop, restart-actor, pause, resume, checkpoint, log-level, events, tail";

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
        let text = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
        let needed = |key: &str| {
            text(key).ok_or_else(|| Refusal::new(format!("the request lacks {key:?}"), hint))
        };
        Ok(match needed("command")?.as_str() {
            "status" => Self::Status,
            "stop" => Self::Stop,
            "restart-actor" => Self::RestartActor(needed("actor")?),
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "checkpoint" => Self::Checkpoint,
            "log-level" => Self::LogLevel(needed("level")?),
            "events" => Self::Events,
            "tail" => Self::Tail(text("route")),
            other => {
                let message = format!("there is no command {other:?}");
                return Err(Refusal::new(message, format!("there are: {COMMANDS}")));
            }
        })
    }
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
}
