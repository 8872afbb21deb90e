//! What becomes of a contact's record when the platform changes it: one place for all the bookkeeping of an edit.
//!
//! Pure: a record and a wish in, a record out. It must not know requests, nor how a record is stored.
//!
//! - The version counts what somebody can see: the members, the folder, the external id, the photo, and whether it is
//!   deleted.
//! - An edit is what Outlook has yet to be told. What only the mirror keeps (a fourth e-mail address) makes none.
//! - Only the worker ends an edit. Even one that is taken back stays, since a push of it may be under way: the worker
//!   sees that Outlook agrees, and sends nothing. What is held is not under way: there a discard ends it.

use contact_store::Contact;
use jiff::Timestamp;
use sync_core::edit::{self, Current, Edited};
use sync_core::ids::{ContactId, FolderId, MailboxId};
use sync_core::members::{Kind, kind, same, wire};
use sync_core::record::{Edit, Side, Urgency};
use sync_core::shape::whole;
use sync_core::sighting::Document;

/// What a contact is to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// All its members: those that Outlook can hold, and the others.
    pub(crate) whole: Document,
    /// Its folder.
    pub(crate) folder: FolderId,
    /// True where somebody has named the folder.
    pub(crate) folder_chosen: bool,
    /// The caller's own id of it. One that it has is never taken away.
    pub(crate) external_id: Option<String>,
}

/// When, and how soon Outlook is to have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    pub(crate) now: Timestamp,
    pub(crate) urgency: Urgency,
}

/// A contact as whoever uses the API sees it.
pub(crate) fn shown(of: &Contact) -> Document {
    whole(&of.document, &of.extras)
}

/// A contact that there was none of.
pub(crate) fn create(
    mailbox: &MailboxId,
    id: ContactId,
    wanted: Wanted,
    request_hash: String,
    on: Occasion,
) -> Contact {
    let edited = made(&wanted, 0, on);
    Contact {
        document: edited.document,
        extras: edited.extras,
        external_id: wanted.external_id,
        version: 1,
        edit: edited.edit,
        request_hash: Some(request_hash),
        ..Contact::blank(mailbox.clone(), id, edited.folder, Side::Platform, on.now)
    }
}

/// The contact as it is wanted; `None` where it is so already.
pub(crate) fn replace(of: &Contact, wanted: Wanted, on: Occasion) -> Option<Contact> {
    let external_id = of.external_id.clone().or(wanted.external_id);
    let whole = normal(wanted.whole, &shown(of), &of.document);
    match edit::save(current(of), whole, &wanted.folder, on.now, on.urgency) {
        None if external_id == of.external_id => None,
        None => Some(Contact {
            external_id,
            ..changed(of, on.now)
        }),
        Some(edited) => Some(Contact {
            external_id,
            ..with(changed(of, on.now), edited)
        }),
    }
}

/// A deleted contact that is wanted again.
///
/// Of a tombstone Outlook has nothing: it is created there anew. A delete that Outlook has not confirmed becomes an
/// edit, whatever has come of it meanwhile.
pub(crate) fn revive(of: &Contact, wanted: Wanted, request_hash: String, on: Occasion) -> Contact {
    let whole = normal(wanted.whole.clone(), &Document::new(), &Document::new());
    let saved = of
        .edit
        .as_ref()
        .and_then(|_| edit::save(current(of), whole, &wanted.folder, on.now, on.urgency));
    let edited = saved.unwrap_or_else(|| made(&wanted, of.rev, on));
    let is_known = of.edit.is_some() && of.outlook.is_some();
    Contact {
        outlook: of.outlook.clone().filter(|_| is_known),
        external_id: of.external_id.clone().or(wanted.external_id),
        created_at: of.created_at.filter(|_| is_known),
        modified_at: of.modified_at.filter(|_| is_known),
        deleted_at: None,
        omitted: Vec::new(),
        // A tombstone's photo is one that is about to be deleted.
        photo: of.photo.clone().filter(|_| of.edit.is_some()),
        photo_edit: of.photo_edit.clone().filter(|_| of.edit.is_some()),
        request_hash: Some(request_hash),
        ..with(changed(of, on.now), edited)
    }
}

/// The contact deleted.
pub(crate) fn delete(of: &Contact, on: Occasion) -> Contact {
    let deleted = Contact {
        deleted_at: Some(on.now),
        ..changed(of, on.now)
    };
    match edit::delete(current(of), on.now, on.urgency) {
        Some(edited) => with(deleted, edited),
        None => deleted,
    }
}

