//! The delete guard: the disasters of other sync tools, each with not one delete; and what a person makes of them.

use graph_sim::faults::{Fault, Rule};
use graph_sim::{DeadToken, Edit, Operation};
use serde_json::{Value, json};

use crate::refused::refusal;
use crate::scene::{Person, Scene};

impl Scene {
    /// How many contacts live in the mirror.
    async fn living(&self, person: &Person) -> usize {
        let mirror = self.mirror(person).await.into_values();
        mirror.filter(|contact| contact.deleted_at.is_none()).count()
    }

    fn in_outlook_now(&self, person: &Person) -> usize {
        self.truth(person).contacts.len()
    }

    async fn say_of_deletes(&self, person: &Person, decision: &str) -> Value {
        let path = format!("/v1/mailboxes/{}/guarded-deletes/{decision}", person.id);
        let (status, answer) = self.call("POST", &path, None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Not one contact is deleted on either side, all that would be are held, and it is told.
    async fn assert_held(&mut self, person: &Person, held: usize) {
        assert_eq!(self.metric("ContactsBuried"), 0);
        assert_eq!(self.metric("ContactsDeletedInOutlook"), 0);
        let state = self.state(person).await;
        assert_eq!(state["pending"]["held"], held, "{state}");
        assert_eq!(state["lastError"]["code"], "deletes-held", "{state}");
        assert_eq!(self.metric("DeletesHeld"), held as u64);
        let listed = self.waiting(person, "guarded").await;
        assert_eq!(listed.len(), held.min(100), "a page of them");
        // No further look, not even a comparison, does anything more about them.
        self.hours(26).await;
        assert_eq!(self.metric("ContactsBuried"), 0);
        assert_eq!(self.metric("ContactsDeletedInOutlook"), 0);
        assert_eq!(self.metric("DeletesHeld"), held as u64);
    }

    fn delete_all(&self, person: &Person) -> Vec<String> {
        let ids: Vec<_> = self.truth(person).contacts.into_keys().collect();
        for id in &ids {
            self.delete(person, id);
        }
        ids
    }

    /// Every contact of the mirror is in Outlook, just so.
    async fn assert_agreed(&mut self, person: &Person) {
        self.assert_equal(person).await;
        let state = self.state(person).await;
        let pending = json!({ "now": 0, "deletes": 0, "backfill": 0, "cleanup": 0, "held": 0 });
        assert_eq!(state["pending"], pending);
        self.assert_quiet();
    }
}

#[tokio::test]
async fn an_emptied_mailbox_empties_nothing_before_somebody_says_so() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 300, 2).await;
    scene.delete_all(&ada);
    scene.minutes(5).await;
    assert_eq!(scene.living(&ada).await, 300);
    scene.assert_held(&ada, 300).await;

    let answer = scene.say_of_deletes(&ada, "release").await;
    assert_eq!(answer, json!({ "contacts": 300, "left": 0, "more": false }));
    scene.minutes(5).await;
    assert_eq!(scene.living(&ada).await, 0);
    scene.assert_agreed(&ada).await;
    let answer = scene.say_of_deletes(&ada, "release").await;
    assert_eq!(answer, json!({ "contacts": 0, "left": 0, "more": false }));
}

