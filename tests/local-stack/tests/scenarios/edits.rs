//! What a user does to contacts, and that it arrives within seconds, at the price of one write each.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contact_store::Contact;
use graph_sim::faults::{NoticeFault, NoticeRule};
use graph_sim::{Settings as GraphSettings, Warts};
use local_stack::aws::CONTACTS_TABLE;
use serde_json::{Value, json};
use sync_engine::Settings;

use crate::scene::{Bill, Person, Scene};

#[tokio::test]
async fn every_kind_of_edit_has_its_price() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 12, 2).await;
    let ids = scene.contacts_in(&ada, "Contacts");
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");

    // Always: the folder delta and the contact delta are read; the contact and the folder's link are written.
    let bill = price(&mut scene, &ada, |scene, ada| {
        scene.edit(ada, &ids[0], json!({ "jobTitle": "Countess" }));
    });
    assert_eq!(bill.await, Bill { writes: 2, graph: 2 });
    // A delta row of a contact that nobody knows may be a part of it: it is read whole, by a batch with one item.
    let bill = price(&mut scene, &ada, |scene, ada| {
        scene.create(ada, None, json!({ "givenName": "Grace" }));
    });
    assert_eq!(bill.await, Bill { writes: 2, graph: 4 });
    // So is the evidence. The mailbox's record counts what was deleted, for the delete guard.
    let bill = price(&mut scene, &ada, |scene, ada| scene.purge(ada, &ids[1]));
    assert_eq!(bill.await, Bill { writes: 3, graph: 4 });
    // A contact in Deleted Items might have been moved to a new folder: the default folder and the tree of three are looked at.
    let bill = price(&mut scene, &ada, |scene, ada| scene.delete(ada, &ids[3]));
    assert_eq!(bill.await, Bill { writes: 3, graph: 10 });
    // Two folders, so two contact deltas and two links. The folder that it has left asks for evidence.
    let bill = price(&mut scene, &ada, |scene, ada| {
        scene.move_to(ada, &ids[2], Some(&suppliers));
    });
    assert_eq!(bill.await, Bill { writes: 3, graph: 5 });

    let before = scene.bill();
    scene.assert_settled(&ada).await;
    let writes = scene.bill_since(before).writes;
    // Two polls at the most: twice the timer, the mailbox, its silence, its folder link; the links of three folders.
    assert!(writes <= 2 * 8, "{writes} writes to see that nothing has changed");
}

/// What an edit costs until the mirror has it.
async fn price(scene: &mut Scene, person: &Person, edit: impl FnOnce(&Scene, &Person)) -> Bill {
    let before = scene.bill();
    edit(scene, person);
    scene.seconds(2).await;
    scene.assert_equal(person).await;
    scene.bill_since(before)
}

#[tokio::test]
async fn a_contact_is_born_edited_deleted_restored_and_destroyed_and_stays_the_same_contact() {
    // A deleted contact can still be read in Deleted Items, or it can't.
    for soft_deleted_readable in [true, false] {
        let graph = GraphSettings {
            soft_deleted_readable,
            ..GraphSettings::default()
        };
        let mut scene = Scene::with(graph, Settings::default()).await;
        let ada = scene.settled("Ada", 4, 0).await;

        let members = json!({ "givenName": "Grace", "jobTitle": "Admiral" });
        let id = scene.create(&ada, None, members);
        let born = arrived(&mut scene, &ada, &id).await;
        assert_eq!((born.version, born.deleted_at), (1, None));

        scene.edit(&ada, &id, json!({ "jobTitle": null, "surname": "Hopper" }));
        let cleared = arrived(&mut scene, &ada, &id).await;
        assert_eq!(cleared.version, 2);
        let title = cleared.document.get("jobTitle");
        assert_eq!(title, Some(&Value::Null), "cleared, not forgotten");

        scene.delete(&ada, &id);
        let buried = arrived(&mut scene, &ada, &id).await;
        assert_eq!((buried.version, &buried.id), (3, &born.id));
        assert!(buried.deleted_at.is_some() && buried.document.is_empty());

        scene.move_to(&ada, &id, None);
        let restored = arrived(&mut scene, &ada, &id).await;
        assert_eq!((restored.version, &restored.id), (4, &born.id));
        assert_eq!((restored.deleted_at, restored.document), (None, cleared.document));

        scene.purge(&ada, &id);
        let destroyed = arrived(&mut scene, &ada, &id).await;
        assert_eq!(destroyed.version, 5);
        assert!(destroyed.deleted_at.is_some());
        scene.assert_settled(&ada).await;
    }
}