/// The contact with nothing left of it but what it takes to delete it in Outlook.
///
/// A repetition of the request that created it is still told from a new one, by the caller's key; what it had asked for is
/// forgotten.
pub(crate) fn erase(of: &Contact, on: Occasion) -> Contact {
    let is_in_outlook = of.outlook.is_some() && !of.is_tombstone();
    let edited = edit::erase(current(of), is_in_outlook, on.now);
    let request = of.request_hash.as_deref().and_then(|hash| hash.split_once('.'));
    Contact {
        document: Document::new(),
        extras: Document::new(),
        external_id: None,
        omitted: Vec::new(),
        deleted_at: Some(of.deleted_at.unwrap_or(on.now)),
        request_hash: request.map(|(key, _)| format!("{key}.")),
        photo_edit: None,
        edit: edited.map_or_else(|| of.edit.clone(), |edited| edited.edit),
        ..changed(of, on.now)
    }
}

/// The held edit, to be tried again.
pub(crate) fn release(of: &Contact, edit: &Edit, on: Occasion) -> Contact {
    Contact {
        edit: Some(Edit {
            hold: None,
            ..counted(edit, on)
        }),
        ..of.clone()
    }
}

/// The contact without its held edit: as Outlook has it, or gone if it never was there.
pub(crate) fn discard(of: &Contact, edit: &Edit, now: Timestamp) -> Contact {
    let settled = Contact {
        edit: None,
        ..changed(of, now)
    };
    let (Some(base), Some(_)) = (&edit.base, &of.outlook) else {
        return Contact {
            deleted_at: Some(of.deleted_at.unwrap_or(now)),
            document: Document::new(),
            extras: Document::new(),
            omitted: Vec::new(),
            photo_edit: None,
            ..settled
        };
    };
    Contact {
        document: base.clone(),
        folder: edit.base_folder.clone().unwrap_or_else(|| of.folder.clone()),
        deleted_at: None,
        // What was left out of the base alone is now left out of the contact.
        omitted: of
            .omitted
            .iter()
            .map(|name| name.strip_prefix("base.").unwrap_or(name).to_owned())
            .collect(),
        ..settled
    }
}

/// The contact with a version more.
pub(crate) fn changed(of: &Contact, now: Timestamp) -> Contact {
    Contact {
        changed_at: now,
        changed_by: Side::Platform,
        version: of.version + 1,
        ..of.clone()
    }
}

fn current(of: &Contact) -> Current<'_> {
    Current {
        document: &of.document,
        extras: &of.extras,
        folder: &of.folder,
        edit: of.edit.as_ref(),
        rev: of.rev,
    }
}

fn with(contact: Contact, edited: Edited) -> Contact {
    Contact {
        folder: edited.folder,
        document: edited.document,
        extras: edited.extras,
        edit: edited.edit,
        ..contact
    }
}

/// What is wanted, where there is nothing.
fn made(wanted: &Wanted, rev: u64, on: Occasion) -> Edited {
    let nothing = Document::new();
    let whole = normal(wanted.whole.clone(), &nothing, &nothing);
    edit::create(
        whole,
        &wanted.folder,
        wanted.folder_chosen,
        rev,
        on.now,
        on.urgency,
    )
}

fn counted(edit: &Edit, on: Occasion) -> Edit {
    Edit {
        edited_at: on.now,
        count: edit.count + 1,
        // Who waited before still waits.
        urgency: edit.urgency.min(on.urgency),
        ..edit.clone()
    }
}

