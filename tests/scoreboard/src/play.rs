//! Plays a script: its people in Outlook, the platform and the simulator's operator, and looks at both sides meanwhile.
//!
//! Knows the simulator's operator page and the contract of the programs (docs/testing.md). Must not know which program it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ambient::Ambient;
use anyhow::{Context as _, Result, bail};
use http::Method;
use scoreboard::{Act, Card, Deed, Ending, Event, History, Script, Side, Step, apart};
use serde_json::{Map, Value, json};

use crate::programs::{self, Running, SECRET};
use crate::wire::Wire;

/// How often both sides are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long both sides may take to agree in the middle of a script.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long they are left alone at the end, without faults.
const SETTLE: Duration = Duration::from_secs(90);
/// Between an agreement and what is done next: Outlook's clock has whole seconds.
const BREATH: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(100);

/// Plays a script against a program, with a simulator of its own.
pub(crate) async fn play(script: &Script, program: &Wire) -> Result<History> {
    let simulator = programs::simulator().await?;
    let stage = Stage::set(&simulator, program)?;
    let mut player = Player {
        stage: &stage,
        folders: BTreeMap::new(),
        deleted: BTreeMap::new(),
        era: 0,
    };
    let mut script = script.clone();
    let enrol = script.steps.iter().position(|step| matches!(step, Step::Enrol));
    let rest = script.steps.split_off(enrol.context("nobody is enrolled")? + 1);
    player.act_out(&script.steps).await?;
    tokio::select! {
        failure = stage.watch() => failure?,
        end = player.finish(&rest) => end?,
    }
    let ending = stage.ending().await?;
    stage.leave().await?;
    Ok(History {
        events: stage.events(std::mem::take),
        ending,
    })
}

/// Where it is played.
struct Stage {
    operator: Wire,
    program: Wire,
    /// The mailbox of the program, once it is enrolled.
    mailbox: Mutex<Option<Wire>>,
    tenant: String,
    user: String,
    app: String,
    ambient: Ambient,
    events: Mutex<Vec<Event>>,
}

/// A contact as a side has it, with its id there.
struct Found {
    id: String,
    card: Card,
}

