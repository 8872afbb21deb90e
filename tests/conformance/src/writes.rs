//! The part of the suite that writes as a sync does: many contacts at once, found again by their stamps; and photos.
//!
//! As the rest of it, each function makes what it needs and leaves nothing behind.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use graph_client::{Contact, ContactWrite, ErrorKind, GraphError, StampSearch, Transport, Written};
use serde_json::{Map, Value, json};

use crate::suite::{PATIENCE, Probe};

/// More than one batch holds.
const MANY: usize = 22;
/// A grey square.
const PHOTO: &[u8] = include_bytes!("../fixtures/grey.jpg");

impl<T: Transport> Probe<T> {
    /// Runs everything of this file.
    pub(crate) async fn writes(&self) -> Result<()> {
        self.writes_go_together_and_are_found_by_their_stamps()
            .await
            .context("writes_go_together_and_are_found_by_their_stamps")?;
        self.what_outlook_cannot_hold_is_refused_with_a_reason()
            .await
            .context("what_outlook_cannot_hold_is_refused_with_a_reason")?;
        self.a_purged_contact_is_nowhere()
            .await
            .context("a_purged_contact_is_nowhere")?;
        self.photos_are_kept().await.context("photos_are_kept")
    }

    async fn default_folder(&self) -> Result<String> {
        let folder = self.mailbox().default_folder_id().await?;
        folder.context("the mailbox has no contact to read the default folder's id off")
    }

    async fn write(&self, writes: &[ContactWrite]) -> Vec<Result<Written, GraphError>> {
        self.mailbox().write_contacts(writes).await
    }

    async fn make(&self, folder: &str, members: &Value) -> Result<Contact> {
        let create = create(folder, &self.ambient.uuid().to_string(), members);
        one(self.write(&[create]).await).and_then(saved)
    }

    async fn remove(&self, contacts: &[Contact]) -> Result<()> {
        let deletes: Vec<ContactWrite> = contacts.iter().map(|contact| delete(contact, None)).collect();
        for outcome in self.write(&deletes).await {
            ensure!(outcome? == Written::Deleted, "a delete saved something");
        }
        Ok(())
    }

    /// More contacts than one batch holds are created, each is found by its stamp and by nothing else (facts 1.3),
    /// updated against its change key, and deleted twice (facts 2, 6).
    pub async fn writes_go_together_and_are_found_by_their_stamps(&self) -> Result<()> {
        let folder = self.default_folder().await?;
        let stamps: Vec<String> = (0..MANY).map(|_| self.ambient.uuid().to_string()).collect();
        let ada = |number: usize| {
            json!({ "displayName": format!("Conformance {number}"), "surname": "Conformance", "mobilePhone": null,
                    "businessPhones": ["+44 1"], "homeAddress": { "city": "London" },
                    "emailAddresses": [{ "address": format!("n{number}@example.com"), "name": "N" }] })
        };
        let creates: Vec<ContactWrite> = stamps
            .iter()
            .enumerate()
            .map(|(number, stamp)| create(&folder, stamp, &ada(number)))
            .collect();
        let made: Result<Vec<Contact>> = self.write(&creates).await.into_iter().map(told).collect();
        let made = made.context("the creates")?;
        ensure!(
            made.iter()
                .all(|it| it.parent_folder_id.as_ref() == Some(&folder)),
            "not in the folder that was asked for"
        );
        self.all_are_found(&folder, &stamps, &made).await?;

        let title = |number: usize| json!({ "displayName": format!("Conformance {number}"), "title": "Dr" });
        let updates: Vec<ContactWrite> = made
            .iter()
            .enumerate()
            .map(|(number, contact)| update(contact, &title(number)))
            .collect();
        let after: Result<Vec<Contact>> = self.write(&updates).await.into_iter().map(told).collect();
        for (before, after) in made.iter().zip(after.context("the updates")?) {
            ensure!(
                after.id == before.id && after.change_key != before.change_key,
                "an update answers with no new version of its contact"
            );
            ensure!(after.members["title"] == "Dr", "the title was lost");
        }
        self.remove(&made).await.context("the deletes")?;
        self.remove(&made[..1]).await.context("a repeated delete")
    }

    async fn all_are_found(&self, folder: &str, stamps: &[String], made: &[Contact]) -> Result<()> {
        let searches: Vec<StampSearch<'_>> = stamps
            .iter()
            .map(|stamp| StampSearch {
                folder: Some(folder),
                stamp,
            })
            .collect();
        let (times, pause) = PATIENCE;
        for _ in 0..times {
            let mut missing = 0;
            let found = self.mailbox().contacts_by_stamp(&searches).await;
            for ((found, stamp), made) in found.into_iter().zip(stamps).zip(made) {
                match found?.as_slice() {
                    [] => missing += 1,
                    [found] if found.id == made.id && found.stamp.as_ref() == Some(stamp) => {}
                    _ => bail!("a stamp finds another contact than the stamped one"),
                }
            }
            if missing == 0 {
                return self.each_shows_its_stamp(stamps, made).await;
            }
            self.ambient.sleep(pause).await;
        }
        bail!("stamped contacts were never found")
    }

