//! Contact folders.

use serde_json::json;

use crate::scene::{Scene, ids};

#[test]
fn the_default_folder_is_in_no_list_but_is_the_parent_of_the_top_ones() {
    let mut scene = Scene::new();
    let default = scene.world.default_folder_id(&scene.key).unwrap();
    let top = scene.post("/contactFolders", json!({ "displayName": "Suppliers" }));
    assert_eq!(
        (top.status, top.body["parentFolderId"].as_str()),
        (201, Some(default.as_str()))
    );
    let top = top.body["id"].as_str().unwrap().to_owned();
    let nested = scene.post(
        &format!("/contactFolders/{top}/childFolders"),
        json!({ "displayName": "Europe" }),
    );
    let nested = nested.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        ids(scene.get("/contactFolders").rows()),
        std::slice::from_ref(&top)
    );
    assert_eq!(
        ids(scene.get(&format!("/contactFolders/{top}/childFolders")).rows()),
        std::slice::from_ref(&nested)
    );
    assert_eq!(
        scene.get(&format!("/contactFolders/{default}")).body["displayName"],
        "Contacts"
    );
    let made = scene.post(
        &format!("/contactFolders/{nested}/contacts"),
        json!({ "givenName": "Ada" }),
    );
    assert_eq!(made.body["parentFolderId"], nested.as_str());
    let contacts = format!("/contactFolders/{top}/childFolders/{nested}/contacts");
    assert_eq!(scene.get(&contacts).rows().len(), 1);
}

#[test]
fn names_are_unique_below_one_parent_and_the_default_folder_stays() {
    let mut scene = Scene::new();
    let first = scene.post("/contactFolders", json!({ "displayName": "Suppliers" }));
    let clash = scene.post("/contactFolders", json!({ "displayName": "suppliers" }));
    assert_eq!((clash.status, clash.code()), (409, "ErrorFolderExists"));
    let path = format!("/contactFolders/{}", first.body["id"].as_str().unwrap());
    assert_eq!(
        scene.patch(&path, json!({ "displayName": "Vendors" })).body["displayName"],
        "Vendors"
    );
    let default = scene.world.default_folder_id(&scene.key).unwrap();
    assert_eq!(scene.delete(&format!("/contactFolders/{default}")).status, 400);
    assert_eq!(scene.delete(&path).status, 204);
    assert_eq!(scene.get(&path).code(), "ErrorItemNotFound");
}

#[test]
fn folder_delta_tells_new_renamed_and_deleted_folders_at_any_depth() {
    let mut scene = Scene::new();
    let (key, now) = (scene.key.clone(), scene.now);
    let top = scene
        .world
        .user_creates_folder(&key, None, "Suppliers", now)
        .unwrap();
    let (rows, link) = scene.round("/contactFolders/delta");
    assert_eq!(ids(&rows), std::slice::from_ref(&top));
    let nested = scene
        .world
        .user_creates_folder(&key, Some(&top), "Europe", now)
        .unwrap();
    scene
        .world
        .user_renames_folder(&key, &top, "Vendors", now)
        .unwrap();
    let (mut rows, link) = scene.round(&link);
    rows.sort_by_key(|row| row["displayName"].as_str().unwrap().to_owned());
    assert_eq!(
        (ids(&rows), &rows[1]["displayName"]),
        (vec![nested.clone(), top.clone()], &json!("Vendors"))
    );
    scene.world.user_deletes_folder(&key, &top, now).unwrap();
    let (rows, link) = scene.round(&link);
    assert_eq!(rows.len(), 2, "with the one below it");
    assert!(rows.iter().all(|row| row["@removed"]["reason"] == "deleted"));
    assert_eq!(scene.round(&link).0.len(), 0);
}

#[test]
fn a_deleted_folder_takes_its_contacts_along_and_its_delta_says_that_it_is_gone() {
    let mut scene = Scene::new();
    let folder = scene
        .world
        .user_creates_folder(&scene.key.clone(), None, "Suppliers", scene.now)
        .unwrap();
    let id = scene.create(Some(&folder), "Ada");
    let (_, link) = scene.round(&format!("/contactFolders/{folder}/contacts/delta"));
    scene
        .world
        .user_deletes_folder(&scene.key.clone(), &folder, scene.now)
        .unwrap();
    let gone = scene.get(&link);
    assert_eq!((gone.status, gone.code()), (404, "ErrorSyncFolderNotFound"));
    assert_eq!(scene.world.snapshot(&scene.key).unwrap().contacts.len(), 0);
    assert_eq!(
        scene.get(&format!("/contacts/{id}")).body["parentFolderId"],
        folder.as_str()
    );
}
