//! What must come of a cell: on both sides, in the conflict log, on the bus, and at which price.
//!
//! The table says what is left of the contact. What else must be seen follows from that: an event for each thing that
//! can be seen to have changed, and as many writes to Outlook as it takes to make Outlook's contact that one.

use crate::contact::{Mark, State};
use crate::table::{Clash, row};
use crate::{Act, Cell, Deletion, Order, Policy, Side};

/// What must come of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The contact as both sides have it in the end; none: deleted on both.
    pub contact: Option<State>,
    /// Who has made another contact, which both sides have in the end.
    pub newcomers: Vec<Side>,
    /// Whose act can't be done, since the other has deleted the contact and that has arrived.
    pub impossible: Option<Side>,
    /// What the conflict log has; none: nothing.
    pub entry: Option<Entry>,
    /// What Outlook is asked to write, for the contact.
    pub writes: Writes,
    /// What the bus has told of the contact since both sides agreed on it.
    pub events: Vec<Event>,
}

/// An entry of the conflict log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// What it is about.
    pub clash: Clash,
    /// Who has won.
    pub winner: Winner,
    /// What the platform had; none: deleted.
    pub platform: Option<State>,
    /// What Outlook had; none: deleted.
    pub outlook: Option<State>,
}

/// Who has won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// One of the two.
    Side(Side),
    /// Neither: the deployment's function has answered with a value of its own.
    Custom,
}

/// Writes to Outlook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Contacts created.
    pub creates: u64,
    /// Contacts updated.
    pub updates: u64,
    /// Contacts deleted.
    pub deletes: u64,
}

/// What the bus tells of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What has happened to it.
    pub change: Change,
    /// Who has brought it about.
    pub by: Side,
}

/// What has happened to a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It can be seen, which it couldn't.
    Created,
    /// It is otherwise.
    Updated,
    /// It can't be seen any more.
    Deleted,
}

/// What must come of a cell.
pub fn expected(cell: Cell) -> Expected {
    let row = row(cell.outlook, cell.platform);
    let winner = cell.clash().map(|clash| (clash, prevails(cell, clash)));
    let contact = match (cell.order, winner) {
        (Order::OutlookFirst, _) => row.outlook_first,
        (Order::PlatformFirst, _) => row.platform_first,
        // Where they don't clash, the two columns say the same.
        (Order::OutlookLater | Order::PlatformLater, None | Some((_, Winner::Side(Side::Outlook)))) => {
            row.outlook_prevails
        }
        (Order::OutlookLater | Order::PlatformLater, Some((_, Winner::Side(Side::Platform)))) => {
            row.platform_prevails
        }
        (Order::OutlookLater | Order::PlatformLater, Some((_, Winner::Custom))) => {
            let joined = |state| State {
                title: Mark::Joined,
                ..state
            };
            row.platform_prevails.map(joined)
        }
    };
    let [first, second] = cell.order.sides();
    let is_impossible =
        cell.order.is_settled() && cell.act(first) == Act::Delete && cell.act(second).needs_contact();
    Expected {
        contact,
        newcomers: newcomers(cell),
        impossible: is_impossible.then_some(second),
        entry: winner.map(|(clash, winner)| Entry {
            clash,
            winner,
            platform: alone(cell, Side::Platform),
            outlook: alone(cell, Side::Outlook),
        }),
        writes: writes(cell, contact),
        events: events(cell, contact),
    }
}

/// Who gets his way.
fn prevails(cell: Cell, clash: Clash) -> Winner {
    let later = match cell.order {
        Order::OutlookFirst | Order::OutlookLater => Side::Outlook,
        Order::PlatformFirst | Order::PlatformLater => Side::Platform,
    };
    let deleter = if cell.outlook == Act::Delete {
        Side::Outlook
    } else {
        Side::Platform
    };
    // Outlook doesn't tell when something was deleted. A delete is known from the look that finds it, which is later than
    // any edit that it finds.
    let later = match clash {
        Clash::Being if deleter == Side::Outlook => Side::Outlook,
        Clash::Being | Clash::Title | Clash::Folder => later,
    };
    match (clash, cell.deletion, cell.policy) {
        (Clash::Being, Deletion::EditWins, _) => Winner::Side(deleter.other()),
        (Clash::Being, Deletion::DeleteWins, _) => Winner::Side(deleter),
        (_, _, Policy::OutlookWins) => Winner::Side(Side::Outlook),
        (_, _, Policy::PlatformWins) => Winner::Side(Side::Platform),
        // The function is asked about values, neither about folders nor about life and death.
        (Clash::Title, _, Policy::Custom) => Winner::Custom,
        (_, _, Policy::LastWriteWins | Policy::Custom) => Winner::Side(later),
    }
}

/// What the contact is if only one side acts.
fn alone(cell: Cell, side: Side) -> Option<State> {
    State::BEFORE.after(side, cell.act(side))
}

fn newcomers(cell: Cell) -> Vec<Side> {
    let sides = [Side::Outlook, Side::Platform].into_iter();
    sides.filter(|side| cell.act(*side) == Act::Create).collect()
}

/// What it takes to make Outlook's contact what the platform's act, or what was made of it, wants.
fn writes(cell: Cell, contact: Option<State>) -> Writes {
    let (has, wanted) = match cell.order {
        Order::PlatformFirst => (Some(State::BEFORE), alone(cell, Side::Platform)),
        Order::OutlookFirst | Order::OutlookLater | Order::PlatformLater => {
            (alone(cell, Side::Outlook), contact)
        }
    };
    match (has, wanted) {
        (None, None) => Writes::default(),
        (None, Some(_)) => Writes {
            creates: 1,
            ..Writes::default()
        },
        (Some(_), None) => Writes {
            deletes: 1,
            ..Writes::default()
        },
        // Graph can't move a contact.
        (Some(has), Some(wanted)) if has.folder != wanted.folder => Writes {
            creates: 1,
            deletes: 1,
            ..Writes::default()
        },
        (Some(has), Some(wanted)) => Writes {
            updates: u64::from(has != wanted),
            ..Writes::default()
        },
    }
}

/// One for each state that can be seen: after what is seen first, and in the end. What the platform does is seen at
/// once.
fn events(cell: Cell, contact: Option<State>) -> Vec<Event> {
    let first = match cell.order {
        Order::OutlookFirst => Side::Outlook,
        Order::PlatformFirst | Order::OutlookLater | Order::PlatformLater => Side::Platform,
    };
    let seen = [
        (Side::Outlook, Some(State::BEFORE)),
        (first, alone(cell, first)),
        (first.other(), contact),
    ];
    let steps = seen.windows(2).filter_map(|step| {
        let &[(_, before), (by, after)] = step else {
            return None;
        };
        let change = match (before, after) {
            (None, Some(_)) => Change::Created,
            (Some(_), None) => Change::Deleted,
            (Some(before), Some(after)) if before != after => Change::Updated,
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(Event { change, by })
    });
    steps.collect()
}
