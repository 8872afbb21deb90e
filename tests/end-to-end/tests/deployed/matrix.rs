//! Both sides change one contact: the cells of the matrix on the deployed bundle, held against the oracle in
//! `tests/matrix`. Under the custom policy the function of `infra/examples/conflict-function` decides.
//!
//! A sheet is one mailbox, and all of them are tried side by side. Where neither side is to know of the other, the
//! mailboxes are paused while both act. The bus is heard through a rule and a queue, as a consumer would.

use anyhow::{Context, Result, ensure};
use edit_matrix::{Act, Seen, Sheet, Side, State, Subject, Trial, edits, newcomer, sheets};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use graph_sim::Entry;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ear::Ear;
use crate::scene::{AT_THE_NEXT_TICK, Scene, User};

/// Its users' tenant, and their first number: no other scenario has them.
const TENANT: u32 = 9;
const FIRST_USER: u32 = 900;

const MERGE_PATCH: (&str, &str) = ("content-type", "application/merge-patch+json");

/// So many mailboxes are seen to at once.
const HANDS: usize = 4;

pub(crate) async fn both_sides(scene: &Scene) -> Result<()> {
    let progress = Scene::progress();
    let enrolled = (FIRST_USER..)
        .zip(sheets())
        .map(|(number, sheet)| Mailbox::enrol(scene, sheet, number));
    let mut mailboxes: Vec<_> = stream::iter(enrolled).buffered(HANDS).try_collect().await?;
    progress("enrolled");
    let agreed = mailboxes.iter_mut().map(|mailbox| mailbox.agree(scene));
    let () = stream::iter(agreed).buffer_unordered(HANDS).try_collect().await?;
    progress("in agreement");
    let mut ear = Ear::on(scene, "matrix")?;
    let (settled, paused): (Vec<_>, Vec<_>) = mailboxes
        .iter()
        .partition(|mailbox| mailbox.sheet.order.is_settled());
    each(&paused, async |mailbox| mailbox.ask(scene, "pause").await).await?;
    for turn in [0, 1] {
        let all: Vec<_> = mailboxes.iter().collect();
        each(&all, async |mailbox| {
            mailbox.act(scene, mailbox.sheet.order.sides()[turn]).await
        })
        .await?;
        // Outlook's times are whole seconds: what comes now is later.
        scene.a_moment().await;
        each(&settled, async |mailbox| mailbox.until_settled(scene).await).await?;
        progress("acted");
    }
    each(&paused, async |mailbox| mailbox.ask(scene, "resume").await).await?;
    for mailbox in &mailboxes {
        mailbox.until_as_expected(scene, &mut ear).await?;
    }
    progress("as expected");
    // A further round of everything: all that was seen is still all that there is to see.
    let all: Vec<_> = mailboxes.iter().collect();
    each(&all, async |mailbox| mailbox.ask(scene, "resync").await).await?;
    each(&all, async |mailbox| {
        scene.until_at_rest(&mailbox.user).await?;
        mailbox.until_settled(scene).await
    })
    .await?;
    ear.listen(scene).await?;
    let mut cells = 0;
    for mailbox in &mailboxes {
        let faults = mailbox.faults(scene, &ear).await?;
        ensure!(
            faults.is_empty(),
            "after another look:\n    {}",
            faults.join("\n    ")
        );
        cells += mailbox.trial.subjects.len();
    }
    ear.off(scene)?;
    progress("looked at again");
    crate::say(&format!("    {cells} cells in {} mailboxes", mailboxes.len()));
    Ok(())
}

/// Does the same to all of these, to some at once.
async fn each<'m>(mailboxes: &[&'m Mailbox], act: impl AsyncFn(&'m Mailbox) -> Result<()>) -> Result<()> {
    stream::iter(mailboxes.iter().map(|mailbox| act(mailbox)))
        .buffer_unordered(HANDS)
        .try_collect()
        .await
}

/// A mailbox in which a sheet is tried.
struct Mailbox {
    sheet: Sheet,
    user: User,
    /// The contacts in Outlook, one for each cell.
    ids: Vec<String>,
    trial: Trial,
    /// Since when both sides agreed, by the simulator's clock.
    begun_at: Timestamp,
}