impl Stage {
    fn set(simulator: &Running, program: &Wire) -> Result<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            operator: Wire::new(simulator.url())?,
            program: program.clone(),
            mailbox: Mutex::new(None),
            tenant: text(&simulator.about["tenant"]),
            user: text(&simulator.about["users"][0]),
            app: text(&simulator.about["app"]),
            ambient: Ambient::system(),
            events: Mutex::new(Vec::new()),
        })
    }

    fn events<R>(&self, with: impl FnOnce(&mut Vec<Event>) -> R) -> R {
        with(&mut self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn mailbox(&self) -> Result<Wire> {
        let mailbox = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner);
        mailbox.clone().context("the mailbox is not enrolled yet")
    }

    async fn enrol(&self) -> Result<()> {
        let graph = self.operator.url();
        let form = json!({
            "graph": graph, "login": graph, "tenant": self.tenant, "user": self.user,
            "clientId": self.app, "clientSecret": SECRET,
        });
        let answer = self.program.post("mailboxes", form).await?;
        let id = answer["id"].as_str().context("the program names no mailbox")?;
        let mailbox = self.program.below(&format!("mailboxes/{id}"));
        *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(mailbox);
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        let answer = self.mailbox()?.ask(Method::DELETE, "", None).await;
        answer.map(|_| ())
    }

    async fn order(&self, name: &str, mut with: Map<String, Value>) -> Result<(u16, Value)> {
        // Orders that are about the whole simulator don't want to hear of a mailbox.
        if !["fault", "notice-fault", "clear-faults", "warts"].contains(&name) {
            with.insert("tenant".into(), self.tenant.clone().into());
            with.insert("user".into(), self.user.clone().into());
        }
        let path = format!("_sim/{name}");
        self.operator
            .ask(Method::POST, &path, Some(Value::Object(with)))
            .await
    }

    async fn edit(&self, edit: Value) -> Result<Option<String>> {
        let with = Map::from_iter([("edit".to_owned(), edit)]);
        let (status, answer) = self.order("edit", with).await?;
        Ok((status == 200).then(|| answer["id"].as_str().unwrap_or_default().to_owned()))
    }

    async fn look(&self, side: Side) -> Result<Vec<Found>> {
        match side {
            Side::Outlook => {
                let path = format!("_sim/mailbox?tenant={}&user={}", self.tenant, self.user);
                let truth = self.operator.get(&path).await?;
                let contacts = truth["contacts"].as_object().into_iter().flatten();
                Ok(contacts.map(|(id, contact)| found(id, contact)).collect())
            }
            Side::Platform => {
                let list = self.mailbox()?.get("contacts").await?;
                let items = list["items"].as_array().into_iter().flatten();
                let found =
                    items.map(|item| found(item["id"].as_str().unwrap_or_default(), &item["contact"]));
                Ok(found.collect())
            }
        }
    }

    async fn cards(&self, side: Side) -> Result<Vec<Card>> {
        Ok(self
            .look(side)
            .await?
            .into_iter()
            .map(|found| found.card)
            .collect())
    }

    /// Looks at both sides, again and again. Ends only where that fails.
    async fn watch(&self) -> Result<()> {
        loop {
            for side in Side::BOTH {
                let cards = self.cards(side).await?;
                let who = cards.into_iter().map(|card| card.who).collect::<BTreeSet<_>>();
                self.events(|events| events.push(Event::Seen(side, who)));
            }
            self.ambient.sleep(LOOK).await;
        }
    }

    async fn asked(&self) -> Result<Value> {
        let path = format!("_sim/counts?tenant={}&user={}", self.tenant, self.user);
        self.operator.get(&path).await
    }

    async fn ending(&self) -> Result<Ending> {
        let requests = self.asked().await?;
        let requests = requests.as_object().into_iter().flatten();
        let path = format!("_sim/requests?tenant={}&user={}", self.tenant, self.user);
        let journal = self.operator.get(&path).await?;
        let journal = journal.as_array().into_iter().flatten();
        Ok(Ending {
            outlook: self.cards(Side::Outlook).await?,
            platform: self.cards(Side::Platform).await?,
            log: self.mailbox()?.get("log").await?.to_string(),
            requests: requests.filter_map(|(_, count)| count.as_u64()).sum(),
            struck: journal.map(|entry| u64::from(entry["fault"].is_string())).sum(),
        })
    }

    /// Asks until it is so. False where it never was.
    async fn until(&self, is_so: impl AsyncFn() -> Result<bool>) -> Result<bool> {
        let patience = ambient::add(self.ambient.now(), PATIENCE);
        while self.ambient.now() < patience {
            if is_so().await? {
                return Ok(true);
            }
            self.ambient.sleep(SOON).await;
        }
        Ok(false)
    }
}

fn found(id: &str, contact: &Value) -> Found {
    let members = contact.as_object().into_iter().flatten();
    let texts = members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Found {
        id: id.to_owned(),
        card: Card {
            who: contact["givenName"].as_str().unwrap_or_default().to_owned(),
            members: texts.filter(|(_, value)| !value.is_empty()).collect(),
        },
    }
}

struct Player<'a> {
    stage: &'a Stage,
    /// Ids of folders, by name.
    folders: BTreeMap<String, String>,
    /// Ids of contacts that were deleted in Outlook.
    deleted: BTreeMap<String, String>,
    era: usize,
}

