//! `graph-sim`: a Microsoft Graph for contacts on a port of this machine.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use clap::Parser;
use graph_sim::{Settings, World, http};
use tokio::net::TcpListener;

/// Simulates Microsoft Graph v1.0 for Outlook contacts over HTTP. Prints a JSON line with its URL and what is in it.
#[derive(Debug, Parser)]
struct Options {
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The same seed gives the same ids and people.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many mailboxes there are: user1@…, user2@… in one tenant.
    #[arg(long, default_value_t = 1)]
    mailboxes: usize,
    /// How many contacts each mailbox has.
    #[arg(long, default_value_t = 0)]
    contacts: usize,
    /// How many nested contact folders each mailbox has.
    #[arg(long, default_value_t = 3)]
    folders: usize,
    /// The tenant's id.
    #[arg(long, default_value = "11111111-1111-4111-8111-111111111111")]
    tenant: String,
    /// The app's id.
    #[arg(long, default_value = "22222222-2222-4222-8222-222222222222")]
    app: String,
    /// The app's secret.
    #[arg(long, default_value = "simulated-secret")]
    secret: String,
    /// Opens /_sim/, where the simulator is operated: edits, faults, state.
    #[arg(long)]
    admin: bool,
    /// Keeps every request with its answer, for /_sim/exchanges.
    #[arg(long)]
    record: bool,
    /// How many seconds a subscription may use its creator's token; none means it never lapses.
    #[arg(long)]
    authorization_life: Option<u64>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let ambient = Ambient::system();
    let world = Arc::new(Mutex::new(populated(&options, &ambient)?));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let server = http::serve(listener, world, ambient, options.admin)?;
    let users: Vec<String> = (1..=options.mailboxes).map(principal).collect();
    let line = serde_json::json!({
        "url": server.url(), "tenant": options.tenant, "app": options.app, "users": users,
    });
    writeln!(std::io::stdout(), "{line}")?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn principal(number: usize) -> String {
    format!("user{number}@contoso.example")
}

fn populated(options: &Options, ambient: &Ambient) -> anyhow::Result<World> {
    let mut world = World::new(Settings {
        seed: options.seed,
        record: options.record,
        authorization_life: options.authorization_life.map(Duration::from_secs),
        ..Settings::default()
    });
    world.add_app(&options.app, &options.secret);
    world.consent(&options.tenant, &options.app);
    for number in 1..=options.mailboxes {
        let user = format!("33333333-3333-4333-8333-{number:012}");
        let key = world.add_mailbox(
            &options.tenant,
            &user,
            &principal(number),
            &format!("User {number}"),
        );
        world.seed_contacts(&key, options.contacts, options.folders, ambient.now())?;
    }
    Ok(world)
}
