//! Subscriptions: create, renew, reauthorize, list, delete (facts 5.1, 5.6).
//!
//! Knows what a subscription is and what Graph checks. What it makes of a change is `publish`'s, how that is
//! delivered `notify`'s.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{Refusal, empty_answer, json_answer};
use super::call::{Call, Route};
use super::contacts::moment;
use super::draft::{invalid, text, webhook};
use super::ids;
use super::mailbox::{ChangeKind, MailboxKey};
use super::tokens::Caller;
use super::{Done, Work, World};

/// Active subscriptions of a mailbox over all apps (facts 5.1).
const PER_MAILBOX: usize = 1_000;
/// Subscriptions on a page of the list.
const LIST_PAGE: usize = 100;
/// Between these two, reauthorize and renew must not both come (facts 5.5).
const CHALLENGE_REST: Duration = Duration::from_mins(10);

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) caller: Caller,
    pub(crate) mailbox: MailboxKey,
    pub(crate) folder: String,
    /// Made for `users/{id}/contacts`.
    pub(crate) of_default: bool,
    pub(crate) kinds: BTreeSet<ChangeKind>,
    pub(crate) change_type: String,
    pub(crate) resource: String,
    pub(crate) url: String,
    pub(crate) lifecycle_url: Option<String>,
    pub(crate) client_state: Option<String>,
    pub(crate) tls: String,
    pub(crate) expires_at: Timestamp,
    /// Ids in notifications follow the Prefer header of the create call (facts 5.1).
    pub(crate) immutable: bool,
    /// Until when it may use its creator's token (facts 5.4).
    pub(crate) authorized_until: Option<Timestamp>,
    pub(crate) challenged: bool,
    pub(crate) renewed_at: Option<Timestamp>,
    pub(crate) reauthorized_at: Option<Timestamp>,
}

impl Subscription {
    /// `client_state` is shown by the calls that wrote it, and null elsewhere (facts 5.6).
    fn show(&self, with_state: bool) -> Value {
        json!({
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.caller.app,
            "changeType": self.change_type,
            "clientState": self.client_state.as_ref().filter(|_| with_state),
            "notificationUrl": self.url,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": moment(self.expires_at),
            "creatorId": ids::guid(&["principal", &self.caller.app, &self.caller.tenant]),
            "latestSupportedTlsVersion": self.tls,
            "includeResourceData": null,
            "notificationUrlAppId": null,
            "notificationQueryOptions": null,
            "encryptionCertificate": null,
            "encryptionCertificateId": null,
        })
    }

    fn same_as(&self, other: &Self) -> bool {
        self.caller == other.caller
            && self.mailbox == other.mailbox
            && self.kinds == other.kinds
            && self.resource.eq_ignore_ascii_case(&other.resource)
    }
}

impl World {
    pub(super) fn serve_subscriptions(
        &mut self,
        caller: &Caller,
        call: &Call,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        match (call.method.as_str(), &call.route) {
            ("GET", Route::Subscriptions) => self.list_subscriptions(caller, call),
            ("POST", Route::Subscriptions) => self.begin_subscription(caller, call, now),
            ("GET", Route::Subscription(id)) => {
                let found = self.own_subscription(caller, id)?;
                Ok(Done::Answer(json_answer(200, &found.show(false))))
            }
            ("PATCH", Route::Subscription(id)) => self.begin_renewal(caller, id, call, now),
            ("DELETE", Route::Subscription(id)) => {
                self.own_subscription(caller, id)?;
                self.subscriptions.remove(id);
                Ok(Done::Answer(empty_answer(204)))
            }
            ("POST", Route::Reauthorize(id)) => self.reauthorize(caller, id, now),
            ("GET", Route::VapidKey) => {
                let key = ids::opaque(&["vapid"]);
                Ok(Done::Answer(json_answer(200, &json!({ "value": key }))))
            }
            _ => Err(super::extras::not_allowed()),
        }
    }

    fn own_subscription(&self, caller: &Caller, id: &str) -> Result<&Subscription, Refusal> {
        let found = self.subscriptions.get(id).filter(|found| found.caller == *caller);
        found.ok_or_else(|| Refusal::new(404, "ResourceNotFound", "The object was not found."))
    }

    /// An app sees its own only, in its tenant; no options (facts 5.6).
    fn list_subscriptions(&self, caller: &Caller, call: &Call) -> Result<Done, Refusal> {
        let after = call.query()?.skip_token.clone().unwrap_or_default();
        let own = self
            .subscriptions
            .values()
            .filter(|it| it.caller == *caller && it.id > after);
        let page: Vec<&Subscription> = own.take(LIST_PAGE + 1).collect();
        let value: Vec<Value> = page.iter().take(LIST_PAGE).map(|it| it.show(false)).collect();
        let mut body = json!({ "@odata.context": self.context("subscriptions"), "value": value });
        if page.len() > LIST_PAGE {
            let link = format!(
                "{}{}?$skiptoken={}",
                self.settings.graph_url,
                call.path,
                page[LIST_PAGE - 1].id
            );
            body["@odata.nextLink"] = Value::from(link);
        }
        Ok(Done::Answer(json_answer(200, &body)))
    }

