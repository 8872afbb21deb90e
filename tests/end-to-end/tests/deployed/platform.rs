//! The scenarios of the platform: what it writes through the API, and how that gets to Outlook and onto the bus.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ear::Ear;
use crate::scene::{AT_THE_NEXT_TICK, SOON, Scene, User};

/// The bound of the issue for the deployed bundle.
const MEDIAN_LIMIT: Duration = Duration::from_secs(2);
/// Contacts of the bulk, so many a request.
const MANY: usize = 5_000;
const A_REQUEST: usize = 500;

/// Whether Outlook's items of a contact are as they are to be. With the id of the other folder.
type Shows = fn(&[&Value], &str) -> bool;

/// Create, change, move and delete through the API, each until Outlook has it; then what the bus was told, and what it
/// cost.
pub(crate) async fn edits(scene: &Scene) -> Result<()> {
    const ROUNDS: usize = 5;
    let user = scene.settled(1, 11, 40, 2).await?;
    let contacts = format!("v1/mailboxes/{}/contacts", user.id);
    let truth = scene.truth(&user).await?;
    let other = truth.folders.iter().find(|(_, folder)| !folder.is_default);
    let other = other.context("there is no other folder")?.0.clone();
    let mut ear = Ear::on(scene, "platform")?;
    let writes_before = writes(scene, &user).await?;

    let (mut delays, mut ids) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let address = format!("grace{round}@platform.example");
        let mine = |contact: &&Value| contact["emailAddresses"][0]["address"] == address;
        // With all the names: those that it is not given, Outlook makes, and that would be a change more.
        let contact = json!({
            "givenName": "Grace",
            "displayName": "Grace",
            "fileAs": "Grace",
            "emailAddresses": [{ "name": "Grace", "address": address }],
        });
        let mut id = String::new();
        let mut request = Some(("POST", contacts.clone(), Some(json!({ "contact": contact }))));
        delays.push(
            scene
                .until("Outlook has the new contact", SOON, async || {
                    if let Some(request) = request.take() {
                        let answer = write(scene, request).await?;
                        answer["id"].as_str().context("no id")?.clone_into(&mut id);
                    }
                    Ok(scene.truth(&user).await?.contacts.values().any(|it| mine(&it)))
                })
                .await?,
        );
        let path = format!("{contacts}/{id}");
        let title = json!({ "contact": { "jobTitle": "Rear admiral" } });
        let folder = json!({ "folder": other });
        let changes: [(_, _, Shows); 3] = [
            (
                "PATCH",
                Some(title),
                |shown, _| matches!(shown, [it] if it["jobTitle"] == "Rear admiral"),
            ),
            (
                "PATCH",
                Some(folder),
                |shown, other| matches!(shown, [it] if it["parentFolderId"] == other && it["jobTitle"] == "Rear admiral"),
            ),
            ("DELETE", None, |shown, _| shown.is_empty()),
        ];
        for (method, body, is_there) in changes {
            let mut request = Some((method, path.clone(), body));
            delays.push(
                scene
                    .until("Outlook has the change", SOON, async || {
                        if let Some(request) = request.take() {
                            write(scene, request).await?;
                        }
                        let truth = scene.truth(&user).await?;
                        let shown: Vec<&Value> = truth.contacts.values().filter(mine).collect();
                        Ok(is_there(&shown, &other))
                    })
                    .await?,
            );
        }
        ids.push(id);
    }
    delays.sort();
    let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    crate::say(&format!(
        "    {} edits, from the API to Outlook: median {:.2} s, longest {:.2} s",
        delays.len(),
        median.as_secs_f64(),
        longest.as_secs_f64()
    ));
    ensure!(median < MEDIAN_LIMIT, "the median is {median:?}");
    scene.until_equal(&user, SOON).await?;

    told_once(scene, &mut ear, &ids).await?;
    ear.off(scene)?;
    // A move is a create and a delete.
    let writes = writes(scene, &user).await? - writes_before;
    let wanted = u64::try_from(ROUNDS * 5)?;
    ensure!(writes == wanted, "{writes} writes to Outlook, not {wanted}");
    Ok(())
}

