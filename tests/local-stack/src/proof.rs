//! The proof that mirror and mailbox are equal: every contact of the one is in the other, in the same folder, at the
//! same version, with the same members.
//!
//! Knows the simulator's truth and the store's records, and shares no code with the sync.

use std::collections::BTreeMap;

use contact_store::{Contact, Store, StoreError};
use graph_sim::Snapshot;
use serde_json::Value;
use sync_core::ids::MailboxId;

/// One contact that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Outlook has it, the mirror doesn't.
    Missing(String),
    /// The mirror has it, Outlook doesn't.
    LeftOver(String),
    /// Folder, version or members differ.
    Differs(String),
}

/// What differs between a mailbox and its mirror. Folders that `in_scope` refuses count as not there.
pub async fn differences(
    store: &Store,
    mailbox: &MailboxId,
    truth: &Snapshot,
    in_scope: impl Fn(&str) -> bool,
) -> Result<Vec<Difference>, StoreError> {
    let mut mirror = mirror(store, mailbox).await?;
    let mut differences = Vec::new();
    for (id, contact) in &truth.contacts {
        let folder = contact["parentFolderId"].as_str().unwrap_or_default();
        if !truth
            .folders
            .get(folder)
            .is_some_and(|folder| in_scope(&folder.path))
        {
            continue;
        }
        match mirror.remove(id.as_str()) {
            None => differences.push(Difference::Missing(id.clone())),
            Some(record) if same(&record, contact) => {}
            Some(_) => differences.push(Difference::Differs(id.clone())),
        }
    }
    differences.extend(mirror.into_keys().map(Difference::LeftOver));
    Ok(differences)
}

async fn mirror(store: &Store, mailbox: &MailboxId) -> Result<BTreeMap<String, Contact>, StoreError> {
    let mut mirror = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.contacts(mailbox, after.as_deref(), 1000).await?;
        mirror.extend(page.items.into_iter().map(|contact| (name(&contact), contact)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(mirror),
        }
    }
}

/// Its id in Outlook. One that is not there (yet) is a difference, named by its id here.
fn name(contact: &Contact) -> String {
    let outlook = contact.outlook.as_ref();
    outlook.map_or_else(|| contact.id.to_string(), |item| item.id.to_string())
}

fn same(record: &Contact, contact: &Value) -> bool {
    const CONTROL: [&str; 5] = [
        "id",
        "changeKey",
        "parentFolderId",
        "createdDateTime",
        "lastModifiedDateTime",
    ];
    let members = contact.as_object().into_iter().flatten();
    let members = members.filter(|(name, _)| !name.contains('@') && !CONTROL.contains(&name.as_str()));
    let members: serde_json::Map<_, _> = members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    record.folder.as_str() == contact["parentFolderId"]
        && record
            .outlook
            .as_ref()
            .is_some_and(|item| item.change_key.as_str() == contact["changeKey"])
        && record.document == members
}