    fn begin_subscription(&mut self, caller: &Caller, call: &Call, now: Timestamp) -> Result<Done, Refusal> {
        let body = call.object()?;
        let draft = self.draft(caller, call, &body, now)?;
        self.check_place(&draft)?;
        // Both URLs are validated, two requests even if they are the same (facts 5.2).
        let urls = [Some(&draft.url), draft.lifecycle_url.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        Ok(Done::Handshake {
            urls,
            work: Work::Create(Box::new(draft)),
        })
    }

    fn check_place(&self, draft: &Subscription) -> Result<(), Refusal> {
        if let Some(same) = self.subscriptions.values().find(|it| it.same_as(draft)) {
            let text = format!(
                "Subscription Id {} already exists for the requested combination",
                same.id
            );
            return Err(Refusal::new(409, "Conflict", text));
        }
        if self
            .subscriptions
            .values()
            .filter(|it| it.mailbox == draft.mailbox)
            .count()
            >= PER_MAILBOX
        {
            let text = "The limit of subscriptions of this mailbox is reached.";
            return Err(Refusal::new(403, "ExtensionError", text));
        }
        Ok(())
    }

    /// After the handshake: the place may have been taken meanwhile.
    pub(super) fn end_subscription(&mut self, draft: Subscription) -> Result<Done, Refusal> {
        self.check_place(&draft)?;
        let mut shown = draft.show(true);
        shown["@odata.context"] = Value::from(self.context("subscriptions/$entity"));
        self.subscriptions.insert(draft.id.clone(), draft);
        Ok(Done::Answer(json_answer(201, &shown)))
    }

    /// facts 5.6: only the expiration and the URL can change.
    fn begin_renewal(
        &mut self,
        caller: &Caller,
        id: &str,
        call: &Call,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        self.own_subscription(caller, id)?;
        let body = call.object()?;
        let other = body
            .keys()
            .find(|name| !["expirationDateTime", "notificationUrl"].contains(&name.as_str()));
        if let Some(other) = other {
            return Err(invalid(format!("The property '{other}' cannot be updated.")));
        }
        let expires = text(&body, "expirationDateTime")?
            .map(|text| self.expiration(text, now))
            .transpose()?;
        match text(&body, "notificationUrl")?.map(webhook).transpose()? {
            // A changed URL is validated as well (facts 5.2, inferred).
            Some(url) => Ok(Done::Handshake {
                urls: vec![url.clone()],
                work: Work::Renew {
                    id: id.to_owned(),
                    expires,
                    url,
                },
            }),
            None if expires.is_some() => self.end_renewal(id, expires, None, now),
            None => Err(invalid("The body has no property to update.")),
        }
    }

    pub(super) fn end_renewal(
        &mut self,
        id: &str,
        expires: Option<Timestamp>,
        url: Option<String>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let life = self.settings.authorization_life;
        let found = self.subscriptions.get_mut(id);
        let found =
            found.ok_or_else(|| Refusal::new(404, "ResourceNotFound", "The object was not found."))?;
        if let Some(url) = url {
            found.url = url;
        }
        if let Some(expires) = expires {
            found.expires_at = expires;
            found.renewed_at = Some(now);
            authorize(found, life, now);
        }
        let rude = within(found.reauthorized_at, now);
        let shown = found.show(true);
        self.complain(
            rude,
            "a subscription was reauthorized and renewed within 10 minutes (facts 5.5)",
        );
        Ok(Done::Answer(json_answer(200, &shown)))
    }

    fn reauthorize(&mut self, caller: &Caller, id: &str, now: Timestamp) -> Result<Done, Refusal> {
        self.own_subscription(caller, id)?;
        let life = self.settings.authorization_life;
        let mut rude = false;
        if let Some(found) = self.subscriptions.get_mut(id) {
            found.reauthorized_at = Some(now);
            authorize(found, life, now);
            rude = within(found.renewed_at, now);
        }
        self.complain(
            rude,
            "a subscription was renewed and reauthorized within 10 minutes (facts 5.5)",
        );
        Ok(Done::Answer(empty_answer(204)))
    }
}

fn authorize(subscription: &mut Subscription, life: Option<Duration>, now: Timestamp) {
    subscription.authorized_until = life.map(|life| ambient::add(now, life));
    subscription.challenged = false;
}

fn within(earlier: Option<Timestamp>, now: Timestamp) -> bool {
    earlier.is_some_and(|earlier| ambient::add(earlier, CHALLENGE_REST) > now)
}