#[tokio::test]
async fn what_was_not_meant_comes_back_with_its_id() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 2).await;
    let before = scene.records(&ada).await;
    scene.delete_all(&ada);
    scene.minutes(5).await;
    scene.assert_held(&ada, 60).await;
    // Somebody goes on with one of them meanwhile: that one is wanted, it seems.
    let one = before.keys().next().unwrap();
    scene
        .patch(&ada, one, json!({ "contact": { "jobTitle": "Countess" } }))
        .await;
    scene.minutes(2).await;
    assert_eq!(scene.in_outlook_now(&ada), 1);

    let answer = scene.say_of_deletes(&ada, "refuse").await;
    assert_eq!(answer, json!({ "contacts": 59, "left": 0, "more": false }));
    scene.minutes(5).await;
    assert_eq!(scene.in_outlook_now(&ada), 60);
    let after = scene.records(&ada).await;
    assert!(before.keys().eq(after.keys()));
    for (id, contact) in &after {
        let title = |contact: &contact_store::Contact| contact.document["displayName"].clone();
        assert_eq!(title(contact), title(&before[id]));
        assert_eq!(contact.folder, before[id].folder);
    }
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn what_is_restored_in_outlook_settles_by_itself() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 0).await;
    let before = scene.records(&ada).await;
    let ids = scene.delete_all(&ada);
    scene.minutes(5).await;
    scene.assert_held(&ada, 60).await;
    for id in &ids {
        scene.move_to(&ada, id, None);
    }
    scene.minutes(5).await;
    let after = scene.records(&ada).await;
    assert!(before.keys().eq(after.keys()));
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn deletes_one_after_the_other_count_together() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 0).await;
    for id in scene.contacts_in(&ada, "Contacts").into_iter().take(40) {
        scene.delete(&ada, &id);
        scene.minutes(1).await;
    }
    scene.minutes(2).await;
    assert_eq!(
        (scene.living(&ada).await, scene.metric("ContactsBuried")),
        (35, 25)
    );
    assert_eq!(scene.waiting(&ada, "guarded").await.len(), 15);
    // As long as nobody has decided, every further one waits, whenever it comes.
    scene.hours(2).await;
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.delete(&ada, &id);
    scene.minutes(2).await;
    assert_eq!(
        (scene.living(&ada).await, scene.metric("ContactsBuried")),
        (35, 25)
    );
    scene.say_of_deletes(&ada, "release").await;
    scene.minutes(2).await;
    assert_eq!(scene.living(&ada).await, 19);
    // Then a single delete is a single delete again.
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.delete(&ada, &id);
    scene.minutes(2).await;
    assert_eq!(
        (scene.living(&ada).await, scene.metric("ContactsBuried")),
        (18, 26)
    );
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn a_folder_that_is_deleted_by_mistake_comes_back_in_the_default_folder() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 300, 2).await;
    let folder = scene.folder_id(&ada, "Contacts/Suppliers");
    scene.user_does(&ada, Edit::DeleteFolder { id: folder });
    // With the folders in it.
    let lost = 300 - scene.in_outlook_now(&ada);
    assert!(lost > 30, "{lost} contacts are too few for this story");
    scene.minutes(90).await;
    scene.assert_held(&ada, lost).await;
    let answer = scene.say_of_deletes(&ada, "refuse").await;
    assert_eq!(answer["contacts"], lost);
    scene.minutes(5).await;
    assert_eq!(scene.in_outlook_now(&ada), 300);
    assert_eq!(scene.contacts_in(&ada, "Contacts").len(), 300);
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn a_folder_that_is_renamed_out_of_the_filter_takes_nobody_with_it() {
    let mut scene = Scene::new().await;
    let key = scene.user("Ada", 300, 2);
    let ada = scene.enrol_only(&key, &["Contacts/Suppliers"]).await;
    scene.minutes(3).await;
    let synced = scene.living(&ada).await;
    assert!(synced > 25, "{synced} contacts are too few for this story");
    let id = scene.folder_id(&ada, "Contacts/Suppliers");
    let rename = |name: &str| Edit::RenameFolder {
        id: id.clone(),
        name: name.to_owned(),
    };
    scene.user_does(&ada, rename("Vendors"));
    scene.minutes(90).await;
    scene.assert_held(&ada, synced).await;
    // They are in Outlook: created anew they would be there twice.
    let answer = scene.say_of_deletes(&ada, "refuse").await;
    assert_eq!(answer, json!({ "contacts": 0, "left": synced, "more": false }));
    scene.user_does(&ada, rename("Suppliers"));
    scene.minutes(90).await;
    assert_eq!(scene.living(&ada).await, synced);
    assert_eq!(scene.state(&ada).await["pending"]["held"], 0);
    assert_eq!(scene.in_outlook_now(&ada), 300);
    scene.assert_quiet();
}

