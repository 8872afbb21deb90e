//! Two contacts turn out to be one: the platform's, which waits for a review, and one that Outlook has.
//!
//! Pure: two records in, one record and the conflicts between them out. It must not know how they are written.

use std::collections::BTreeMap;

use contact_store::{Conflict, ConflictPolicy, Contact, Mailbox};
use jiff::Timestamp;
use serde_json::Value;
use sync_core::ids::ConflictId;
use sync_core::rebase::onto;
use sync_core::record::{DeletionPolicy, Edit, Pending, Policy, Rules, Shown, Side, Urgency};
use sync_core::sighting::Document;

/// The contact that both become, and what the policy had to decide for it.
pub(crate) struct Linked {
    pub(crate) contact: Contact,
    pub(crate) conflict: Option<Conflict>,
}

/// Why two contacts can't become one.
pub(crate) fn objection(other: &Contact) -> Option<&'static str> {
    if other.deleted_at.is_some() {
        Some("the other contact was deleted")
    } else if other.outlook.is_none() {
        Some("the other contact is not in Outlook")
    } else if other.edit.is_some() {
        Some("the other contact has an edit that Outlook does not have yet: wait for it")
    } else if other.external_id.is_some() {
        Some("the other contact has an external id of its own")
    } else {
        None
    }
}

/// What the deployment says of conflicts where a mailbox says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Who gets his way.
    pub conflicts: ConflictPolicy,
    /// Who gets it where the operator's function is not asked: the worker alone asks it.
    pub fallback: Policy,
    /// Who gets his way between a delete and an edit.
    pub deletions: DeletionPolicy,
}

impl Policies {
    /// The rules of a mailbox.
    fn of(self, mailbox: &Mailbox) -> (ConflictPolicy, Rules) {
        let conflict = match mailbox.policy.unwrap_or(self.conflicts) {
            ConflictPolicy::LastWriteWins => Policy::LastWriteWins,
            ConflictPolicy::OutlookWins => Policy::OutlookWins,
            ConflictPolicy::PlatformWins => Policy::PlatformWins,
            ConflictPolicy::Custom => self.fallback,
        };
        let told = match conflict {
            Policy::LastWriteWins => ConflictPolicy::LastWriteWins,
            Policy::OutlookWins => ConflictPolicy::OutlookWins,
            Policy::PlatformWins => ConflictPolicy::PlatformWins,
        };
        let deletion = mailbox.deletion.unwrap_or(self.deletions);
        (told, Rules { conflict, deletion })
    }
}

/// Merges `ours`, whose pending edit has no base, with what Outlook has as `other`.
pub(crate) fn link(
    ours: &Contact,
    edit: &Edit,
    other: &Contact,
    (mailbox, policies): (&Mailbox, Policies),
    now: Timestamp,
) -> Linked {
    let (policy, rules) = policies.of(mailbox);
    let edit = Edit {
        hold: None,
        ..edit.clone()
    };
    let pending = Pending {
        document: &ours.document,
        extras: &ours.extras,
        folder: &ours.folder,
        edit: &edit,
    };
    let shown = Shown {
        document: &other.document,
        folder: &other.folder,
        modified_at: other.modified_at,
    };
    let rebased = onto(pending, shown, rules, &BTreeMap::new());
    let version = ours.version + 1;
    let conflict = (!rebased.clashes.is_empty()).then(|| Conflict {
        mailbox: ours.mailbox.clone(),
        id: ConflictId::of(now, &ours.id),
        contact: ours.id.clone(),
        at: now,
        version,
        policy,
        clashes: rebased.clashes,
        base: None,
        ours: Some(ours.document.clone()),
        theirs: Some(other.document.clone()),
        omitted: Vec::new(),
        settled: None,
    });
    let mut superseded = ours.superseded.clone();
    superseded.extend(other.superseded.iter().cloned());
    let mut twins = ours.twins.clone();
    twins.extend(other.twins.clone());
    // Whoever becomes one with it is no twin of it.
    twins.retain(|_, twin| *twin != ours.id && *twin != other.id);
    let left = [&ours.left[..], &other.left[..]].concat();
    let contact = Contact {
        outlook: other.outlook.clone(),
        document: rebased.document,
        extras: both(rebased.extras, &other.extras),
        folder: rebased.folder,
        // A further count: the outbox is to see that it is wanted now.
        edit: rebased.edit.map(|edit| Edit {
            count: edit.count + 1,
            urgency: Urgency::Now,
            ..edit
        }),
        created_at: other.created_at,
        modified_at: other.modified_at,
        changed_at: now,
        changed_by: Side::Platform,
        version,
        omitted: other.omitted.clone(),
        superseded,
        left,
        twins,
        ..ours.clone()
    };
    Linked { contact, conflict }
}

/// What Outlook can't hold of either.
fn both(mut extras: Document, others: &Document) -> Document {
    for (name, other) in others {
        match (extras.get_mut(name), other) {
            (Some(Value::Array(list)), Value::Array(more)) => {
                let new: Vec<_> = more.iter().filter(|one| !list.contains(one)).cloned().collect();
                list.extend(new);
            }
            (Some(_), _) => {}
            (None, other) => drop(extras.insert(name.clone(), other.clone())),
        }
    }
    extras
}