impl Player<'_> {
    async fn finish(&mut self, steps: &[Step]) -> Result<()> {
        self.act_out(steps).await?;
        self.stage.order("clear-faults", Map::new()).await?;
        self.stage.ambient.sleep(SETTLE).await;
        Ok(())
    }

    async fn act_out(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            self.step(step).await.with_context(|| format!("{step:?}"))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        let stage = self.stage;
        match step {
            Step::Enrol => stage.enrol().await?,
            Step::Meet => {
                if stage.until(async || self.have_met().await).await? {
                    self.era += 1;
                    stage.ambient.sleep(BREATH).await;
                }
            }
            Step::Wait { seconds } => stage.ambient.sleep(Duration::from_secs_f64(*seconds)).await,
            Step::UntilAsked { operation, times } => {
                stage
                    .until(async || Ok(stage.asked().await?[operation].as_u64() >= Some(*times)))
                    .await?;
            }
            Step::Kill => {
                stage.mailbox()?.post("kill", json!({})).await?;
            }
            Step::Operator { order, with } => {
                let (status, answer) = stage.order(order, with.clone()).await?;
                if status != 200 {
                    bail!("the simulator refuses: {answer}");
                }
            }
            Step::OutlookFolder { name, parent } => {
                let parent = self.folder(parent.as_deref())?;
                let edit = json!({ "kind": "create_folder", "name": name, "parent": parent });
                let id = stage.edit(edit).await?.context("no folder was made")?;
                self.folders.insert(name.clone(), id);
            }
            Step::OutlookCreate(doing)
            | Step::OutlookEdit(doing)
            | Step::OutlookDelete(doing)
            | Step::OutlookRestore(doing)
            | Step::OutlookMove(doing)
            | Step::PlatformCreate(doing)
            | Step::PlatformEdit(doing)
            | Step::PlatformDelete(doing) => {
                let (side, act, _) = step.deed().context("no deed")?;
                let folder = self.folder(doing.folder.as_deref())?;
                let present = match act {
                    Act::Create => Vec::new(),
                    Act::Edit | Act::Delete | Act::Move | Act::Restore => stage.look(side).await?,
                };
                for who in doing.people() {
                    let mut members = doing.written_to(&who);
                    if act == Act::Create {
                        members.insert("givenName".into(), who.clone());
                        members.insert("displayName".into(), who.clone());
                    }
                    let found = present.iter().find(|found| found.card.who == who);
                    let id = found.map(|found| found.id.clone());
                    let deed = Deed {
                        side,
                        act,
                        who,
                        members,
                        knew: found.map(|found| found.card.members.clone()).unwrap_or_default(),
                        era: self.era,
                    };
                    // What a person doesn't see, he can't change; then nobody was told that it is done.
                    if self.carry_out(&deed, id, folder.as_deref()).await? {
                        stage.events(|events| events.push(Event::Deed(deed)));
                    }
                }
            }
        }
        Ok(())
    }

    fn folder(&self, name: Option<&str>) -> Result<Option<String>> {
        let id = |name: &str| {
            self.folders
                .get(name)
                .cloned()
                .with_context(|| format!("no folder {name}"))
        };
        name.map(id).transpose()
    }

    async fn have_met(&self) -> Result<bool> {
        let outlook = self.stage.cards(Side::Outlook).await?;
        let platform = self.stage.cards(Side::Platform).await?;
        let so_far = History {
            events: self.stage.events(|events| events.clone()),
            ending: Ending::default(),
        };
        Ok(apart(&so_far, &outlook, &platform).is_empty())
    }

    /// True where it was acknowledged.
    async fn carry_out(&mut self, deed: &Deed, id: Option<String>, folder: Option<&str>) -> Result<bool> {
        let id = match (deed.act, id) {
            (Act::Create, _) => String::new(),
            (Act::Restore, _) => self.deleted.get(&deed.who).cloned().unwrap_or_default(),
            (Act::Edit | Act::Delete | Act::Move, Some(id)) => id,
            (Act::Edit | Act::Delete | Act::Move, None) => return Ok(false),
        };
        match deed.side {
            Side::Outlook => {
                if deed.act == Act::Delete {
                    self.deleted.insert(deed.who.clone(), id.clone());
                }
                let edit = match deed.act {
                    Act::Create => {
                        json!({ "kind": "create_contact", "folder": folder, "members": deed.members })
                    }
                    Act::Edit => json!({ "kind": "edit_contact", "id": id, "members": deed.members }),
                    Act::Delete => json!({ "kind": "delete_contact", "id": id }),
                    Act::Restore | Act::Move => json!({ "kind": "move_contact", "id": id, "folder": folder }),
                };
                Ok(self.stage.edit(edit).await?.is_some())
            }
            Side::Platform => {
                let body = json!({ "contact": deed.members });
                let (method, path, body) = match deed.act {
                    Act::Create => (Method::POST, "contacts".to_owned(), Some(body)),
                    Act::Edit => (Method::PATCH, format!("contacts/{id}"), Some(body)),
                    Act::Delete => (Method::DELETE, format!("contacts/{id}"), None),
                    Act::Restore | Act::Move => bail!("the platform only creates, edits and deletes"),
                };
                let (status, _) = self.stage.mailbox()?.ask(method, &path, body).await?;
                Ok((200..300).contains(&status))
            }
        }
    }
}
