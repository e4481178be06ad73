//! Which table a page belongs to, as far as the trees that lead to it are whole. It takes the inner pages
//! of all trees, one in some hundred, so it is found out only when a page may have rows that are missed.

use std::collections::HashSet;

use super::pages::Pages;
use super::record;
use super::tables::{SalvagedTable, children};

/// SQLite's own limit.
const DEPTH_MAX: usize = 20;

/// Pages and their tables, by position in the list of tables.
#[derive(Debug)]
pub(super) struct Owners {
    /// By page number, the table's position and one; 0 for a page that no tree leads to. A byte each: a
    /// database has millions of pages, and few tables.
    leaves: Vec<u8>,
    /// Tables of which a page that leads to others is gone: any page may be theirs.
    broken: HashSet<usize>,
}

impl Owners {
    pub(super) fn of(pages: &Pages, tables: &[SalvagedTable]) -> Self {
        let leaves = vec![0; pages.count as usize + 1];
        let mut owners = Self { leaves, broken: HashSet::new() };
        let mut seen = HashSet::new();
        for (index, table) in tables.iter().enumerate().filter(|(_, table)| !table.without_rowid) {
            match table.root {
                Some(root) if index < usize::from(u8::MAX) => {
                    owners.descend(pages, root, index, 0, &mut seen);
                }
                Some(_) | None => {
                    owners.broken.insert(index);
                }
            }
        }
        owners
    }

    fn descend(
        &mut self,
        pages: &Pages,
        number: u32,
        table: usize,
        depth: usize,
        seen: &mut HashSet<u32>,
    ) {
        let page = pages.read(number).filter(|_| depth < DEPTH_MAX && seen.insert(number));
        let Some(page) = page else {
            self.broken.insert(table);
            return;
        };
        let below = children(&page, number, pages.usable);
        let is_leaf = |number: u32| {
            let page = pages.read(number);
            page.is_some_and(|page| record::rows(pages, number, &page).is_some())
        };
        if below.is_empty() {
            // A root that is a leaf by itself, or an inner page that is none any more.
            if is_leaf(number) {
                self.give(number, table);
            } else if !record::is_empty_leaf(&page, number) {
                self.broken.insert(table);
            }
        } else if below.iter().any(|child| is_leaf(*child)) {
            // A tree is equally deep everywhere: if one of them is a leaf, all are.
            below.into_iter().for_each(|child| self.give(child, table));
        } else {
            below.into_iter().for_each(|child| self.descend(pages, child, table, depth + 1, seen));
        }
    }

    fn give(&mut self, number: u32, table: usize) {
        if let Some(owner) = self.leaves.get_mut(number as usize) {
            *owner = u8::try_from(table + 1).unwrap_or(0);
        }
    }

    /// The table whose tree leads to this page.
    pub(super) fn owner(&self, number: u32) -> Option<usize> {
        let owner = self.leaves.get(number as usize).copied().unwrap_or(0);
        usize::from(owner).checked_sub(1)
    }

    /// Whether this page can be this table's.
    pub(super) fn allow(&self, number: u32, table: usize) -> bool {
        match self.owner(number) {
            Some(owner) => owner == table,
            None => self.broken.contains(&table),
        }
    }
}
