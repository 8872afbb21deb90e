//! Contacts' photos, from Outlook to the mirror.
//!
//! Nobody says that a photo has changed: whether it shows in a delta is nowhere written (facts 1.5). So the photos of
//! contacts of which Outlook has shown something new are looked at, and now and then those of all. Both are jobs of
//! their own, some contacts with each message: neither contacts nor edits wait for photos.
//!
//! The object is written before the record that names it, and older ones are deleted after it.

use std::collections::BTreeSet;

use bytes::Bytes;
use contact_store::{Cause, Contact, Expected, Photo, Store, StoreError, Why};
use graph_client::{ErrorKind, Transport};
use job_queue::WorkJob;
use photo_store::{PhotoName, PhotoStore};
use sync_core::demand::{Demand, SweepFrom};
use sync_core::ids::{ContactId, OutlookId};
use sync_core::photo::PhotoHash;
use sync_core::record::Side;

use crate::Trouble;
use crate::session::Session;

/// Photos of one request: Graph's most (facts 6).
const AT_ONCE: usize = 20;

/// Photos that are looked at by one message. Then it is somebody else's turn.
const IN_A_RUN: usize = 200;

/// Contacts that a message names.
const IN_A_JOB: usize = 100;

/// How often a contact that is written by somebody else at the same time is read anew.
const LOOKS: u32 = 4;

/// The name of a contact's photo.
pub(crate) fn name(contact: &Contact, photo: &Photo) -> PhotoName {
    PhotoName::new(&contact.mailbox, &contact.id, photo.version, &photo.hash)
}

/// A photo as it is kept of a contact's version.
pub(crate) fn kept(bytes: &Bytes, version: u64) -> Photo {
    Photo {
        hash: PhotoHash::of(bytes),
        bytes: bytes.len() as u64,
        version,
    }
}