/// Each edit of these contacts, that were created, changed, moved and deleted, is one event, and its echo out of Outlook
/// is none.
async fn told_once(scene: &Scene, ear: &mut Ear, ids: &[String]) -> Result<()> {
    let wanted = [
        "contact.created",
        "contact.updated",
        "contact.updated",
        "contact.deleted",
    ];
    scene
        .until("the bus was told of each edit", SOON, async || {
            ear.listen(scene).await?;
            Ok(ids.iter().all(|id| ear.of_contact(id).len() >= wanted.len()))
        })
        .await?;
    scene.a_moment().await;
    ear.listen(scene).await?;
    for id in ids {
        let told = ear.of_contact(id);
        let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        let by_whom = told
            .iter()
            .map(|(_, data)| (&data["changedBy"], &data["changed"]));
        let by_whom: Vec<_> = by_whom.collect();
        ensure!(
            kinds == wanted,
            "the bus was told {kinds:?}, changed by {by_whom:?}"
        );
        ensure!(
            by_whom.iter().all(|(side, _)| *side == "platform"),
            "changed by {by_whom:?}"
        );
    }
    Ok(())
}

/// 5,000 contacts in ten requests; the worker is killed when a part of them is in Outlook.
pub(crate) async fn bulk(scene: &Scene) -> Result<()> {
    const MINUTES: Duration = Duration::from_mins(10);
    let user = scene.settled(1, 12, 10, 0).await?;
    let path = format!("v1/mailboxes/{}/contacts:bulk", user.id);
    for first in (0..MANY).step_by(A_REQUEST) {
        let items = (first..first + A_REQUEST).map(|number| {
            let contact = json!({
                "givenName": "Number",
                "surname": number.to_string(),
                "emailAddresses": [{ "address": format!("number{number}@platform.example") }],
            });
            json!({ "externalId": format!("crm-{number}"), "contact": contact })
        });
        let body = json!({ "items": items.collect::<Vec<_>>() });
        let (status, answer) = scene.call("POST", &path, Some(body)).await?;
        ensure!(status == StatusCode::OK, "{status}: {answer}");
        let items = answer["items"].as_array().context("no answers")?;
        ensure!(
            items.len() == A_REQUEST && items.iter().all(|item| item["status"] == 201),
            "a contact was not taken: {answer}"
        );
    }
    let (mut shown, mut killed) = (Vec::new(), 0);
    let took = scene
        .until("nothing is pending", MINUTES, async || {
            let state = scene.state(&user).await?;
            let pending = state["pending"]["backfill"].as_u64().unwrap_or_default();
            shown.push(pending);
            if killed == 0 && scene.asked(&user, "create_contact").await? >= 1_000 {
                killed = scene.stack.kill("SyncMailboxFunctionName")?;
            }
            scene.a_moment().await;
            Ok(pending == 0)
        })
        .await?;
    let (most, steps) = (shown.iter().max(), shown.iter().collect::<BTreeSet<_>>().len());
    crate::say(&format!(
        "    killed {killed} process; {MANY} contacts in Outlook {:.0} s after the last request; pending at most {}, \
         shown in {steps} steps",
        took.as_secs_f64(),
        most.copied().unwrap_or_default()
    ));
    ensure!(killed > 0, "there was no worker to kill");
    ensure!(steps >= 5, "no progress was to be seen: {shown:?}");
    scene.until_equal(&user, AT_THE_NEXT_TICK).await?;
    let truth = scene.truth(&user).await?;
    let addresses = truth.contacts.values();
    let addresses = addresses.filter_map(|it| it["emailAddresses"][0]["address"].as_str());
    let distinct = addresses.filter(|it| it.ends_with("@platform.example"));
    let distinct: BTreeSet<&str> = distinct.collect();
    ensure!(
        truth.contacts.len() == MANY + 10 && distinct.len() == MANY,
        "{} contacts in Outlook, {} of them different ones of the bulk",
        truth.contacts.len(),
        distinct.len()
    );
    Ok(())
}

/// A request that changes something, whatever is there. It has to succeed.
pub(crate) async fn write(
    scene: &Scene,
    (method, path, body): (&str, String, Option<Value>),
) -> Result<Value> {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let headers = [("content-type", kind), ("if-match", "*")];
    let (status, answer) = scene.call_with(method, &path, &headers, body).await?;
    ensure!(status.is_success(), "{method} answered {status}: {answer}");
    Ok(answer)
}

/// What was written to a mailbox in Outlook.
async fn writes(scene: &Scene, user: &User) -> Result<u64> {
    let mut writes = 0;
    for operation in ["create_contact", "update_contact", "delete_contact"] {
        writes += scene.asked(user, operation).await?;
    }
    Ok(writes)
}
