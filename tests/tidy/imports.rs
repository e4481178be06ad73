//! Which modules of a crate import which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::Source;

/// The top modules of a crate, each with those it imports and a file that does so.
pub(super) type Imports = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// The imports among the folders and files directly below `root`.
pub(super) fn imports(root: &str, sources: &[Source]) -> Imports {
    let mut imports = Imports::new();
    for source in sources.iter().filter(|source| source.is_below(root)) {
        imports.entry(module(root, &source.path)).or_default();
    }
    let modules: BTreeSet<String> = imports.keys().cloned().collect();
    for source in sources.iter().filter(|source| source.is_below(root)) {
        let from = module(root, &source.path);
        for to in named(&source.code).filter(|to| **to != from && modules.contains(*to)) {
            let edges = imports.entry(from.clone()).or_default();
            edges.entry(to.to_owned()).or_insert_with(|| source.path.clone());
        }
    }
    imports
}

/// Removes modules that import nothing that is left, or that nothing left imports. What remains is in a circle, or
/// between two; nothing remains: there is no circle.
pub(super) fn keep_circles(imports: &mut Imports) {
    loop {
        let count = imports.len();
        let imported: BTreeSet<String> =
            imports.values().flat_map(|edges| edges.keys().cloned()).collect();
        imports.retain(|name, edges| !edges.is_empty() && imported.contains(name));
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        for edges in imports.values_mut() {
            edges.retain(|name, _| left.contains(name));
        }
        if imports.len() == count {
            return;
        }
    }
}

/// The folder below the root, or the file without its ending.
fn module(root: &str, path: &Path) -> String {
    let below = path.strip_prefix(root).expect("a file below the root");
    let first = below.components().next().expect("a file has a name");
    Path::new(first.as_os_str()).with_extension("").display().to_string()
}

/// The modules that are named behind `crate::`, also in a list.
fn named(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).flat_map(|rest| {
        let list = rest.strip_prefix('{').and_then(|list| list.split(';').next());
        let names = list.map_or_else(|| vec![rest], |list| list.split(',').collect());
        names.into_iter().map(|name| {
            let name = name.trim_start();
            name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        })
    })
}

#[test]
fn circles_are_found_and_what_leads_to_them_is_not() {
    let source = |path: &str, code: &str| Source {
        path: path.into(),
        text: String::new(),
        code: code.to_owned(),
    };
    let sources = [
        source("src/main.rs", "use crate::a::X;"),
        source("src/a/mod.rs", "use crate::{b, os::{Y, world}};"),
        source("src/b.rs", "fn f() { crate::a::g(crate::Failed); }"),
        source("src/os/mod.rs", "use crate::os::world;"),
    ];
    let mut circles = imports("src", &sources);
    keep_circles(&mut circles);
    assert_eq!(circles.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(circles["b"]["a"], Path::new("src/b.rs"));
}
