//! What a contact was, kept by the deployed functions with the rights that they have: explained, brought back, erased.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::ear::Ear;
use crate::platform::write;
use crate::scene::{SOON, Scene, User};

/// What nobody else has: whatever holds it holds a trace of the person.
const NAME: &str = "Quastenflosser";

/// Somebody is made and written over by mistake, comes back alone and with the mailbox as of a moment, and is erased with all
/// that was kept.
pub(crate) async fn back_and_erased(scene: &Scene) -> Result<()> {
    let user = scene.settled(1, 14, 12, 0).await?;
    let mailbox = format!("v1/mailboxes/{}", user.id);
    let mut ear = Ear::on(scene, "history")?;
    let person = json!({
        "givenName": "Zerlina", "surname": NAME, "displayName": NAME, "fileAs": NAME, "jobTitle": "Admiral",
        "emailAddresses": [{ "name": NAME, "address": "zq@example.com" }],
    });
    let made = write(
        scene,
        (
            "POST",
            format!("{mailbox}/contacts"),
            Some(json!({ "contact": person })),
        ),
    );
    let made = made.await?;
    let contact = format!("{mailbox}/contacts/{}", made["id"].as_str().context("no id")?);
    until_titled(scene, &user, "Admiral").await?;
    promote(scene, &user, &contact).await?;

    let version = kept(scene, &contact, "Admiral").await?;
    let explained = read(scene, &format!("{contact}/explain")).await?;
    let latest = &explained["story"][0];
    ensure!(
        latest["cause"]["who"] == "platform" && latest["changed"] == json!(["jobTitle"]),
        "the last change is explained as {latest}"
    );
    let number = &version["version"];
    let planned = read(scene, &format!("{contact}/versions/{number}/plan")).await?;
    ensure!(
        planned["action"] == "update" && planned["changed"] == json!(["jobTitle"]),
        "the plan is {planned}"
    );
    write(
        scene,
        (
            "POST",
            format!("{contact}/restore"),
            Some(json!({ "version": number })),
        ),
    )
    .await?;
    until_titled(scene, &user, "Admiral").await?;

    // Once more by mistake, and with all of the mailbox as it was.
    promote(scene, &user, &contact).await?;
    let restore = format!("{mailbox}/restore");
    let at = json!({ "at": version["since"] });
    let plan = write(scene, ("POST", restore.clone(), Some(at))).await?;
    let planned = &plan["items"];
    ensure!(
        planned[0]["action"] == "update" && planned[0]["changed"] == json!(["jobTitle"]),
        "the plan is {planned}"
    );
    ensure!(
        planned.as_array().is_some_and(|it| it.len() == 1),
        "the plan is {planned}"
    );
    let go = json!({ "at": version["since"], "plan": false, "until": plan["until"] });
    write(scene, ("POST", restore, Some(go))).await?;
    until_titled(scene, &user, "Admiral").await?;
    scene.until_equal(&user, SOON).await?;

    let erase = format!("{contact}/erase");
    write(scene, ("POST", erase.clone(), None)).await?;
    let complete = async || {
        let receipt = write(scene, ("POST", erase.clone(), None)).await?;
        Ok(receipt["complete"] == true)
    };
    scene.until("the erasure is complete", SOON, complete).await?;
    let id = made["id"].as_str().unwrap_or_default();
    let told = async || {
        ear.listen(scene).await?;
        let told = ear.of_contact(id);
        Ok(told.iter().any(|(kind, _)| kind == "contact.erased"))
    };
    scene.until("the bus was told of the erasure", SOON, told).await?;
    ear.off(scene)?;
    let truth = scene.truth(&user).await?;
    ensure!(
        truth.contacts.len() == 12,
        "{} contacts are left",
        truth.contacts.len()
    );
    for table in ["ContactsTableName", "StateTableName", "HistoryTableName"] {
        let ask = json!({ "TableName": scene.stack.output(table)? });
        let items = scene.stack.call("dynamodb", "Scan", &ask)?.to_string();
        ensure!(!items.contains(NAME), "{table} still has a trace");
    }
    Ok(())
}

/// The mistake.
async fn promote(scene: &Scene, user: &User, contact: &str) -> Result<()> {
    let title = json!({ "contact": { "jobTitle": "Cook" } });
    write(scene, ("PATCH", contact.to_owned(), Some(title))).await?;
    until_titled(scene, user, "Cook").await
}

async fn until_titled(scene: &Scene, user: &User, title: &str) -> Result<()> {
    let titled = async || {
        let truth = scene.truth(user).await?;
        let mut named = truth.contacts.values().filter(|it| it["surname"] == NAME);
        Ok(named.next().is_some_and(|it| it["jobTitle"] == title))
    };
    scene
        .until(&format!("Outlook says {title}"), SOON, titled)
        .await?;
    Ok(())
}

/// The newest version with this title, when there is one: it gets there by the stream.
async fn kept(scene: &Scene, contact: &str, title: &str) -> Result<Value> {
    let mut found = Value::Null;
    let is_there = async || {
        let versions = read(scene, &format!("{contact}/versions")).await?;
        for outline in versions["items"].as_array().into_iter().flatten() {
            let version = read(scene, &format!("{contact}/versions/{}", outline["version"])).await?;
            if version["contact"]["jobTitle"] == title {
                found = version;
                return Ok(true);
            }
        }
        Ok(false)
    };
    scene.until("the version is kept", SOON, is_there).await?;
    Ok(found)
}

async fn read(scene: &Scene, path: &str) -> Result<Value> {
    let (status, answer) = scene.call("GET", path, None).await?;
    ensure!(status.is_success(), "{path} answered {status}: {answer}");
    Ok(answer)
}
