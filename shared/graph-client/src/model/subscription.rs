//! A subscription to change notifications (facts 5.1).

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::DecodeError;
use crate::page::Row;

/// A subscription as Graph tells it. `clientState` is not among its members: lists give it back as null.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The id.
    pub id: String,
    /// What it watches, without a base URL.
    #[serde(default)]
    pub resource: String,
    /// When it ends. Graph may have moved what was asked for (facts 5.1).
    pub expiration_date_time: Timestamp,
    /// Which changes, comma-separated.
    #[serde(default)]
    pub change_type: Option<String>,
    /// Where notifications go.
    #[serde(default)]
    pub notification_url: Option<String>,
    /// Where lifecycle notifications go.
    #[serde(default)]
    pub lifecycle_notification_url: Option<String>,
}

impl Row for Subscription {
    fn read(row: Map<String, Value>) -> Result<Self, DecodeError> {
        serde_path_to_error::deserialize(Value::Object(row)).map_err(DecodeError::from)
    }
}

/// A subscription to create: to creations, updates and deletions, with plain notifications.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// What to watch, without a base URL: `users/{user}/contacts` or `users/{user}/contactFolders/{id}/contacts`.
    pub resource: String,
    /// Where notifications go; https.
    pub notification_url: String,
    /// Where lifecycle notifications go. It can't be added later (facts 5.1).
    pub lifecycle_notification_url: String,
    /// At most 10,080 minutes ahead (facts 5.1).
    pub expires_at: Timestamp,
    /// Sent along with each notification, and the proof of its origin. At most 128 characters.
    pub client_state: SecretString,
}

impl NewSubscription {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "changeType": "created,updated,deleted",
            "resource": self.resource,
            "notificationUrl": self.notification_url,
            "lifecycleNotificationUrl": self.lifecycle_notification_url,
            "expirationDateTime": self.expires_at.to_string(),
            "clientState": self.client_state.expose_secret(),
            "latestSupportedTlsVersion": "v1_2",
        })
    }

    /// True where `other` is what Graph says exists already.
    pub(crate) fn is(&self, other: &Subscription) -> bool {
        other.notification_url.as_ref() == Some(&self.notification_url)
            && same_resource(&self.resource, &other.resource)
    }
}

/// Graph changes the case of the words, not that of ids (facts 5.3); users' names have none.
fn same_resource(ours: &str, theirs: &str) -> bool {
    let segments = |text: &str| {
        text.trim_matches('/')
            .split('/')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (ours, theirs) = (segments(ours), segments(theirs));
    let is_folder_id = |place: usize| place == 3;
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(&theirs)
            .enumerate()
            .all(|(place, (ours, theirs))| {
                ours == theirs || (!is_folder_id(place) && ours.eq_ignore_ascii_case(theirs))
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_the_same_but_for_the_case_of_words() {
        let ours = "users/Ada@contoso.com/contactFolders/AQMk=/contacts";
        assert!(same_resource(
            ours,
            "/Users/ada@contoso.com/ContactFolders/AQMk=/Contacts"
        ));
        assert!(!same_resource(
            ours,
            "users/ada@contoso.com/contactFolders/aqmk=/contacts"
        ));
        assert!(!same_resource(ours, "users/ada@contoso.com/contacts"));
    }
}
