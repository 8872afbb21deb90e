//! The demo as a play in five acts: a first sync, the proof that mirror and mailboxes are equal, live edits on both
//! sides, a conflict, the proof again.
//!
//! Knows the order. Each act is its own module: [`first_sync`], [`proof`], [`live`], [`conflict`]; [`cast`] has the
//! people, [`players`] what they do in Outlook, [`platform`] who uses the API; [`motor`] keeps the bundle running meanwhile, [`screen`] shows it. Must not do what the bundle does.

mod cast;
mod conflict;
mod doorway;
mod edits;
mod first_sync;
mod live;
mod motor;
mod platform;
mod players;
mod proof;
mod screen;
mod stop;
mod tally;
mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Ambient;
use contact_store::{Store, Tables, Usage};
use graph_sim::{Operation, Settings as GraphSettings, Unread, World};
use local_stack::LocalStack;
use local_stack::aws::{CONTACTS_TABLE, STATE_TABLE};
use sync_engine::Settings;

use cast::Person;
use doorway::Doorway;
use platform::Platform;
use screen::Screen;
use stop::Stop;
use tally::{Tally, thousands};
use trouble::Faults;

/// What a request to the real Graph takes, more or less.
const LATENCY: Duration = Duration::from_millis(30);

/// Shows the whole bundle at work on this machine
///
/// Runs the six functions in this process, with a simulated Microsoft Graph at one end and a DynamoDB at the other:
/// a first sync, then edits by people in Outlook and by another system through the API, each shown when the other side
/// has it, until Ctrl-C; then a conflict, and how a person settles it. Ends with status 0 if mirror and mailboxes are
/// equal.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "demo", bin_name = "cargo xtask demo")]
pub(crate) struct Scene {
    /// Mailboxes. From the second one on they lie in two tenants.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50))]
    mailboxes: u16,
    /// Contacts in each mailbox
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    contacts: u32,
    /// Nested folders in each mailbox, beside the default one
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(0..=200))]
    folders: u16,
    /// How much goes wrong at Microsoft Graph
    #[arg(long, value_enum, default_value_t = Faults::None)]
    faults: Faults,
    /// The same seed makes the same people and the same edits
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many live edits, instead of at Ctrl-C
    #[arg(long, value_name = "N")]
    edits: Option<u32>,
    /// Milliseconds between two live edits
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    every: u64,
    /// Serve the API meanwhile, on a free port of this machine
    #[arg(long)]
    api: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Mirror and mailboxes are equal.
    Equal,
    /// They are not.
    Different,
    /// It was stopped before they could be.
    Unfinished,
}

/// What every act works with.
struct Stage<'a> {
    scene: &'a Scene,
    stack: &'a LocalStack,
    /// The tables, seen by the audience: what it reads is not counted as the bundle's.
    audience: Store,
    people: Vec<Person>,
    platform: Platform,
    /// Events that the bus was told, by their type.
    heard: BTreeMap<String, u64>,
    screen: Screen,
    stop: Stop,
}

/// What had been used up at some moment.
#[derive(Clone, Copy)]
struct Meter {
    graph: u64,
    /// Of these, creates, changes and deletes of contacts.
    writes: u64,
    events: u64,
    /// Of the tables: by the sync and the API, and by propagate-changes.
    usage: [Usage; 2],
    notifications: Unread,
}

/// Shows it all.
pub(crate) async fn run(scene: Scene) -> anyhow::Result<End> {
    let ambient = Ambient::system();
    let stop = Stop::at_ctrl_c();
    let graph = GraphSettings {
        seed: scene.seed,
        latency: LATENCY,
        warts: scene.faults.warts(),
        ..GraphSettings::default()
    };
    let mut settings = Settings::default();
    if let Some(poll_every) = scene.faults.poll_every() {
        settings.poll_every = poll_every;
    }
    let stack = LocalStack::start(ambient.clone(), World::new(graph), settings).await?;
    let doorway = if scene.api {
        Some(Doorway::open(stack.api.clone()).await?)
    } else {
        None
    };
    let tables = Tables {
        contacts: CONTACTS_TABLE.to_owned(),
        state: STATE_TABLE.to_owned(),
    };
    let stage = Stage {
        scene: &scene,
        stack: &stack,
        audience: Store::new(stack.aws.dynamodb(), tables),
        people: cast::invite(&stack, &scene)?,
        platform: Platform::new(stack.api.clone()),
        heard: BTreeMap::new(),
        screen: Screen::new(ambient),
        stop,
    };
    scene.faults.script(&stack);
    let end = tokio::select! {
        failure = Box::pin(motor::run(&stack, scene.faults)) => match failure? {},
        end = Box::pin(stage.play(doorway.as_ref())) => end,
    };
    if let Some(doorway) = doorway {
        doorway.close().await;
    }
    stack.aws.stop().await;
    end
}