impl Mailbox {
    async fn enrol(scene: &Scene, sheet: Sheet, number: u32) -> Result<Self> {
        let user = scene.user(TENANT, number, 0, 0).await?;
        let truth = scene.truth(&user).await?;
        let default = truth.folders.iter().find(|(_, folder)| folder.is_default);
        let before = default.context("there is no default folder")?.0.clone();
        let folder = |name: &str| json!({ "kind": "create_folder", "name": name });
        let outlooks = scene.edit(&user, folder("Outlook's")).await?;
        let platforms = scene.edit(&user, folder("The platform's")).await?;
        let mut ids = Vec::new();
        for cell in &sheet.cells {
            let members = State::BEFORE.members(&cell.name());
            let create = json!({ "kind": "create_contact", "members": members });
            ids.push(scene.edit(&user, create).await?);
        }
        scene.enrol(&user).await?;
        let policies = json!({
            "conflictPolicy": sheet.policy.name(),
            "deletionPolicy": sheet.deletion.name(),
        });
        let path = format!("v1/mailboxes/{}", user.id);
        let (status, answer) = scene
            .call_with("PATCH", &path, &[MERGE_PATCH], Some(policies))
            .await?;
        ensure!(
            status == StatusCode::OK,
            "the policies answered {status}: {answer}"
        );
        Ok(Self {
            sheet,
            user,
            ids,
            trial: Trial {
                folders: [before, outlooks, platforms],
                subjects: Vec::new(),
            },
            begun_at: Timestamp::UNIX_EPOCH,
        })
    }

    /// Waits until both sides have the same, and takes down what that is.
    async fn agree(&mut self, scene: &Scene) -> Result<()> {
        scene.until_at_rest(&self.user).await?;
        self.until_settled(scene).await?;
        let known = self.known(scene).await?;
        for (cell, outlook_id) in self.sheet.cells.iter().zip(&self.ids) {
            let contact = known.iter().find(|it| it["outlook"]["id"] == outlook_id.as_str());
            let contact = contact.context("the mirror lacks a contact")?;
            let id = contact["id"].as_str().context("no id")?;
            let version = contact["version"].as_u64().context("no version")?;
            let subject = Subject::new(*cell, outlook_id.clone(), id.to_owned(), version);
            self.trial.subjects.push(subject);
        }
        let asked = self.asked(scene).await?;
        self.begun_at = asked.iter().map(|entry| entry.at).max().unwrap_or_default();
        Ok(())
    }

    async fn act(&self, scene: &Scene, side: Side) -> Result<()> {
        let seen = Seen {
            outlook: scene.truth(&self.user).await?.contacts.into_values().collect(),
            ..Seen::default()
        };
        for subject in &self.trial.subjects {
            match side {
                Side::Outlook => self.in_outlook(scene, subject, &seen).await?,
                Side::Platform => self.on_the_platform(scene, subject).await?,
            }
        }
        Ok(())
    }

    async fn in_outlook(&self, scene: &Scene, subject: &Subject, seen: &Seen) -> Result<()> {
        if subject.expected.impossible == Some(Side::Outlook) {
            return Ok(());
        }
        let cell = subject.cell;
        // A move on the platform has given it another id in Outlook.
        let now = seen.in_outlook("Ada", &cell.name());
        let id = now.first().map(|contact| contact["id"].clone());
        let edit = match cell.outlook {
            Act::Nothing => return Ok(()),
            Act::Create => {
                let members = newcomer(Side::Outlook, &cell.name());
                json!({ "kind": "create_contact", "members": members })
            }
            Act::EditSame | Act::EditOther => {
                let members = edits(Side::Outlook, cell.outlook);
                json!({ "kind": "edit_contact", "id": id, "members": members })
            }
            Act::Delete => json!({ "kind": "delete_contact", "id": id }),
            Act::Move => json!({ "kind": "move_contact", "id": id, "folder": self.trial.folders[1] }),
        };
        scene.edit(&self.user, edit).await?;
        Ok(())
    }

