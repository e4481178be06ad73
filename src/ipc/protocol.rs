//! The protocol of the operator socket: one JSON object a line, in both directions. What is here is stable
//! for scripts, and documented in docs/api.md.

use std::time::Duration;

use barograph_actors::supervisor::{Fault, Inject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::time::UtcText;
use crate::wire::command::FaultKind;
use crate::wire::history::{EventLine, RowLine};
use crate::wire::refusal::{Refusal, RefusalKind};

/// The version that both sides name in each line.
pub const VERSION: u64 = 1;

/// Longest request, in bytes, with its line feed.
pub const REQUEST_LEN_MAX: usize = 64 * 1024;

/// What is asked for, by the words of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// How it is.
    Status,
    /// Events as they happen, one a line.
    Events,
    /// Rows as they are committed, one a line.
    Tail {
        /// Of this route alone.
        route: Option<String>,
    },
    /// A command that changes something.
    #[serde(untagged)]
    Order(Order),
}

/// A command that changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Order {
    /// The ordered stop. Only the operator socket has it.
    Stop,
    /// An actor is to be stopped in order, and started again.
    RestartActor {
        /// Its name.
        actor: String,
    },
    /// Receive nothing any more.
    Pause,
    /// Receive again.
    Resume,
    /// Fold the WAL into the database.
    Checkpoint,
    /// Another level for the log.
    LogLevel {
        /// As the settings write it.
        level: String,
    },
    /// A person has seen an issue.
    AcknowledgeIssue {
        /// Its id.
        issue: String,
    },
    /// A test of alerts.
    AlertTest {
        /// Of this channel alone.
        channel: Option<String>,
    },
    /// What is in quarantine is to be tried again.
    QuarantineReplay,
    /// A fault on purpose. Only the page has it: the fault socket is for programs.
    Fault {
        /// Whose.
        actor: String,
        /// Which.
        fault: FaultKind,
        /// How long a hang lasts.
        ms: Option<u64>,
    },
}

/// Who takes a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenBy {
    Socket,
    Page,
    Both,
}

/// Every command, as errors list them.
const COMMANDS: [(&str, TakenBy); 13] = [
    ("status", TakenBy::Socket),
    ("stop", TakenBy::Socket),
    ("restart-actor", TakenBy::Both),
    ("pause", TakenBy::Both),
    ("resume", TakenBy::Both),
    ("checkpoint", TakenBy::Both),
    ("log-level", TakenBy::Both),
    ("acknowledge-issue", TakenBy::Both),
    ("alert-test", TakenBy::Both),
    ("quarantine-replay", TakenBy::Both),
    ("events", TakenBy::Socket),
    ("tail", TakenBy::Socket),
    ("fault", TakenBy::Page),
];
/// How long an actor hangs unless the request says how long.
const HANG: Duration = Duration::from_secs(10);
/// The longest that it may be told to.
const HANG_MAX: Duration = Duration::from_secs(600);

impl FaultKind {
    /// As a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Stop => "stop",
            Self::Hang => "hang",
        }
    }

    /// The fault, for the supervisor.
    pub(super) fn of(self, actor: &str, ms: Option<u64>) -> Inject {
        let fault = match self {
            Self::Panic => Fault::Panic,
            Self::Stop => Fault::Stop,
            Self::Hang => Fault::Hang(ms.map_or(HANG, Duration::from_millis).min(HANG_MAX)),
        };
        Inject { child: actor.to_owned(), fault }
    }
}

impl Request {
    /// Understands a line.
    ///
    /// # Errors
    /// It is no request of this version.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let hint = r#"send one JSON object a line: {"barograph":1,"command":"status"}"#;
        let json: Json = serde_json::from_slice(line)
            .map_err(|error| Refusal::new(format!("the request is not JSON: {error}"), hint))?;
        let Some(version) = json.get("barograph") else {
            return Err(Refusal::new("the request names no version of the protocol", hint));
        };
        if version.as_u64() != Some(VERSION) {
            let message = format!(
                "this recorder speaks version {VERSION} of the protocol, and was asked in version {version}"
            );
            return Err(Refusal::new(message, "use the barograph that is running"));
        }
        match json.get("command").and_then(Json::as_str) {
            Some(command) => known(command, TakenBy::Socket)?,
            None => return Err(Refusal::new("the request lacks \"command\"", hint)),
        }
        // An order says itself what it lacks.
        Self::deserialize(&json).or_else(|_| Order::read(json, hint).map(Self::Order))
    }
}

impl Order {
    /// Understands a command of the page, and its arguments.
    ///
    /// # Errors
    /// It is no command that the page may give, or lacks an argument.
    pub(crate) fn of_page(command: &str, arguments: &[u8]) -> Result<Self, Refusal> {
        known(command, TakenBy::Page)?;
        let hint = r#"send the arguments as one JSON object: {"actor":"stats"}, or {}"#;
        let mut json: Map<String, Json> = serde_json::from_slice(arguments).map_err(|error| {
            Refusal::new(format!("the arguments are no JSON object: {error}"), hint)
        })?;
        json.insert("command".to_owned(), command.into());
        Self::read(json.into(), hint)
    }

    fn read(json: Json, hint: &str) -> Result<Self, Refusal> {
        Self::deserialize(json)
            .map_err(|error| Refusal::new(format!("the request cannot be used: {error}"), hint))
    }
}

