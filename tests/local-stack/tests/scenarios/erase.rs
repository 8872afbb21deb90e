//! A person is erased: both sides, the history, the log, the index, the bucket and whatever leads there; and others are
//! told.

use std::collections::BTreeMap;

use graph_sim::Operation;
use graph_sim::Settings as GraphSettings;
use graph_sim::faults::{Fault, Rule};
use local_stack::aws::{CONTACTS_TABLE, HISTORY_TABLE, STATE_TABLE};
use serde_json::{Value, json};
use sync_engine::Settings;

use crate::refused::refusal;
use crate::scene::{Person, Scene};

/// What nobody else has. Whatever is left of it anywhere is a trace.
const TRACES: [&str; 8] = [
    "Zerlina",
    "Quastenflosser",
    "zq-notes",
    "zq@example.com",
    "zq2@example.com",
    "crm-zq",
    "+49 30 4711",
    "Admiral-zq",
];

impl Scene {
    /// Asks for a person to be erased. Gives the receipt.
    async fn forget(&self, person: &Person, id: &str) -> Value {
        let path = format!("/v1/mailboxes/{}/contacts/{id}/erase", person.id);
        let (status, receipt) = self.ask_api("POST", &path, &[], None).await;
        assert_eq!(status, 200, "{receipt}");
        receipt
    }

    /// Where in the tables, in the bucket and in Outlook there is a trace of the person.
    #[expect(clippy::disallowed_methods, reason = "only a scan shows what was forgotten")]
    async fn traces(&self, person: &Person) -> Vec<String> {
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for table in [CONTACTS_TABLE, STATE_TABLE, HISTORY_TABLE] {
            let page = self.stack.aws.dynamodb().scan().table_name(table).send().await;
            for item in page.unwrap().items() {
                let key = ["contact_id", "sk", "version_key"]
                    .into_iter()
                    .find_map(|key| item.get(key));
                places.insert(format!("{table} {key:?}"), format!("{item:?}"));
            }
        }
        for name in self.stack.aws.objects().names() {
            let object = self.stack.aws.objects().get(&name).unwrap();
            places.insert(
                format!("bucket {name}"),
                String::from_utf8_lossy(&object).into_owned(),
            );
        }
        for (id, contact) in self.truth(person).contacts {
            places.insert(format!("Outlook {id}"), contact.to_string());
        }
        let has_trace = |text: &String| TRACES.iter().any(|trace| text.contains(trace));
        let found = places.into_iter().filter(|(_, text)| has_trace(text));
        found.map(|(place, _)| place).collect()
    }

    fn told_of_erasures(&self) -> Vec<Value> {
        let events = self.stack.bus.events().into_iter();
        let erased = events.filter(|event| event.detail_type == "contact.erased");
        erased.map(|event| event.detail["data"].clone()).collect()
    }
}

fn zerlina() -> Value {
    json!({ "externalId": "crm-zq", "contact": {
        "givenName": "Zerlina", "surname": "Quastenflosser", "displayName": "Zerlina Quastenflosser",
        "personalNotes": "zq-notes", "mobilePhone": "+49 30 4711",
        "emailAddresses": [{ "address": "zq@example.com", "name": "Zerlina" }] } })
}

/// Somebody who has left traces wherever that can be. Gives the id.
async fn lived(scene: &mut Scene, ada: &Person) -> String {
    let id = scene.make(ada, zerlina()).await;
    scene.minutes(2).await;
    // A life: edits on both sides, a conflict, a move, a photo, another address, and an edit that Graph refuses.
    let item = scene.item_of(ada, "Zerlina")["id"].as_str().unwrap().to_owned();
    scene.edit(ada, &item, json!({ "jobTitle": "Admiral-zq" }));
    scene
        .patch(
            ada,
            &id,
            json!({ "contact": { "jobTitle": "Admiral-zq of the fleet" } }),
        )
        .await;
    scene.minutes(2).await;
    assert_eq!(scene.conflicts(ada).await.len(), 1);
    let suppliers = scene.folder_id(ada, "Contacts/Suppliers");
    scene.patch(ada, &id, json!({ "folder": suppliers })).await;
    scene.minutes(2).await;
    assert_eq!(scene.set_photo(ada, &id, "Zerlina's face").await.0, 200);
    let both = json!([{ "address": "zq@example.com" }, { "address": "zq2@example.com" }]);
    scene
        .patch(ada, &id, json!({ "contact": { "emailAddresses": both } }))
        .await;
    scene.minutes(2).await;
    scene.assert_arrived(ada).await;
    assert!(scene.versions_of(ada, &id).await.len() >= 4);
    assert!(!scene.stack.aws.objects().names().is_empty());
    let refused = Rule::new(refusal("ErrorInvalidProperty", 400)).on(Operation::UpdateContact);
    scene.world().add_fault(refused);
    scene
        .patch(
            ada,
            &id,
            json!({ "contact": { "companyName": "Quastenflosser" } }),
        )
        .await;
    scene.minutes(2).await;
    assert_eq!(scene.waiting(ada, "refused").await, std::slice::from_ref(&id));
    assert!(scene.traces(ada).await.len() > 5);
    id
}

