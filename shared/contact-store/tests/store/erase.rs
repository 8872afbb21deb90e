//! AP50 to AP53: what the tables hold of one contact beside its own item.

use contact_store::{Companion, Expected};

use crate::conflicts::log;
use crate::local::{CONTACTS, Local, STATE};
use crate::{born_here, contact_id, mailbox_id};

#[tokio::test]
async fn ap50_erase_conflicts_erases_those_of_one_contact() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    log(&local.store, [(1, 0), (2, 1), (1, 2), (2, 3)]).await;
    assert_eq!(
        local
            .store
            .erase_conflicts(&ada, &contact_id("ada", 1))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        local
            .store
            .erase_conflicts(&ada, &contact_id("ada", 1))
            .await
            .unwrap(),
        0
    );
    let left = local.store.conflicts(&ada, None, None, 10).await.unwrap().items;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|it| it.contact == contact_id("ada", 2)));
}

#[tokio::test]
async fn ap51_and_ap53_aliases_of_a_contact_are_found_and_erased() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    for (external, aliases) in [("crm-1", [11, 12]), ("crm-2", [21, 22])] {
        let contact = born_here("ada", external);
        let aliases = aliases.map(|number| Companion::Alias(contact_id("ada", number)));
        local
            .store
            .put_contact_with(&contact, Expected::Absent, &aliases)
            .await
            .unwrap();
    }
    let one = born_here("ada", "crm-1").id;
    let mut expected = vec![contact_id("ada", 11), contact_id("ada", 12)];
    expected.sort();
    let found = local.store.aliases_of(&ada, &one).await.unwrap();
    assert_eq!(found, expected);
    local.store.erase_aliases(&ada, &found).await.unwrap();
    assert_eq!(local.store.aliases_of(&ada, &one).await.unwrap(), []);
    assert_eq!(local.raw(CONTACTS, &ada).await.len(), 4);
    let other = local.store.contact(&ada, &contact_id("ada", 21)).await.unwrap();
    assert_eq!(other.unwrap().id, born_here("ada", "crm-2").id);
}

#[tokio::test]
async fn ap52_erase_emails_erases_those_of_one_contact() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    let both = ["ada@example.com".to_owned(), "a@example.com".to_owned()];
    for number in [1, 2] {
        local
            .store
            .index_emails(&ada, &contact_id("ada", number), &[], &both)
            .await
            .unwrap();
    }
    assert_eq!(
        local
            .store
            .erase_emails(&ada, &contact_id("ada", 1))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        local
            .store
            .erase_emails(&ada, &contact_id("ada", 1))
            .await
            .unwrap(),
        0
    );
    assert_eq!(local.raw(STATE, &ada).await.len(), 2);
}
