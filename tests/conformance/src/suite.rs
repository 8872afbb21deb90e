//! Behaviour of Graph that a sync rests on, as functions over our own client.
//!
//! Each function makes what it needs, leaves nothing behind, and says in its error what didn't hold. They work in the
//! default folder, beside whatever is there; nothing about other contacts is assumed. Waiting goes through `Ambient`,
//! since a live tenant takes its time (facts 4.2, 8).

use std::collections::BTreeSet;
use std::time::Duration;

use ambient::Ambient;
use anyhow::{Context, Result, bail, ensure};
use graph_client::{
    Contact, ContactFields, Creation, EmailAddress, ErrorKind, Field, GraphClient, MailboxClient,
    MailboxProblem, NewSubscription, Next, ReadFrom, Transport,
};
use secrecy::SecretString;

/// How long a change may take until it shows, and how often to look.
pub(crate) const PATIENCE: (u32, Duration) = (12, Duration::from_secs(5));
/// A well-formed id of nothing.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Where the suite runs.
pub struct Probe<T> {
    /// The client under which all calls are made.
    pub client: GraphClient<T>,
    /// The tenant.
    pub tenant: String,
    /// A user whose mailbox may be written to.
    pub user: String,
    /// Time.
    pub ambient: Ambient,
    /// An endpoint that answers handshakes; without one, subscriptions are left out.
    pub webhook: Option<String>,
}

impl<T: Transport> Probe<T> {
    /// Runs everything. The error names the function that failed.
    pub async fn run(&self) -> Result<()> {
        self.contact_round_trip().await.context("contact_round_trip")?;
        self.stale_etag_is_refused()
            .await
            .context("stale_etag_is_refused")?;
        self.lists_reach_every_contact()
            .await
            .context("lists_reach_every_contact")?;
        self.delta_tells_edits_and_removals()
            .await
            .context("delta_tells_edits_and_removals")?;
        self.batch_reads_each_by_itself()
            .await
            .context("batch_reads_each_by_itself")?;
        self.writes().await?;
        self.unknown_users_have_no_mailbox()
            .await
            .context("unknown_users_have_no_mailbox")?;
        if let Some(webhook) = &self.webhook {
            self.subscription_life(webhook)
                .await
                .context("subscription_life")?;
        }
        Ok(())
    }

