//! The matrix: what somebody does to a contact in Outlook × what somebody does to it on the platform, in which order,
//! under which policy, and what must come of it.
//!
//! An oracle: it knows the rules in words of its own, and shares no code with what it judges. It must not know how
//! anything is synced, nor how a test looks at it. `docs/conflicts.md` shows it to people; two test suites hold the
//! bundle to it, in one process and deployed.

mod contact;
mod expected;
mod judge;
mod publish;
mod table;

pub use contact::{Folder, Mark, State, edits, newcomer, title};
pub use expected::{Change, Entry, Event, Expected, Winner, Writes, expected};
pub use judge::{Seen, Subject, Trial};
pub use publish::page;
pub use table::Clash;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Somebody in Outlook.
    Outlook,
    /// Somebody who uses the API.
    Platform,
}

/// What somebody does while there is a contact that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Leaves it alone.
    Nothing,
    /// Makes another contact.
    Create,
    /// Writes the member that the other side would write too: the job title.
    EditSame,
    /// Writes a member of his own: Outlook the department, the platform the office.
    EditOther,
    /// Deletes it.
    Delete,
    /// Moves it to a folder of his own choice.
    Move,
}

/// What happens first, and what the other side knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Outlook's act has arrived everywhere before the platform acts.
    OutlookFirst,
    /// The platform's act has arrived everywhere before somebody acts in Outlook.
    PlatformFirst,
    /// Both act before anything is synced, Outlook the later.
    OutlookLater,
    /// Both act before anything is synced, the platform the later.
    PlatformLater,
}

/// Who gets his way where both have changed the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The later one.
    LastWriteWins,
    /// Outlook.
    OutlookWins,
    /// The platform.
    PlatformWins,
    /// The deployment's function, which here answers with both values joined; without its answer, the later one.
    Custom,
}

/// Who gets his way where one has deleted what the other has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deletion {
    /// The change: the contact lives.
    EditWins,
    /// The delete.
    DeleteWins,
    /// As the policy says.
    ByPolicy,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// What is done in Outlook.
    pub outlook: Act,
    /// What is done on the platform.
    pub platform: Act,
    /// In which order.
    pub order: Order,
    /// Under which policy.
    pub policy: Policy,
    /// And which policy for deletes.
    pub deletion: Deletion,
}

/// Cells that can be tried in one mailbox, with a contact for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// In which order both sides act.
    pub order: Order,
    /// The mailbox's policy.
    pub policy: Policy,
    /// The mailbox's policy for deletes.
    pub deletion: Deletion,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// The whole matrix. A policy for deletes that is not the default has only the cells in which it matters.
pub fn sheets() -> Vec<Sheet> {
    let mut sheets = Vec::new();
    for policy in Policy::ALL {
        for order in Order::ALL {
            for deletion in Deletion::ALL {
                let cells: Vec<Cell> = cells(order, policy, deletion).collect();
                if !cells.is_empty() {
                    sheets.push(Sheet {
                        order,
                        policy,
                        deletion,
                        cells,
                    });
                }
            }
        }
    }
    sheets
}

fn cells(order: Order, policy: Policy, deletion: Deletion) -> impl Iterator<Item = Cell> {
    let pairs = Act::ALL
        .into_iter()
        .flat_map(|outlook| Act::ALL.map(|platform| (outlook, platform)));
    let cells = pairs.map(move |(outlook, platform)| Cell {
        outlook,
        platform,
        order,
        policy,
        deletion,
    });
    cells.filter(|cell| cell.deletion == Deletion::EditWins || cell.clash() == Some(Clash::Being))
}

impl Cell {
    /// Its two acts in words: a name for its contact.
    pub fn name(self) -> String {
        format!("{} x {}", self.outlook.name(), self.platform.name())
    }

    /// What a side does.
    pub fn act(self, side: Side) -> Act {
        match side {
            Side::Outlook => self.outlook,
            Side::Platform => self.platform,
        }
    }

    /// What both have changed without knowing of each other.
    pub fn clash(self) -> Option<Clash> {
        if self.order.is_settled() {
            return None;
        }
        table::row(self.outlook, self.platform).clash
    }
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Outlook => Self::Platform,
            Self::Platform => Self::Outlook,
        }
    }
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Create,
        Self::EditSame,
        Self::EditOther,
        Self::Delete,
        Self::Move,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Create => "create",
            Self::EditSame => "edit same",
            Self::EditOther => "edit other",
            Self::Delete => "delete",
            Self::Move => "move",
        }
    }

    /// True where there has to be a contact for it.
    pub fn needs_contact(self) -> bool {
        match self {
            Self::Nothing | Self::Create => false,
            Self::EditSame | Self::EditOther | Self::Delete | Self::Move => true,
        }
    }
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OutlookFirst,
        Self::PlatformFirst,
        Self::OutlookLater,
        Self::PlatformLater,
    ];

    /// Who acts first, and who then.
    pub fn sides(self) -> [Side; 2] {
        match self {
            Self::OutlookFirst | Self::PlatformLater => [Side::Outlook, Side::Platform],
            Self::PlatformFirst | Self::OutlookLater => [Side::Platform, Side::Outlook],
        }
    }

    /// True where the second knows what the first has done.
    pub fn is_settled(self) -> bool {
        match self {
            Self::OutlookFirst | Self::PlatformFirst => true,
            Self::OutlookLater | Self::PlatformLater => false,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutlookFirst => "Outlook first, and synced",
            Self::PlatformFirst => "the platform first, and synced",
            Self::OutlookLater => "both at once, Outlook the later",
            Self::PlatformLater => "both at once, the platform the later",
        }
    }
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::LastWriteWins,
        Self::OutlookWins,
        Self::PlatformWins,
        Self::Custom,
    ];

    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "lastWriteWins",
            Self::OutlookWins => "outlookWins",
            Self::PlatformWins => "platformWins",
            Self::Custom => "custom",
        }
    }
}

impl Deletion {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::EditWins, Self::DeleteWins, Self::ByPolicy];

    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EditWins => "editWins",
            Self::DeleteWins => "deleteWins",
            Self::ByPolicy => "byPolicy",
        }
    }
}
