//! A request, read: which operation of Graph it is, on what, with which options.
//!
//! Knows paths, in the forms that clients use (`delta`, `delta()`, `microsoft.graph.delta`). Must not know state.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answers::Refusal;
use super::query::{Prefer, Query};

/// What a request asks for; the name under which it is counted and faults are aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is the operation")]
pub enum Operation {
    Token,
    Batch,
    ListSubscriptions,
    CreateSubscription,
    GetSubscription,
    UpdateSubscription,
    DeleteSubscription,
    ReauthorizeSubscription,
    VapidKey,
    ListFolders,
    CountFolders,
    CreateFolder,
    GetFolder,
    UpdateFolder,
    DeleteFolder,
    PurgeFolder,
    FolderDelta,
    ListContacts,
    CountContacts,
    CreateContact,
    GetContact,
    UpdateContact,
    DeleteContact,
    PurgeContact,
    ContactDelta,
    Extensions,
    Photo,
    TranslateIds,
    Unknown,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Token {
        tenant: String,
    },
    Batch,
    Subscriptions,
    Subscription(String),
    Reauthorize(String),
    VapidKey,
    /// `/me`, which an app without a user can't have (facts 12 b).
    Me,
    /// Below `/users/{user}`; `folders` are the ids that the path names, outermost first.
    Mailbox {
        user: String,
        folders: Vec<String>,
        place: Place,
    },
    Nowhere,
}

/// What a path names inside a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folders,
    FolderCount,
    FolderDelta,
    Folder,
    FolderPurge,
    Contacts,
    ContactCount,
    ContactDelta,
    Contact(String),
    ContactPurge(String),
    Extensions(String),
    ExtensionCount(String),
    Extension(String, String),
    Photo(String),
    PhotoValue(String),
    TranslateIds,
}

/// One request, outer or in a batch.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As it came, from the version on: `/v1.0/users/…`, still encoded.
    pub(crate) path: String,
    pub(crate) query_text: String,
    pub(crate) query: Result<Query, Refusal>,
    pub(crate) prefer: Prefer,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) route: Route,
    pub(crate) operation: Operation,
    /// An item of a `$batch`.
    pub(crate) batched: bool,
}

impl Call {
    pub(crate) fn read(request: Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query_text = parts.uri.query().unwrap_or_default().to_owned();
        let route = route(&path);
        let operation = operation(&parts.method, &route);
        Self {
            prefer: Prefer::read(&parts.headers),
            query: Query::parse(&query_text),
            method: parts.method,
            headers: parts.headers,
            batched: false,
            path,
            query_text,
            body,
            route,
            operation,
        }
    }

    pub(crate) fn query(&self) -> Result<&Query, Refusal> {
        self.query.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, which must be a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Refusal> {
        if !self
            .header("content-type")
            .is_some_and(|kind| kind.contains("json"))
        {
            return Err(Refusal::new(
                415,
                "RequestBodyRead",
                "A supported MIME type could not be found.",
            ));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| Refusal::bad_request("Unable to read JSON request payload."))
    }

    /// Path and query, as a log shows them.
    pub(crate) fn target(&self) -> String {
        if self.query_text.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query_text)
        }
    }
}

fn route(path: &str) -> Route {
    let decoded: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [tenant, "oauth2", "v2.0", "token"] => Route::Token {
            tenant: (*tenant).to_owned(),
        },
        ["v1.0", "$batch"] => Route::Batch,
        ["v1.0", "subscriptions"] => Route::Subscriptions,
        [
            "v1.0",
            "subscriptions",
            "getVapidPublicKey()" | "getVapidPublicKey",
        ] => Route::VapidKey,
        ["v1.0", "subscriptions", id] => Route::Subscription((*id).to_owned()),
        ["v1.0", "subscriptions", id, "reauthorize"] => Route::Reauthorize((*id).to_owned()),
        ["v1.0", "me", ..] => Route::Me,
        ["v1.0", "users", user, rest @ ..] => mailbox_route(user, rest),
        _ => Route::Nowhere,
    }
}

fn mailbox_route(user: &str, mut rest: &[&str]) -> Route {
    let mut folders = Vec::new();
    // `contactFolders/{id}/childFolders/{id}/…`: folder ids are unique in the mailbox, the last one counts (facts 3).
    while let [collection, id, more @ ..] = rest {
        let expected = if folders.is_empty() {
            "contactFolders"
        } else {
            "childFolders"
        };
        if *collection != expected || *id == "$count" || is_delta(id) {
            break;
        }
        folders.push((*id).to_owned());
        rest = more;
    }
    let children = if folders.is_empty() {
        "contactFolders"
    } else {
        "childFolders"
    };
    let place = match rest {
        [] if !folders.is_empty() => Place::Folder,
        ["permanentDelete"] if !folders.is_empty() => Place::FolderPurge,
        [name] if *name == children => Place::Folders,
        [name, "$count"] if *name == children => Place::FolderCount,
        [name, delta] if *name == children && is_delta(delta) => Place::FolderDelta,
        ["contacts", rest @ ..] => match contact_place(rest) {
            Some(place) => place,
            None => return Route::Nowhere,
        },
        ["translateExchangeIds"] if folders.is_empty() => Place::TranslateIds,
        _ => return Route::Nowhere,
    };
    Route::Mailbox {
        user: user.to_owned(),
        folders,
        place,
    }
}

