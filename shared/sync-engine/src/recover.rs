//! Creates whose answer was lost: found by their stamp, or given up as never made.
//!
//! The mailbox's record names the contacts whose creates were under way when a worker died, or whose answer did not
//! come. Each is looked for by its stamp before it is created again, and not created again before the first create
//! can't come to pass any more. One that can't be decided stays in doubt by itself: the others go on.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{Contact, StoreError};
use graph_client::{ErrorKind, GraphError, StampSearch, Transport};
use jiff::{SignedDuration, Timestamp};
use sync_core::ids::{ContactId, FolderId};
use sync_core::members::{MADE_OF_NAMES, differing, kind};
use sync_core::rebase::FOLDER;
use sync_core::record::Wish;
use sync_core::sighting::{Document, Source};

use crate::Trouble;
use crate::convert::Shown;
use crate::push::address;
use crate::session::Session;
use crate::twins::has_gone_on;
use crate::work::Progress;

/// Between the creation and the last change of an item that was only created: Outlook's times are whole seconds.
const ONE_WRITE: SignedDuration = SignedDuration::from_secs(1);

/// Creates go out so soon after they have been noted.
const SENT_WITHIN: SignedDuration = SignedDuration::from_secs(10);

impl<T: Transport> Session<'_, T> {
    /// Looks for what the mailbox's record says was being created. Those that are not found stay in doubt until
    /// `settles_within` has passed.
    pub(crate) async fn recover(&mut self, settles_within: SignedDuration) -> Result<Progress, Trouble> {
        let Some(creating) = self.mailbox.creating.clone() else {
            return Ok(Progress::Complete);
        };
        self.own_creates = Some(creating.clone());
        self.doubtful.clone_from(&creating.contacts);
        let contacts = self.read(creating.contacts).await?;
        // Those that have been found by a round meanwhile are in no doubt.
        let open: Vec<_> = contacts
            .into_iter()
            .filter(|it| it.edit.is_some() || it.is_tombstone())
            .collect();
        let is_over = self.now().duration_since(creating.since) > settles_within;
        if is_over && !open.is_empty() {
            // Before it is created again it is looked for everywhere: a person may have moved it, and to a new folder.
            self.list_folders().await?;
        }
        let places: Vec<(&Contact, FolderId)> = open
            .iter()
            .flat_map(|contact| {
                self.may_be_in(contact, is_over)
                    .into_iter()
                    .map(move |folder| (contact, folder))
            })
            .collect();
        let searches: Vec<StampSearch<'_>> = places
            .iter()
            .map(|(contact, folder)| StampSearch {
                folder: address(folder),
                stamp: contact.id.as_str(),
            })
            .collect();
        let mut found: BTreeMap<&ContactId, Vec<Shown>> = BTreeMap::new();
        let mut left = BTreeSet::new();
        for ((contact, folder), items) in places.iter().zip(self.graph().contacts_by_stamp(&searches).await) {
            let items = match items {
                Ok(items) => items,
                // Nothing was created there that could be found, and nothing will be.
                Err(error) if error.kind() == ErrorKind::FolderNotFound => Vec::new(),
                Err(error) if is_about_one(&error) => {
                    tracing::warn!(contact.id = %contact.id, %error, "a create in doubt can't be looked for");
                    left.insert(contact.id.clone());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let items = items.into_iter().map(|item| Shown::new(&self.mailbox.id, item));
            // A copy bears the stamp too: of several, the first is the one that was created.
            let mut items: Vec<Shown> = items
                .filter(|item| may_be_its_item(contact, item, folder, Some(creating.since)))
                .collect();
            items.sort_by_key(|item| (item.created_at, item.id.clone()));
            found.entry(&contact.id).or_default().extend(items);
        }
        let others = self.others(&found).await?;
        for contact in &open {
            let items = found.remove(&contact.id).unwrap_or_default();
            match items.into_iter().find(|item| !others.contains(&item.id)) {
                Some(item) if !self.take_up(contact, &item).await? => drop(left.insert(contact.id.clone())),
                Some(_) => drop(left.remove(&contact.id)),
                None if is_over => {}
                None => drop(left.insert(contact.id.clone())),
            }
        }
        self.doubtful = left;
        Ok(Progress::Complete)
    }

    /// Writes down that a contact is this item. False where that did not come off: it stays in doubt, and holds up
    /// nobody else.
    async fn take_up(&mut self, contact: &Contact, item: &Shown) -> Result<bool, Trouble> {
        let write = if contact.is_tombstone() {
            self.unwanted(item, contact)
        } else {
            let contact = as_if_answered(contact, item);
            self.write_for(item, Some(&contact), Source::Read)
                .await
                .ok()
                .flatten()
        };
        let Some(write) = write else {
            return Ok(false);
        };
        let written = match self.write_all(vec![write]).await {
            Ok(overtaken) => self.verify(overtaken).await.map(drop),
            Err(trouble) => Err(trouble),
        };
        match written {
            Ok(()) => Ok(true),
            Err(Trouble::Store(
                error @ (StoreError::Conflict { .. }
                | StoreError::TooLarge { .. }
                | StoreError::NewerSchema { .. }
                | StoreError::Corrupt { .. }),
            )) => {
                tracing::warn!(contact.id = %contact.id, %error, "a create in doubt was found, and can't be written down");
                Ok(false)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The items among those found that are contacts of their own: somebody has copied one in Outlook, and the copy has
    /// been taken in before.
    async fn others(&self, found: &BTreeMap<&ContactId, Vec<Shown>>) -> Result<BTreeSet<ContactId>, Trouble> {
        let items = found.values().flatten();
        let items = items
            .map(|item| (item.id.clone(), item.outlook_id.clone()))
            .collect();
        let owners = self.owners(&items).await?;
        let is_its_own = |id: &ContactId, owner: &Contact| {
            let finder = found
                .iter()
                .find(|(_, items)| items.iter().any(|item| item.id == *id));
            // What a contact had before is not what it is about to get.
            let is_past = items.get(id).is_some_and(|item| has_gone_on(owner, item));
            is_past || finder.is_some_and(|(contact, _)| **contact != owner.id)
        };
        let own = owners.contacts.into_iter();
        let own = own.filter(|(id, owner)| is_its_own(id, owner));
        Ok(own.map(|(id, _)| id).chain(owners.unreadable).collect())
    }

    /// The folders in which a contact may have been created: its own; or, where that was chosen, any other. It may have
    /// been another one at that time. Or all of them.
    fn may_be_in(&self, contact: &Contact, all: bool) -> Vec<FolderId> {
        let own = self.real_folder(&contact.folder);
        let is_chosen = contact
            .edit
            .as_ref()
            .is_some_and(|edit| edit.members.contains_key(FOLDER));
        let synced = self
            .folders
            .values()
            .filter(|it| (all || is_chosen) && it.in_scope);
        let others = synced.map(|it| &it.id).filter(|id| *id != own);
        std::iter::once(own).chain(others).cloned().collect()
    }

    /// True for a contact that may have been created as an item that nobody has heard of.
    pub(crate) fn is_awaited(&self, contact: &Contact) -> bool {
        let creating = self.mailbox.creating.as_ref();
        may_be_awaited(Some(contact)) && creating.is_some_and(|it| it.contacts.contains(&contact.id))
    }
}

/// True where it matters whether the mailbox's record names a contact, or whose else the item is that leads to none.
/// Another worker may have named it after this run had begun: the record is read again, behind what Graph has shown.
pub(crate) fn may_be_awaited(contact: Option<&Contact>) -> bool {
    contact.is_none_or(|contact| contact.edit.is_some() || contact.is_tombstone())
}

/// False for an item with the contact's stamp that can't have come of its create: one that it is about to leave or has
/// left, or a copy that somebody has made beside it. A contact that is moved is created in another folder; what lies in the
/// one that it leaves was moved there by somebody, if it was created when the creates in doubt went out, `since`. Who makes a
/// copy in the very same seconds gets no copy.
pub(crate) fn may_be_its_item(
    contact: &Contact,
    item: &Shown,
    folder: &FolderId,
    since: Option<Timestamp>,
) -> bool {
    let from = contact.edit.as_ref().and_then(|edit| edit.base_folder.as_ref());
    let age = item
        .created_at
        .zip(since)
        .map(|(created, since)| created.duration_since(since));
    // Outlook's times are whole seconds.
    let has_come_back = age.is_some_and(|age| age > SignedDuration::from_secs(-1) && age <= SENT_WITHIN);
    let known = contact.outlook.iter().map(|item| &item.id);
    let is_known = known.chain(&contact.superseded).any(|id| *id == item.outlook_id);
    // Nothing is to be deleted that was not created for the contact for sure.
    let may_be = || contact.outlook.is_none() || from.is_none_or(|from| from != folder);
    !is_known && (has_come_back || (!contact.is_tombstone() && may_be()))
}

/// True where Graph has failed about one search only.
fn is_about_one(error: &GraphError) -> bool {
    match error.kind() {
        ErrorKind::Permanent
        | ErrorKind::NotFound
        | ErrorKind::FolderNotFound
        | ErrorKind::Conflict
        | ErrorKind::AlreadyExists
        | ErrorKind::SyncStateGone
        | ErrorKind::QuotaExceeded
        | ErrorKind::Transient => true,
        ErrorKind::Throttled { .. }
        | ErrorKind::MailboxUnavailable(_)
        | ErrorKind::Forbidden
        | ErrorKind::BadCredential
        | ErrorKind::TenantNotFound
        | ErrorKind::ForeignHost => false,
    }
}

/// A contact whose item was found instead of answered for. As long as nobody has changed the item, it is what was sent:
/// where the contact differs now in what was edited here, that was edited since, and can't clash with itself. Within the
/// second of its creation an item doesn't tell whether somebody has changed it; what was sent does ([`Edit::sent`]).
pub(crate) fn as_if_answered(contact: &Contact, shown: &Shown) -> Contact {
    let mut contact = contact.clone();
    if address(&contact.folder).is_none() {
        // The stand-in: this is the folder that it stands for.
        contact.folder = shown.folder.clone().unwrap_or(contact.folder);
    }
    let age = shown.created_at.zip(shown.modified_at);
    let is_untouched = age.is_some_and(|(created, modified)| modified.duration_since(created) <= ONE_WRITE);
    // What was changed in the item that it leaves after this one was created, somebody who has changed this one has not seen.
    let has_gone_apart = contact.outlook.is_some() && contact.modified_at >= shown.created_at;
    if let Some(edit) = contact.edit.as_mut().filter(|_| !is_untouched && has_gone_apart) {
        edit.base = None;
    }
    if let Some(edit) = contact.edit.as_mut().filter(|_| is_untouched) {
        let mut base = match edit.wish {
            Wish::Save => contact.document.clone(),
            Wish::Delete => shown.document.clone(),
            Wish::Erase => Document::new(),
        };
        let is_unborn = contact.outlook.is_none();
        let edited: BTreeSet<String> = match edit.wish {
            // What a look at the item that it leaves has changed since is remembered too.
            Wish::Save => edit.members.keys().chain(edit.earlier.keys()).cloned().collect(),
            Wish::Erase => edit.members.keys().cloned().collect(),
            // What is there and has not been sent, somebody has set who may not want it deleted.
            Wish::Delete => differing(&contact.document, &shown.document),
        };
        for name in edited {
            let is_made = edit.wish == Wish::Delete && MADE_OF_NAMES.contains(&name.as_str());
            if is_made || name == FOLDER {
                continue;
            }
            let (is, shown) = (contact.document.get(&name), shown.document.get(&name));
            // What Graph has no member for does not come along with a move.
            let is_sent = is_unborn || edit.wish == Wish::Save || kind(&name).is_writable();
            match if is_sent {
                edit.sent(&name, is, shown)
            } else {
                shown
            } {
                Some(value) => drop(base.insert(name, value.clone())),
                None => drop(base.remove(&name)),
            }
        }
        edit.base = Some(base);
        edit.base_folder.clone_from(&shown.folder);
    }
    contact
}
