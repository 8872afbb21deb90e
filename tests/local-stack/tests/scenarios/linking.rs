//! Contacts that both sides had before they met are one, and who can't be told apart is asked about.

use serde_json::{Value, json};

use crate::scene::{Person, Scene};

/// What a mailbox has whose user has never heard of the platform.
fn in_outlook(scene: &Scene, person: &Person) -> Vec<String> {
    [
        json!({ "givenName": "Ada", "jobTitle": "Countess", "emailAddresses": [{ "address": "Ada@Engines.example", "name": "Ada" }] }),
        json!({ "givenName": "Grace", "mobilePhone": "+1 (202) 555-0143" }),
        json!({ "givenName": "Mary", "surname": "Somerville", "companyName": "Royal Society" }),
        json!({ "givenName": "Emmy", "emailAddresses": [{ "address": "office@goettingen.example" }] }),
        json!({ "givenName": "David", "emailAddresses": [{ "address": "office@goettingen.example" }] }),
        json!({ "givenName": "Sofia", "surname": "Kovalevskaya" }),
    ]
    .into_iter()
    .map(|members| scene.create(person, None, members))
    .collect()
}

/// What the platform has.
fn here() -> Vec<Value> {
    [
        ("ada", json!({ "givenName": "Ada", "department": "Engines", "emailAddresses": [{ "address": "ada@engines.example" }, { "address": "a@home.example" }] })),
        ("grace", json!({ "givenName": "Grace", "surname": "Hopper", "businessPhones": ["001 202 555 0143"] })),
        ("mary", json!({ "givenName": "Mary", "surname": "Somerville", "companyName": "royal society", "jobTitle": "Polymath" })),
        ("emmy", json!({ "givenName": "Emmy", "surname": "Noether", "emailAddresses": [{ "address": "office@goettingen.example" }] })),
        ("sofia", json!({ "givenName": "Sofia", "surname": "Kovalevskaya", "jobTitle": "Professor" })),
        ("joan", json!({ "givenName": "Joan", "surname": "Clarke" })),
    ]
    .into_iter()
    .map(|(external_id, contact)| json!({ "externalId": external_id, "contact": contact }))
    .collect()
}

/// A mailbox that is enrolled paused.
async fn enrolled(scene: &Scene, key: &graph_sim::MailboxKey) -> Person {
    let form = json!({ "tenant": key.tenant, "user": key.user, "start": "paused" });
    let (status, answer) = scene.call("POST", "/v1/mailboxes", Some(form)).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    Person {
        key: key.clone(),
        id: answer["id"].as_str().unwrap().parse().unwrap(),
    }
}

async fn plan(scene: &mut Scene, person: &Person) -> Value {
    let path = format!("/v1/mailboxes/{}/plan", person.id);
    let (status, answer) = scene.ask_api("POST", &path, &[], None).await;
    assert_eq!(status, 202, "{answer}");
    scene.minutes(1).await;
    let (status, answer) = scene.ask_api("GET", &path, &[], None).await;
    assert_eq!(status, 200, "{answer}");
    let summary = &answer["summary"];
    assert!(summary["finishedAt"].is_string(), "{summary}");
    let count = |name: &str| summary[name].clone();
    json!([count("link"), count("review"), count("create"), count("import")])
}