fn contact_place(rest: &[&str]) -> Option<Place> {
    let own = |id: &&str| (*id).to_owned();
    Some(match rest {
        [] => Place::Contacts,
        ["$count"] => Place::ContactCount,
        [delta] if is_delta(delta) => Place::ContactDelta,
        [id] => Place::Contact(own(id)),
        [id, "permanentDelete"] => Place::ContactPurge(own(id)),
        [id, "extensions"] => Place::Extensions(own(id)),
        [id, "extensions", "$count"] => Place::ExtensionCount(own(id)),
        [id, "extensions", extension] => Place::Extension(own(id), own(extension)),
        [id, "photo"] => Place::Photo(own(id)),
        [id, "photo", "$value"] => Place::PhotoValue(own(id)),
        _ => return None,
    })
}

/// The short and the long forms of the delta function (facts 4.1).
fn is_delta(segment: &str) -> bool {
    matches!(
        segment,
        "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()"
    )
}

fn operation(method: &Method, route: &Route) -> Operation {
    match route {
        Route::Token { .. } => Operation::Token,
        Route::Batch => Operation::Batch,
        Route::Subscriptions => match method.as_str() {
            "GET" => Operation::ListSubscriptions,
            "POST" => Operation::CreateSubscription,
            _ => Operation::Unknown,
        },
        Route::Subscription(_) => match method.as_str() {
            "GET" => Operation::GetSubscription,
            "PATCH" => Operation::UpdateSubscription,
            "DELETE" => Operation::DeleteSubscription,
            _ => Operation::Unknown,
        },
        Route::Reauthorize(_) => Operation::ReauthorizeSubscription,
        Route::VapidKey => Operation::VapidKey,
        Route::Mailbox { place, .. } => place_operation(method, place),
        Route::Me | Route::Nowhere => Operation::Unknown,
    }
}

fn place_operation(method: &Method, place: &Place) -> Operation {
    match (place, method.as_str()) {
        (Place::Folders, "GET") => Operation::ListFolders,
        (Place::Folders, "POST") => Operation::CreateFolder,
        (Place::FolderCount, "GET") => Operation::CountFolders,
        (Place::FolderDelta, "GET") => Operation::FolderDelta,
        (Place::Folder, "GET") => Operation::GetFolder,
        (Place::Folder, "PATCH") => Operation::UpdateFolder,
        (Place::Folder, "DELETE") => Operation::DeleteFolder,
        (Place::FolderPurge, "POST") => Operation::PurgeFolder,
        (Place::Contacts, "GET") => Operation::ListContacts,
        (Place::Contacts, "POST") => Operation::CreateContact,
        (Place::ContactCount, "GET") => Operation::CountContacts,
        (Place::ContactDelta, "GET") => Operation::ContactDelta,
        (Place::Contact(_), "GET") => Operation::GetContact,
        (Place::Contact(_), "PATCH") => Operation::UpdateContact,
        (Place::Contact(_), "DELETE") => Operation::DeleteContact,
        (Place::ContactPurge(_), "POST") => Operation::PurgeContact,
        (Place::Extensions(_) | Place::ExtensionCount(_) | Place::Extension(..), _) => Operation::Extensions,
        (Place::Photo(_) | Place::PhotoValue(_), _) => Operation::Photo,
        (Place::TranslateIds, "POST") => Operation::TranslateIds,
        _ => Operation::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Option<(Vec<String>, Place)> {
        let Route::Mailbox { folders, place, .. } = route(path) else {
            return None;
        };
        Some((folders, place))
    }

    #[test]
    fn delta_is_not_taken_for_the_id_of_a_contact() {
        for form in ["delta", "delta()", "microsoft.graph.delta"] {
            assert_eq!(
                place(&format!("/v1.0/users/u/contacts/{form}")),
                Some((vec![], Place::ContactDelta))
            );
        }
        assert_eq!(
            place("/v1.0/users/u/contactFolders/delta"),
            Some((vec![], Place::FolderDelta))
        );
        assert_eq!(
            place("/v1.0/users/u/contactFolders/a/childFolders/delta()"),
            Some((vec!["a".into()], Place::FolderDelta))
        );
    }

    #[test]
    fn nested_folders_and_encoded_ids_are_read() {
        assert_eq!(
            place("/v1.0/users/u/contactFolders/a/childFolders/b%3D/contacts/c%2Fd"),
            Some((vec!["a".into(), "b=".into()], Place::Contact("c/d".into())))
        );
        assert_eq!(place("/v1.0/users/u/childFolders"), None);
        assert_eq!(place("/v1.0/users/u/contacts/c/move"), None);
    }
}
