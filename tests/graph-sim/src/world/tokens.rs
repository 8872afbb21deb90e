//! Tenants, apps and their secrets, access tokens: the login half of the cloud (facts 9.1).
//!
//! Knows who may ask. Must not know what is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::answers::{Answer, Refusal, json_answer};
use super::call::Call;
use super::ids;
use super::mailbox::{Mailbox, MailboxKey};

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: String,
    pub(crate) app: String,
}

#[derive(Debug, Default)]
pub(crate) struct Directory {
    tenants: BTreeMap<String, Tenant>,
    apps: BTreeMap<String, Vec<Secret>>,
    tokens: BTreeMap<String, Token>,
    issued: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    mailboxes: BTreeMap<String, Mailbox>,
    apps: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Secret {
    value: String,
    expired: bool,
}

#[derive(Debug)]
struct Token {
    caller: Caller,
    expires_at: Timestamp,
}

/// An error of the token endpoint: what a client may branch on is `error` alone (facts 9.1).
struct LoginError {
    status: u16,
    error: &'static str,
    code: u32,
    text: &'static str,
}

impl Directory {
    pub(crate) fn add_app(&mut self, app: &str, secret: &str) {
        self.apps.entry(app.to_owned()).or_default().push(Secret {
            value: secret.to_owned(),
            expired: false,
        });
    }

    /// Admin consent: the app exists in the tenant from then on. Makes the tenant where it isn't there.
    pub(crate) fn consent(&mut self, tenant: &str, app: &str) {
        self.tenants
            .entry(tenant.to_owned())
            .or_default()
            .apps
            .insert(app.to_owned());
    }

    pub(crate) fn remove_tenant(&mut self, tenant: &str) {
        self.tenants.remove(tenant);
        self.tokens.retain(|_, token| token.caller.tenant != tenant);
    }

    /// From now on only `secret` is right. The old ones are expired, which is an error of its own.
    pub(crate) fn rotate_secret(&mut self, app: &str, secret: &str) {
        let secrets = self.apps.entry(app.to_owned()).or_default();
        for old in secrets.iter_mut() {
            old.expired = true;
        }
        secrets.push(Secret {
            value: secret.to_owned(),
            expired: false,
        });
    }

    pub(crate) fn expire_tokens(&mut self) {
        for token in self.tokens.values_mut() {
            token.expires_at = Timestamp::MIN;
        }
    }

    pub(crate) fn add_mailbox(&mut self, mailbox: Mailbox) {
        let tenant = self.tenants.entry(mailbox.key.tenant.clone()).or_default();
        tenant.mailboxes.insert(mailbox.key.user.clone(), mailbox);
    }

    pub(crate) fn remove_mailbox(&mut self, key: &MailboxKey) -> bool {
        self.tenants
            .get_mut(&key.tenant)
            .is_some_and(|tenant| tenant.mailboxes.remove(&key.user).is_some())
    }

    pub(crate) fn mailbox(&self, key: &MailboxKey) -> Option<&Mailbox> {
        self.tenants.get(&key.tenant)?.mailboxes.get(&key.user)
    }

    pub(crate) fn mailbox_mut(&mut self, key: &MailboxKey) -> Option<&mut Mailbox> {
        self.tenants.get_mut(&key.tenant)?.mailboxes.get_mut(&key.user)
    }

    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.tenants.values().flat_map(|tenant| tenant.mailboxes.values())
    }

    /// The mailbox of a user, who is named by object id or principal name. Users of other tenants aren't found.
    pub(crate) fn find(&self, tenant: &str, user: &str) -> Option<MailboxKey> {
        let tenant = self.tenants.get(tenant)?;
        let by_name = || {
            tenant
                .mailboxes
                .values()
                .find(|it| it.principal.eq_ignore_ascii_case(user))
        };
        tenant
            .mailboxes
            .get(user)
            .or_else(by_name)
            .map(|mailbox| mailbox.key.clone())
    }

    /// The org contacts of a tenant: names by address (facts 1.2).
    pub(crate) fn names(&self, tenant: &str) -> BTreeMap<String, String> {
        let mailboxes = self
            .tenants
            .get(tenant)
            .into_iter()
            .flat_map(|tenant| tenant.mailboxes.values());
        mailboxes
            .map(|mailbox| (mailbox.principal.to_ascii_lowercase(), mailbox.name.clone()))
            .collect()
    }

