//! Folders that come, go and change, and what becomes of the contacts in them.

use graph_sim::Edit;
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn a_new_folder_is_found_by_the_next_run_and_then_notifies_by_itself() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 1).await;
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 2);

    // Nobody notifies about a folder. Any other change brings it up.
    let club = scene.create_folder(&ada, None, "Chess club");
    scene.create(&ada, Some(&club), json!({ "givenName": "Judit" }));
    scene.edit(
        &ada,
        &scene.contacts_in(&ada, "Contacts")[0],
        json!({ "jobTitle": "Chancellor" }),
    );
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 3);

    scene.create(&ada, Some(&club), json!({ "givenName": "Hou" }));
    scene.seconds(2).await;
    scene.assert_equal(&ada).await;

    // Without any other change the poll finds it, three levels deep.
    let juniors = scene.create_folder(&ada, Some(&club), "Juniors");
    scene.create(&ada, Some(&juniors), json!({ "givenName": "Bodhana" }));
    scene.minutes(80).await;
    assert_eq!(
        scene.synced_folders(&ada).await,
        ["Chess club", "Contacts", "Juniors", "Suppliers"]
    );
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_folder_that_is_renamed_or_moved_costs_its_contacts_no_write() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 20, 4).await;
    let versions = scene.versions(&ada).await;
    let id = scene.folder_id(&ada, "Contacts/Suppliers");
    let parent = scene.folder_id(&ada, "Contacts/Board");
    scene.user_does(
        &ada,
        Edit::RenameFolder {
            id: id.clone(),
            name: "Vendors".to_owned(),
        },
    );
    scene.user_does(
        &ada,
        Edit::MoveFolder {
            id,
            parent: Some(parent),
        },
    );
    scene.minutes(80).await;
    let folders = scene.truth(&ada).folders;
    assert!(
        folders
            .values()
            .any(|folder| folder.path == "Contacts/Board/Vendors")
    );
    assert!(scene.synced_folders(&ada).await.contains(&"Vendors".to_owned()));
    assert_eq!(scene.versions(&ada).await, versions);
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 5);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_folder_is_deleted_and_its_contacts_are_buried_with_those_of_its_subfolders() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 24, 3).await;
    let doomed = scene.folder_id(&ada, "Contacts/Suppliers");
    let before = scene.truth(&ada).contacts.len();
    scene.user_does(&ada, Edit::DeleteFolder { id: doomed });
    let left = scene.truth(&ada).contacts.len();
    assert!(
        left < before && scene.truth(&ada).folders.len() == 1,
        "its subfolders went with it"
    );
    scene.minutes(80).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.metric("ContactsBuried"), (before - left) as u64);
    assert_eq!(scene.synced_folders(&ada).await, ["Contacts"]);
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 1);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_contact_that_moves_to_a_folder_nobody_knows_yet_is_not_buried() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    let club = scene.create_folder(&ada, None, "Chess club");
    scene.move_to(&ada, &id, Some(&club));
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    let record = scene.record(&ada, &id).await;
    assert_eq!((record.version, record.deleted_at), (2, None));
    assert_eq!(scene.metric("ContactsBuried"), 0);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn only_the_folders_that_were_asked_for_are_mirrored_and_contacts_cross_their_border() {
    let mut scene = Scene::new().await;
    let ada = scene.user("Ada", 30, 4);
    let ada = scene.enrol_only(&ada, &["Contacts", "contacts/suppliers"]).await;
    let in_scope = |path: &str| path == "Contacts" || path == "Contacts/Suppliers";
    scene.minutes(3).await;
    assert_eq!(scene.differences_in(&ada, in_scope).await, []);
    assert_eq!(scene.synced_folders(&ada).await, ["Contacts", "Suppliers"]);
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 2);

    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    let board = scene.folder_id(&ada, "Contacts/Board");
    scene.move_to(&ada, &id, Some(&board));
    scene.seconds(5).await;
    assert!(
        scene.record(&ada, &id).await.deleted_at.is_some(),
        "out of scope is out of the mirror"
    );
    scene.edit(&ada, &id, json!({ "jobTitle": "Chair" }));
    scene.seconds(5).await;
    assert_eq!(scene.differences_in(&ada, in_scope).await, []);

    scene.move_to(&ada, &id, None);
    scene.seconds(5).await;
    let record = scene.record(&ada, &id).await;
    assert_eq!(
        (record.deleted_at, &record.document["jobTitle"]),
        (None, &json!("Chair"))
    );
    scene.minutes(80).await;
    assert_eq!(scene.differences_in(&ada, in_scope).await, []);
    scene.assert_quiet();
}