impl Stage<'_> {
    async fn play(mut self, doorway: Option<&Doorway>) -> anyhow::Result<End> {
        self.introduce();
        if !self.first_sync().await? {
            self.screen.line("Stopped before the first sync was over.");
            return Ok(End::Unfinished);
        }
        let synced = self.meter();
        self.screen.line("\n2. Proof");
        let proof = self.prove().await?;
        if proof == End::Different {
            return Ok(proof);
        }
        if let Some(doorway) = doorway {
            doorway.explain(&mut self.screen, &self.people);
        }
        let tally = self.live().await?;
        if self.screen.is_gone() {
            return Ok(End::Unfinished);
        }
        let settled = self.conflict().await?;
        self.rest().await;
        self.screen.line("\n5. Proof, once more");
        let end = self.prove().await?;
        self.summarize(&tally, synced);
        Ok(if settled == End::Equal { end } else { settled })
    }

    fn introduce(&mut self) {
        let latency = LATENCY.as_millis();
        self.screen.line(&format!(
            "outlook-contact-sync: all six functions at work in this process.\n\
             Real: their handlers, the AWS SDK, an embedded DynamoDB engine. Simulated: Microsoft Graph ({latency} ms a\n\
             request; it notifies at once, Outlook within a minute or so), SQS, EventBridge, Scheduler, Secrets Manager."
        ));
        for line in self.scene.faults.explained() {
            self.screen.line(line);
        }
    }

    fn meter(&mut self) -> Meter {
        self.hear();
        let world = self.stack.world();
        let counts = world.counts(None);
        let writes = [
            Operation::CreateContact,
            Operation::UpdateContact,
            Operation::DeleteContact,
        ];
        Meter {
            graph: counts.values().sum(),
            writes: writes.iter().filter_map(|operation| counts.get(operation)).sum(),
            events: self.heard.values().sum(),
            usage: [self.stack.store.usage(), self.stack.propagate.store.usage()],
            notifications: world.unread(),
        }
    }

    /// What the bus was told meanwhile: counted, and forgotten.
    fn hear(&mut self) {
        for event in self.stack.bus.take() {
            *self.heard.entry(event.detail_type).or_default() += 1;
        }
    }

    fn summarize(&mut self, tally: &Tally, synced: Meter) {
        let end = self.meter();
        let mut lines = vec![String::new()];
        lines.extend(tally.summary().iter().map(|line| format!("   {line}")));
        let row = |name: &str, first: &str, live: &str| format!("   {name:<28}{first:>16}{live:>16}");
        lines.push(String::new());
        lines.push(row("", "first sync", "since then"));
        let mut counted = |name: &str, count: &dyn Fn(&Meter) -> u64| {
            let first = count(&synced);
            lines.push(row(name, &thousands(first), &thousands(count(&end) - first)));
        };
        let units = |of: &Meter, units: fn(&Usage) -> f64| tally::whole(of.usage.iter().map(units).sum());
        counted("requests to Graph", &|meter| meter.graph);
        counted("of them writes to Outlook", &|meter| meter.writes);
        counted("DynamoDB write units", &|meter| {
            units(meter, |usage| usage.write_units)
        });
        counted("DynamoDB read units", &|meter| {
            units(meter, |usage| usage.read_units)
        });
        counted("notifications delivered", &|meter| meter.notifications.delivered);
        if self.scene.faults != Faults::None {
            counted("notifications lost", &|meter| meter.notifications.lost);
        }
        counted("events on the bus", &|meter| meter.events);
        let heard = self.heard.iter();
        let heard: Vec<_> = heard
            .map(|(kind, count)| format!("{} {kind}", thousands(*count)))
            .collect();
        lines.push(format!("\n   Events: {}", heard.join(", ")));
        if self.scene.faults != Faults::None {
            lines.push(format!("   Faults that struck: {}", trouble::struck(self.stack)));
        }
        for line in lines {
            self.screen.line(&line);
        }
    }

    /// Waits until nothing waits, for a while.
    async fn rest(&mut self) {
        for _ in 0..600 {
            if self.is_at_rest() {
                return;
            }
            self.screen.status("coming to rest");
            self.pause(100).await;
        }
    }

    /// Nothing waits anywhere, and nothing is being worked on.
    fn is_at_rest(&self) -> bool {
        let queues = [&self.stack.work, &self.stack.lifecycle];
        let streams = [&self.stack.contact_changes, &self.stack.mailbox_changes];
        queues.iter().all(|queue| queue.depth().total() == 0)
            && streams.iter().all(|stream| stream.is_idle())
            && self.stack.world().quiet().is_ok()
    }

    async fn pause(&self, millis: u64) {
        self.stack.ambient.sleep(Duration::from_millis(millis)).await;
    }
}
