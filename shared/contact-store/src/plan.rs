//! What linking the platform's contacts with Outlook's would do, to be looked at before it is done.
//!
//! Plain data and its calls; takes no decision.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::ids::{ContactId, FolderId, MailboxId, OutlookId};
use sync_core::matching::Ground;

use crate::guard::Guard;
use crate::items::{Table, s, state_item, state_key};
use crate::keys::{StateKey, attr};
use crate::page::{Page, Question};
use crate::{Answer, Store, stamp};

/// A part of a plan: one item. A few hundred entries fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPage {
    /// Whose.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// Which part, from 0.
    pub page: u32,
    /// What would be done.
    pub entries: Vec<PlanEntry>,
    /// On page 0: what it comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PlanSummary>,
    /// When `DynamoDB` may drop it, should nobody clear it.
    #[serde(with = "stamp")]
    pub expires_at: Timestamp,
}

/// What a plan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// When it was begun.
    #[serde(with = "stamp")]
    pub started_at: Timestamp,
    /// When it was complete; `None` while it is being made.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub finished_at: Option<Timestamp>,
    /// Contacts on both sides that are one.
    pub link: u64,
    /// Contacts of the platform that may be one of Outlook's: a person decides.
    pub review: u64,
    /// Contacts that Outlook would get.
    pub create: u64,
    /// Contacts that the mirror would get.
    pub import: u64,
}

/// What would become of one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum PlanEntry {
    /// The platform's contact and Outlook's are one.
    Link {
        /// The platform's.
        contact: ContactId,
        /// Outlook's.
        outlook: Outsider,
        /// How that is known.
        by: Ground,
    },
    /// They may be one: a person decides.
    Review {
        /// The platform's.
        contact: ContactId,
        /// Outlook's.
        candidates: Vec<Outsider>,
        /// What makes them alike.
        by: Ground,
    },
    /// Outlook would get it.
    Create {
        /// The platform's.
        contact: ContactId,
    },
    /// The mirror would get it.
    Import {
        /// Outlook's.
        outlook: Outsider,
        /// Where it lies.
        folder: FolderId,
    },
}

/// A contact of Outlook's that the mirror may not have.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outsider {
    /// Its id in Outlook.
    pub id: OutlookId,
    /// Its id in the mirror, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// What a person knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Leaves out what a person wrote.
impl fmt::Debug for Outsider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outsider")
            .field("id", &self.id)
            .field("contact", &self.contact)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// **AP38** Saves a page of a plan, in the place of the one of its number.
    #[tracing::instrument(name = "store.ap38_save_plan_page", level = "debug", skip_all, fields(mailbox.id = %page.mailbox))]
    pub async fn save_plan_page(&self, page: &PlanPage) -> Answer<()> {
        let item = state_item(page)?;
        let key = Table::State.key_of(&item);
        // No race: a mailbox has one worker at a time, and the same page again is the same.
        self.put(Table::State, item, Guard::NotNewer)
            .await?
            .or_conflict(Table::State, &key)
    }

    /// **AP39** The pages of a mailbox's plan, in their order. Consistent.
    #[tracing::instrument(name = "store.ap39_plan_pages", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn plan_pages(
        &self,
        mailbox: &MailboxId,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<PlanPage>> {
        let question = Question::Plan(mailbox);
        let start = question
            .position(after, plan_key)?
            .map(|key| state_key(mailbox, &key));
        let query = self.partition(mailbox, "begins_with(sk, :prefix)");
        let query = query.expression_attribute_values(":prefix", s(StateKey::PLAN));
        let found = self.rows(query, start, limit).await?;
        Ok(found.page(Table::State, &question, attr::SK))
    }

    /// **AP40** Forgets a mailbox's plan.
    #[tracing::instrument(name = "store.ap40_clear_plan", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn clear_plan(&self, mailbox: &MailboxId) -> Answer<()> {
        let query = self.partition(mailbox, "begins_with(sk, :prefix)");
        let query = query.expression_attribute_values(":prefix", s(StateKey::PLAN));
        let query = query.projection_expression("mailbox_id, sk");
        let keys = self.rows(query, None, usize::MAX).await?.rows;
        self.batch_delete(Table::State, keys).await
    }
}

fn plan_key(text: &str) -> Option<StateKey> {
    StateKey::parse(text).filter(|key| matches!(key, StateKey::Plan { .. }))
}