async fn arrived(scene: &mut Scene, person: &Person, id: &str) -> Contact {
    scene.seconds(2).await;
    scene.assert_equal(person).await;
    scene.record(person, id).await
}

#[tokio::test]
async fn a_move_is_one_update_whichever_folder_tells_first() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 10, 2).await;
    let [first, second, third] = &scene.contacts_in(&ada, "Contacts")[..3] else {
        panic!("too few contacts");
    };
    let target = scene.folder_id(&ada, "Contacts/Suppliers");

    // Both folders tell at once.
    scene.move_to(&ada, first, Some(&target));
    scene.seconds(2).await;
    scene.assert_equal(&ada).await;
    // The folder that it has left is heard half a minute later.
    scene
        .world()
        .add_notice_fault(NoticeRule::new(NoticeFault::Late { millis: 30_000 }).times(1));
    scene.move_to(&ada, second, Some(&target));
    scene.seconds(2).await;
    scene.assert_equal(&ada).await;
    scene.minutes(1).await;
    scene.assert_equal(&ada).await;
    // Or never.
    scene.world().clear_faults();
    scene
        .world()
        .add_notice_fault(NoticeRule::new(NoticeFault::Lost).times(1));
    scene.move_to(&ada, third, Some(&target));
    scene.seconds(2).await;
    scene.assert_equal(&ada).await;
    // And back.
    scene.move_to(&ada, first, None);
    scene.seconds(2).await;

    assert_eq!(
        scene.metric("ContactsBuried"),
        0,
        "a move is not a deletion and a birth"
    );
    for (id, moves) in [(first, 2), (second, 1), (third, 1)] {
        assert_eq!(scene.record(&ada, id).await.version, 1 + moves);
    }
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn of_rapid_edits_the_last_one_stands() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    let before = scene.delta_requests(&ada);
    for number in 0..30 {
        scene.edit(&ada, &id, json!({ "jobTitle": format!("Title {number}") }));
        if number % 3 == 2 {
            scene.stack.run_for(Duration::from_millis(20)).await.unwrap();
        }
    }
    scene.seconds(3).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.record(&ada, &id).await.document["jobTitle"], "Title 29");
    let rounds = scene.delta_requests(&ada) - before;
    assert!(rounds <= 10, "{rounds} rounds for 10 bursts of edits");
    assert!(scene.record(&ada, &id).await.version <= 1 + rounds);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn notifications_that_come_twice_or_in_disorder_cost_one_write() {
    let graph = GraphSettings {
        created_then_updated: true,
        ..GraphSettings::default()
    };
    let mut scene = Scene::with(graph, Settings::default()).await;
    let ada = scene.settled("Ada", 6, 0).await;
    let id = scene.create(&ada, None, json!({ "givenName": "Grace" }));
    scene.seconds(5).await;
    assert_eq!(scene.record(&ada, &id).await.version, 1);

    for fault in [
        NoticeFault::Doubled,
        NoticeFault::Reordered,
        NoticeFault::Late { millis: 90_000 },
    ] {
        let version = scene.record(&ada, &id).await.version;
        scene.world().add_notice_fault(NoticeRule::new(fault).times(1));
        scene.edit(&ada, &id, json!({ "jobTitle": format!("{fault:?}") }));
        scene.edit(&ada, &id, json!({ "department": format!("{fault:?}") }));
        scene.minutes(3).await;
        scene.world().clear_faults();
        scene.assert_equal(&ada).await;
        assert_eq!(scene.record(&ada, &id).await.version, version + 1, "{fault:?}");
    }
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_save_that_changes_nothing_is_no_change() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    let before = scene.record(&ada, &id).await;
    scene.edit(&ada, &id, json!({ "givenName": before.document["givenName"] }));
    scene.seconds(2).await;
    let after = scene.record(&ada, &id).await;
    assert_ne!(after.outlook, before.outlook, "Outlook counts it as a version");
    assert_eq!(
        (after.version, after.changed_at, after.document),
        (before.version, before.changed_at, before.document)
    );
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_change_that_delta_shows_later_than_its_notification_arrives_with_the_second_look() {
    let graph = GraphSettings {
        warts: Warts {
            lag_ms: 20_000,
            ..Warts::default()
        },
        ..GraphSettings::default()
    };
    let mut scene = Scene::with(graph, Settings::default()).await;
    let ada = scene.settled("Ada", 4, 0).await;
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.edit(&ada, &id, json!({ "jobTitle": "Countess" }));
    scene.seconds(5).await;
    assert_ne!(
        scene.differences(&ada).await,
        [],
        "delta does not show it yet: the story has no point"
    );
    scene.minutes(3).await;
    scene.assert_equal(&ada).await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_change_whose_notification_is_lost_arrives_with_the_poll() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 1).await;
    scene.world().add_notice_fault(NoticeRule::new(NoticeFault::Lost));
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.delete(&ada, &ids[1]);
    scene.minutes(80).await;
    scene.assert_equal(&ada).await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_default_folder_that_also_tells_of_its_subfolders_costs_no_second_write() {
    let graph = GraphSettings {
        default_covers_subfolders: true,
        ..GraphSettings::default()
    };
    let mut scene = Scene::with(graph, Settings::default()).await;
    let ada = scene.settled("Ada", 20, 2).await;
    let id = scene.contacts_in(&ada, "Contacts/Suppliers")[0].clone();
    let versions = scene.versions(&ada).await;
    scene.edit(&ada, &id, json!({ "jobTitle": "Countess" }));
    scene.seconds(2).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.versions(&ada).await, versions + 1);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_contact_that_is_too_large_for_an_item_is_mirrored_without_its_largest_member() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 4, 0).await;
    let notes = "All about the Analytical Engine. ".repeat(20_000);
    let members = json!({ "givenName": "Grace", "personalNotes": notes });
    let id = scene.create(&ada, None, members);
    scene.seconds(5).await;
    let record = scene.record(&ada, &id).await;
    assert_eq!(record.omitted, ["personalNotes"]);
    assert_eq!(record.document["givenName"], "Grace");
    // It is written once, however often it is looked at,
    scene.minutes(80).await;
    scene.ask(&ada, "resync").await;
    scene.minutes(2).await;
    assert_eq!(scene.record(&ada, &id).await.version, 1);
    // and whole when it has lost some weight.
    scene.edit(&ada, &id, json!({ "personalNotes": "See the archive." }));
    scene.seconds(5).await;
    assert_eq!(scene.record(&ada, &id).await.omitted, Vec::<String>::new());
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_record_that_a_newer_version_has_written_is_left_alone_and_the_others_go_on() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let ids = scene.contacts_in(&ada, "Contacts");
    let newer = scene.record(&ada, &ids[0]).await;
    let update = scene.stack.aws.dynamodb().update_item();
    let update = update
        .table_name(CONTACTS_TABLE)
        .key("mailbox_id", AttributeValue::S(ada.id.to_string()))
        .key("contact_id", AttributeValue::S(newer.id.to_string()));
    let update = update
        .update_expression("SET #schema = :newer")
        .expression_attribute_names("#schema", "schema")
        .expression_attribute_values(":newer", AttributeValue::N("99".to_owned()));
    update.send().await.unwrap();

    for id in &ids[..2] {
        scene.edit(&ada, id, json!({ "jobTitle": "Countess" }));
    }
    scene.minutes(5).await;
    scene.ask(&ada, "resync").await;
    scene.minutes(5).await;
    assert_eq!(scene.record(&ada, &ids[1]).await.document["jobTitle"], "Countess");
    assert!(scene.metric("ContactsUnreadable") > 0);
    let mirror = scene.mirror(&ada).await;
    assert!(!mirror.contains_key(&ids[0]), "this version can't read it");
    scene.assert_phase(&ada, "live").await;
    scene.assert_quiet();
}
