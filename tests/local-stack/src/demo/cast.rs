//! The people of the demo: tenants, users, and what is in their mailboxes.
//!
//! Knows the simulator's side of a mailbox. Must not know the mirror.

use anyhow::Context as _;
use graph_sim::{MailboxKey, Snapshot};
use local_stack::{APP, LocalStack};
use serde_json::{Value, json};
use sync_core::ids::{ContactId, MailboxId, OutlookId, TenantId, UserId};

use super::Scene;
use super::platform::Platform;

const TENANTS: [(&str, &str); 2] = [
    ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "contoso.example"),
    ("8a6e0804-2bd0-4672-b79d-d97027f9071a", "fabrikam.example"),
];
const USERS: [&str; 10] = [
    "ada", "bruno", "chen", "dana", "emeka", "farid", "greta", "hana", "ivan", "jo",
];

/// A user with a mailbox, and what the demo knows to be in it.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) key: MailboxKey,
    pub(super) id: MailboxId,
    pub(super) contacts: Vec<Card>,
    pub(super) folders: Vec<Place>,
}

/// A contact.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// The mirror's id of it, which stays.
    pub(super) id: ContactId,
    /// Outlook's, which changes when the platform moves it.
    pub(super) outlook_id: String,
    pub(super) name: String,
    /// The folder's id.
    pub(super) folder: String,
}

/// A folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) name: String,
}

/// Makes the people with all that they have had before the bundle came.
pub(super) fn invite(stack: &LocalStack, scene: &Scene) -> anyhow::Result<Vec<Person>> {
    let people = (0..usize::from(scene.mailboxes)).map(|number| person(stack, scene, number));
    people.collect()
}

fn person(stack: &LocalStack, scene: &Scene, number: usize) -> anyhow::Result<Person> {
    let (tenant, domain) = TENANTS[number % TENANTS.len()];
    let name = match number / USERS.len() {
        0 => USERS[number % USERS.len()].to_owned(),
        round => format!("{}{}", USERS[number % USERS.len()], round + 1),
    };
    let object_id = format!("00000000-0000-4000-8000-{number:012x}");
    let mut world = stack.world();
    world.consent(tenant, APP);
    let key = world.add_mailbox(tenant, &object_id, &format!("{name}@{domain}"), &name);
    let (contacts, folders) = (usize::try_from(scene.contacts)?, scene.folders.into());
    world.seed_contacts(&key, contacts, folders, stack.ambient.now())?;
    let truth = world
        .snapshot(&key)
        .context("a mailbox that was just made is gone")?;
    let id = MailboxId::derive(&TenantId::new(tenant), &UserId::new(object_id));
    Ok(Person {
        contacts: cards(&id, &truth),
        id,
        name,
        key,
        folders: places(&truth),
    })
}

fn cards(mailbox: &MailboxId, truth: &Snapshot) -> Vec<Card> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let card = |(id, contact): (&String, &Value)| Card {
        id: ContactId::derive(mailbox, &OutlookId::new(id.clone())),
        outlook_id: id.clone(),
        name: text(&contact["displayName"]),
        folder: text(&contact["parentFolderId"]),
    };
    truth.contacts.iter().map(card).collect()
}

fn places(truth: &Snapshot) -> Vec<Place> {
    let place = |(id, folder): (&String, &graph_sim::FolderTruth)| Place {
        id: id.clone(),
        name: folder.name.clone(),
    };
    truth.folders.iter().map(place).collect()
}

/// Enrols a mailbox as an operator does: through the API.
pub(super) async fn enrol(platform: &Platform, person: &Person) -> anyhow::Result<()> {
    let body = json!({ "tenant": person.key.tenant, "user": person.key.user });
    let enrolled = platform.ask("POST", "/v1/mailboxes", Some(body)).await?;
    anyhow::ensure!(
        enrolled["id"] == person.id.as_str(),
        "the API has enrolled somebody else than {}",
        person.name
    );
    Ok(())
}
