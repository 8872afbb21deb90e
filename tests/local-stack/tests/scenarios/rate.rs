//! Many edits: as fast as Graph takes them, never faster, and none twice.

use std::collections::BTreeMap;

use graph_sim::Operation;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::crash::work_for;
use crate::scene::{Person, Scene};

/// What the simulator takes for a request.
const LATENCY_MS: f64 = 50.0;
/// The requests of a mailbox that Graph works on at a time.
const AT_A_TIME: f64 = 4.0;

/// How near the pushes came to what Graph permits: from the first to the last answer.
fn pace(scene: &Scene, person: &Person, since: Timestamp, operation: Operation, edits: usize) -> f64 {
    let world = scene.world();
    let of_person: Vec<_> = world
        .requests()
        .filter(|entry| entry.mailbox.as_ref() == Some(&person.key) && entry.at >= since)
        .collect();
    assert!(
        of_person.iter().all(|entry| entry.status != Some(429)),
        "Graph throttles"
    );
    let pushes: Vec<_> = of_person
        .iter()
        .filter(|entry| entry.operation == operation)
        .collect();
    assert_eq!(pushes.len(), edits);
    // A batch's items are all entered when it begins: its end is the next thing that its worker asks for, or, for the
    // last one, the time that Graph takes for as many.
    let (first, last) = (pushes[0].at, pushes[edits - 1].at);
    let of_last = pushes.iter().filter(|entry| entry.at == last).count();
    let lanes = (f64::from(u32::try_from(of_last).unwrap()) / AT_A_TIME).ceil();
    let took = last.duration_since(first).as_secs_f64() * 1000.0 + lanes * LATENCY_MS;
    let ideal = f64::from(u32::try_from(edits).unwrap()) / AT_A_TIME * LATENCY_MS;
    let mut between: BTreeMap<String, u64> = BTreeMap::new();
    for entry in &of_person {
        if entry.at >= first && entry.at <= last {
            *between.entry(format!("{:?}", entry.operation)).or_default() += 1;
        }
    }
    eprintln!(
        "{edits} {operation:?} took {took} ms where {ideal} ms are possible: {:.3}; {between:?}",
        ideal / took
    );
    ideal / took
}

#[tokio::test]
async fn five_hundred_edits_come_at_the_pace_that_graph_permits() {
    const EDITS: usize = 500;
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", EDITS, 0).await;
    let mirror = scene.mirror(&ada).await;

    let since = scene.now();
    for contact in mirror.values() {
        let title = json!({ "contact": { "jobTitle": "One by one" } });
        scene.patch(&ada, contact.id.as_str(), title).await;
    }
    scene.minutes(3).await;
    assert_eq!(scene.in_outlook(&ada, "jobTitle"), vec!["One by one"; EDITS]);
    let single = pace(&scene, &ada, since, Operation::UpdateContact, EDITS);

    let since = scene.now();
    let item = |contact: &contact_store::Contact| {
        let mut whole = contact.document.clone();
        whole.insert("jobTitle".to_owned(), "All at once".into());
        json!({ "id": contact.id.as_str(), "contact": whole })
    };
    let mirror = scene.mirror(&ada).await;
    scene.bulk(&ada, mirror.values().map(item).collect()).await;
    scene.minutes(3).await;
    assert_eq!(scene.in_outlook(&ada, "jobTitle"), vec!["All at once"; EDITS]);
    let many = pace(&scene, &ada, since, Operation::UpdateContact, EDITS);

    let since = scene.now();
    let item =
        |number: usize| json!({ "externalId": format!("x{number}"), "contact": { "givenName": "New" } });
    scene.bulk(&ada, (0..EDITS).map(item).collect()).await;
    scene.minutes(3).await;
    let creates = pace(&scene, &ada, since, Operation::CreateContact, EDITS);

    for ratio in [single, many, creates] {
        assert!(ratio >= 0.9, "{ratio}");
    }
    scene.assert_at_rest(&ada).await;
}

fn new(number: usize) -> Value {
    json!({
        "externalId": format!("crm-{number}"),
        "contact": { "givenName": format!("Many {number}"), "emailAddresses": [{ "address": format!("m{number}@x.example") }] },
    })
}

#[tokio::test]
async fn a_large_import_survives_workers_that_die_and_shows_how_far_it_is() {
    const CONTACTS: usize = 2_000;
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 10, 1).await;
    let numbers: Vec<usize> = (0..CONTACTS).collect();
    for chunk in numbers.chunks(500) {
        scene
            .bulk(&ada, chunk.iter().map(|number| new(*number)).collect())
            .await;
    }
    assert_eq!(scene.state(&ada).await["pending"]["backfill"], CONTACTS);
    while let Some(batch) = scene.stack.contact_changes.poll().unwrap() {
        let stream = scene.stack.contact_changes.clone();
        scene.stack.propagate_from(&stream, batch).await;
    }
    let mut waits = vec![u64::try_from(CONTACTS).unwrap()];
    for death in 0..4 {
        assert!(
            !work_for(&scene, 60 + 37 * death).await,
            "{waits:?}: it has not died"
        );
        scene.stack.work.lapse();
        let pending = scene.state(&ada).await["pending"]["backfill"].as_u64().unwrap();
        assert!(pending < waits[waits.len() - 1], "no progress: {waits:?}");
        waits.push(pending);
    }
    println!("progress at the deaths: {waits:?}");
    assert!(waits[waits.len() - 1] > 0, "nobody died in the middle");
    scene.minutes(20).await;
    assert_eq!(scene.truth(&ada).contacts.len(), CONTACTS + 10);
    let mut names = scene.in_outlook(&ada, "givenName");
    names.retain(|name| name.starts_with("Many"));
    names.dedup();
    assert_eq!(names.len(), CONTACTS);
    scene.assert_arrived(&ada).await;
    // The whole once more is nothing.
    let writes = scene.graph_writes();
    for chunk in numbers.chunks(500) {
        scene
            .bulk(&ada, chunk.iter().map(|number| new(*number)).collect())
            .await;
    }
    scene.minutes(3).await;
    assert_eq!(scene.graph_writes(), writes);
    scene.assert_settled(&ada).await;
    scene.assert_arrived(&ada).await;
}
