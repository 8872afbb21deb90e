//! Our client's suite: on the simulator always, on a live tenant where the environment names one.

use std::sync::Arc;

use ambient::Ambient;
use conformance::Contract;
use conformance::suite::Probe;
use graph_client::{
    Cloud, Credential, Endpoints, FixedCredential, GraphClient, HttpConfig, HttpTransport, Transport,
};
use graph_sim::Warts;

use crate::driver::{APP, SECRET, START, TENANT, USER, transport, world};

fn client<T: Transport>(transport: T, app: &str, secret: &str, ambient: Ambient) -> GraphClient<T> {
    let credential = Credential::ClientSecret {
        client_id: app.to_owned(),
        secret: secret.into(),
    };
    let credentials = Arc::new(FixedCredential(credential));
    let user_agent = http::HeaderValue::from_static("outlook-contact-sync-conformance");
    GraphClient::new(
        transport,
        Endpoints::from_cloud(Cloud::Global),
        credentials,
        ambient,
        user_agent,
    )
}

#[tokio::test]
async fn the_suite_holds_on_the_simulator_and_its_traffic_agrees_with_the_document() {
    let (world, key) = world();
    let ambient = Ambient::simulated(START.parse().unwrap(), 1);
    world
        .lock()
        .unwrap()
        .seed_contacts(&key, 60, 4, ambient.now())
        .unwrap();
    let (transport, _) = transport(Arc::clone(&world), ambient.clone());
    let probe = Probe {
        client: client(transport.clone(), APP, SECRET, ambient.clone()),
        tenant: TENANT.to_owned(),
        user: USER.to_owned(),
        ambient,
        webhook: Some("https://hooks.example/notify".to_owned()),
    };
    let before = world.lock().unwrap().snapshot(&key).unwrap();
    probe.run().await.unwrap();
    let mut world = world.lock().unwrap();
    assert_eq!(world.snapshot(&key).unwrap(), before, "nothing is left behind");
    assert_eq!(
        (world.subscription_count(None), world.complaints()),
        (0, &[] as &[String])
    );
    let record = world.take_exchanges();
    let report = Contract::read()
        .unwrap()
        .check(&record)
        .unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    println!(
        "our client: {} exchanges of {} operations",
        report.exchanges,
        report.operations.len()
    );
    assert!(report.exchanges > 100 && report.batches > 1);
    let folder = "/users/{user-id}/contactFolders/{contactFolder-id}/contacts";
    let one = "/users/{user-id}/contacts/{contact-id}";
    for operation in [
        format!("POST {folder}"),
        format!("GET {folder}"),
        format!("GET {one}"),
        format!("PATCH {one}"),
        format!("DELETE {one}"),
        format!("GET {one}/photo/$value"),
        format!("PUT {one}/photo/$value"),
    ] {
        assert!(
            report.operations.contains_key(&operation),
            "{operation} was never validated"
        );
    }
}

#[tokio::test]
async fn the_suite_holds_on_a_simulator_with_warts() {
    let (world, key) = world();
    let ambient = Ambient::simulated(START.parse().unwrap(), 1);
    world
        .lock()
        .unwrap()
        .seed_contacts(&key, 60, 4, ambient.now())
        .unwrap();
    world.lock().unwrap().settings_mut().warts = Warts {
        replays: 30,
        reorder: true,
        empty_pages: 30,
        lag_ms: 8_000,
        ..Warts::default()
    };
    let (transport, _) = transport(world, ambient.clone());
    // What is seeded must have become visible, or the first round has nothing to tell.
    ambient.advance(std::time::Duration::from_secs(10));
    let probe = Probe {
        client: client(transport, APP, SECRET, ambient.clone()),
        tenant: TENANT.to_owned(),
        user: USER.to_owned(),
        ambient,
        webhook: None,
    };
    probe.run().await.unwrap();
}

/// Set `GRAPH_LIVE_TENANT`, `GRAPH_LIVE_APP`, `GRAPH_LIVE_SECRET` and `GRAPH_LIVE_USER` (a mailbox for tests; it is
/// written to), and `GRAPH_LIVE_WEBHOOK` to try subscriptions too.
#[tokio::test]
async fn the_suite_holds_on_a_live_tenant_if_one_is_named() {
    #[expect(clippy::disallowed_methods, reason = "a test has no main that could read it")]
    let var = |name: &str| std::env::var(format!("GRAPH_LIVE_{name}")).ok();
    let (Some(tenant), Some(app), Some(secret), Some(user)) =
        (var("TENANT"), var("APP"), var("SECRET"), var("USER"))
    else {
        println!("no live tenant is named: skipped");
        return;
    };
    let ambient = Ambient::system();
    let transport = HttpTransport::new(&HttpConfig::default()).unwrap();
    let client = client(transport, &app, &secret, ambient.clone());
    let probe = Probe {
        client,
        tenant,
        user,
        ambient,
        webhook: var("WEBHOOK"),
    };
    probe.run().await.unwrap();
}
