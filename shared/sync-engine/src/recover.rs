//! Creates whose answer was lost: found by their stamp, or given up as never made.
//!
//! The mailbox's record names the contacts whose creates were under way when a worker died, or whose answer did not
//! come. Each is looked for by its stamp before it is created again, and not created again before the first create
//! can't come to pass any more.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::Contact;
use graph_client::{StampSearch, Transport};
use jiff::SignedDuration;
use sync_core::ids::{ContactId, FolderId, OutlookId};
use sync_core::rebase::FOLDER;
use sync_core::record::Wish;
use sync_core::sighting::Source;

use crate::Trouble;
use crate::convert::Shown;
use crate::push::named;
use crate::session::Session;
use crate::work::Progress;

/// Between the creation and the last change of an item that was only created: Outlook's times are whole seconds.
const ONE_WRITE: SignedDuration = SignedDuration::from_secs(1);

impl<T: Transport> Session<'_, T> {
    /// Looks for what the mailbox's record says was being created. Those that are not found stay in doubt until
    /// `settles_within` has passed.
    pub(crate) async fn recover(&mut self, settles_within: SignedDuration) -> Result<Progress, Trouble> {
        let Some(creating) = self.mailbox.creating.clone() else {
            return Ok(Progress::Complete);
        };
        self.doubtful.clone_from(&creating.contacts);
        self.asked_for.extend(creating.contacts.iter().cloned());
        let contacts = self.read(creating.contacts).await?;
        // Those that have been found by a round meanwhile, or that nobody wants any more, are in no doubt.
        let open: Vec<_> = contacts.into_iter().filter(|it| it.edit.is_some()).collect();
        let places: Vec<(&Contact, FolderId)> = open
            .iter()
            .flat_map(|contact| {
                self.may_be_in(contact)
                    .into_iter()
                    .map(move |folder| (contact, folder))
            })
            .collect();
        let searches: Vec<StampSearch<'_>> = places
            .iter()
            .map(|(contact, folder)| StampSearch {
                folder: named(folder),
                stamp: contact.id.as_str(),
            })
            .collect();
        let mut found: BTreeMap<&ContactId, Vec<graph_client::Contact>> = BTreeMap::new();
        for ((contact, _), items) in places.iter().zip(self.graph().contacts_by_stamp(&searches).await) {
            found.entry(&contact.id).or_default().extend(items?);
        }
        let is_over = self.now().duration_since(creating.since) > settles_within;
        let mut left = BTreeSet::new();
        for contact in &open {
            // The item that it is about to leave bears its stamp too, and so do those that it has left.
            let known = contact
                .outlook
                .iter()
                .map(|item| &item.id)
                .chain(&contact.superseded);
            let known: Vec<&str> = known.map(OutlookId::as_str).collect();
            let items = found.remove(&contact.id).unwrap_or_default();
            let newcomer = items.into_iter().find(|item| !known.contains(&item.id.as_str()));
            match newcomer {
                Some(item) => {
                    let shown = Shown::new(&self.mailbox.id, item);
                    let contact = as_if_answered(contact, &shown);
                    let write = self
                        .write_for(&shown, Some(&contact), Source::Read)
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
    /// The folders in which a contact may have been created: its own; or, where that was chosen, any other. It may have
    /// been another one at that time.
    fn may_be_in(&self, contact: &Contact) -> Vec<FolderId> {
        let own = self.real_folder(&contact.folder);
        let is_chosen = contact
            .edit
            .as_ref()
            .is_some_and(|edit| edit.members.contains_key(FOLDER));
        let synced = self.folders.values().filter(|it| is_chosen && it.in_scope);
        let others = synced.map(|it| &it.id).filter(|id| *id != own);
        std::iter::once(own).chain(others).cloned().collect()
    }

    /// True for a contact that may have been created as an item that nobody has heard of.
    pub(crate) fn is_awaited(&self, contact: &Contact) -> bool {
        let creating = self.mailbox.creating.as_ref();
        contact.edit.is_some() && creating.is_some_and(|it| it.contacts.contains(&contact.id))
    }
}

/// A contact whose item was found instead of answered for. As long as nobody has changed the item, it is what was sent:
/// where the contact differs now in what was edited here, that was edited since, and can't clash with itself.
pub(crate) fn as_if_answered(contact: &Contact, shown: &Shown) -> Contact {
    let mut contact = contact.clone();
    let age = shown.created_at.zip(shown.modified_at);
    let is_untouched = age.is_some_and(|(created, modified)| modified.duration_since(created) <= ONE_WRITE);
    if let Some(edit) = contact.edit.as_mut().filter(|_| is_untouched) {
        let mut base = match edit.wish {
            Wish::Save => contact.document.clone(),
            Wish::Delete => shown.document.clone(),
        };
        for name in edit.members.keys().filter(|name| *name != FOLDER) {
            match shown.document.get(name) {
                Some(value) => drop(base.insert(name.clone(), value.clone())),
                None => drop(base.remove(name)),
            }
        }
        edit.base = Some(base);
        edit.base_folder.clone_from(&shown.folder);
    }
    contact
}
