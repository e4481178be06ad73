//! `docs/settings.md`, made of the declarations.

use std::fmt::Write as _;

use crate::alert::Alert;
use crate::alert::channel::ChannelKind;
use crate::declare::key::{Key, Table};
use crate::field::Declared;
use crate::known::{OF_ROUTES, keys_with_help};
use crate::read::layers::variable;
use crate::settings::SECTIONS;
use crate::word::Word;

const INTRODUCTION: &str = "\
# Settings

This page is made of the declarations of the settings. The file itself, with the defaults, is config/barograph.toml.

A setting is taken from the strongest of four layers: the built-in default, the file, the environment variable, and the
flags `--mqtt` (mqtt.url), `--db` (database.path) and `--log-level` (log.level). `barograph check` reads all of them, and
reports every problem at once. A running recorder reads them again at `systemctl reload barograph` or SIGHUP: a file
with a problem changes nothing.

Durations are written with a unit, in quotes: \"500ms\", \"5s\", \"2h 30min\", \"7days\". Sizes are written with a unit, in
quotes, or as a number of bytes: \"512 KiB\", \"1 MiB\" (1 KiB is 1024 bytes, 1 KB is 1000). Relative paths begin in the
working directory of the program.
";

/// The page of all settings for `docs/`, in Markdown.
pub fn settings_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for table in SECTIONS {
        section(&mut page, &format!("`[{}]`", table.name), table, true);
    }
    section(&mut page, "`[[alert]]`", &Alert::TABLE, false);
    for kind in ChannelKind::VARIANTS {
        let title = format!("`[[alert]]` of `type = \"{}\"`", kind.word());
        section(&mut page, &title, kind.table(), false);
    }
    let titles = ["`[[route]]`", "A column in `[route.columns]`", "`[[route.derived]]`"];
    for (title, table) in titles.iter().zip(OF_ROUTES) {
        section(&mut page, title, table, false);
    }
    page
}

fn section(page: &mut String, title: &str, table: &Table, has_variables: bool) {
    let mut entries = format!("\n## {title}\n");
    for (key, help) in keys_with_help(table) {
        let mut facts = vec![format!("Value: {}", key.expected()), default_of(key)];
        if has_variables {
            facts.push(format!("environment variable `{}`", variable(table.name, key.name)));
        }
        if key.is_secret() {
            facts.push("never shown".to_owned());
        }
        facts.push(key.part.effect().to_owned());
        let facts = facts.join("; ");
        write!(entries, "\n### `{}`\n\n{help}\n\n{facts}.\n", key.name)
            .expect("a String takes all");
    }
    page.push_str(&entries);
}

fn default_of(key: &Key) -> String {
    match (key.default)() {
        _ if key.spec.is_needed => format!("required, for example `{}`", key.example()),
        Some(default) if key.spec.absent.is_empty() => format!("default `{default}`"),
        Some(_) | None if key.spec.absent.is_empty() => {
            format!("not set by default, for example `{}`", key.example())
        }
        Some(_) | None => format!("default: {}", key.spec.absent),
    }
}
