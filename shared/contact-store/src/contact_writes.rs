//! Writes of the table `contacts`, each with the race that its condition prevents.

use sync_core::ids::MailboxId;

use crate::calls::Rows;
use crate::contact::{Companion, Contact, Erased, Expected};
use crate::contact_items::{alias_item, alias_of, conflict_item, contact_item};
use crate::guard::{Guard, Outcome, Write};
use crate::items::{Table, n, s};
use crate::keys::attr;
use crate::{Answer, Store};

impl Store {
    /// **AP24** Writes a contact or a tombstone over what the writer believes to be stored; a `Conflict` where it isn't
    /// so. What is stored has [`Expected::next_rev`], whatever `contact.rev` is.
    ///
    /// Of a contact that is too large for an item, members that nobody has edited are left out, the largest first, and
    /// named in `omitted`; then those of the edit's base. It is `TooLarge` only where what the platform has written does
    /// not fit by itself.
    #[tracing::instrument(name = "store.ap24_put_contact", level = "debug", skip_all, fields(mailbox.id = %contact.mailbox))]
    pub async fn put_contact(&self, contact: &Contact, expected: Expected) -> Answer<()> {
        let write = self.contact_write(contact, expected)?;
        self.write_together(&contact.mailbox, vec![write]).await
    }

    /// **AP27** The same together with what belongs to it: all is written, or nothing. Up to 99 companions.
    #[tracing::instrument(name = "store.ap27_put_contact_with", level = "debug", skip_all, fields(mailbox.id = %contact.mailbox))]
    pub async fn put_contact_with(
        &self,
        contact: &Contact,
        expected: Expected,
        companions: &[Companion],
    ) -> Answer<()> {
        let mut writes = vec![self.contact_write(contact, expected)?];
        for companion in companions {
            writes.push(self.companion_write(contact, companion)?);
        }
        self.write_together(&contact.mailbox, writes).await
    }

    fn contact_write(&self, contact: &Contact, expected: Expected) -> Answer<Write> {
        let item = contact_item(contact, expected.next_rev(), self.tombstone_retention)?;
        // Race: a worker whose message timed out still writes an older page over a newer one or over an edit made
        // meanwhile, or brings back a contact that has been deleted. A newer version's item is not this version's to
        // replace.
        let guard = match expected {
            Expected::Absent => Guard::Absent,
            Expected::Rev(rev) => at_rev(rev),
        };
        Ok(Write::Put(item, guard))
    }

    fn companion_write(&self, contact: &Contact, companion: &Companion) -> Answer<Write> {
        let (mailbox, id) = (&contact.mailbox, &contact.id);
        Ok(match companion {
            // Race: two contacts are given one external id, or are found to be one item of Outlook.
            Companion::Alias(alias) => {
                let leads_here = Guard::IsOrGone(attr::ALIAS_OF, s(id));
                Write::Put(alias_item(mailbox, alias, id), leads_here)
            }
            // Race: the other contact is edited while it is found to be this one; the edit would be lost.
            Companion::Replace { contact: other, rev } => {
                Write::Put(alias_item(mailbox, other, id), at_rev(*rev))
            }
            // Race: the other contact is edited while it is told of its twin.
            Companion::Other(other) => self.contact_write(other, Expected::Rev(other.rev))?,
            Companion::Conflict(conflict) => {
                Write::Put(conflict_item(conflict, self.conflict_retention)?, Guard::Absent)
            }
            // Race: two people settle one conflict differently.
            Companion::Settled(conflict) => Write::Put(
                conflict_item(conflict, self.conflict_retention)?,
                Guard::Lacks(attr::SETTLED),
            ),
        })
    }

    /// All of these writes or none.
    ///
    /// An alias may outlive its contact, whose tombstone has gone after its retention. It must not keep its key for
    /// good: one that leads nowhere is as good as none.
    async fn write_together(&self, mailbox: &MailboxId, mut writes: Vec<Write>) -> Answer<()> {
        let outcomes = self.try_together(writes.clone()).await?;
        let mut refused = None;
        let mut freed = false;
        for (write, outcome) in writes.iter_mut().zip(outcomes) {
            let Outcome::Refused(stored) = &outcome else {
                continue;
            };
            let wants_free_key = matches!(write.guard(), Guard::Absent | Guard::IsOrGone(..));
            let target = stored.as_ref().filter(|_| wants_free_key).and_then(alias_of);
            match target {
                Some(target) if self.contact(mailbox, &target).await?.is_none() => {
                    freed = true;
                    *write = write.clone().guarded_by(Guard::Is(attr::ALIAS_OF, s(target)));
                }
                Some(_) | None => refused = refused.or(Some((write.key(Table::Contacts), outcome))),
            }
        }
        if let Some((key, outcome)) = refused {
            return outcome.or_conflict(Table::Contacts, &key);
        }
        if freed {
            let keys: Vec<_> = writes.iter().map(|write| write.key(Table::Contacts)).collect();
            for (key, outcome) in keys.iter().zip(self.try_together(writes).await?) {
                outcome.or_conflict(Table::Contacts, key)?;
            }
        }
        Ok(())
    }

    /// One write alone costs half of what it costs in a transaction.
    async fn try_together(&self, mut writes: Vec<Write>) -> Answer<Vec<Outcome>> {
        match (writes.len(), writes.pop()) {
            (1, Some(Write::Put(item, guard))) => Ok(vec![self.put(Table::Contacts, item, guard).await?]),
            (_, last) => {
                writes.extend(last);
                self.transact_all(Table::Contacts, writes).await
            }
        }
    }

    /// **AP25** Erases up to `limit` of a mailbox's contacts, tombstones, aliases and conflicts, whatever their schema.
    #[tracing::instrument(name = "store.ap25_erase_contacts", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_contacts(&self, mailbox: &MailboxId, limit: usize) -> Answer<Erased> {
        let found = self.keys_of_contacts(mailbox, limit).await?;
        let erased = Erased {
            count: found.rows.len(),
            more: found.more,
        };
        self.batch_delete(Table::Contacts, found.rows).await?;
        Ok(erased)
    }

    /// **AP42** Erases what late writers have left of a mailbox that is not enrolled: up to `limit` items of its mirror,
    /// and with the last of them its state. Of a mailbox that is enrolled it erases nothing.
    #[tracing::instrument(name = "store.ap42_erase_leftovers", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_leftovers(&self, mailbox: &MailboxId, limit: usize) -> Answer<Erased> {
        let nothing = Erased {
            count: 0,
            more: false,
        };
        let found = self.keys_of_contacts(mailbox, limit).await?;
        // Race: the mailbox is enrolled again at this moment, and filled. What was there before it is seen not to be
        // enrolled is nothing of its new life.
        if self.mailbox(mailbox).await?.is_some() {
            return Ok(nothing);
        }
        let erased = Erased {
            count: found.rows.len(),
            more: found.more,
        };
        self.batch_delete(Table::Contacts, found.rows).await?;
        if !erased.more {
            self.erase_leftover_state(mailbox).await?;
        }
        Ok(erased)
    }

    async fn keys_of_contacts(&self, mailbox: &MailboxId, limit: usize) -> Answer<Rows> {
        let query = self.query(Table::Contacts).consistent_read(true);
        let query = query.key_condition_expression("mailbox_id = :mailbox");
        let query = query.projection_expression("mailbox_id, contact_id");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        self.rows(query, None, limit).await
    }
}

fn at_rev(rev: u64) -> Guard {
    if rev == 0 {
        Guard::Lacks(attr::REV) // written by schema 1, which had no revisions of contacts
    } else {
        Guard::Is(attr::REV, n(rev))
    }
}
