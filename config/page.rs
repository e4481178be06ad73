//! The settings as tables of keys and values: the declarations fill them, here they become text, and `difference.rs`
//! compares them.

use crate::declare::text::quote;
use crate::part::Part;
use crate::secret::Secret;

/// A key and its value.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// In quotes where TOML needs them.
    pub(crate) name: String,
    pub(crate) value: Shown,
    pub(crate) part: Part,
}

/// A value, as TOML.
#[derive(Debug, PartialEq)]
pub(crate) enum Shown {
    /// All of it.
    Plain(String),
    /// What may be shown of a secret, and the secret.
    Secret(String, Secret),
    /// A table in braces.
    Braces(Vec<Line>),
}

impl Shown {
    /// The value as it is printed.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Plain(text) | Self::Secret(text, _) => text.clone(),
            Self::Braces(lines) => {
                let lines =
                    lines.iter().map(|line| format!("{} = {}", line.name, line.value.text()));
                format!("{{ {} }}", lines.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A table and its lines.
pub(crate) struct Sheet {
    /// Its header: `[mqtt]`, `[[route]]`, `[route.columns]`.
    pub(crate) header: String,
    pub(crate) lines: Vec<Line>,
}

impl Sheet {
    pub(crate) fn new(header: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { header: header.into(), lines }
    }

    /// A table of a list that a name tells from the others, such as `[[route.derived]]`.
    pub(crate) fn named(header: &str, name: &str, part: Part, lines: Vec<Line>) -> Self {
        let line = Line { name: name.to_owned(), value: Shown::Braces(lines), part };
        Self::new(header, vec![line])
    }

    pub(crate) fn to_toml(&self) -> String {
        let is_named = self.header.starts_with("[[");
        let lines = self.lines.iter().map(|line| match &line.value {
            Shown::Braces(lines) if is_named => {
                let lines =
                    lines.iter().map(|line| format!("{} = {}\n", line.name, line.value.text()));
                format!("name = {}\n{}", quote(&line.name), lines.collect::<String>())
            }
            Shown::Plain(_) | Shown::Secret(..) | Shown::Braces(_) => {
                format!("{} = {}\n", line.name, line.value.text())
            }
        });
        format!("{}\n{}", self.header, lines.collect::<String>())
    }
}

/// Sheets as a file.
pub(crate) fn print(sheets: &[Sheet]) -> String {
    sheets.iter().map(Sheet::to_toml).collect::<Vec<_>>().join("\n")
}