/// What is wanted, in the spelling of what there is where both mean the same. Members that Outlook makes by itself, or
/// that only Outlook knows, stay.
fn normal(wanted: Document, before: &Document, outlooks: &Document) -> Document {
    let mut normal = Document::new();
    for (name, value) in before {
        let kept = match kind(name) {
            Kind::Derived => Some(value),
            Kind::Text | Kind::Date | Kind::Address | Kind::Texts | Kind::Emails | Kind::Unknown
                if same(name, wanted.get(name), Some(value)) =>
            {
                Some(value)
            }
            Kind::Unknown if !wanted.contains_key(name) => outlooks.get(name),
            Kind::Text | Kind::Date | Kind::Address | Kind::Texts | Kind::Emails | Kind::Unknown => None,
        };
        if let Some(kept) = kept {
            normal.insert(name.clone(), kept.clone());
        }
    }
    for (name, value) in wanted {
        let value = match kind(&name) {
            Kind::Derived => continue,
            // One spelling, and it is Outlook's.
            Kind::Date => wire(&name, Some(&value)),
            Kind::Text | Kind::Address | Kind::Texts | Kind::Emails | Kind::Unknown => value,
        };
        if !same(&name, Some(&value), before.get(&name)) {
            normal.insert(name, value);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use sync_core::ids::{ChangeKey, OutlookId, TenantId, UserId};
    use sync_core::members::differing;
    use sync_core::record::OutlookItem;

    fn at(second: i64, urgency: Urgency) -> Occasion {
        Occasion {
            now: Timestamp::from_second(second).unwrap(),
            urgency,
        }
    }

    fn wanted(whole: Document) -> Wanted {
        Wanted {
            whole,
            folder: FolderId::new("top"),
            folder_chosen: false,
            external_id: None,
        }
    }

    fn born(whole: Document) -> Contact {
        let mailbox = MailboxId::derive(&TenantId::new("contoso.com"), &UserId::new("ada@contoso.com"));
        let id = ContactId::of_external(&mailbox, "crm-1");
        create(&mailbox, id, wanted(whole), String::new(), at(1, Urgency::Now))
    }

    /// As the worker leaves it when Outlook has it.
    fn settled(whole: Document) -> Contact {
        Contact {
            edit: None,
            outlook: Some(OutlookItem {
                id: OutlookId::new("AAkA1"),
                change_key: ChangeKey::new("k1"),
            }),
            ..born(whole)
        }
    }

    fn documents() -> impl Strategy<Value = Document> {
        let values = prop::sample::select(vec![
            json!(null),
            json!(""),
            json!("Ada"),
            json!(" Ada "),
            json!("1815-12-10"),
            json!([]),
            json!(["1", "2", "3"]),
            json!(["3", "4"]),
            json!({}),
            json!({"city": "London"}),
            json!([{"address": "a@x.org"}, {"address": "b@x.org", "name": "B"}, {"address": "c@x.org"}, {"address": "d@x.org"}]),
            json!([{"address": "D@x.org"}]),
        ]);
        let names = prop::sample::select(vec![
            "givenName",
            "birthday",
            "homeAddress",
            "businessPhones",
            "categories",
            "emailAddresses",
            "vCard",
        ]);
        prop::collection::btree_map(names.prop_map(str::to_owned), values, 0..6)
            .prop_map(|members| members.into_iter().collect())
    }

    fn set(document: &Document) -> Vec<(&String, &Value)> {
        document
            .iter()
            .filter(|(name, value)| !sync_core::members::is_blank(name, Some(value)))
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_read_and_sent_back_is_no_change(before in documents()) {
            for contact in [born(before.clone()), settled(before)] {
                prop_assert_eq!(replace(&contact, wanted(shown(&contact)), at(2, Urgency::Now)), None);
            }
        }

        #[test]
        fn a_contact_becomes_what_is_wanted_and_outlook_is_told_only_what_it_lacks(
            before in documents(), after in documents(), is_settled: bool,
        ) {
            let contact = if is_settled { settled(before) } else { born(before) };
            let Some(edited) = replace(&contact, wanted(after.clone()), at(2, Urgency::Backfill)) else {
                return Ok(());
            };
            prop_assert_eq!(edited.version, contact.version + 1);
            let shown = shown(&edited);
            for (name, value) in set(&after) {
                // A list that is too long for Outlook may come in another order.
                let is_there = sync_core::members::holds(name, Some(value), shown.get(name));
                prop_assert!(is_there, "{} of {:?} in {:?}", name, after, shown);
            }
            prop_assert_eq!(set(&shown).len(), set(&after).len());
            match &edited.edit {
                None => prop_assert!(is_settled && differing(&edited.document, &contact.document).is_empty()),
                Some(edit) => {
                    prop_assert_eq!(edit.base.as_ref(), is_settled.then_some(&contact.document));
                    let lacking = differing(&edited.document, edit.base.as_ref().unwrap_or(&Document::new()));
                    prop_assert!(lacking.iter().all(|name| edit.members.contains_key(name)));
                    prop_assert_eq!(edit.urgency, if is_settled { Urgency::Backfill } else { Urgency::Now });
                }
            }
        }
    }
}