#[tokio::test]
async fn a_permission_that_shows_an_empty_mailbox_deletes_nobody() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 80, 2).await;
    // The links are dead as well: full rounds.
    let dead = Fault::DeadToken {
        form: DeadToken::ResyncRequired,
    };
    let dead = Rule::new(dead).on(Operation::ContactDelta).times(3);
    scene.world().add_fault(dead);
    for operation in [Operation::ListContacts, Operation::ContactDelta] {
        scene.world().add_fault(Rule::new(Fault::Emptied).on(operation));
    }
    let rule = Rule::new(refusal("ErrorItemNotFound", 404)).on(Operation::GetContact);
    scene.world().add_fault(rule);
    // Nor is anybody created anew whom the platform edits meanwhile.
    let id = scene.records(&ada).await.into_keys().next().unwrap();
    scene
        .patch(&ada, &id, json!({ "contact": { "jobTitle": "Countess" } }))
        .await;
    scene.hours(26).await;
    scene.assert_held(&ada, 80).await;

    scene.world().clear_faults();
    scene.hours(26).await;
    assert_eq!(scene.living(&ada).await, 80);
    assert_eq!(scene.in_outlook_now(&ada), 80, "nobody is there twice");
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn a_lost_state_database_deletes_nobody() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 80, 2).await;
    let before = scene.records(&ada).await;
    scene.stack.store.erase_state(&ada.id).await.unwrap();
    let ada = scene.enrol(&ada.key).await;
    scene.hours(26).await;
    assert_eq!(
        scene.metric("ContactsBuried") + scene.metric("ContactsDeletedInOutlook"),
        0
    );
    let after = scene.records(&ada).await;
    assert!(before.keys().eq(after.keys()));
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn a_program_that_deletes_everything_here_deletes_nothing_in_outlook() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 2).await;
    let before = scene.records(&ada).await;
    for id in before.keys() {
        scene.erase(&ada, id).await;
    }
    scene.minutes(5).await;
    assert_eq!((scene.in_outlook_now(&ada), scene.living(&ada).await), (60, 0));
    scene.assert_held(&ada, 60).await;
    // One of them was meant all the same, and one was not.
    let mut ids = before.keys();
    let path = format!(
        "/v1/mailboxes/{}/contacts/{}/discard",
        ada.id,
        ids.next().unwrap()
    );
    let (status, answer) = scene.call("POST", &path, None).await;
    assert_eq!(status, 200, "{answer}");
    let answer = scene.say_of_deletes(&ada, "release").await;
    assert_eq!(answer["contacts"], 59);
    scene.minutes(5).await;
    assert_eq!((scene.in_outlook_now(&ada), scene.living(&ada).await), (1, 1));
    // A release is no licence: the next program is held as well, and a single delete is not.
    let id = scene
        .make(&ada, json!({ "contact": { "givenName": "Hopper" } }))
        .await;
    scene.minutes(2).await;
    scene.erase(&ada, &id).await;
    scene.minutes(2).await;
    assert_eq!(scene.in_outlook_now(&ada), 1);
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn deletes_that_are_refused_are_undone_here() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 60, 2).await;
    let before = scene.records(&ada).await;
    // They wait: the mailbox is paused meanwhile.
    scene.ask(&ada, "pause").await;
    for id in before.keys() {
        scene.erase(&ada, id).await;
    }
    scene.minutes(2).await;
    scene.ask(&ada, "resume").await;
    scene.minutes(5).await;
    scene.assert_held(&ada, 60).await;
    let answer = scene.say_of_deletes(&ada, "refuse").await;
    assert_eq!(answer, json!({ "contacts": 60, "left": 0, "more": false }));
    scene.minutes(2).await;
    assert_eq!((scene.in_outlook_now(&ada), scene.living(&ada).await), (60, 60));
    scene.assert_agreed(&ada).await;
}

#[tokio::test]
async fn moving_many_contacts_deletes_nobody_and_holds_nobody() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 300, 2).await;
    let folder = scene.folder_id(&ada, "Contacts/Suppliers");
    for id in scene.contacts_in(&ada, "Contacts") {
        scene.move_to(&ada, &id, Some(&folder));
    }
    scene.minutes(90).await;
    assert_eq!(scene.living(&ada).await, 300);
    assert_eq!(
        (scene.metric("ContactsBuried"), scene.metric("DeletesHeld")),
        (0, 0)
    );
    scene.assert_settled(&ada).await;
}