    async fn each_shows_its_stamp(&self, stamps: &[String], made: &[Contact]) -> Result<()> {
        let ids: Vec<&str> = made.iter().map(|contact| contact.id.as_str()).collect();
        for (read, stamp) in self.mailbox().contacts(&ids).await.into_iter().zip(stamps) {
            let read = read?.context("not found by its id")?;
            ensure!(
                read.stamp.as_ref() == Some(stamp),
                "a read by id shows another stamp or none"
            );
        }
        Ok(())
    }

    /// Deleted for good, a contact can't be read by its id any more, and once more it is gone already (facts 2.5).
    pub async fn a_purged_contact_is_nowhere(&self) -> Result<()> {
        let folder = self.default_folder().await?;
        let made = self
            .make(&folder, &json!({ "displayName": "Conformance" }))
            .await?;
        let purge = ContactWrite::Purge { id: made.id.clone() };
        for _ in 0..2 {
            let outcome = one(self.write(std::slice::from_ref(&purge)).await)?;
            ensure!(outcome == Written::Deleted, "a purge saved something");
        }
        let mut found = self.mailbox().contacts(&[made.id.as_str()]).await;
        let found = found.pop().context("a read without an outcome")??;
        ensure!(found.is_none(), "a purged contact is still there");
        Ok(())
    }

    /// A fourth e-mail address and a third business phone: refused for good, with words, and nothing is created
    /// (facts 1.2, 14.6). Beside them a sound write goes through.
    pub async fn what_outlook_cannot_hold_is_refused_with_a_reason(&self) -> Result<()> {
        let folder = self.default_folder().await?;
        let emails: Vec<Value> = (0..4)
            .map(|n| json!({ "address": format!("n{n}@example.com") }))
            .collect();
        let sound = json!({ "displayName": "Conformance" });
        let bodies = [
            json!({ "displayName": "Conformance", "emailAddresses": emails }),
            json!({ "displayName": "Conformance", "businessPhones": ["1", "2", "3"] }),
            sound,
        ];
        let creates: Vec<ContactWrite> = bodies
            .iter()
            .map(|members| create(&folder, &self.ambient.uuid().to_string(), members))
            .collect();
        let (mut refused, mut made) = (Vec::new(), Vec::new());
        for outcome in self.write(&creates).await {
            match outcome {
                Ok(written) => made.push(saved(written)?),
                Err(error) => refused.push(error),
            }
        }
        self.remove(&made).await?;
        ensure!(
            (refused.len(), made.len()) == (2, 1),
            "{} were refused and {} created",
            refused.len(),
            made.len()
        );
        for error in refused {
            let final_word = error.kind() == ErrorKind::Permanent && !error.may_have_happened();
            ensure!(final_word, "not refused for good: {error}");
            ensure!(error.reason().is_some(), "no reason was given");
        }
        Ok(())
    }

    /// No photo, then the one that was put (facts 1.5).
    pub async fn photos_are_kept(&self) -> Result<()> {
        let folder = self.default_folder().await?;
        let contact = self
            .make(&folder, &json!({ "displayName": "Conformance" }))
            .await?;
        let mailbox = self.mailbox();
        let none = mailbox.photo(&contact.id).await;
        let put = mailbox.put_photo(&contact.id, Bytes::from_static(PHOTO)).await;
        let kept = mailbox.photo(&contact.id).await;
        self.remove(&[contact]).await?;
        ensure!(
            none.context("the first read")?.is_none(),
            "there was a photo before"
        );
        put.context("the write")?;
        ensure!(
            kept.context("the second read")?.is_some(),
            "the photo wasn't kept"
        );
        Ok(())
    }
}

fn object(members: &Value) -> Map<String, Value> {
    members.as_object().cloned().unwrap_or_default()
}

fn create(folder: &str, stamp: &str, members: &Value) -> ContactWrite {
    ContactWrite::Create {
        folder: Some(folder.to_owned()),
        members: object(members),
        stamp: stamp.to_owned(),
    }
}

fn update(contact: &Contact, members: &Value) -> ContactWrite {
    ContactWrite::Update {
        id: contact.id.clone(),
        if_match: contact.change_key.clone(),
        members: object(members),
    }
}

fn delete(contact: &Contact, if_match: Option<String>) -> ContactWrite {
    ContactWrite::Delete {
        id: contact.id.clone(),
        if_match,
    }
}

fn one(mut outcomes: Vec<Result<Written, GraphError>>) -> Result<Written> {
    let outcome = outcomes.pop().context("a write without an outcome")?;
    Ok(outcome?)
}

fn told(outcome: Result<Written, GraphError>) -> Result<Contact> {
    saved(outcome?)
}

fn saved(written: Written) -> Result<Contact> {
    match written {
        Written::Saved(contact) => Ok(contact),
        Written::Deleted => bail!("a write deleted something"),
    }
}
