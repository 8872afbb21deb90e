//! The oracle holds together, and the page in the repository is the one that it gives.

use std::collections::BTreeSet;

use edit_matrix::{
    Act, Cell, Clash, Deletion, Mark, Order, Policy, Seen, Side, State, Subject, Trial, Winner, Writes,
    expected, page, sheets,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conflicts.md");
const BEGIN: &str = "<!-- the matrix: written by tests/matrix -->\n";
const END: &str = "<!-- the end of the matrix -->\n";

#[test]
fn every_pair_of_acts_is_there_once_in_each_order_under_each_policy() {
    let mut cells = BTreeSet::new();
    for sheet in sheets() {
        for cell in sheet.cells {
            assert!(cells.insert(cell), "{cell:?} is there twice");
            expected(cell);
        }
    }
    // 36 pairs in 4 orders under 4 policies; and the 6 pairs of a delete with a change, at once, under the two other
    // policies for deletes.
    assert_eq!(cells.len(), 36 * 4 * 4 + 6 * 2 * 4 * 2);
}

#[test]
fn where_the_second_knows_of_the_first_both_get_their_way_one_after_the_other() {
    for cell in sheets().into_iter().flat_map(|sheet| sheet.cells) {
        if !cell.order.is_settled() {
            continue;
        }
        let expected = expected(cell);
        assert_eq!(expected.contact, applied(cell, cell.order.sides()), "{cell:?}");
        assert_eq!(expected.entry, None, "{cell:?}");
    }
}

/// One after the other.
fn applied(cell: Cell, sides: [Side; 2]) -> Option<State> {
    let mut contact = Some(State::BEFORE);
    for side in sides {
        contact = contact.and_then(|state| state.after(side, cell.act(side)));
    }
    contact
}

#[test]
fn at_once_each_gets_his_way_where_they_do_not_clash() {
    for cell in sheets().into_iter().flat_map(|sheet| sheet.cells) {
        let found = expected(cell);
        if found.entry.is_some() {
            continue;
        }
        let [first, second] = cell.order.sides();
        assert_eq!(found.contact, applied(cell, [first, second]), "{cell:?}");
        if !cell.order.is_settled() {
            assert_eq!(
                found.contact,
                applied(cell, [second, first]),
                "{cell:?}: the order matters"
            );
        }
    }
}

#[test]
fn where_they_clash_the_winner_has_it_as_he_wanted_it() {
    for cell in sheets().into_iter().flat_map(|sheet| sheet.cells) {
        let found = expected(cell);
        let Some(entry) = found.entry else { continue };
        let acted = Some(State::BEFORE);
        assert!(entry.outlook != acted && entry.platform != acted, "{cell:?}");
        let is_deleted = entry.outlook.is_none() != entry.platform.is_none();
        assert_eq!(entry.clash == Clash::Being, is_deleted, "{cell:?}");
        // Whoever acts does one thing, so there is nothing but what they clash about.
        let wanted = match entry.winner {
            Winner::Side(Side::Outlook) => entry.outlook,
            Winner::Side(Side::Platform) => entry.platform,
            Winner::Custom => Some(State {
                title: Mark::Joined,
                ..State::BEFORE
            }),
        };
        assert_eq!(found.contact, wanted, "{cell:?}");
    }
}

#[test]
fn nobody_who_does_nothing_is_in_a_conflict_and_nothing_costs_nothing() {
    for cell in sheets().into_iter().flat_map(|sheet| sheet.cells) {
        let found = expected(cell);
        if !cell.outlook.needs_contact() || !cell.platform.needs_contact() {
            assert_eq!((found.entry, found.impossible), (None, None), "{cell:?}");
        }
        if cell.platform == Act::Nothing {
            assert_eq!(found.writes, Writes::default(), "{cell:?}");
            assert!(found.events.len() <= 1, "{cell:?}");
        }
        assert!(found.events.len() <= 2, "{cell:?}");
        if cell.order == Order::PlatformFirst && cell.platform.needs_contact() {
            let writes = found.writes;
            let count = writes.creates + writes.updates + writes.deletes;
            assert_eq!(count, if cell.platform == Act::Move { 2 } else { 1 }, "{cell:?}");
        }
    }
}

/// What the page leaves out, since it would say the same again.
#[test]
fn policies_and_who_was_later_make_a_difference_to_conflicts_alone() {
    for cell in sheets().into_iter().flat_map(|sheet| sheet.cells) {
        let order = match cell.order {
            Order::OutlookFirst | Order::PlatformFirst => cell.order,
            Order::OutlookLater | Order::PlatformLater => Order::OutlookLater,
        };
        let shown = Cell {
            order,
            policy: Policy::LastWriteWins,
            deletion: Deletion::EditWins,
            ..cell
        };
        if cell.clash().is_none() {
            let (found, shown) = (expected(cell), expected(shown));
            assert_eq!(
                (found.contact, found.writes),
                (shown.contact, shown.writes),
                "{cell:?}"
            );
            assert_eq!(found.impossible, shown.impossible, "{cell:?}");
        }
        // Of the conflicts about a delete, the page shows the edit of the title for all of them.
        if cell.clash() == Some(Clash::Being) {
            let as_title = |act| if act == Act::Delete { act } else { Act::EditSame };
            let of_title = Cell {
                outlook: as_title(cell.outlook),
                platform: as_title(cell.platform),
                ..cell
            };
            let (found, of_title) = (expected(cell), expected(of_title));
            assert_eq!(found.contact.is_some(), of_title.contact.is_some(), "{cell:?}");
            assert_eq!(found.writes, of_title.writes, "{cell:?}");
        }
    }
}

#[test]
fn a_judge_who_has_seen_nothing_finds_fault_with_every_cell() {
    for sheet in sheets() {
        let cells = sheet.cells.iter();
        let trial = Trial {
            folders: ["before", "outlook", "platform"].map(str::to_owned),
            subjects: cells
                .map(|cell| Subject::new(*cell, "outlook".to_owned(), cell.name(), 1))
                .collect(),
        };
        let faults = trial.judge(&Seen::default());
        for cell in &sheet.cells {
            let of_cell = faults.iter().filter(|fault| fault.starts_with(&cell.name()));
            assert!(of_cell.count() > 0, "{cell:?}: {faults:?}");
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how a developer asks for the page to be rewritten"
)]
fn the_page_in_the_repository_has_the_matrix_that_the_oracle_gives() {
    let text = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let written = format!("{before}{BEGIN}\n{}\n{END}{after}", page());
    if std::env::var("UPDATE_MATRIX").is_ok() {
        std::fs::write(PAGE, &written).unwrap();
    }
    let text = std::fs::read_to_string(PAGE).unwrap();
    assert!(
        text == written,
        "rewrite docs/conflicts.md: UPDATE_MATRIX=1 cargo test -p edit-matrix"
    );
}
