//! `/_sim/`: what the operator of a running simulator asks and orders, in JSON.
//!
//! `GET /_sim/{state,mailbox,counts,requests,exchanges}` ask; `POST /_sim/{order}` orders, with the members of that
//! [`Order`]. There is no protection: the binary opens this only with `--admin`, and listens on this machine only.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::face::{Clock, lock};
use crate::faults::{NoticeRule, Rule};
use crate::world::{Edit, Health, Lifecycle, MailboxKey, Warts, World};

/// What can be ordered. A mailbox is named by `tenant` and `user`, by object id or principal name.
#[derive(Debug, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
enum Order {
    Edit {
        tenant: String,
        user: String,
        edit: Edit,
    },
    Fault(Rule),
    NoticeFault(NoticeRule),
    ClearFaults,
    Warts(Warts),
    Clock {
        advance_seconds: u64,
    },
    ExpireTokens,
    RotateSecret {
        app: String,
        secret: String,
    },
    AddApp {
        app: String,
        secret: String,
    },
    Consent {
        tenant: String,
        app: String,
    },
    AddMailbox {
        tenant: String,
        user: String,
        principal: String,
        name: String,
    },
    RemoveMailbox {
        tenant: String,
        user: String,
    },
    RemoveTenant {
        tenant: String,
    },
    Seed {
        tenant: String,
        user: String,
        contacts: usize,
        folders: usize,
    },
    Health {
        tenant: String,
        user: String,
        health: Health,
    },
    ForgetSyncStates {
        tenant: String,
        user: String,
        folder: Option<String>,
    },
    Lifecycle {
        tenant: String,
        user: String,
        event: Lifecycle,
    },
    DropSubscriptions {
        tenant: String,
        user: String,
    },
    Record {
        on: bool,
    },
}

pub(crate) fn answer(world: &Mutex<World>, clock: &Clock, request: &Request<Bytes>) -> Response<Bytes> {
    let name = request.uri().path().trim_start_matches("/_sim/").to_owned();
    let answer = if *request.method() == Method::GET {
        let query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        ask(&lock(world), &name, &query.into_owned().collect())
    } else {
        order(request.body(), &name).and_then(|order| carry_out(&mut lock(world), clock, order))
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(why) => (StatusCode::BAD_REQUEST, json!({ "error": why })),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

/// The order's name is the last part of the path, its members are the body.
fn order(body: &Bytes, name: &str) -> Result<Order, String> {
    let body = if body.is_empty() { b"{}" } else { body.as_ref() };
    let mut order: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    order["order"] = Value::from(name);
    serde_json::from_value(order).map_err(|error| error.to_string())
}

fn ask(world: &World, name: &str, query: &BTreeMap<String, String>) -> Result<Value, String> {
    let named = query.get("tenant").zip(query.get("user"));
    let key = named
        .map(|(tenant, user)| mailbox(world, tenant, user))
        .transpose()?;
    match name {
        "state" => Ok(json!({
            "mailboxes": world.mailboxes(),
            "subscriptions": world.subscription_count(key.as_ref()),
            "notifications": world.unread(),
            "complaints": world.complaints(),
        })),
        "mailbox" => {
            let key = key.ok_or("tenant and user are missing")?;
            Ok(json!(world.snapshot(&key)))
        }
        "photo" => {
            let key = key.ok_or("tenant and user are missing")?;
            let id = query.get("id").ok_or("id is missing")?;
            let photo = world.photo(&key, id).map(|photo| BASE64.encode(&photo));
            Ok(json!({ "photo": photo }))
        }
        "counts" => Ok(json!(world.counts(key.as_ref()))),
        "requests" => {
            let own = world
                .requests()
                .filter(|entry| key.is_none() || entry.mailbox == key);
            Ok(json!(own.collect::<Vec<_>>()))
        }
        "exchanges" => Ok(json!(world.exchanges())),
        _ => Err(format!("there is no '{name}' to ask for")),
    }
}

fn mailbox(world: &World, tenant: &str, user: &str) -> Result<MailboxKey, String> {
    world
        .find_mailbox(tenant, user)
        .ok_or_else(|| "no such mailbox".to_owned())
}

fn carry_out(world: &mut World, clock: &Clock, order: Order) -> Result<Value, String> {
    let now = clock.now();
    let done = Ok(json!({}));
    match order {
        Order::Edit { tenant, user, edit } => {
            let key = mailbox(world, &tenant, &user)?;
            let id = world.edit(&key, edit, now).map_err(|error| error.to_string())?;
            return Ok(json!({ "id": id }));
        }
        Order::Fault(rule) => world.add_fault(rule),
        Order::NoticeFault(rule) => world.add_notice_fault(rule),
        Order::ClearFaults => world.clear_faults(),
        Order::Warts(warts) => world.settings_mut().warts = warts,
        Order::Clock { advance_seconds } => clock.put_forward(Duration::from_secs(advance_seconds)),
        Order::ExpireTokens => world.expire_tokens(),
        Order::RotateSecret { app, secret } => world.rotate_secret(&app, &secret),
        Order::AddApp { app, secret } => world.add_app(&app, &secret),
        Order::Consent { tenant, app } => world.consent(&tenant, &app),
        Order::AddMailbox {
            tenant,
            user,
            principal,
            name,
        } => {
            return Ok(json!(world.add_mailbox(&tenant, &user, &principal, &name)));
        }
        Order::RemoveMailbox { tenant, user } => {
            let key = mailbox(world, &tenant, &user)?;
            world.remove_mailbox(&key);
        }
        Order::RemoveTenant { tenant } => world.remove_tenant(&tenant),
        Order::Seed {
            tenant,
            user,
            contacts,
            folders,
        } => {
            let key = mailbox(world, &tenant, &user)?;
            let made = world
                .seed_contacts(&key, contacts, folders, now)
                .map_err(|error| error.to_string())?;
            return Ok(json!({ "folders": made }));
        }
        Order::Health { tenant, user, health } => {
            let key = mailbox(world, &tenant, &user)?;
            world.set_health(&key, health);
        }
        Order::ForgetSyncStates { tenant, user, folder } => {
            let key = mailbox(world, &tenant, &user)?;
            return Ok(json!({ "count": world.forget_sync_states(&key, folder.as_deref()) }));
        }
        Order::Lifecycle { tenant, user, event } => {
            let key = mailbox(world, &tenant, &user)?;
            return Ok(json!({ "count": world.announce(&key, event, now) }));
        }
        Order::DropSubscriptions { tenant, user } => {
            let key = mailbox(world, &tenant, &user)?;
            return Ok(json!({ "count": world.drop_subscriptions(&key) }));
        }
        Order::Record { on } => world.settings_mut().record = on,
    }
    done
}
