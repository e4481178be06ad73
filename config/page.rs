//! The settings as tables of keys and values: `print.rs` fills them, here they become text, and `difference.rs`
//! compares them. So what is printed and what is compared is listed once.

use std::path::Path;
use std::time::Duration;

use crate::difference::Part;
use crate::http_url;
use crate::print::quote;
use crate::redact::HIDDEN;
use crate::settings::Secret;
use crate::values::{print_duration, print_size};

/// What a key says, as TOML.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    /// All of it.
    Plain(String),
    /// What may be shown of a secret, and the secret.
    Secret(String, Secret),
    /// A table in braces; each value is plain.
    Braces(Vec<(&'static str, String)>),
}

impl Said {
    /// The value as it is printed.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Plain(text) | Self::Secret(text, _) => text.clone(),
            Self::Braces(attributes) => {
                let said = attributes.iter().map(|(name, value)| format!("{name} = {value}"));
                format!("{{ {} }}", said.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A table and its lines.
pub(crate) struct Sheet {
    pub(crate) part: Part,
    /// Its header: `[mqtt]`, `[[route]]`, `[route.columns]`.
    pub(crate) header: &'static str,
    /// Names, in quotes where TOML wants them, and values.
    pub(crate) lines: Vec<(String, Said)>,
    /// Its only line is one of a list, in braces, and is written as a table of its own, with its name as a key.
    is_entry: bool,
}

impl Sheet {
    fn to_toml(&self) -> String {
        let lines = self.lines.iter().map(|(name, said)| match said {
            Said::Braces(attributes) if self.is_entry => {
                let said = attributes.iter().map(|(name, value)| format!("{name} = {value}\n"));
                format!("name = {}\n{}", quote(name), said.collect::<String>())
            }
            Said::Braces(_) | Said::Plain(_) | Said::Secret(..) => {
                format!("{name} = {}\n", said.shown())
            }
        });
        format!("{}\n{}", self.header, lines.collect::<String>())
    }
}

/// All tables, in the order of the shipped file.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) sheets: Vec<Sheet>,
}

impl Page {
    /// The tables as a file.
    pub(crate) fn to_toml(&self) -> String {
        self.sheets.iter().map(Sheet::to_toml).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn header(&mut self, part: Part, header: &'static str) {
        self.sheets.push(Sheet { part, header, lines: Vec::new(), is_entry: false });
    }

    /// A table of a list, such as `[[route.derived]]`, that its name tells from the others.
    pub(crate) fn entry(
        &mut self,
        part: Part,
        header: &'static str,
        name: &str,
        attributes: Vec<(&'static str, String)>,
    ) {
        let lines = vec![(name.to_owned(), Said::Braces(attributes))];
        self.sheets.push(Sheet { part, header, lines, is_entry: true });
    }

    fn say(&mut self, name: &str, said: Said) {
        let sheet = self.sheets.last_mut().expect("a header comes before the first line");
        sheet.lines.push((name.to_owned(), said));
    }

    pub(crate) fn raw(&mut self, name: &str, value: &impl ToString) {
        self.say(name, Said::Plain(value.to_string()));
    }

    pub(crate) fn braces(&mut self, name: &str, attributes: Vec<(&'static str, String)>) {
        self.say(name, Said::Braces(attributes));
    }

    pub(crate) fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.raw(name, &quote(text));
        }
    }

    pub(crate) fn secret(&mut self, name: &str, secret: Option<&Secret>) {
        if let Some(secret) = secret {
            self.say(name, Said::Secret(quote(HIDDEN), secret.clone()));
        }
    }

    /// A secret under a name of the operator's, which TOML may want in quotes.
    pub(crate) fn named_secret(&mut self, name: &str, secret: &Secret) {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = if name.chars().all(is_bare) { name.to_owned() } else { quote(name) };
        self.secret(&name, Some(secret));
    }

    /// A URL of which only the way to the server may be shown.
    pub(crate) fn secret_url(&mut self, name: &str, url: &Secret) {
        self.say(name, Said::Secret(quote(&http_url::print(url.expose())), url.clone()));
    }

    pub(crate) fn path(&mut self, name: &str, path: Option<&Path>) {
        self.text(name, path.map(|path| path.to_string_lossy()).as_deref());
    }

    pub(crate) fn duration(&mut self, name: &str, duration: impl Into<Option<Duration>>) {
        self.text(name, duration.into().map(print_duration).as_deref());
    }

    pub(crate) fn size(&mut self, name: &str, size: impl Into<Option<u64>>) {
        if let Some(size) = size.into() {
            self.raw(name, &print_size(size));
        }
    }

    pub(crate) fn names(&mut self, name: &str, names: &[String]) {
        self.raw(name, &list(names));
    }
}

/// Names as a list in TOML.
pub(crate) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
    format!("[{}]", quoted.join(", "))
}
