//! The scenarios. Each tells one story about mailboxes of its own.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use graph_sim::Snapshot;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::scene::{AT_THE_NEXT_TICK, SOON, Scene, User};

pub(crate) type Story<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// The bound of the issue for the deployed bundle.
const MEDIAN_LIMIT: Duration = Duration::from_secs(3);

pub(crate) async fn first_sync(scene: &Scene) -> Result<()> {
    let user = scene.enrolled(1, 1, 5_000, 12).await?;
    let mut shown = 0;
    let took = scene
        .until("the first sync is over", Duration::from_mins(4), async || {
            let state = scene.state(&user).await?;
            let seen = state["progress"]["contactsSeen"].as_u64().unwrap_or_default();
            ensure!(seen >= shown, "progress goes back from {shown} to {seen}");
            shown = seen;
            Ok(state["phase"] == "live" && scene.is_equal(&user).await?)
        })
        .await?;
    let pages = scene.asked(&user, "contact_delta").await?;
    crate::say(&format!(
        "    5,000 contacts in 13 folders after {:.1} s, {pages} delta requests",
        took.as_secs_f64()
    ));
    ensure!(
        pages >= 25,
        "5,000 contacts are at least 25 pages of 200, not {pages}"
    );

    // What outside systems read is the same: page by page, and by folder.
    let path = format!("v1/mailboxes/{}/contacts?limit=500", user.id);
    let mut read = 0;
    let mut next: Option<String> = None;
    loop {
        let cursor = next
            .as_deref()
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let (status, page) = scene.call("GET", &format!("{path}{cursor}"), None).await?;
        ensure!(status == StatusCode::OK, "{status}: {page}");
        read += page["items"].as_array().map_or(0, Vec::len);
        next = page["next"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    ensure!(read == 5_000, "the API lists {read} contacts");
    Ok(())
}

/// Create, edit, move and delete, each until its effect is in the table; then the median.
pub(crate) async fn edits(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 2, 40, 2).await?;
    let truth = scene.truth(&user).await?;
    let other = truth
        .folders
        .iter()
        .find(|(_, folder)| !folder.is_default)
        .map(|(id, _)| id.clone());
    let other = other.context("there is no other folder")?;
    let mut delays = Vec::new();
    for round in 0..6 {
        let members = json!({ "givenName": "Grace", "surname": format!("Hopper {round}") });
        let id = scene
            .edit(&user, json!({ "kind": "create_contact", "members": members }))
            .await?;
        delays.push(scene.until_equal(&user, SOON).await?);
        let members = json!({ "jobTitle": "Rear admiral", "companyName": null });
        scene
            .edit(
                &user,
                json!({ "kind": "edit_contact", "id": id, "members": members }),
            )
            .await?;
        delays.push(scene.until_equal(&user, SOON).await?);
        let before = mirrored_id(scene, &user, &id).await?;
        scene
            .edit(
                &user,
                json!({ "kind": "move_contact", "id": id, "folder": other }),
            )
            .await?;
        delays.push(scene.until_equal(&user, SOON).await?);
        ensure!(
            mirrored_id(scene, &user, &id).await? == before,
            "a move changes a contact's identity"
        );
        let purge = round % 2 == 0;
        scene
            .edit(
                &user,
                json!({ "kind": "delete_contact", "id": id, "purge": purge }),
            )
            .await?;
        delays.push(scene.until_equal(&user, SOON).await?);
    }
    delays.sort();
    let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    crate::say(&format!(
        "    {} edits, from Outlook to the table: median {:.2} s, longest {:.2} s",
        delays.len(),
        median.as_secs_f64(),
        longest.as_secs_f64()
    ));
    ensure!(median < MEDIAN_LIMIT, "the median is {median:?}");
    Ok(())
}

async fn mirrored_id(scene: &Scene, user: &User, outlook_id: &str) -> Result<Value> {
    let (_, page) = scene
        .call(
            "GET",
            &format!("v1/mailboxes/{}/contacts?limit=500", user.id),
            None,
        )
        .await?;
    let contacts = page["items"].as_array().context("no list")?;
    let contact = contacts
        .iter()
        .find(|contact| contact["outlook"]["id"] == outlook_id);
    Ok(contact.context("the contact is not listed")?["id"].clone())
}

pub(crate) async fn two_tenants(scene: &Scene) -> Result<()> {
    // The same user id in two tenants: nothing but the tenant sets them apart.
    let (one, other) = (
        scene.settled(2, 3, 60, 1).await?,
        scene.settled(3, 3, 30, 1).await?,
    );
    ensure!(one.id != other.id, "two mailboxes have one id");
    let members = json!({ "givenName": "Only", "surname": "Here" });
    scene
        .edit(&one, json!({ "kind": "create_contact", "members": members }))
        .await?;
    scene.until_equal(&one, SOON).await?;
    scene.until_equal(&other, SOON).await?;
    ensure!(size(&scene.truth(&one).await?) == 61 && size(&scene.truth(&other).await?) == 30);
    Ok(())
}

pub(crate) async fn forged(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 4, 20, 0).await?;
    scene.until_at_rest(&user).await?;
    let before = (scene.ask("counts", Some(&user)).await?, scene.state(&user).await?);
    let own = scene
        .store
        .mailbox_state(&user.id)
        .await?
        .context("the mailbox is not there")?;
    let subscription = own
        .subscriptions
        .first()
        .and_then(|it| it.id.clone())
        .context("no subscription")?;
    for state in [
        json!(null),
        json!("secret"),
        json!(format!("1.{}.AAAA", user.id)),
        json!(7),
    ] {
        let item = json!({
            "subscriptionId": subscription, "clientState": state, "changeType": "updated",
            "resource": format!("Users/{}/Contacts/x", user.object_id), "tenantId": user.tenant,
        });
        let lifecycle =
            json!({ "subscriptionId": subscription, "clientState": state, "lifecycleEvent": "missed" });
        scene.notify("", &json!({ "value": [item, lifecycle] })).await?;
    }
    ensure!(scene.notify("", &json!("no object")).await? == StatusCode::BAD_REQUEST);
    ensure!(scene.notify("?validationToken=%00", &json!({})).await? == StatusCode::BAD_REQUEST);
    // An edit that is notified properly comes after them through the same queues: when it is there, they are done.
    let folder_deltas = scene.asked(&user, "contact_delta").await?;
    let after = (scene.ask("counts", Some(&user)).await?, scene.state(&user).await?);
    ensure!(
        before == after,
        "forged notifications changed {before:?} to {after:?}"
    );
    let members = json!({ "givenName": "Real" });
    scene
        .edit(&user, json!({ "kind": "create_contact", "members": members }))
        .await?;
    scene.until_equal(&user, SOON).await?;
    let rounds = scene.asked(&user, "contact_delta").await? - folder_deltas;
    ensure!(
        rounds <= 2,
        "one true notification among forged ones led to {rounds} delta requests"
    );
    Ok(())
}

