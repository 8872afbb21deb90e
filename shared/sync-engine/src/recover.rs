//! Creates whose answer was lost: found by their stamp, or given up as never made.
//!
//! The mailbox's record names the contacts whose creates were under way when a worker died, or whose answer did not
//! come. Each is looked for by its stamp before it is created again, and not created again before the first create
//! can't come to pass any more.

use std::collections::BTreeSet;

use graph_client::{StampSearch, Transport};
use jiff::SignedDuration;
use sync_core::sighting::Source;

use crate::Trouble;
use crate::convert::Shown;
use crate::session::Session;
use crate::work::Progress;

impl<T: Transport> Session<'_, T> {
    /// Looks for what the mailbox's record says was being created. Those that are not found stay in doubt until
    /// `settles_within` has passed.
    pub(crate) async fn recover(&mut self, settles_within: SignedDuration) -> Result<Progress, Trouble> {
        let Some(creating) = self.mailbox.creating.clone() else {
            return Ok(Progress::Complete);
        };
        self.doubtful.clone_from(&creating.contacts);
        let contacts = self.read(creating.contacts).await?;
        // Those that have been found by a round meanwhile, or that nobody wants any more, are in no doubt.
        let open: Vec<_> = contacts.into_iter().filter(|it| it.edit.is_some()).collect();
        let searches: Vec<StampSearch<'_>> = open
            .iter()
            .map(|contact| StampSearch {
                folder: self.real_folder(&contact.folder).as_str(),
                stamp: contact.id.as_str(),
            })
            .collect();
        let found = self.graph().contacts_by_stamp(&searches).await;
        let is_over = self.now().duration_since(creating.since) > settles_within;
        let mut left = BTreeSet::new();
        for (contact, found) in open.iter().zip(found) {
            // The item that it is about to leave bears its stamp too.
            let known = contact.outlook.as_ref().map(|item| item.id.as_str());
            let newcomer = found?.into_iter().find(|item| Some(item.id.as_str()) != known);
            match newcomer {
                Some(item) => {
                    let shown = Shown::new(&self.mailbox.id, item);
                    let write = self
                        .write_for(&shown, Some(contact), Source::Read)
                        .await
                        .ok()
                        .flatten();
                    let overtaken = self.write_all(write.into_iter().collect()).await?;
                    self.verify(overtaken).await?;
                }
                None if is_over => {}
                None => drop(left.insert(contact.id.clone())),
            }
        }
        self.doubtful = left;
        Ok(Progress::Complete)
    }
}