#[tokio::test]
async fn an_erased_person_leaves_no_trace_on_either_side_and_others_are_told() {
    let mut scene = Scene::with_photos().await;
    let ada = scene.settled("Ada", 5, 1).await;
    let id = lived(&mut scene, &ada).await;
    let versions = scene.versions_of(&ada, &id).await.len() as u64;

    scene.stack.bus.take();
    let first = scene.forget(&ada, &id).await;
    assert_eq!(
        (&first["complete"], &first["outlook"]["state"]),
        (&json!(false), &json!("pending"))
    );
    let removed = &first["removed"];
    assert!(removed["members"].as_u64().unwrap() >= 6, "{first}");
    let counts = [
        "externalIds",
        "edits",
        "emailAddresses",
        "versions",
        "conflicts",
        "aliases",
        "deadLetters",
    ];
    let counts = counts.map(|name| removed[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 2, versions, 1, 0, 0], "{first}");
    assert_eq!(scene.shown(&ada, &id).await.0, 404);
    scene.minutes(3).await;
    let second = scene.forget(&ada, &id).await;
    assert_eq!(second["complete"], true, "{second}");
    assert_eq!(second["removed"]["members"], 0);
    assert!(second["removed"]["aliases"].as_u64().unwrap() >= 2, "{second}");
    let remains = json!(["outlookDeletedItems", "tableStreams", "pointInTimeRecovery"]);
    assert_eq!(second["remains"], remains);

    assert_eq!(scene.traces(&ada).await, Vec::<String>::new());
    assert_eq!(scene.truth(&ada).contacts.len(), 5);
    assert_eq!(scene.stack.aws.objects().names(), Vec::<String>::new());
    let told = scene.told_of_erasures();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["contactId"], &told[0]["externalId"]),
        (&json!(id), &json!("crm-zq"))
    );
    let kinds: Vec<_> = scene
        .stack
        .bus
        .events()
        .into_iter()
        .map(|it| it.detail_type)
        .collect();
    assert_eq!(kinds, ["contact.deleted", "contact.erased"]);
    let told: String = scene
        .stack
        .bus
        .events()
        .iter()
        .map(|it| it.detail.to_string())
        .collect();
    let without_id = told.replace("crm-zq", "");
    assert!(!TRACES.iter().any(|trace| without_id.contains(trace)), "{told}");

    // Once more it does nothing, and no look brings anything back.
    let third = scene.forget(&ada, &id).await;
    let nothing = third["removed"]
        .as_object()
        .unwrap()
        .values()
        .all(|count| *count == 0);
    assert!(nothing && third["complete"] == true, "{third}");
    scene.assert_at_rest(&ada).await;
    assert_eq!(scene.traces(&ada).await, Vec::<String>::new());
    let explained = scene.get(&ada, &format!("/contacts/{id}/explain")).await;
    assert_eq!(explained["state"], "deleted");
    assert_eq!(explained["story"][0]["cause"]["why"], "erased");
    // Somebody may make him anew: that is another life under the same id.
    let again = scene.make(&ada, zerlina()).await;
    assert_eq!(again, id);
    scene.minutes(2).await;
    scene.assert_at_rest(&ada).await;
    assert_eq!(scene.truth(&ada).contacts.len(), 6);
}