    pub(crate) fn mailbox(&self) -> MailboxClient<'_, T> {
        self.client.mailbox(&self.tenant, &self.user)
    }

    async fn create(&self, given_name: &str) -> Result<Contact> {
        let fields = ContactFields {
            given_name: Field::Set(given_name.to_owned()),
            surname: Field::Set(format!("Conformance {}", self.ambient.uuid())),
            ..ContactFields::default()
        };
        Ok(self.mailbox().create_contact(None, &fields).await?)
    }

    async fn create_some(&self, count: usize) -> Result<Vec<Contact>> {
        let mut made = Vec::new();
        for number in 0..count {
            made.push(self.create(&format!("N{number}")).await?);
        }
        Ok(made)
    }

    async fn clean_up(&self, made: &[Contact]) -> Result<()> {
        for contact in made {
            self.mailbox().delete_contact(&contact.id, None).await?;
        }
        Ok(())
    }

    /// What is written comes back; a patch changes what it names, and the change key; a delete moves the contact away
    /// and can be repeated (facts 2).
    pub async fn contact_round_trip(&self) -> Result<()> {
        let mailbox = self.mailbox();
        let made = self.create("Ada").await?;
        let fields = made.fields()?;
        ensure!(
            fields.given_name == Field::Set("Ada".to_owned()),
            "the given name didn't come back"
        );
        ensure!(fields.display_name.value().is_some(), "no display name was made");
        let patch = ContactFields {
            display_name: Field::Set("The Countess".to_owned()),
            job_title: Field::Set("Analyst".to_owned()),
            email_addresses: Field::Set(vec![EmailAddress {
                address: Field::Set("ada@example.com".to_owned()),
                name: Field::Set("Ada".to_owned()),
                ..EmailAddress::default()
            }]),
            ..ContactFields::default()
        };
        let patched = mailbox
            .update_contact(&made.id, made.etag.as_deref(), &patch)
            .await?;
        ensure!(patched.change_key != made.change_key, "the change key stayed");
        ensure!(
            patched.fields()?.display_name == Field::Set("The Countess".to_owned()),
            "the display name was lost"
        );
        let read = mailbox.contact(&made.id).await?.context("not found by its id")?;
        ensure!(
            read.members == patched.members,
            "a read differs from the answer to the write"
        );
        let clear = ContactFields {
            job_title: Field::Null,
            ..ContactFields::default()
        };
        let cleared = mailbox.update_contact(&made.id, None, &clear).await?;
        ensure!(
            cleared.fields()?.job_title.value().is_none(),
            "the job title wasn't cleared"
        );
        mailbox.delete_contact(&made.id, None).await?;
        mailbox
            .delete_contact(&made.id, None)
            .await
            .context("a repeated delete")?;
        let after = mailbox.contact(&made.id).await?;
        let moved = after.is_none_or(|after| after.parent_folder_id != made.parent_folder_id);
        ensure!(moved, "the contact is still where it was");
        Ok(())
    }

    /// Of two writes from the same state the second is refused (facts 2.4: unverified for contacts, 14.1).
    pub async fn stale_etag_is_refused(&self) -> Result<()> {
        let made = self.create("Ada").await?;
        let patch = |title: &str| ContactFields {
            job_title: Field::Set(title.to_owned()),
            ..ContactFields::default()
        };
        let first = self
            .mailbox()
            .update_contact(&made.id, made.etag.as_deref(), &patch("one"))
            .await;
        let second = self
            .mailbox()
            .update_contact(&made.id, made.etag.as_deref(), &patch("two"))
            .await;
        self.clean_up(std::slice::from_ref(&made)).await?;
        first.context("the first write")?;
        match second {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(error).context("not a conflict"),
            Ok(_) => bail!("the second write was carried out"),
        }
    }

    /// Following next links gives every contact.
    pub async fn lists_reach_every_contact(&self) -> Result<()> {
        let made = self.create_some(5).await?;
        let client = self.client.with_page_size(2);
        let mailbox = client.mailbox(&self.tenant, &self.user);
        let mut found = BTreeSet::new();
        let mut page = mailbox.list_contacts(None, ReadFrom::Start).await?;
        loop {
            found.extend(page.rows.into_iter().map(|contact| contact.id));
            let Some(link) = page.next else { break };
            page = mailbox.list_contacts(None, ReadFrom::Link(&link)).await?;
        }
        self.clean_up(&made).await?;
        ensure!(
            made.iter().all(|contact| found.contains(&contact.id)),
            "a contact is in no page"
        );
        Ok(())
    }

    /// A first round tells all; the next one tells what was edited and what was deleted (facts 4).
    pub async fn delta_tells_edits_and_removals(&self) -> Result<()> {
        let made = self.create_some(3).await?;
        let folder = made[0]
            .parent_folder_id
            .clone()
            .context("a contact without a folder")?;
        let default = self.mailbox().default_folder_id().await?;
        ensure!(
            default.as_ref() == Some(&folder),
            "the default folder isn't where contacts are created"
        );
        let (changed, _, mut link) = self.round(&folder, None).await?;
        ensure!(
            made.iter().all(|it| changed.contains(&it.id)),
            "the first round didn't tell a contact"
        );

        let title = ContactFields {
            job_title: Field::Set("Changed".to_owned()),
            ..ContactFields::default()
        };
        self.mailbox().update_contact(&made[0].id, None, &title).await?;
        self.mailbox().delete_contact(&made[1].id, None).await?;
        let (mut edited, mut gone) = (false, false);
        let (times, pause) = PATIENCE;
        for _ in 0..times {
            let (changed, removed, next) = self.round(&folder, Some(&link)).await?;
            edited |= changed.contains(&made[0].id);
            gone |= removed.contains(&made[1].id);
            ensure!(!removed.contains(&made[0].id), "an edit was told as a removal");
            link = next;
            if edited && gone {
                break;
            }
            self.ambient.sleep(pause).await;
        }
        self.clean_up(&made).await?;
        ensure!(edited, "the edit was never told");
        ensure!(gone, "the removal was never told");
        Ok(())
    }

    /// One whole round: ids that changed, ids that were removed, the next delta link.
    async fn round(
        &self,
        folder: &str,
        from: Option<&str>,
    ) -> Result<(BTreeSet<String>, BTreeSet<String>, String)> {
        let mailbox = self.mailbox();
        let (mut changed, mut removed) = (BTreeSet::new(), BTreeSet::new());
        let mut page = mailbox
            .contact_delta(folder, from.map_or(ReadFrom::Start, ReadFrom::Link))
            .await?;
        loop {
            ensure!(page.unreadable.is_empty(), "a row couldn't be read");
            changed.extend(page.changed.into_iter().map(|contact| contact.id));
            removed.extend(page.removed.into_iter().map(|row| row.id));
            match page.next {
                Next::Page(link) => page = mailbox.contact_delta(folder, ReadFrom::Link(&link)).await?,
                Next::Done(link) => return Ok((changed, removed, link)),
            }
        }
    }

    /// More contacts than one batch holds, one of them not there (facts 6).
    pub async fn batch_reads_each_by_itself(&self) -> Result<()> {
        let made = self.create_some(22).await?;
        self.mailbox().delete_contact(&made[21].id, None).await?;
        let ids: Vec<&str> = made.iter().map(|contact| contact.id.as_str()).collect();
        let read = self.mailbox().contacts(&ids).await;
        self.clean_up(&made).await?;
        ensure!(read.len() == ids.len(), "not one answer for each id");
        for (index, (outcome, made)) in read.into_iter().zip(&made).enumerate() {
            let found = outcome.with_context(|| format!("contact {index}"))?;
            let in_place = found.filter(|found| found.parent_folder_id == made.parent_folder_id);
            ensure!(
                in_place.as_ref().is_none_or(|found| found.id == made.id),
                "answers were mixed up"
            );
            ensure!(
                in_place.is_some() == (index < 21),
                "contact {index} is not where it should be"
            );
        }
        Ok(())
    }

    /// facts 8.
    pub async fn unknown_users_have_no_mailbox(&self) -> Result<()> {
        let outcome = self
            .client
            .mailbox(&self.tenant, NOBODY)
            .list_contacts(None, ReadFrom::Start)
            .await;
        match outcome {
            Err(error) if error.kind() == ErrorKind::MailboxUnavailable(MailboxProblem::UserNotFound) => {
                Ok(())
            }
            Err(error) => Err(error).context("another error than expected"),
            Ok(_) => bail!("a user that doesn't exist has contacts"),
        }
    }

    /// Create, create again, renew alone and in a batch, list, delete twice (facts 5).
    pub async fn subscription_life(&self, webhook: &str) -> Result<()> {
        let tenant = self.client.tenant(&self.tenant);
        let in_hours = |hours| ambient::add(self.ambient.now(), Duration::from_hours(hours));
        let new = NewSubscription {
            resource: format!("users/{}/contacts", self.user),
            notification_url: webhook.to_owned(),
            lifecycle_notification_url: webhook.to_owned(),
            expires_at: in_hours(2),
            client_state: SecretString::from(self.ambient.uuid().to_string()),
        };
        let Creation::Created(made) = tenant.create_subscription(&new).await? else {
            bail!("there is one already: delete it first");
        };
        let Creation::Adopted(again) = tenant.create_subscription(&new).await? else {
            bail!("the same subscription was made twice");
        };
        ensure!(again.id == made.id, "another subscription was adopted");
        let renewed = tenant.renew_subscription(&made.id, in_hours(3)).await?;
        ensure!(
            renewed.expiration_date_time > made.expiration_date_time,
            "the renewal moved nothing"
        );
        for outcome in tenant.renew_subscriptions(&[(&made.id, in_hours(4))]).await {
            ensure!(
                outcome?.expiration_date_time > renewed.expiration_date_time,
                "the batched renewal moved nothing"
            );
        }
        let listed = tenant.list_subscriptions().await?.rows;
        ensure!(
            listed.iter().any(|it| it.id == made.id),
            "the list doesn't have it"
        );
        tenant.delete_subscription(&made.id).await?;
        tenant
            .delete_subscription(&made.id)
            .await
            .context("a repeated delete")?;
        let renewed = tenant.renew_subscription(&made.id, in_hours(4)).await;
        ensure!(
            renewed.is_err_and(|error| error.kind() == ErrorKind::NotFound),
            "a deleted one was renewed"
        );
        Ok(())
    }
}
