//! A fault script: a short story in time, as JSON.
//!
//! Knows the words that scripts may use. Must not know how they are carried out.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::history::{Act, Members, Side};

/// A story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// In a few words.
    pub title: String,
    /// What happens.
    pub story: String,
    /// One after the other. After the last one the faults stop, and some time passes.
    pub steps: Vec<Step>,
}

/// What happens next.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// The program is told to keep the mailbox in sync.
    Enrol,
    /// Waits until both sides show the same, for a minute at most. What is done after that is done knowingly.
    Meet,
    /// Lets time pass.
    Wait {
        /// How much.
        seconds: f64,
    },
    /// Waits until Graph was asked so often for something, for a minute at most.
    UntilAsked {
        /// The simulator's name of it.
        operation: String,
        /// So often since the beginning.
        times: u64,
    },
    /// The program's worker dies.
    Kill,
    /// An order to the simulator, with its members; tenant and user are added.
    Operator {
        /// Its name.
        order: String,
        /// Its members.
        with: Map<String, Value>,
    },
    /// The mailbox's user makes a folder.
    OutlookFolder {
        /// Its name.
        name: String,
        /// The folder that it lies in; the default folder, where none is named.
        parent: Option<String>,
    },
    /// The mailbox's user makes contacts.
    OutlookCreate(Doing),
    /// He gives members other values.
    OutlookEdit(Doing),
    /// He deletes them.
    OutlookDelete(Doing),
    /// He takes them back from Deleted Items.
    OutlookRestore(Doing),
    /// He moves them.
    OutlookMove(Doing),
    /// The platform makes contacts.
    PlatformCreate(Doing),
    /// It gives members other values.
    PlatformEdit(Doing),
    /// It deletes them.
    PlatformDelete(Doing),
}

/// With whom, and what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doing {
    /// The contact, or where a count is given, the name before the hyphen and the number.
    who: String,
    /// With so many contacts, one after the other.
    count: Option<usize>,
    /// The values that are written, each followed by the contact's name, so that it is found in a log.
    #[serde(default)]
    members: Members,
    /// The name of the folder; the default folder, where none is named.
    pub folder: Option<String>,
}

impl Doing {
    /// The values as one contact gets them.
    pub fn written_to(&self, who: &str) -> Members {
        let values = self.members.iter();
        values
            .map(|(name, value)| (name.clone(), format!("{value} ({who})")))
            .collect()
    }

    /// With whom.
    pub fn people(&self) -> Vec<String> {
        match self.count {
            None => vec![self.who.clone()],
            Some(count) => (1..=count)
                .map(|number| format!("{}-{number}", self.who))
                .collect(),
        }
    }
}

impl Step {
    /// The deed of a person or of the platform that it is.
    pub fn deed(&self) -> Option<(Side, Act, &Doing)> {
        Some(match self {
            Self::OutlookCreate(doing) => (Side::Outlook, Act::Create, doing),
            Self::OutlookEdit(doing) => (Side::Outlook, Act::Edit, doing),
            Self::OutlookDelete(doing) => (Side::Outlook, Act::Delete, doing),
            Self::OutlookRestore(doing) => (Side::Outlook, Act::Restore, doing),
            Self::OutlookMove(doing) => (Side::Outlook, Act::Move, doing),
            Self::PlatformCreate(doing) => (Side::Platform, Act::Create, doing),
            Self::PlatformEdit(doing) => (Side::Platform, Act::Edit, doing),
            Self::PlatformDelete(doing) => (Side::Platform, Act::Delete, doing),
            Self::Enrol
            | Self::Meet
            | Self::Wait { .. }
            | Self::UntilAsked { .. }
            | Self::Kill
            | Self::Operator { .. }
            | Self::OutlookFolder { .. } => return None,
        })
    }
}

impl Script {
    /// Reads one.
    pub fn read(name: &str, text: &str) -> serde_json::Result<Self> {
        let mut script: Self = serde_json::from_str(text)?;
        name.clone_into(&mut script.name);
        Ok(script)
    }
}
