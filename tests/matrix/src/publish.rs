//! The matrix as people read it: tables in Markdown, for `docs/conflicts.md`.
//!
//! It must not say anything that the oracle doesn't.

use std::fmt::Write as _;

use crate::contact::{Folder, Mark, State};
use crate::expected::{Expected, Writes, expected};
use crate::table::Clash;
use crate::{Act, Cell, Deletion, Order, Policy, Side};

/// The whole matrix.
pub fn page() -> String {
    let mut page = String::new();
    for (heading, order) in [
        ("Outlook first, and the platform knows", Order::OutlookFirst),
        ("The platform first, and Outlook knows", Order::PlatformFirst),
        ("At once: neither knows of the other", Order::OutlookLater),
    ] {
        let _ = writeln!(page, "### {heading}\n\n{}", grid(order));
    }
    let _ = writeln!(page, "### At once, and the same\n\n{}", same());
    let _ = write!(
        page,
        "### At once, deleted by one and changed by the other\n\n{}",
        deletions()
    );
    page
}

fn cell(outlook: Act, platform: Act, order: Order, policy: Policy, deletion: Deletion) -> Cell {
    Cell {
        outlook,
        platform,
        order,
        policy,
        deletion,
    }
}

/// Policies make a difference to conflicts alone, and those have tables of their own.
fn grid(order: Order) -> String {
    let mut grid = "| Outlook ↓ platform →".to_owned();
    for act in Act::ALL {
        let _ = write!(grid, " | {}", act.name());
    }
    let _ = writeln!(grid, " |\n|{}", " --- |".repeat(Act::ALL.len() + 1));
    for outlook in Act::ALL {
        let _ = write!(grid, "| **{}**", outlook.name());
        for platform in Act::ALL {
            let cell = cell(
                outlook,
                platform,
                order,
                Policy::LastWriteWins,
                Deletion::EditWins,
            );
            let _ = write!(grid, " | {}", cell_in_grid(cell));
        }
        grid.push_str(" |\n");
    }
    grid
}

fn cell_in_grid(cell: Cell) -> String {
    match cell.clash() {
        Some(Clash::Title) => "**conflict**: the title".to_owned(),
        Some(Clash::Folder) => "**conflict**: the folder".to_owned(),
        Some(Clash::Being) => "**conflict**: deleted or not".to_owned(),
        None => words(&expected(cell)),
    }
}

/// Where both have written the same, or moved it: who gets his way under which policy.
fn same() -> String {
    let mut table = "| policy | both edit the title, Outlook later | the platform later \
                     | both move it, Outlook later | the platform later |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for policy in Policy::ALL {
        let _ = write!(table, "| `{}`", policy.name());
        for act in [Act::EditSame, Act::Move] {
            for order in [Order::OutlookLater, Order::PlatformLater] {
                let cell = cell(act, act, order, policy, Deletion::EditWins);
                let _ = write!(table, " | {}", words(&expected(cell)));
            }
        }
        table.push_str(" |\n");
    }
    table
}

/// Where somebody has deleted what the other has changed: who gets his way under which policy for deletes.
fn deletions() -> String {
    let mut table = "| policy for deletes | policy | deleted in Outlook, which is later | earlier \
                     | deleted on the platform, which is later | earlier |\n\
                     | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for deletion in Deletion::ALL {
        let policies = match deletion {
            Deletion::EditWins | Deletion::DeleteWins => vec![("any".to_owned(), Policy::LastWriteWins)],
            Deletion::ByPolicy => {
                let all = Policy::ALL.into_iter();
                all.map(|policy| (format!("`{}`", policy.name()), policy))
                    .collect()
            }
        };
        for (name, policy) in policies {
            let _ = write!(table, "| `{}` | {name}", deletion.name());
            for (deleter, order) in [
                (Side::Outlook, Order::OutlookLater),
                (Side::Outlook, Order::PlatformLater),
                (Side::Platform, Order::PlatformLater),
                (Side::Platform, Order::OutlookLater),
            ] {
                let (outlook, platform) = match deleter {
                    Side::Outlook => (Act::Delete, Act::EditSame),
                    Side::Platform => (Act::EditSame, Act::Delete),
                };
                let cell = cell(outlook, platform, order, policy, deletion);
                let _ = write!(table, " | {}", words(&expected(cell)));
            }
            table.push_str(" |\n");
        }
    }
    table
}

/// What comes of a cell.
fn words(expected: &Expected) -> String {
    let mut words = vec![expected.contact.map_or_else(|| "gone".to_owned(), state)];
    let new = expected.newcomers.len();
    if new > 0 {
        words.push(format!("{new} new"));
    }
    if let Some(side) = expected.impossible {
        words.push(match side {
            Side::Outlook => "Outlook shows nothing to act on".to_owned(),
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