pub(crate) async fn renewal(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 5, 10, 1).await?;
    let before = scene.state(&user).await?["subscriptions"]["soonestExpiry"].clone();
    // Half of its life has passed: as the table has it, since nobody waits for three days here.
    let state = scene
        .store
        .mailbox_state(&user.id)
        .await?
        .context("the mailbox is not there")?;
    for mut subscription in state.subscriptions {
        subscription.due_at = subscription.due_at.min("2026-01-01T00:00:00Z".parse()?);
        scene.store.save_subscription(&mut subscription).await?;
    }
    scene
        .until("both subscriptions are renewed", AT_THE_NEXT_TICK, async || {
            let state = scene
                .store
                .mailbox_state(&user.id)
                .await?
                .context("the mailbox is not there")?;
            let later = |it: &contact_store::Subscription| it.renewed_at.is_some_and(|at| it.due_at > at);
            Ok(state.subscriptions.iter().all(later))
        })
        .await?;
    let after = scene.state(&user).await?["subscriptions"]["soonestExpiry"].clone();
    ensure!(
        after.as_str() > before.as_str(),
        "the end has not moved: {before} to {after}"
    );
    ensure!(
        scene.subscriptions(&user).await? == 2,
        "a renewal makes no second subscription"
    );
    Ok(())
}

pub(crate) async fn lost_subscription(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 6, 10, 0).await?;
    let before = scene
        .store
        .mailbox_state(&user.id)
        .await?
        .context("the mailbox is not there")?;
    let before = before.subscriptions.first().and_then(|it| it.id.clone());
    let event = json!({ "tenant": user.tenant, "user": user.object_id, "event": "subscriptionRemoved" });
    // What happens between the loss and the new subscription is not notified, and must be found all the same.
    scene.order("lifecycle", event).await?;
    scene
        .edit(
            &user,
            json!({ "kind": "create_contact", "members": { "givenName": "In", "surname": "Between" } }),
        )
        .await?;
    scene.until_equal(&user, SOON).await?;
    scene
        .until("there is another subscription", SOON, async || {
            let state = scene
                .store
                .mailbox_state(&user.id)
                .await?
                .context("the mailbox is not there")?;
            let now = state.subscriptions.first().and_then(|it| it.id.clone());
            Ok(now.is_some() && now != before && scene.subscriptions(&user).await? == 1)
        })
        .await?;
    scene
        .edit(
            &user,
            json!({ "kind": "create_contact", "members": { "givenName": "After" } }),
        )
        .await?;
    scene.until_equal(&user, SOON).await?;
    Ok(())
}

