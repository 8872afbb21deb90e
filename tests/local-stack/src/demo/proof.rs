//! Acts two and four: each mailbox against its mirror, member by member.
//!
//! Knows `local_stack::differences`, which shares no code with the sync.

use anyhow::Context as _;
use local_stack::{Difference, differences};

use super::first_sync::many;
use super::tally::thousands;
use super::{End, Stage};

/// So many differences are named.
const NAMED: usize = 10;

impl Stage<'_> {
    /// Compares all of them, and says what differs.
    pub(super) async fn prove(&mut self) -> anyhow::Result<End> {
        let (mut contacts, mut folders) = (0, 0);
        let mut all = Vec::new();
        for person in &self.people {
            let truth = self.stack.world().snapshot(&person.key);
            let truth = truth.context("the simulator has lost a mailbox")?;
            contacts += truth.contacts.len();
            folders += truth.folders.len();
            let found = differences(&self.audience, &person.id, &truth, |_| true).await?;
            all.extend(
                found
                    .into_iter()
                    .map(|difference| (person.name.clone(), difference)),
            );
        }
        if all.is_empty() {
            self.screen.line(&format!(
                "   Equal: {} in {}, each in its folder, at its version, with every member.",
                many(contacts, "contact", "contacts"),
                many(folders, "folder", "folders"),
            ));
            return Ok(End::Equal);
        }
        self.screen.line(&format!(
            "   NOT EQUAL: {} of {} contacts differ.",
            thousands(all.len() as u64),
            thousands(contacts as u64),
        ));
        for (name, difference) in all.iter().take(NAMED) {
            let (how, id) = match difference {
                Difference::Missing(id) => ("is missing in the mirror", id),
                Difference::LeftOver(id) => ("is left over in the mirror", id),
                Difference::Differs(id) => ("differs", id),
            };
            self.screen.line(&format!("   {name}: {how}: {id}"));
        }
        Ok(End::Different)
    }
}