#[tokio::test]
async fn a_folder_that_is_renamed_out_of_the_scope_leaves_nothing_in_the_mirror() {
    let mut scene = Scene::new().await;
    let ada = scene.user("Ada", 30, 3);
    let ada = scene.enrol_only(&ada, &["Contacts/Suppliers"]).await;
    scene.minutes(3).await;
    let suppliers = scene.folder_id(&ada, "Contacts/Suppliers");
    scene.create(&ada, Some(&suppliers), json!({ "givenName": "Grace" }));
    scene.seconds(5).await;
    assert_eq!(
        scene
            .differences_in(&ada, |path| path == "Contacts/Suppliers")
            .await,
        []
    );

    let renamed = Edit::RenameFolder {
        id: suppliers.clone(),
        name: "Former suppliers".to_owned(),
    };
    scene.user_does(&ada, renamed);
    scene.minutes(90).await;
    assert_eq!(
        scene.differences_in(&ada, |_| false).await,
        [],
        "nothing is left behind"
    );
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 0);

    let back = Edit::RenameFolder {
        id: suppliers,
        name: "Suppliers".to_owned(),
    };
    scene.user_does(&ada, back);
    scene.minutes(90).await;
    assert_eq!(
        scene
            .differences_in(&ada, |path| path == "Contacts/Suppliers")
            .await,
        []
    );
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 1);
    scene.assert_quiet();
}

#[tokio::test]
async fn an_empty_mailbox_hides_its_folder_and_still_its_first_contact_arrives_by_notification() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 0, 0).await;
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 1);
    scene.create(&ada, None, json!({ "givenName": "Grace" }));
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.truth(&ada).contacts.len(), 1);
    scene.create(&ada, None, json!({ "givenName": "Hedy" }));
    scene.seconds(2).await;
    scene.assert_equal(&ada).await;
    assert_eq!(
        scene.world().subscription_count(Some(&ada.key)),
        1,
        "it is the same subscription"
    );
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_under_the_workers_hands_takes_its_contacts_with_it() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    for moment in 0..16 {
        let club = scene.create_folder(&ada, None, "Chess club");
        let id = scene.create(&ada, Some(&club), json!({ "givenName": "Judit" }));
        scene.edit(
            &ada,
            &scene.contacts_in(&ada, "Contacts")[0],
            json!({ "jobTitle": format!("Title {moment}") }),
        );
        scene.stack.transport.deliver_due().await;
        let batch = scene.stack.work.poll().unwrap();
        let user = async {
            for _ in 0..moment {
                tokio::task::yield_now().await;
            }
            scene.user_does(&ada, Edit::DeleteFolder { id: club });
        };
        let (answer, ()) = tokio::join!(scene.stack.work_on(&batch), user);
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));
        scene.minutes(80).await;
        assert_eq!(scene.differences(&ada).await, [], "it vanished at step {moment}");
        assert_eq!(
            scene.world().subscription_count(Some(&ada.key)),
            1,
            "it vanished at step {moment}"
        );
        assert!(!scene.truth(&ada).contacts.contains_key(&id));
    }
    scene.assert_settled(&ada).await;
}