impl<T: Transport> Session<'_, T> {
    /// Notes that something about the contact is new: its photo is to be looked at.
    pub(crate) fn note_photo_of(&mut self, contact: &ContactId) {
        if self.engine.photos.is_some() {
            self.photos_wanted.insert(contact.clone());
        }
    }

    /// Notes that the photos of all contacts are to be looked at.
    pub(crate) fn note_photo_sweep(&mut self, from: SweepFrom) {
        if self.engine.photos.is_some() {
            let other = self.photo_sweep.take();
            self.photo_sweep = Some(other.map_or(from.clone(), |other| other.min(from)));
        }
    }

    /// What was asked for and can't be done now is asked for again.
    pub(crate) fn put_photos_off(&mut self, demand: &Demand) {
        for contact in &demand.photos {
            self.note_photo_of(contact);
        }
        if let Some(from) = &demand.photo_sweep {
            self.note_photo_sweep(from.clone());
        }
    }

    /// Sends what has been noted. Were it lost, the next sweep would find it.
    pub(crate) async fn queue_photos(&mut self) -> Result<(), Trouble> {
        let wanted: Vec<ContactId> = std::mem::take(&mut self.photos_wanted).into_iter().collect();
        let mailbox = &self.mailbox.id;
        let mut jobs: Vec<WorkJob> = wanted
            .chunks(IN_A_JOB)
            .map(|contacts| WorkJob::Photos {
                mailbox: mailbox.clone(),
                contacts: contacts.to_vec(),
            })
            .collect();
        jobs.extend(self.photo_sweep.take().map(|from| WorkJob::PhotoSweep {
            mailbox: mailbox.clone(),
            after: match from {
                SweepFrom::Start => None,
                SweepFrom::After(contact) => Some(contact),
            },
        }));
        if jobs.is_empty() {
            return Ok(());
        }
        self.send_work(&jobs).await
    }

    /// Looks at the photos that a batch asks for, as many as there is room for.
    pub(crate) async fn read_photos(&mut self, demand: &Demand) -> Result<(), Trouble> {
        let Some(photos) = self.engine.photos.clone() else {
            return Ok(());
        };
        let named: Vec<ContactId> = demand.photos.iter().cloned().collect();
        let mut room = IN_A_RUN;
        for contacts in named.chunks(AT_ONCE) {
            if room == 0 || self.out_of_time() {
                self.photos_wanted.extend(contacts.iter().cloned());
                continue;
            }
            room = room.saturating_sub(contacts.len());
            let store = &self.engine.store;
            let lookup = store.contacts_by_id(&self.mailbox.id, contacts).await?;
            self.look_at(&photos, lookup.contacts.into_values().collect())
                .await?;
        }
        let Some(mut from) = demand.photo_sweep.clone() else {
            return Ok(());
        };
        loop {
            if room == 0 || self.out_of_time() {
                self.report.continued += 1;
                self.note_photo_sweep(from);
                return Ok(());
            }
            let mailbox = &self.mailbox.id;
            let after = match &from {
                SweepFrom::Start => None,
                SweepFrom::After(contact) => Some(Store::cursor_behind(mailbox, contact)),
            };
            let store = &self.engine.store;
            let page = store.contacts(mailbox, after.as_deref(), AT_ONCE).await?;
            room = room.saturating_sub(AT_ONCE);
            let last = page.items.last().map(|contact| contact.id.clone());
            self.look_at(&photos, page.items).await?;
            match (page.next, last) {
                (Some(_), Some(last)) => from = SweepFrom::After(last),
                (None, _) | (_, None) => return Ok(()),
            }
        }
    }

    /// Looks at the photos of up to 20 contacts.
    async fn look_at(&mut self, photos: &PhotoStore, contacts: Vec<Contact>) -> Result<(), Trouble> {
        let mut asked: Vec<(Contact, OutlookId)> = Vec::new();
        let mut seen = BTreeSet::new();
        for contact in contacts {
            // Two ids may lead to one contact.
            if !seen.insert(contact.id.clone()) {
                continue;
            }
            if contact.has_left_photo() {
                self.erase_photo(photos, &contact).await?;
            } else if contact.deleted_at.is_none() && contact.photo_edit.is_none() {
                // One that is on its way to Outlook looks at Outlook's by itself.
                asked.extend(contact.outlook.clone().map(|item| (contact, item.id)));
            }
        }
        let ids: Vec<&str> = asked.iter().map(|(_, item)| item.as_str()).collect();
        let found = self.graph().photos(&ids).await;
        self.report.photos_checked += found.len() as u64;
        let mut failed = None;
        for ((contact, item), found) in asked.into_iter().zip(found) {
            let theirs = match found {
                Ok(theirs) => theirs,
                Err(error) if error.kind() == ErrorKind::Permanent => {
                    self.report.unreadable += 1;
                    tracing::warn!(contact.id = %contact.id, %error, "a photo can't be read");
                    continue;
                }
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            let hash = theirs.as_deref().map(PhotoHash::of);
            if hash.as_ref() != contact.photo.as_ref().map(|photo| &photo.hash) {
                self.take_photo(photos, &contact.id, &item, theirs).await?;
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The mirror takes in what Outlook has: another photo, or none.
    async fn take_photo(
        &mut self,
        photos: &PhotoStore,
        id: &ContactId,
        item: &OutlookId,
        theirs: Option<Bytes>,
    ) -> Result<(), Trouble> {
        let hash = theirs.as_deref().map(PhotoHash::of);
        for _ in 0..LOOKS {
            let store = &self.engine.store;
            let Some(stored) = store.contact(&self.mailbox.id, id).await? else {
                return Ok(());
            };
            let is_it = stored.outlook.as_ref().is_some_and(|it| it.id == *item);
            let is_settled = stored.deleted_at.is_none() && stored.photo_edit.is_none();
            if !is_it || !is_settled || stored.photo.as_ref().map(|it| &it.hash) == hash.as_ref() {
                return Ok(());
            }
            let contact = self.with_photo(photos, &stored, theirs.clone()).await?;
            match store.put_contact(&contact, Expected::Rev(stored.rev)).await {
                Ok(()) => {
                    self.report.photos_read += 1;
                    if stored.photo.is_some() {
                        photos.erase_older(&contact.mailbox, id, contact.version).await?;
                    }
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { key: id.to_string() }.into())
    }

    /// The contact with a photo of Outlook's, or without one, as its next version. The photo is kept already.
    pub(crate) async fn with_photo(
        &self,
        photos: &PhotoStore,
        stored: &Contact,
        theirs: Option<Bytes>,
    ) -> Result<Contact, Trouble> {
        let version = stored.version + 1;
        let photo = theirs.as_ref().map(|bytes| kept(bytes, version));
        if let (Some(photo), Some(bytes)) = (&photo, theirs) {
            photos.put(&name(stored, photo), bytes).await?;
        }
        Ok(Contact {
            photo,
            photo_edit: None,
            version,
            changed_at: self.now(),
            changed_by: Side::Outlook,
            cause: Some(Cause::of(Why::Seen)),
            ..stored.clone()
        })
    }

    /// Deletes what is kept of a deleted contact's photo, and then forgets it.
    pub(crate) async fn erase_photo(
        &mut self,
        photos: &PhotoStore,
        tombstone: &Contact,
    ) -> Result<(), Trouble> {
        // A photo of the contact revived has a later version.
        photos
            .erase_older(&tombstone.mailbox, &tombstone.id, tombstone.version + 1)
            .await?;
        let forgotten = Contact {
            photo: None,
            ..tombstone.clone()
        };
        let expected = Expected::Rev(tombstone.rev);
        match self.engine.store.put_contact(&forgotten, expected).await {
            // Somebody has brought it back meanwhile, without the photo.
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
