//! Contacts over the API: list, count, read, create, update, delete (facts 2).
//!
//! Knows how a contact is shown. What a change does to the mailbox is `mailbox`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answers::Refusal;
use super::fields::Write;
use super::folders;
use super::mailbox::{Health, Item, Mailbox};
use super::query::{DEFAULT_PAGE, Expand, Filter, MAX_TOP, Order, Query};
use super::settings::Settings;
use super::shape;

/// How a contact is to be shown.
pub(crate) struct View<'a> {
    pub(crate) immutable: bool,
    pub(crate) select: Option<&'a [String]>,
    pub(crate) expand: &'a [Expand],
}

/// A contact in JSON, control information first (facts 1.1).
pub(crate) fn show(item: &Item, view: &View<'_>) -> Map<String, Value> {
    let id = if view.immutable {
        item.id.clone()
    } else {
        item.classic_id()
    };
    let mut shown = shape::complete(&item.members);
    shown.insert("@odata.etag".to_owned(), Value::from(item.etag()));
    shown.insert("id".to_owned(), Value::from(id));
    shown.insert("changeKey".to_owned(), Value::from(item.change_key()));
    shown.insert("createdDateTime".to_owned(), moment(item.created_at));
    shown.insert("lastModifiedDateTime".to_owned(), moment(item.modified_at));
    shown.insert("parentFolderId".to_owned(), Value::from(item.folder.clone()));
    if let Some(select) = view.select {
        let always = ["@odata.etag", "id"];
        shown.retain(|name, _| always.contains(&name.as_str()) || select.iter().any(|it| it == name));
    }
    for expand in view.expand {
        expand_into(&mut shown, item, expand);
    }
    shown
}

/// facts 1.3: filter answers don't contain a property unless it is also expanded.
fn expand_into(shown: &mut Map<String, Value>, item: &Item, expand: &Expand) {
    match expand {
        Expand::Properties(ids) => {
            let found = ids
                .iter()
                .filter_map(|id| Some(json!({ "id": id, "value": item.properties.get(id)? })));
            let found: Vec<Value> = found.collect();
            if !found.is_empty() {
                shown.insert("singleValueExtendedProperties".to_owned(), Value::Array(found));
            }
        }
        Expand::Extensions => {
            let all = item.extensions.values().cloned().map(Value::Object).collect();
            shown.insert("extensions".to_owned(), Value::Array(all));
        }
        Expand::Photo => {
            let photo = item.photo.as_ref().map(|_| json!({ "id": "1X1" }));
            shown.insert("photo".to_owned(), photo.unwrap_or(Value::Null));
        }
    }
}

/// Graph's form of a moment: UTC, whole seconds.
pub(crate) fn moment(at: Timestamp) -> Value {
    Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// One page of a list.
pub(crate) struct ListPage {
    pub(crate) rows: Vec<Value>,
    pub(crate) total: usize,
    /// The `$skip` of the next page.
    pub(crate) next: Option<usize>,
}

impl Mailbox {
    /// A page of contacts. `$skip` counts rows, so deletes between two pages shift them (facts 2.1).
    pub(crate) fn list_contacts(
        &self,
        folder: &str,
        query: &Query,
        immutable: bool,
        page: Option<usize>,
    ) -> ListPage {
        let mut items = self.contacts_in(folder);
        if let Some(filter) = &query.filter {
            items.retain(|item| matches(item, filter));
        }
        if let Some(order) = &query.order {
            sort(&mut items, order);
        }
        let size = query.top.or(page).unwrap_or(DEFAULT_PAGE).min(MAX_TOP);
        let view = View {
            immutable,
            select: query.select.as_deref(),
            expand: &query.expand,
        };
        let rows = items
            .iter()
            .skip(query.skip)
            .take(size)
            .map(|item| Value::Object(show(item, &view)))
            .collect();
        let end = query.skip + size;
        ListPage {
            rows,
            total: items.len(),
            next: (end < items.len() && size > 0).then_some(end),
        }
    }

    /// Finds a contact by either form of its id, in the whole store (facts 2.1).
    pub(crate) fn find(&self, id: &str, settings: &Settings) -> Result<&Item, Refusal> {
        if !super::ids::plausible(id) {
            return Err(Refusal::malformed_id());
        }
        let item = self.resolve(id).and_then(|id| self.items.get(id));
        let item = item.filter(|item| settings.soft_deleted_readable || !self.is_deleted(item));
        item.ok_or_else(Refusal::item_not_found)
    }

    /// POST: not idempotent, a repeated one makes a second contact (facts 1.2).
    pub(crate) fn post_contact(
        &mut self,
        folder: &str,
        write: Write,
        names: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        self.room()?;
        let id = self.create(folder, write.members.clone(), names, now);
        self.remember_extras(&id, write);
        Ok(id)
    }

    /// PATCH: members left out stay or are recalculated; complex ones are replaced (facts 2.3).
    pub(crate) fn patch_contact(
        &mut self,
        id: &str,
        write: Write,
        names: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.room()?;
        self.edit(id, write.members.clone(), names, now);
        self.remember_extras(id, write);
        Ok(())
    }

    fn remember_extras(&mut self, id: &str, write: Write) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        for (property, value) in write.properties {
            match value {
                Some(value) => item.properties.insert(property, value),
                None => item.properties.remove(&property),
            };
        }
        for extension in write.extensions {
            super::extras::put_extension(item, extension);
        }
    }

    /// facts 8: a full mailbox takes no writes.
    pub(crate) fn room(&self) -> Result<(), Refusal> {
        if self.health == Health::Full {
            Err(folders::full())
        } else {
            Ok(())
        }
    }

    /// facts 2.4. `*` matches any state.
    pub(crate) fn check_etag(
        item: &Item,
        if_match: Option<&str>,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let stale = if_match.is_some_and(|etag| etag != "*" && etag != item.etag());
        if stale && settings.if_match_enforced {
            Err(Refusal::stale_etag())
        } else {
            Ok(())
        }
    }
}

fn matches(item: &Item, filter: &Filter) -> bool {
    match filter {
        Filter::Email(address) => {
            let entries = item.members.get("emailAddresses").and_then(Value::as_array);
            let same = |entry: &Value| {
                entry["address"]
                    .as_str()
                    .is_some_and(|found| found.eq_ignore_ascii_case(address))
            };
            entries.is_some_and(|entries| entries.iter().any(same))
        }
        // facts 1.3: the value is matched case-insensitively.
        Filter::Property { id, value } => item
            .properties
            .get(id)
            .is_some_and(|found| found.eq_ignore_ascii_case(value)),
        Filter::Member { name, value } => item
            .members
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|found| found.eq_ignore_ascii_case(value)),
    }
}

fn sort(items: &mut [&Item], order: &Order) {
    let key = |item: &Item| match order.member.as_str() {
        "createdDateTime" => item.created_at.to_string(),
        "lastModifiedDateTime" => item.modified_at.to_string(),
        member => item
            .members
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_lowercase(),
    };
    items.sort_by_key(|item| key(item));
    if order.descending {
        items.reverse();
    }
}