pub(crate) async fn missed(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 7, 10, 0).await?;
    lose_notifications(scene, &user).await?;
    scene
        .edit(
            &user,
            json!({ "kind": "create_contact", "members": { "givenName": "Missed" } }),
        )
        .await?;
    ensure!(!scene.is_equal(&user).await?, "the notification was not lost");
    let event = json!({ "tenant": user.tenant, "user": user.object_id, "event": "missed" });
    scene.order("lifecycle", event).await?;
    scene.until_equal(&user, SOON).await?;
    Ok(())
}

pub(crate) async fn poll(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 8, 10, 0).await?;
    scene.until_at_rest(&user).await?;
    lose_notifications(scene, &user).await?;
    scene
        .edit(
            &user,
            json!({ "kind": "create_contact", "members": { "givenName": "Quiet" } }),
        )
        .await?;
    let state = scene
        .store
        .mailbox_state(&user.id)
        .await?
        .context("the mailbox is not there")?;
    let mut timer = state
        .timers
        .into_iter()
        .find(|it| it.kind == contact_store::TimerKind::Poll)
        .context("no timer")?;
    timer.due_at = "2026-01-01T00:00:00Z".parse()?;
    scene.store.set_timer(&timer).await?;
    scene.until_equal(&user, AT_THE_NEXT_TICK).await?;

    // And the comparison, on request: it finds what somebody else did to the mirror.
    let page = scene.store.contacts(&user.id, None, 1).await?;
    let mut record = page.items.into_iter().next().context("the mirror is empty")?;
    let expected = contact_store::Expected::Rev(record.rev);
    record.version += 1;
    let outlook = record.outlook.as_mut().context("the contact is not in Outlook")?;
    outlook.change_key = sync_core::ids::ChangeKey::new("tampered");
    record.document.insert("givenName".to_owned(), json!("Tampered"));
    scene.store.put_contact(&record, expected).await?;
    let (status, answer) = scene
        .call("POST", &format!("v1/mailboxes/{}/resync", user.id), None)
        .await?;
    ensure!(status == StatusCode::ACCEPTED, "{status}: {answer}");
    scene.until_equal(&user, SOON).await?;
    Ok(())
}

async fn lose_notifications(scene: &Scene, user: &User) -> Result<()> {
    let rule = json!({ "mailbox": user.object_id, "times": 1, "fault": { "kind": "lost" } });
    scene.order("notice-fault", rule).await.map(|_| ())
}

/// A first sync of 3,000 contacts in one folder, slowed down; the worker is killed when some pages are in.
pub(crate) async fn killed_worker(scene: &Scene) -> Result<()> {
    let user = scene.user(1, 9, 3_000, 0).await?;
    let aim = json!({ "operation": "contact_delta", "mailbox": user.object_id });
    scene
        .order(
            "fault",
            json!({ "aim": aim, "fault": { "kind": "slow", "millis": 400 } }),
        )
        .await?;
    scene.enrol(&user).await?;
    scene
        .until("five pages are in", SOON, async || {
            Ok(scene.state(&user).await?["progress"]["contactsSeen"].as_u64() >= Some(1_000))
        })
        .await?;
    let killed = scene.stack.kill("SyncMailboxFunctionName")?;
    ensure!(killed > 0, "there was no worker to kill");
    ensure!(
        scene.state(&user).await?["phase"] != "live",
        "the worker was killed too late"
    );
    scene.order("clear-faults", json!({})).await?;
    let took = scene.until_equal(&user, AT_THE_NEXT_TICK).await?;
    let requests = scene.ask("requests", Some(&user)).await?;
    let delta = requests
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["operation"] == "contact_delta");
    let starts = delta
        .clone()
        .filter(|it| !it["target"].as_str().unwrap_or_default().contains("token"))
        .count();
    crate::say(&format!(
        "    killed {killed} process; equal {:.1} s later, {} delta requests",
        took.as_secs_f64(),
        delta.count()
    ));
    ensure!(starts == 1, "the first sync was begun {starts} times");
    Ok(())
}

pub(crate) async fn removal(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 10, 120, 2).await?;
    let (status, _) = scene
        .call("DELETE", &format!("v1/mailboxes/{}", user.id), None)
        .await?;
    ensure!(status == StatusCode::ACCEPTED, "{status}");
    scene
        .until("nothing is left of it", SOON, async || {
            let (status, _) = scene
                .call("GET", &format!("v1/mailboxes/{}", user.id), None)
                .await?;
            Ok(status == StatusCode::NOT_FOUND)
        })
        .await?;
    ensure!(
        scene.subscriptions(&user).await? == 0,
        "subscriptions are left at Graph"
    );
    ensure!(
        scene.store.contacts(&user.id, None, 10).await?.items.is_empty(),
        "contacts are left"
    );
    Ok(())
}

fn size(truth: &Snapshot) -> usize {
    truth.contacts.len()
}
