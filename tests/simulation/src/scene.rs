//! The bundle on one thread, with what is known of it: the stack, the people, and the history of what they did.
//!
//! Knows how a scene is set and how it is looked at. Nothing here waits: a future is polled until it has ended, and the
//! clock stands still meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ambient::Ambient;
use anyhow::{Context as _, bail};
use axum::body::Body;
use contact_store::{Conflict, Contact, Shard, Store, Tables};
use graph_sim::{Edit, MailboxKey, World};
use jiff::Timestamp;
use lambda_http::http::Request;
use local_stack::aws::{CONTACTS_TABLE, LocalAws, STATE_TABLE};
use local_stack::{APP, LocalStack, Photos};
use serde_json::{Map, Value, json};
use sync_core::ids::MailboxId;
use tower::ServiceExt as _;

use crate::history::{Author, Deed, History, LIST, MARK, TEXTS, Told};
use crate::plan::{Fault, Plan};
use crate::tap::Wiretap;

const TENANT: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
/// No honest future is polled so often without an end.
const PATIENCE: u32 = 2_000_000;

/// A mailbox.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) key: MailboxKey,
    pub(crate) id: MailboxId,
}

/// A scene.
pub(crate) struct Scene {
    pub(crate) plan: Plan,
    pub(crate) stack: LocalStack,
    pub(crate) people: Vec<Person>,
    /// The tables, for who looks without being seen.
    pub(crate) looker: Store,
    pub(crate) tap: Arc<Wiretap>,
    /// Mirrors as they were after so many writes.
    mirrors: RefCell<BTreeMap<MailboxId, (u64, Rc<Mirror>)>>,
}

/// The contacts of a mailbox by our ids, tombstones and what is yet to be deleted included.
pub(crate) type Mirror = BTreeMap<String, Contact>;

/// Polls a future to its end, and nothing beside it.
pub(crate) fn finish<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..PATIENCE {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return Ok(done);
        }
    }
    bail!("a future doesn't come to its end")
}

impl Scene {
    /// Mailboxes with contacts, all enrolled; nothing has run yet.
    pub(crate) fn set(plan: Plan, history: &mut History, aloud: bool) -> anyhow::Result<Self> {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse()?;
        let start = ambient::add(start, std::time::Duration::from_millis(plan.seed % 1000));
        let ambient = Ambient::simulated(start, plan.seed);
        let tap = Arc::new(Wiretap::new(plan.seed, aloud));
        let tapped: Arc<dyn local_stack::aws::Tap> = tap.clone();
        let aws = LocalAws::in_process(&ambient, plan.database, tapped)?;
        let tables = Tables {
            contacts: CONTACTS_TABLE.to_owned(),
            state: STATE_TABLE.to_owned(),
        };
        let looker = Store::new(aws.dynamodb(), tables);
        let world = World::new(plan.graph.clone());
        let mut stack = finish(LocalStack::upon(
            aws,
            ambient,
            world,
            plan.settings.clone(),
            Photos::Off,
        ))??;
        stack.set_page_size(plan.page_size);
        let mut scene = Self {
            people: Vec::new(),
            plan,
            stack,
            looker,
            tap,
            mirrors: RefCell::default(),
        };
        scene.stack.world().consent(TENANT, APP);
        for index in 0..scene.plan.mailboxes.len() {
            scene.add_mailbox(index, history)?;
        }
        if !scene.plan.everywhere {
            let mut shards: Vec<Shard> = scene.people.iter().map(|it| Shard::of(&it.id)).collect();
            shards.sort();
            shards.dedup();
            scene.stack.look_only_in(&shards);
        }
        Ok(scene)
    }

    fn add_mailbox(&mut self, index: usize, history: &mut History) -> anyhow::Result<()> {
        let (contacts, folders) = self.plan.mailboxes[index];
        let name = format!("user{index}");
        let now = self.now();
        let mut dice = self.plan.chance(u32::MAX - u32::try_from(index)?);
        let key = {
            let mut world = self.stack.world();
            let object_id = format!("00000000-0000-4000-8000-{index:012x}");
            let key = world.add_mailbox(TENANT, &object_id, &format!("{name}@contoso.example"), &name);
            let mut places = vec![None];
            for folder in 0..folders {
                let name = format!("Folder {folder}");
                places.push(Some(world.edit(
                    &key,
                    Edit::CreateFolder { parent: None, name },
                    now,
                )?));
            }
            for _ in 0..contacts {
                let contact = history.contact(index);
                let mut members = Map::new();
                members.insert(MARK.to_owned(), history.mark(contact).into());
                members.insert("givenName".to_owned(), history.mark(contact).into());
                let mut wrote = Vec::new();
                for text in TEXTS {
                    if dice.bool() {
                        let value = history.value();
                        members.insert(text.to_owned(), value.as_str().into());
                        wrote.push(value);
                    }
                }
                if dice.bool() {
                    let value = history.value();
                    members.insert(LIST.to_owned(), json!([value]));
                    wrote.push(value);
                }
                let folder = places[dice.usize(0..places.len())].clone();
                world.edit(&key, Edit::CreateContact { folder, members }, now)?;
                history.enter(Author::Outlook, contact, Deed::Create(wrote), Told::Done);
            }
            key
        };
        let form = json!({ "tenant": key.tenant, "user": key.user });
        let request = request("POST", "/v1/mailboxes", &[], Some(&form))?;
        let (status, answer) = finish(answer(&self.stack, request))??;
        anyhow::ensure!(status == 201, "the mailbox was not enrolled: {answer}");
        let id = answer["id"].as_str().context("no id")?.parse()?;
        self.people.push(Person { key, id });
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.stack.ambient.now()
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.plan.has(fault)
    }

    /// Looks without being counted, and without faults.
    pub(crate) fn look<F: Future>(&self, work: F) -> anyhow::Result<F::Output> {
        self.tap.watch(false);
        let done = finish(work);
        self.tap.watch(true);
        done
    }

    /// The mirror of a mailbox.
    pub(crate) fn mirror(&self, person: &Person) -> anyhow::Result<Rc<Mirror>> {
        let writes = self.tap.writes();
        if let Some((then, mirror)) = self.mirrors.borrow().get(&person.id)
            && *then == writes
        {
            return Ok(mirror.clone());
        }
        let mirror = Rc::new(self.read_mirror(person)?);
        let known = (writes, mirror.clone());
        self.mirrors.borrow_mut().insert(person.id.clone(), known);
        Ok(mirror)
    }

    fn read_mirror(&self, person: &Person) -> anyhow::Result<Mirror> {
        let mut mirror = Mirror::new();
        let mut after: Option<String> = None;
        loop {
            let since = Timestamp::UNIX_EPOCH;
            let page = self
                .looker
                .contacts_changed_since(&person.id, since, after.as_deref(), 1000);
            let page = self.look(page)??;
            mirror.extend(
                page.items
                    .into_iter()
                    .map(|contact| (contact.id.to_string(), contact)),
            );
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(mirror),
            }
        }
    }

    /// The conflict log of a mailbox.
    pub(crate) fn conflicts(&self, person: &Person) -> anyhow::Result<Vec<Conflict>> {
        let page = self.looker.conflicts(&person.id, None, None, 1000);
        Ok(self.look(page)??.items)
    }
}

/// A request to contacts-api.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> anyhow::Result<Request<Body>> {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    Ok(request.body(body)?)
}

/// contacts-api with a request: the status and the body of its answer.
pub(crate) async fn answer(stack: &LocalStack, request: Request<Body>) -> anyhow::Result<(u16, Value)> {
    let answer = stack.api.clone().oneshot(request).await?;
    let status = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}