    /// Whoever changes a contact has read it just before.
    async fn on_the_platform(&self, scene: &Scene, subject: &Subject) -> Result<()> {
        let cell = subject.cell;
        let contacts = format!("v1/mailboxes/{}/contacts", self.user.id);
        let path = format!("{contacts}/{}", subject.id);
        let (method, body) = match cell.platform {
            Act::Nothing => return Ok(()),
            Act::Create => {
                let body = json!({ "contact": newcomer(Side::Platform, &cell.name()) });
                let (status, answer) = scene.call("POST", &contacts, Some(body)).await?;
                ensure!(
                    status == StatusCode::CREATED,
                    "a create answered {status}: {answer}"
                );
                return Ok(());
            }
            Act::EditSame | Act::EditOther => {
                let edits = edits(Side::Platform, cell.platform);
                ("PATCH", Some(json!({ "contact": edits })))
            }
            Act::Delete => ("DELETE", None),
            Act::Move => ("PATCH", Some(json!({ "folder": self.trial.folders[2] }))),
        };
        let (_, read) = scene.call("GET", &path, None).await?;
        let tag = read["version"].as_u64();
        let tag = tag.map_or_else(|| "*".to_owned(), |version| format!("\"{version}\""));
        let headers = [("if-match", tag.as_str()), MERGE_PATCH];
        let headers = if body.is_some() {
            &headers[..]
        } else {
            &headers[..1]
        };
        let (status, answer) = scene.call_with(method, &path, headers, body).await?;
        let is_impossible = subject.expected.impossible == Some(Side::Platform);
        let wanted = if is_impossible {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        ensure!(status == wanted, "{} answered {status}: {answer}", cell.name());
        Ok(())
    }

    /// Asks for `pause`, `resume` or `resync`.
    async fn ask(&self, scene: &Scene, action: &str) -> Result<()> {
        let path = format!("v1/mailboxes/{}/{action}", self.user.id);
        let (status, answer) = scene.call("POST", &path, None).await?;
        ensure!(
            status == StatusCode::ACCEPTED,
            "{action} answered {status}: {answer}"
        );
        Ok(())
    }

    /// Waits until nothing is pending and both sides are equal.
    async fn until_settled(&self, scene: &Scene) -> Result<()> {
        let what = "the mailbox is settled";
        scene
            .until(what, AT_THE_NEXT_TICK, async || {
                let known = self.known(scene).await?;
                let is_pending = |it: &Value| it["sync"]["state"].as_str().is_some_and(|it| it != "settled");
                Ok(!known.iter().any(is_pending) && scene.is_equal(&self.user).await?)
            })
            .await
            .map(|_| ())
    }

    async fn until_as_expected(&self, scene: &Scene, ear: &mut Ear) -> Result<()> {
        let mut faults = Vec::new();
        let what = "all has come as the oracle says";
        let reached = scene
            .until(what, AT_THE_NEXT_TICK, async || {
                self.until_settled(scene).await?;
                ear.listen(scene).await?;
                faults = self.faults(scene, ear).await?;
                Ok(faults.is_empty())
            })
            .await;
        reached.map(|_| ()).with_context(|| faults.join("\n    "))
    }

    /// What is not as the oracle says.
    async fn faults(&self, scene: &Scene, ear: &Ear) -> Result<Vec<String>> {
        let (status, list) = self.read(scene, "conflicts?limit=500").await?;
        ensure!(
            status == StatusCode::OK,
            "the conflicts answered {status}: {list}"
        );
        let mut log = Vec::new();
        for entry in list["items"].as_array().context("no list")? {
            let id = entry["id"].as_str().context("no id")?;
            log.push(self.read(scene, &format!("conflicts/{id}")).await?.1);
        }
        let asked = self.asked(scene).await?.into_iter();
        let asked = asked.filter(|entry| entry.at > self.begun_at).map(|entry| {
            Ok((
                serde_json::from_value(serde_json::to_value(entry.operation)?)?,
                entry.target,
            ))
        });
        let seen = Seen {
            outlook: scene.truth(&self.user).await?.contacts.into_values().collect(),
            platform: self.known(scene).await?,
            log,
            told: ear.of_mailbox(self.user.id.as_str()),
            asked: asked.collect::<Result<_>>()?,
        };
        let Sheet {
            order,
            policy,
            deletion,
            ..
        } = &self.sheet;
        let of = format!("{order:?}, {policy:?}, {deletion:?}");
        let faults = self.trial.judge(&seen).into_iter();
        Ok(faults.map(|fault| format!("{of}: {fault}")).collect())
    }

    /// All contacts of the mirror, tombstones included.
    async fn known(&self, scene: &Scene) -> Result<Vec<Value>> {
        let (status, feed) = self.read(scene, "changes?limit=500").await?;
        ensure!(status == StatusCode::OK, "the changes answered {status}: {feed}");
        ensure!(feed["more"] == false, "the changes have more than one page");
        Ok(feed["items"].as_array().context("no list")?.clone())
    }

    async fn asked(&self, scene: &Scene) -> Result<Vec<Entry>> {
        Ok(serde_json::from_value(
            scene.ask("requests", Some(&self.user)).await?,
        )?)
    }

    async fn read(&self, scene: &Scene, what: &str) -> Result<(StatusCode, Value)> {
        scene
            .call("GET", &format!("v1/mailboxes/{}/{what}", self.user.id), None)
            .await
    }
}
