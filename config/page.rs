//! The settings as a tree of keys and values: the declarations fill it, here it becomes text, and `difference.rs`
//! compares it.

use crate::declare::text::quote;
use crate::part::Part;
use crate::secret::Secret;

/// A key and its value.
#[derive(Debug, PartialEq)]
pub(crate) struct Assignment {
    /// In quotes where TOML needs them.
    pub(crate) name: String,
    pub(crate) value: ShownValue,
    pub(crate) part: Part,
}

/// A value, as TOML.
#[derive(Debug, PartialEq)]
pub(crate) enum ShownValue {
    /// All of it.
    Plain(String),
    /// What may be shown of a secret, and the secret.
    Secret(String, Secret),
    /// A table in braces.
    Braces(Vec<Assignment>),
    /// A table with a header: `[mqtt]`.
    Table(Vec<Assignment>),
    /// A list of tables, each with a header: `[[route]]`.
    List(Vec<Vec<Assignment>>),
    /// A list of tables identified by their key `name`: each is printed as one line, `name = { ... }`.
    Named(Vec<Assignment>),
}

impl ShownValue {
    /// The value as it is printed in one line; of what has a header only the keys of its own.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Plain(text) | Self::Secret(text, _) => text.clone(),
            Self::Braces(lines) => format!("{{ {} }}", texts(lines).join(", ")),
            Self::Table(_) | Self::List(_) | Self::Named(_) => String::new(),
        }
    }

    pub(crate) fn has_header(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Secret(..) | Self::Braces(_) => false,
            Self::Table(_) | Self::List(_) | Self::Named(_) => true,
        }
    }
}

/// `key = value` of all that has no header of its own.
fn texts(lines: &[Assignment]) -> Vec<String> {
    let lines = lines.iter().filter(|line| !line.value.has_header());
    lines.map(|line| format!("{} = {}", line.name, line.value.text())).collect()
}

/// What has a header, as a file; `path` is the path of the table that holds it.
pub(crate) fn print(path: &str, lines: &[Assignment]) -> String {
    let mut tables = Vec::new();
    print_below(path, lines, &mut tables);
    tables.join("\n")
}

fn print_below(path: &str, lines: &[Assignment], tables: &mut Vec<String>) {
    for line in lines {
        let path =
            if path.is_empty() { line.name.clone() } else { format!("{path}.{}", line.name) };
        let mut table = |header: String, texts: Vec<String>, lines: &[Assignment]| {
            let texts = std::iter::once(header).chain(texts);
            tables.push(texts.map(|text| text + "\n").collect());
            print_below(&path, lines, tables);
        };
        match &line.value {
            ShownValue::Plain(_) | ShownValue::Secret(..) | ShownValue::Braces(_) => {}
            ShownValue::Table(lines) => table(format!("[{path}]"), texts(lines), lines),
            ShownValue::List(list) => {
                for lines in list {
                    table(format!("[[{path}]]"), texts(lines), lines);
                }
            }
            ShownValue::Named(named) => {
                for line in named {
                    let ShownValue::Braces(lines) = &line.value else { continue };
                    let mut texts = texts(lines);
                    texts.insert(0, format!("name = {}", quote(&line.name)));
                    table(format!("[[{path}]]"), texts, lines);
                }
            }
        }
    }
}
