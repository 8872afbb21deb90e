//! A subscription as a request describes it, and what Graph refuses about it (facts 5.1).
//!
//! Knows the body's members. What becomes of a subscription is `subscriptions`'.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answers::Refusal;
use super::call::Call;
use super::mailbox::{ChangeKind, MailboxKey};
use super::settings::Overrun;
use super::subscriptions::Subscription;
use super::tokens::Caller;
use super::{World, ids};

/// The longest life of a contact subscription: 10,080 minutes, "under 7 days" (facts 5.1).
const MAX_LIFE: Duration = Duration::from_hours(7 * 24);
/// A shorter life is silently raised to this (facts 5.1).
const MIN_LIFE: Duration = Duration::from_mins(45);
/// The longest client state (facts 5.1).
const MAX_CLIENT_STATE: usize = 128;

impl World {
    pub(super) fn draft(
        &mut self,
        caller: &Caller,
        call: &Call,
        body: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Subscription, Refusal> {
        if body
            .keys()
            .any(|name| name == "vapidPublicKey" || name.starts_with("webPushEncryption"))
        {
            return Err(invalid("Web push members are not allowed for webhooks."));
        }
        if body.get("includeResourceData") == Some(&Value::Bool(true)) {
            return Err(invalid("This simulator has no notifications with resource data."));
        }
        let change_type = required(body, "changeType")?.to_owned();
        let kinds = change_type
            .split(',')
            .map(change_kind)
            .collect::<Option<BTreeSet<_>>>();
        let kinds = kinds.ok_or_else(|| invalid("Invalid 'changeType' attribute."))?;
        let client_state = text(body, "clientState")?.map(str::to_owned);
        if client_state
            .as_ref()
            .is_some_and(|state| state.len() > MAX_CLIENT_STATE)
        {
            return Err(invalid("The clientState is longer than 128 characters."));
        }
        let url = webhook(required(body, "notificationUrl")?)?;
        let lifecycle_url = text(body, "lifecycleNotificationUrl")?.map(webhook).transpose()?;
        let resource = required(body, "resource")?.trim_start_matches('/').to_owned();
        let (mailbox, folder) = self.place(caller, &resource)?;
        let expires_at = self.expiration(required(body, "expirationDateTime")?, now)?;
        let number = self.next_number().to_string();
        Ok(Subscription {
            id: ids::guid(&["subscription", &self.settings.seed.to_string(), &number]),
            caller: caller.clone(),
            of_default: folder.is_none(),
            folder: folder.unwrap_or_else(|| self.default_folder(&mailbox)),
            mailbox,
            kinds,
            change_type,
            resource,
            url,
            lifecycle_url,
            client_state,
            tls: text(body, "latestSupportedTlsVersion")?
                .unwrap_or("v1_2")
                .to_owned(),
            expires_at,
            immutable: call.prefer.immutable_ids,
            authorized_until: self
                .settings
                .authorization_life
                .map(|life| ambient::add(now, life)),
            challenged: false,
            renewed_at: None,
            reauthorized_at: None,
        })
    }

    fn default_folder(&self, mailbox: &MailboxKey) -> String {
        self.directory
            .mailbox(mailbox)
            .map(|mailbox| mailbox.contacts_folder.clone())
            .unwrap_or_default()
    }

    /// facts 5.1: `users/{id}/contacts` or `users/{id}/contactFolders/{fid}/contacts`, without a base URL.
    fn place(&self, caller: &Caller, resource: &str) -> Result<(MailboxKey, Option<String>), Refusal> {
        let path = resource.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let (user, folder) = match parts.as_slice() {
            [users, user, contacts] if is(users, "users") && is(contacts, "contacts") => (user, None),
            [users, user, folders, folder, contacts]
                if is(users, "users") && is(folders, "contactFolders") && is(contacts, "contacts") =>
            {
                (user, Some((*folder).to_owned()))
            }
            _ => {
                return Err(invalid(
                    "The resource is not supported for subscriptions of an application.",
                ));
            }
        };
        let key = self.known_mailbox(caller, user)?;
        if let Some(folder) = &folder {
            let mailbox = self.directory.mailbox(&key).ok_or_else(Refusal::item_not_found)?;
            mailbox.path_folder(std::slice::from_ref(folder))?;
        }
        Ok((key, folder))
    }

    pub(super) fn expiration(&self, text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
        let wrong = || invalid("The expirationDateTime is not a moment in the future.");
        let asked: Timestamp = text.parse().map_err(|_| wrong())?;
        if asked <= now {
            return Err(wrong());
        }
        let latest = ambient::add(now, MAX_LIFE);
        if asked > latest && self.settings.overrun == Overrun::Reject {
            let text = "Subscription expiration can only be 10080 minutes in the future.";
            return Err(Refusal::new(400, "ErrorInvalidParameter", text));
        }
        Ok(asked.min(latest).max(ambient::add(now, MIN_LIFE)))
    }
}

pub(super) fn invalid(text: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(400, "InvalidRequest", text)
}

pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        // facts 12 a: an array of change types is a 400.
        Some(_) => Err(Refusal::bad_body(format!(
            "Cannot convert the literal of '{name}' to the expected type 'Edm.String'."
        ))),
    }
}

fn required<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    text(body, name)?.ok_or_else(|| invalid(format!("The required property '{name}' is missing.")))
}

fn change_kind(text: &str) -> Option<ChangeKind> {
    match text.trim() {
        "created" => Some(ChangeKind::Created),
        "updated" => Some(ChangeKind::Updated),
        "deleted" => Some(ChangeKind::Deleted),
        _ => None,
    }
}

/// Graph wants https. Here plain http will do for this machine itself, so that a local stack needs no certificate.
pub(super) fn webhook(text: &str) -> Result<String, Refusal> {
    let wrong = || invalid("The notification URL must be an absolute https URL.");
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let here = url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|it| it.is_loopback())
    });
    if url.scheme() == "https" || (url.scheme() == "http" && here) {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}

fn is(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
}
