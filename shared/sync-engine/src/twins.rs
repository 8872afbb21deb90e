//! Whose an item in Outlook is, also where a contact has gone on with another item.
//!
//! A contact whose item is deleted in Outlook while an edit of it wins, or that is moved here, gets another item. A person
//! may take the first one out of Deleted Items: it comes into the mirror as a twin, a contact beside the one that had
//! it. The id that is derived from the item leads to that one, which names its twin. Must not know what becomes of a
//! contact, nor what is evidence of an item.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Companion, Contact, Lookup};
use graph_client::Transport;
use sync_core::ids::{ContactId, OutlookId};
use sync_core::sighting::Source;

use crate::Trouble;
use crate::apply::{Effect, Write};
use crate::convert::Shown;
use crate::session::Session;

/// How many twins are followed from one to the next. There is one more for each time that an item comes back after its
/// contact has gone on; a ring would be a fault of ours, and must not hold anybody.
const HOPS: u32 = 8;

/// The contacts that have items, by the ids that these were asked for by.
pub(crate) struct Owners {
    pub(crate) contacts: BTreeMap<ContactId, Contact>,
    pub(crate) unreadable: BTreeSet<ContactId>,
    /// Those of the ids that lead to a twin.
    twins: BTreeSet<ContactId>,
}

impl Owners {
    /// A twin's item goes by the twin's id: the derived one leads to another contact, and goes on to do so.
    pub(crate) fn rename(&self, asked: &ContactId, shown: &mut Shown) {
        if self.twins.contains(asked)
            && let Some(twin) = self.contacts.get(asked)
        {
            shown.id = twin.id.clone();
        }
    }
}

impl<T: Transport> Session<'_, T> {
    /// The contacts that these items lead to. Where there are twins, it takes a batch more.
    pub(crate) async fn owners(&self, items: &BTreeMap<ContactId, OutlookId>) -> Result<Owners, Trouble> {
        let (store, mailbox) = (&self.engine.store, &self.mailbox.id);
        let ids: Vec<ContactId> = items.keys().cloned().collect();
        let Lookup { contacts, unreadable } = store.contacts_by_id(mailbox, &ids).await?;
        let mut owners = Owners {
            contacts,
            unreadable,
            twins: BTreeSet::new(),
        };
        let mut open: BTreeSet<&ContactId> = items.keys().collect();
        for _ in 0..HOPS {
            let leads_on = |id: &ContactId| twin(owners.contacts.get(id)?, items.get(id)?).cloned();
            let on: BTreeMap<&ContactId, ContactId> = open
                .into_iter()
                .filter_map(|id| Some((id, leads_on(id)?)))
                .collect();
            if on.is_empty() {
                break;
            }
            let ids: Vec<ContactId> = on.values().cloned().collect();
            let found = store.contacts_by_id(mailbox, &ids).await?;
            open = BTreeSet::new();
            for (id, twin) in on {
                if let Some(contact) = found.contacts.get(&twin) {
                    owners.twins.insert(id.clone());
                    owners.contacts.insert(id.clone(), contact.clone());
                    open.insert(id);
                } else if found.unreadable.contains(&twin) {
                    owners.unreadable.insert(id.clone());
                }
            }
        }
        Ok(owners)
    }

    /// Takes in an item that is back in Outlook, and that `other` had before: as its twin.
    pub(crate) async fn take_in_beside(
        &mut self,
        other: &Contact,
        mut shown: Shown,
    ) -> Result<Option<Write>, Trouble> {
        if other.is_erased() {
            // Nothing of whom a person has asked to forget is taken in as long as Outlook is yet to forget him.
            return Ok(None);
        }
        let item = shown.outlook_id.clone();
        let named = other.twins.get(&item).cloned();
        let id = named.clone().unwrap_or_else(|| other.id.twin(&item));
        // There is one if older software, which knows no twins, has written the other one since.
        let twin = self.engine.store.contact(&self.mailbox.id, &id).await?;
        tracing::info!(contact.id = %id, other.id = %other.id, "an item that a contact had is back in Outlook");
        shown.id = id.clone();
        let write = self.write_for(&shown, twin.as_ref(), Source::Read).await;
        let mut write = write.ok().flatten();
        if named.is_none() {
            let mut other_now = other.clone();
            other_now.twins.insert(item, id);
            match &mut write {
                Some(write) => write.companions.push(Companion::Other(Box::new(other_now))),
                None => write = Some(Write::over(other, other_now, Effect::Touch)),
            }
        }
        Ok(write)
    }
}

/// The twin that has an item now. None where the item is the contact's own.
fn twin<'c>(contact: &'c Contact, item: &OutlookId) -> Option<&'c ContactId> {
    let is_own = contact.outlook.as_ref().is_some_and(|own| own.id == *item);
    contact.twins.get(item).filter(|_| !is_own)
}

/// True for a contact that lives with another item than this one, which was its own and is none that it has left to be
/// deleted. For whoever was led there by the item's id.
pub(crate) fn has_gone_on(contact: &Contact, item: &OutlookId) -> bool {
    let goes_on = contact.outlook.as_ref().filter(|_| !contact.is_tombstone());
    goes_on.is_some_and(|own| own.id != *item) && !contact.superseded.contains(item)
}