#[tokio::test]
async fn whoever_edits_a_person_in_outlook_while_he_is_erased_does_not_keep_him() {
    for purge in [true, false] {
        let settings = Settings {
            purge,
            ..Settings::default()
        };
        let mut scene = Scene::with(GraphSettings::default(), settings).await;
        let ada = scene.settled("Ada", 5, 0).await;
        let id = scene.make(&ada, zerlina()).await;
        scene.minutes(2).await;
        let item = scene.item_of(&ada, "Zerlina")["id"].as_str().unwrap().to_owned();
        scene.edit(&ada, &item, json!({ "jobTitle": "Admiral-zq" }));
        let receipt = scene.forget(&ada, &id).await;
        assert_eq!(receipt["complete"], false);
        scene.minutes(3).await;
        assert_eq!(scene.forget(&ada, &id).await["complete"], true);
        assert_eq!(scene.traces(&ada).await, Vec::<String>::new());
        assert_eq!(scene.conflicts(&ada).await, Vec::<Value>::new());
        assert_eq!(scene.told_of_erasures().len(), 1);
        let asked = [Operation::PurgeContact, Operation::DeleteContact].map(|it| scene.asked(it));
        assert_eq!(asked, if purge { [1, 0] } else { [0, 1] });
        scene.assert_at_rest(&ada).await;
    }
}

#[tokio::test]
async fn an_erasure_goes_on_wherever_it_was_cut() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 5, 0).await;
    // Never in Outlook.
    scene.ask(&ada, "pause").await;
    scene.minutes(1).await;
    let unborn = scene.make(&ada, zerlina()).await;
    let receipt = scene.forget(&ada, &unborn).await;
    assert_eq!(receipt["complete"], false);
    scene.ask(&ada, "resume").await;
    scene.minutes(3).await;
    assert_eq!(scene.forget(&ada, &unborn).await["complete"], true);
    assert_eq!((scene.traces(&ada).await, scene.graph_writes()), (Vec::new(), 0));

    // Outlook refuses, and says yes when it is asked again.
    let id = scene.make(&ada, zerlina()).await;
    scene.minutes(2).await;
    let refused = Rule::new(refusal("ErrorCannotDeleteObject", 400)).on(Operation::PurgeContact);
    scene.world().add_fault(refused.times(1));
    scene.forget(&ada, &id).await;
    scene.minutes(2).await;
    let receipt = scene.forget(&ada, &id).await;
    assert_eq!(
        (&receipt["complete"], &receipt["outlook"]["state"]),
        (&json!(false), &json!("refused"))
    );
    let path = format!("/v1/mailboxes/{}/contacts/{id}/discard", ada.id);
    assert_eq!(
        scene.ask_api("POST", &path, &[], None).await.0,
        409,
        "it is not to come back"
    );
    scene.decide(&ada, &id, "retry", None).await;
    scene.minutes(2).await;
    assert_eq!(scene.forget(&ada, &id).await["complete"], true);

    // The answer is lost.
    let id = scene.make(&ada, zerlina()).await;
    scene.minutes(2).await;
    let lost = Rule::new(Fault::Reset { committed: true }).on(Operation::PurgeContact);
    scene.world().add_fault(lost.times(1));
    scene.forget(&ada, &id).await;
    scene.minutes(10).await;
    assert_eq!(scene.forget(&ada, &id).await["complete"], true);
    // Somebody who was deleted long ago.
    let id = scene.make(&ada, zerlina()).await;
    scene.minutes(2).await;
    scene.erase(&ada, &id).await;
    scene.minutes(2).await;
    assert!(!scene.traces(&ada).await.is_empty(), "the history has him");
    // He was created, and changed by Outlook's answer; the third is that he had been erased before.
    let receipt = scene.forget(&ada, &id).await;
    assert_eq!(
        (&receipt["complete"], &receipt["removed"]["versions"]),
        (&json!(true), &json!(3)),
        "{receipt}"
    );
    scene.minutes(2).await;
    assert_eq!(scene.traces(&ada).await, Vec::<String>::new());
    scene.assert_at_rest(&ada).await;
    let nobody = format!("/v1/mailboxes/{}/contacts/con_{}/erase", ada.id, "a".repeat(26));
    assert_eq!(scene.ask_api("POST", &nobody, &[], None).await.0, 404);
}

#[tokio::test]
async fn the_delete_guard_holds_no_erasure_and_counts_none() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 0).await;
    let ids: Vec<String> = scene.records(&ada).await.into_keys().collect();
    for id in &ids[..40] {
        scene.forget(&ada, id).await;
    }
    scene.minutes(5).await;
    assert_eq!(scene.waits(&ada).await, 0);
    assert_eq!(scene.truth(&ada).contacts.len(), 20);
    scene.erase(&ada, &ids[45]).await;
    scene.minutes(5).await;
    assert_eq!((scene.waits(&ada).await, scene.metric("DeletesHeld")), (0, 0));
    scene.assert_arrived(&ada).await;
}