#[tokio::test]
async fn contacts_of_both_sides_are_linked_before_the_first_sync_and_nobody_is_doubled() {
    let mut scene = Scene::new().await;
    let key = scene.user("Ada", 0, 1);
    let ada = enrolled(&scene, &key).await;
    let items = in_outlook(&scene, &ada);
    let ids = scene.bulk(&ada, here()).await;
    scene.minutes(2).await;

    let (truth, records) = (scene.truth(&ada), scene.records(&ada).await);
    let writes = scene.graph_writes();
    // By e-mail, by phone, by name and company; two may be one of two, and one has a name alone; one is new; three of
    // Outlook's are nobody's.
    assert_eq!(plan(&mut scene, &ada).await, json!([3, 2, 1, 3]));
    assert_eq!(scene.graph_writes(), writes, "a plan writes nothing");
    assert!(
        truth == scene.truth(&ada) && records == scene.records(&ada).await,
        "a plan changes nothing"
    );

    scene.ask(&ada, "resume").await;
    scene.minutes(5).await;
    let truth = scene.truth(&ada).contacts;
    assert_eq!(truth.len(), items.len() + 1, "Joan is new");
    assert_eq!(scene.item_of(&ada, "Joan")["surname"], "Clarke");
    for (item, id) in items[..3].iter().zip(&ids) {
        let record = scene.record(&ada, item).await;
        assert_eq!(record.id.as_str(), id);
        assert_eq!(record.edit, None);
    }
    let merged = &truth[&items[0]];
    assert_eq!(
        (&merged["jobTitle"], &merged["department"]),
        (&json!("Countess"), &json!("Engines"))
    );
    assert_eq!(merged["emailAddresses"].as_array().unwrap().len(), 2);
    assert_eq!(truth[&items[1]]["surname"], "Hopper");
    assert_eq!(truth[&items[2]]["jobTitle"], "Polymath");

    let mut review = scene.waiting(&ada, "review").await;
    review.sort();
    let mut expected = vec![ids[3].clone(), ids[4].clone()];
    expected.sort();
    assert_eq!(review, expected);
    let candidates = scene.shown(&ada, &ids[3]).await.1["sync"]["candidates"].clone();
    assert_eq!(candidates.as_array().unwrap().len(), 2, "{candidates}");
    // One is linked by a person, the other one is created all the same.
    let emmy = scene.record(&ada, &items[3]).await.id.to_string();
    assert!(candidates.as_array().unwrap().contains(&json!(emmy)));
    scene
        .decide(&ada, &ids[3], "link", Some(json!({ "contact": emmy })))
        .await;
    scene.decide(&ada, &ids[4], "create", None).await;
    scene.minutes(5).await;
    let truth = scene.truth(&ada).contacts;
    assert_eq!(truth.len(), items.len() + 2);
    assert_eq!(truth[&items[3]]["surname"], "Noether");
    assert_eq!(scene.record(&ada, &items[3]).await.id.as_str(), ids[3]);
    assert_eq!(
        scene.shown(&ada, &emmy).await.1["id"],
        json!(ids[3]),
        "the other id leads to it"
    );
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_mailbox_that_comes_back_has_its_contacts_once() {
    let mut scene = Scene::new().await;
    let key = scene.user("Ada", 5, 1);
    let ada = scene.enrol(&key).await;
    scene.minutes(3).await;
    let named: Vec<Value> = (0..40)
        .map(
            |number| json!({ "externalId": format!("crm-{number}"), "contact": { "givenName": "Namesake" } }),
        )
        .collect();
    let before = scene.bulk(&ada, named.clone()).await;
    scene.minutes(3).await;
    scene.assert_arrived(&ada).await;
    let truth = scene.truth(&ada).contacts;
    scene.remove(&ada).await;
    scene.minutes(5).await;

    // All have one name and nothing else: only their stamps tell who is who.
    let ada = enrolled(&scene, &key).await;
    let after = scene.bulk(&ada, named).await;
    assert_eq!(before, after, "the same ids");
    assert_eq!(plan(&mut scene, &ada).await, json!([40, 0, 0, 5]));
    scene.ask(&ada, "resume").await;
    scene.minutes(5).await;
    assert!(
        scene.truth(&ada).contacts == truth,
        "nothing is doubled, and nothing was written"
    );
    scene.assert_at_rest(&ada).await;
}

#[tokio::test]
async fn a_first_sync_with_contacts_of_the_platform_links_them_wherever_the_worker_died() {
    let mut scene = Scene::new().await;
    let (mut steps, mut ended) = (1, false);
    while !ended {
        let key = scene.user(&format!("Ada{steps}"), 0, 1);
        let ada = enrolled(&scene, &key).await;
        let items = in_outlook(&scene, &ada);
        let ids = scene.bulk(&ada, here()).await;
        scene.seconds(30).await;
        scene.ask(&ada, "resume").await;
        ended = crate::crash::work_for(&scene, steps).await;
        scene.minutes(15).await;
        let when = format!("died at step {steps}");
        assert_eq!(scene.truth(&ada).contacts.len(), items.len() + 1, "{when}");
        assert_eq!(scene.waiting(&ada, "review").await.len(), 2, "{when}");
        for id in &ids[3..5] {
            scene.decide(&ada, id, "discard", None).await;
        }
        scene.minutes(2).await;
        scene.assert_arrived(&ada).await;
        steps += 1 + steps / 4;
    }
    assert!(steps > 20, "{steps}: the story has no point");
}

#[tokio::test]
async fn who_is_whom_does_not_hang_on_what_is_edited_while_they_are_linked() {
    let mut scene = Scene::new().await;
    let (mut steps, mut ended) = (1, false);
    let mut one_of_two = 0;
    while !ended {
        let when = format!("edited at step {steps}");
        let key = scene.user(&format!("Ada{steps}"), 0, 1);
        let ada = enrolled(&scene, &key).await;
        let items = in_outlook(&scene, &ada);
        let of_goettingen = json!([{ "address": "sofia@stockholm.example" }]);
        scene.edit(&ada, &items[5], json!({ "emailAddresses": of_goettingen }));
        let twin = |name: &str| json!({ "externalId": name, "contact": { "givenName": name, "emailAddresses": of_goettingen } });
        let mut forms = here();
        forms.truncate(3);
        forms.extend([twin("Sonja"), twin("Sofja")]);
        let ids = scene.bulk(&ada, forms).await;
        scene.seconds(30).await;
        scene.ask(&ada, "resume").await;
        let Some(batch) = scene.stack.work.poll() else {
            panic!("{when}: no message");
        };
        let answer = {
            let mut work = std::pin::pin!(scene.stack.work_on(&batch));
            let first = crate::crash::live_for(steps, work.as_mut()).await;
            ended = first.is_some();
            // One that is to be linked, one of two that may be the same, and a newcomer with an address of the first.
            for id in [&ids[1], &ids[4]] {
                let office = json!({ "contact": { "officeLocation": when } });
                scene.patch(&ada, id, office).await;
            }
            let newcomer = json!({ "externalId": "late", "contact": { "givenName": "Late", "emailAddresses": [{ "address": "ada@engines.example" }] } });
            scene.make(&ada, newcomer).await;
            match first {
                Some(answer) => answer,
                None => work.await,
            }
        };
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));
        scene.minutes(15).await;
        scene.assert_phase(&ada, "live").await;
        let review = scene.waiting(&ada, "review").await;
        for id in &ids[3..5] {
            assert!(review.contains(id), "{when}: {review:?}");
        }
        assert_eq!(
            scene.truth(&ada).contacts[&items[5]]["givenName"],
            "Sofia",
            "{when}"
        );
        let linked = scene.record(&ada, &items[0]).await.id.to_string();
        if linked == ids[0] {
            one_of_two += 1;
        } else {
            // It was there before Ada was linked: then a person is asked about both.
            assert!(review.contains(&ids[0]), "{when}: {linked} {ids:?}");
        }
        assert_eq!(scene.record(&ada, &items[1]).await.id.as_str(), ids[1], "{when}");
        for id in &review {
            scene.decide(&ada, id, "discard", None).await;
        }
        scene.minutes(5).await;
        scene.assert_arrived(&ada).await;
        steps += 1 + steps / 4;
    }
    assert!(
        one_of_two > 3 && steps > 20,
        "{one_of_two} of {steps}: the story has no point"
    );
}
