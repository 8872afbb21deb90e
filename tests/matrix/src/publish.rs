//! The matrix as people read it: tables in Markdown, for `docs/conflicts.md`.
//!
//! Tables that say the same are shown once. It must not say anything that the oracle doesn't.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::contact::{Folder, Mark, State};
use crate::expected::{Expected, Writes, expected};
use crate::table::Clash;
use crate::{Act, Cell, Deletion, Order, Policy, Sheet, Side, sheets};

/// The whole matrix.
pub fn page() -> String {
    let mut page = String::new();
    let mut grids: Vec<(String, Vec<Sheet>)> = Vec::new();
    for sheet in sheets() {
        if sheet.deletion != Deletion::EditWins {
            continue;
        }
        let grid = grid(&sheet);
        match grids.iter_mut().find(|(other, _)| *other == grid) {
            Some((_, same)) => same.push(sheet),
            None => grids.push((grid, vec![sheet])),
        }
    }
    for (grid, sheets) in grids {
        for heading in headings(&sheets) {
            let _ = writeln!(page, "**{heading}**\n");
        }
        let _ = writeln!(page, "{grid}");
    }
    let _ = write!(page, "{}", deletions());
    page
}

/// Which orders, under which policies. A settled order has nothing to decide, so no policy of its own.
fn headings(sheets: &[Sheet]) -> Vec<String> {
    let mut by_order: BTreeMap<Order, Vec<Policy>> = BTreeMap::new();
    for sheet in sheets {
        by_order.entry(sheet.order).or_default().push(sheet.policy);
    }
    let headings = by_order.into_iter().map(|(order, policies)| {
        let policies = if policies.len() == Policy::ALL.len() {
            "every policy".to_owned()
        } else {
            let names: Vec<_> = policies
                .into_iter()
                .map(|policy| format!("`{}`", policy.name()))
                .collect();
            names.join(", ")
        };
        format!("{}: {policies}", capital(order.name()))
    });
    headings.collect()
}

fn grid(sheet: &Sheet) -> String {
    let mut grid = "| in Outlook ↓, on the platform →".to_owned();
    for act in Act::ALL {
        let _ = write!(grid, " | {}", act.name());
    }
    let _ = write!(grid, " |\n|{}", " --- |".repeat(Act::ALL.len() + 1));
    for outlook in Act::ALL {
        let _ = write!(grid, "\n| **{}**", outlook.name());
        for cell in sheet.cells.iter().filter(|cell| cell.outlook == outlook) {
            let _ = write!(grid, " | {}", words(&expected(*cell)));
        }
        grid.push_str(" |");
    }
    grid.push('\n');
    grid
}

/// Where somebody has deleted what the other has changed: who gets his way under which policy for deletes.
fn deletions() -> String {
    let mut table = "**Deleted by one, changed by the other, at once**\n\n".to_owned();
    let mut rows: Vec<(String, Vec<Cell>)> = vec![
        ("`editWins`".to_owned(), Vec::new()),
        ("`deleteWins`".to_owned(), Vec::new()),
    ];
    for sheet in sheets().into_iter().filter(|sheet| !sheet.order.is_settled()) {
        let of_being: Vec<Cell> = sheet
            .cells
            .into_iter()
            .filter(|cell| cell.clash() == Some(Clash::Being))
            .collect();
        match sheet.deletion {
            Deletion::EditWins => rows[0].1.extend(of_being),
            Deletion::DeleteWins => rows[1].1.extend(of_being),
            Deletion::ByPolicy => {
                let name = format!("`byPolicy`, `{}`, {}", sheet.policy.name(), later(sheet.order));
                rows.push((name, of_being));
            }
        }
    }
    table.push_str("| policy for deletes | deleted in Outlook | deleted on the platform |\n| --- | --- | --- |\n");
    for (name, cells) in rows {
        let deleted = |side: Side| {
            let outcomes = cells.iter().filter(|cell| cell.act(side) == Act::Delete);
            let mut lives: Vec<bool> = outcomes.map(|cell| expected(*cell).contact.is_some()).collect();
            lives.dedup();
            match lives.as_slice() {
                [true] => "lives, with the change",
                [false] => "gone",
                _ => "it depends",
            }
        };
        let (outlook, platform) = (deleted(Side::Outlook), deleted(Side::Platform));
        let _ = writeln!(table, "| {name} | {outlook} | {platform} |");
    }
    table
}

fn later(order: Order) -> &'static str {
    match order {
        Order::OutlookFirst | Order::OutlookLater => "Outlook the later",
        Order::PlatformFirst | Order::PlatformLater => "the platform the later",
    }
}

/// What a cell says.
fn words(expected: &Expected) -> String {
    let mut words = Vec::new();
    if expected.entry.is_some() {
        words.push("**conflict**".to_owned());
    }
    words.push(expected.contact.map_or_else(|| "gone".to_owned(), state));
    let new = expected.newcomers.len();
    if new > 0 {
        words.push(format!("{new} new"));
    }
    if let Some(side) = expected.impossible {
        words.push(match side {
            Side::Outlook => "nothing left to act on in Outlook".to_owned(),
            Side::Platform => "the API says 404".to_owned(),
        });
    }
    let Writes {
        creates,
        updates,
        deletes,
    } = expected.writes;
    let born = expected.newcomers.contains(&Side::Platform);
    match creates + updates + deletes + u64::from(born) {
        0 => {}
        1 => words.push("1 write".to_owned()),
        more => words.push(format!("{more} writes")),
    }
    words.join("; ")
}

fn state(state: State) -> String {
    let mut parts = Vec::new();
    let members = [
        ("title", state.title),
        ("department", state.department),
        ("office", state.office),
    ];
    for (name, mark) in members {
        match mark {
            Mark::Before => {}
            Mark::Outlook => parts.push(format!("Outlook's {name}")),
            Mark::Platform => parts.push(format!("the platform's {name}")),
            Mark::Joined => parts.push(format!("the function's {name}")),
        }
    }
    match state.folder {
        Folder::Before => {}
        Folder::Outlook => parts.push("Outlook's folder".to_owned()),
        Folder::Platform => parts.push("the platform's folder".to_owned()),
    }
    if parts.is_empty() {
        return "as it was".to_owned();
    }
    parts.join(", ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