/// The commands that the page takes.
pub(crate) fn page_commands() -> impl Iterator<Item = &'static str> {
    commands(TakenBy::Page)
}

fn commands(by: TakenBy) -> impl Iterator<Item = &'static str> {
    let taken = COMMANDS.iter().filter(move |(_, taken_by)| [by, TakenBy::Both].contains(taken_by));
    taken.map(|(name, _)| *name)
}

/// Whether the command is taken there.
fn known(command: &str, by: TakenBy) -> Result<(), Refusal> {
    if commands(by).any(|name| name == command) {
        return Ok(());
    }
    let message = format!("there is no command {command:?}");
    let hint = format!("there are: {}", commands(by).collect::<Vec<_>>().join(", "));
    Err(Refusal::of(RefusalKind::Unknown, message, hint))
}

/// A line of the protocol.
#[derive(Debug, Serialize)]
pub(super) struct ProtocolLine<T> {
    barograph: u64,
    #[serde(flatten)]
    content: T,
}

/// A line, as it came: of any version.
#[derive(Debug, Deserialize)]
pub(super) struct ReceivedLine<T> {
    #[serde(default)]
    pub(super) barograph: Json,
    /// `None`: a later version may say more than is known here.
    #[serde(flatten)]
    pub(super) content: Option<Content<T>>,
}

/// What a recorder says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content<T> {
    /// It answers.
    Ok(T),
    /// It refuses.
    Error(Refusal),
    /// Of a stream: what happened.
    Event(EventLine),
    /// Of a stream: what was committed.
    Row(RowLine),
    /// Of a stream: the client was too slow for so many.
    Missed(Missed),
    /// Of a stream: nothing else happened for a while.
    Alive {
        /// When.
        at: UtcText,
    },
    /// Of a stream: nothing follows.
    End {
        /// Why.
        reason: String,
    },
}

/// What a client has missed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missed {
    /// So many events.
    Events(u64),
    /// The rows of so many commits.
    Commits(u64),
}

/// Content without an answer: its type does not matter.
pub(crate) type PlainContent = Content<()>;

/// A line: a request, an answer, or one of a stream.
pub(crate) fn line(content: &impl Serialize) -> String {
    let line = ProtocolLine { barograph: VERSION, content };
    let text = serde_json::to_string(&line).expect("text, numbers and lists are JSON");
    text + "\n"
}

/// The line that refuses.
pub(super) fn error(refusal: &Refusal) -> String {
    line(&PlainContent::Error(refusal.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_and_all_else_is_refused_with_a_hint() {
        let parse = |text: &str| Request::parse(text.as_bytes());
        assert_eq!(parse(r#"{"barograph":1,"command":"status","later":2}"#), Ok(Request::Status));
        let tail = r#"{"barograph":1,"command":"tail","route":"load"}"#;
        assert_eq!(parse(tail), Ok(Request::Tail { route: Some("load".into()) }));
        assert_eq!(parse(r#"{"barograph":1,"command":"tail"}"#), Ok(Request::Tail { route: None }));
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
            (r#"{"barograph":1,"command":"restart-actor"}"#, "missing field `actor`"),
        ];
        for (text, message) in table {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.message.contains(message), "{text}: {refusal:?}");
            assert!(!refusal.hint.is_empty(), "{text}");
        }
    }

    #[test]
    fn the_page_may_inject_faults_and_may_not_stop_the_recorder() {
        let parse = |command: &str, arguments: &str| Order::of_page(command, arguments.as_bytes());
        let acknowledged = parse("acknowledge-issue", r#"{"issue":"deaf","later":1}"#);
        assert_eq!(acknowledged, Ok(Order::AcknowledgeIssue { issue: "deaf".into() }));
        assert_eq!(parse("alert-test", "{}"), Ok(Order::AlertTest { channel: None }));
        let hang = |ms: u64| Fault::Hang(Duration::from_millis(ms));
        for (more, expected) in [("", 10_000), (r#","ms":7"#, 7), (r#","ms":999999"#, 600_000)] {
            let text = format!(r#"{{"actor":"mqtt","fault":"hang"{more}}}"#);
            let Ok(Order::Fault { actor, fault, ms }) = parse("fault", &text) else {
                panic!("{text}")
            };
            let injected = Inject { child: "mqtt".into(), fault: hang(expected) };
            assert_eq!(fault.of(&actor, ms), injected);
        }
        let invalid = RefusalKind::Invalid;
        for (command, arguments, kind, message) in [
            ("stop", "{}", RefusalKind::Unknown, "no command \"stop\""),
            ("fault", r#"{"actor":"mqtt"}"#, invalid, "missing field `fault`"),
            ("fault", r#"{"actor":"mqtt","fault":"burn"}"#, invalid, "unknown variant `burn`"),
            ("acknowledge-issue", "{}", invalid, "missing field `issue`"),
            ("pause", "[]", invalid, "no JSON object"),
            ("pause", "nonsense", invalid, "no JSON object"),
        ] {
            let refusal = parse(command, arguments).unwrap_err();
            assert!(refusal.message.contains(message), "{command}: {refusal:?}");
            assert_eq!(refusal.kind, kind, "{command}: {refusal:?}");
        }
        let socket =
            Request::parse(br#"{"barograph":1,"command":"fault","actor":"x","fault":"stop"}"#);
        assert!(socket.unwrap_err().message.contains("no command"));
    }
}