    /// Who the bearer token names.
    pub(crate) fn caller(&self, call: &Call, now: Timestamp) -> Result<Caller, Refusal> {
        let refused = |text: &'static str| {
            Refusal::new(401, "InvalidAuthenticationToken", text)
                .with_header("www-authenticate", "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"")
        };
        let bearer = call
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.ok_or_else(|| refused("Access token is empty."))?;
        let token = self
            .tokens
            .get(token)
            .ok_or_else(|| refused("CompactToken parsing failed."))?;
        if token.expires_at <= now {
            return Err(refused("Lifetime validation failed, the token is expired."));
        }
        Ok(token.caller.clone())
    }

    /// The token endpoint. There is never a refresh token in this flow.
    pub(crate) fn issue(
        &mut self,
        tenant: &str,
        call: &Call,
        seed: u64,
        life: Duration,
        now: Timestamp,
    ) -> Answer {
        match self.try_issue(tenant, call, seed, life, now) {
            Ok(token) => {
                let seconds = life.as_secs();
                json_answer(
                    200,
                    &json!({ "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token }),
                )
            }
            Err(error) => error.answer(now),
        }
    }

    fn try_issue(
        &mut self,
        tenant: &str,
        call: &Call,
        seed: u64,
        life: Duration,
        now: Timestamp,
    ) -> Result<String, LoginError> {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let is_form = call
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if call.method != http::Method::POST || !is_form {
            return Err(LoginError::new(
                400,
                "invalid_request",
                900_144,
                "The request body must be a form.",
            ));
        }
        if field("grant_type") != "client_credentials" {
            return Err(LoginError::new(
                400,
                "unsupported_grant_type",
                70_003,
                "The grant type is not supported.",
            ));
        }
        // The scope is one resource's defaults (facts 9.1).
        if !field("scope").ends_with("/.default") || field("scope").contains(' ') {
            return Err(LoginError::new(
                400,
                "invalid_scope",
                70_011,
                "The provided value for scope is not valid.",
            ));
        }
        let Some(known) = self.tenants.get(tenant) else {
            return Err(LoginError::new(
                400,
                "invalid_request",
                90_002,
                "Tenant not found.",
            ));
        };
        let app = field("client_id").to_owned();
        if !known.apps.contains(&app) {
            let text = "Application was not found in the directory.";
            return Err(LoginError::new(400, "unauthorized_client", 700_016, text));
        }
        let secrets = self.apps.get(&app).map(Vec::as_slice).unwrap_or_default();
        match secrets
            .iter()
            .rev()
            .find(|secret| secret.value == field("client_secret"))
        {
            Some(secret) if !secret.expired => {}
            Some(_) => {
                let text = "The provided client secret keys are expired.";
                return Err(LoginError::new(401, "invalid_client", 7_000_222, text));
            }
            None => {
                return Err(LoginError::new(
                    401,
                    "invalid_client",
                    7_000_215,
                    "Invalid client secret provided.",
                ));
            }
        }
        self.issued += 1;
        let token = format!(
            "sim.{}",
            ids::opaque(&["token", &seed.to_string(), tenant, &self.issued.to_string()])
        );
        let caller = Caller {
            tenant: tenant.to_owned(),
            app,
        };
        self.tokens
            .retain(|_, token| token.expires_at > now || token.expires_at == Timestamp::MIN);
        self.tokens.insert(
            token.clone(),
            Token {
                caller,
                expires_at: ambient::add(now, life),
            },
        );
        Ok(token)
    }
}

impl LoginError {
    fn new(status: u16, error: &'static str, code: u32, text: &'static str) -> Self {
        Self {
            status,
            error,
            code,
            text,
        }
    }

    fn answer(&self, now: Timestamp) -> Answer {
        let trace = ids::guid(&["trace", &now.to_string()]);
        let stamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        json_answer(
            self.status,
            &json!({
                "error": self.error,
                "error_description": format!("AADSTS{}: {}\r\nTrace ID: {trace}\r\nTimestamp: {stamp}", self.code, self.text),
                "error_codes": [self.code],
                "timestamp": stamp,
                "trace_id": trace,
                "correlation_id": ids::guid(&["correlation", &now.to_string()]),
            }),
        )
    }
}
