//! What happened in a play: what people were told is done, what was to be seen meanwhile, and what is there at the end.
//!
//! A contact is known by the name that the script gives it, whatever its ids are.

use std::collections::{BTreeMap, BTreeSet};

/// Members of a contact, as far as scripts write them.
pub type Members = BTreeMap<String, String>;

/// Where somebody acts, and where is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The mailbox.
    Outlook,
    /// The platform.
    Platform,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Outlook, Self::Platform];
}

/// What somebody does with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes it.
    Create,
    /// Gives members other values.
    Edit,
    /// Deletes it.
    Delete,
    /// Takes it back from where deleted ones lie.
    Restore,
    /// Puts it into another folder.
    Move,
}

/// An act that was acknowledged.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Where.
    pub side: Side,
    /// What.
    pub act: Act,
    /// With which contact.
    pub who: String,
    /// The values that it wrote.
    pub members: Members,
    /// The members of the contact as its side showed them just before.
    pub knew: Members,
    /// How often both sides had come to agree before: who acts in a later era knows of all earlier ones.
    pub era: usize,
}

/// One after the other.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody was told that it is done.
    Deed(Deed),
    /// Which contacts a side showed.
    Seen(Side, BTreeSet<String>),
}

/// A contact as a side shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Card {
    /// Who it is.
    pub who: String,
    /// Those of its members that are text and not empty.
    pub members: Members,
}

/// What there is after everything.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The mailbox.
    pub outlook: Vec<Card>,
    /// The platform.
    pub platform: Vec<Card>,
    /// All that the program has noted down about values that gave way, in whatever form.
    pub log: String,
    /// Requests to Graph about the mailbox.
    pub requests: u64,
    /// Of these, those that a fault of the script has struck.
    pub struck: u64,
}

impl Ending {
    /// A side of it.
    pub fn side(&self, side: Side) -> &[Card] {
        match side {
            Side::Outlook => &self.outlook,
            Side::Platform => &self.platform,
        }
    }
}

/// A play from its beginning to its end.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In order.
    pub events: Vec<Event>,
    /// At last.
    pub ending: Ending,
}

impl History {
    /// What was done, in order.
    pub fn deeds(&self) -> impl DoubleEndedIterator<Item = &Deed> {
        self.events.iter().filter_map(|event| match event {
            Event::Deed(deed) => Some(deed),
            Event::Seen(..) => None,
        })
    }
}
