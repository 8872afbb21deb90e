//! The oracle holds together, and the page in the repository is the one that it gives.

use std::collections::BTreeSet;

use edit_matrix::{Act, Clash, Order, Side, State, Winner, expected, page, sheets};

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
        let mut contact = Some(State::BEFORE);
        for side in cell.order.sides() {
            contact = contact.and_then(|state| state.after(side, cell.act(side)));
        }
        let expected = expected(cell);
        assert_eq!(expected.contact, contact, "{cell:?}");
        assert_eq!(expected.entry, None, "{cell:?}");
    }
}

#[test]
fn at_once_each_gets_his_way_but_for_what_they_clash_about() {
    for cell in sheets().into_iter().flat_map(|sheet| sheet.cells) {
        let found = expected(cell);
        match found.entry {
            Some(entry) => {
                assert!(entry.outlook != Some(State::BEFORE) && entry.platform != Some(State::BEFORE));
                assert_eq!(
                    entry.clash == Clash::Being,
                    entry.outlook.is_none() != entry.platform.is_none()
                );
                let won = match entry.winner {
                    Winner::Side(Side::Outlook) => entry.outlook,
                    Winner::Side(Side::Platform) => entry.platform,
                    Winner::Custom => continue,
                };
                assert_eq!(found.contact, won, "{cell:?}: whoever wins has acted on nothing else");
            }
            None => {
                let apply = |sides: [Side; 2]| {
                    let mut contact = Some(State::BEFORE);
                    for side in sides {
                        contact = contact.and_then(|state| state.after(side, cell.act(side)));
                    }
                    contact
                };
                let sides = cell.order.sides();
                assert_eq!(found.contact, apply(sides), "{cell:?}");
                if !cell.order.is_settled() {
                    assert_eq!(apply(sides), apply([sides[1], sides[0]]), "{cell:?}: the order matters");
                }
            }
        }
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
            assert_eq!(found.writes, edit_matrix::Writes::default(), "{cell:?}");
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
