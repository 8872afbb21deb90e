//! Page cursors: good for their own question, refused everywhere else.

use std::collections::BTreeSet;

use contact_store::{Expected, Page, Store, StoreError};
use data_encoding::BASE64URL_NOPAD;
use sync_core::ids::{FolderId, MailboxId};

use crate::conflicts::log;
use crate::local::Local;
use crate::pending::held;
use crate::plans::page;
use crate::{at, contact, contact_id, edited, enrolled, mailbox_id};

/// A cursor of each question, asked of ada's mailbox.
async fn cursors(store: &Store, mailbox: &MailboxId) -> Vec<(&'static str, String)> {
    let (inbox, one) = (FolderId::new("inbox"), contact_id("ada", 1));
    let feed = store.changes(mailbox, None, at(1000), 1).await.unwrap();
    let young = store.changes(mailbox, None, at(0), 1).await.unwrap();
    vec![
        ("mailboxes", store.mailboxes(None, 1).await.unwrap().next.unwrap()),
        ("contacts", next(store.contacts(mailbox, None, 1).await)),
        (
            "folder",
            next(store.contacts_in_folder(mailbox, &inbox, None, 1).await),
        ),
        (
            "changes since",
            next(store.contacts_changed_since(mailbox, at(0), None, 1).await),
        ),
        ("feed", feed.cursor),
        ("feed", young.cursor),
        ("pending", next(store.pending(mailbox, None, 1).await)),
        ("held", next(store.held(mailbox, None, 1).await)),
        ("conflicts", next(store.conflicts(mailbox, None, None, 1).await)),
        (
            "conflicts of one",
            next(store.conflicts(mailbox, Some(&one), None, 1).await),
        ),
        ("plan", next(store.plan_pages(mailbox, None, 1).await)),
    ]
}

fn next<T>(page: Result<Page<T>, StoreError>) -> String {
    page.unwrap().next.unwrap()
}

/// Which questions take a cursor.
async fn taken(store: &Store, mailbox: &MailboxId, folder: &str, cursor: &str) -> BTreeSet<&'static str> {
    let (folder, one, after) = (FolderId::new(folder), contact_id("ada", 1), Some(cursor));
    let since = store.contacts_changed_since(mailbox, at(0), after, 1).await;
    let answers = [
        ("mailboxes", store.mailboxes(after, 1).await.err()),
        ("contacts", store.contacts(mailbox, after, 1).await.err()),
        (
            "folder",
            store.contacts_in_folder(mailbox, &folder, after, 1).await.err(),
        ),
        ("changes since", since.err()),
        ("outlines", store.outlines(mailbox, &folder, after).await.err()),
        ("feed", store.changes(mailbox, after, at(9), 1).await.err()),
        ("pending", store.pending(mailbox, after, 1).await.err()),
        ("held", store.held(mailbox, after, 1).await.err()),
        ("conflicts", store.conflicts(mailbox, None, after, 1).await.err()),
        (
            "conflicts of one",
            store.conflicts(mailbox, Some(&one), after, 1).await.err(),
        ),
        ("plan", store.plan_pages(mailbox, after, 1).await.err()),
    ];
    let refused = |error: &Option<StoreError>| matches!(error, Some(StoreError::InvalidCursor));
    answers
        .into_iter()
        .filter(|(_, error)| !refused(error))
        .map(|(question, _)| question)
        .collect()
}

async fn two_mailboxes() -> (Local, MailboxId, MailboxId) {
    let local = Local::start().await;
    for user in ["ada", "bob"] {
        enrolled(&local.store, user).await;
        for number in 0..3 {
            local
                .store
                .put_contact(&contact(user, number), Expected::Absent)
                .await
                .unwrap();
        }
    }
    let store = &local.store;
    for number in 10..12 {
        store.save_plan_page(&page(number)).await.unwrap();
        let number = usize::try_from(number).unwrap();
        let (pending, held) = (edited(contact("ada", number), at(0)), held(number + 10, at(0)));
        store.put_contact(&pending, Expected::Absent).await.unwrap();
        store.put_contact(&held, Expected::Absent).await.unwrap();
    }
    log(store, [(1, 10), (1, 20)]).await;
    (local, mailbox_id("ada"), mailbox_id("bob"))
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_question_only() {
    let (local, ada, bob) = two_mailboxes().await;
    for (question, cursor) in cursors(&local.store, &ada).await {
        let itself = BTreeSet::from([question]);
        assert_eq!(taken(&local.store, &ada, "inbox", &cursor).await, itself);
        let of_another = taken(&local.store, &bob, "inbox", &cursor).await;
        assert_eq!(of_another.contains(question), question == "mailboxes");
        let of_another_folder = taken(&local.store, &ada, "archive", &cursor).await;
        assert_eq!(of_another_folder.contains(question), question != "folder");
    }
}

#[tokio::test]
async fn anything_else_is_refused() {
    let (local, ada, _) = two_mailboxes().await;
    let mut garbage: Vec<String> = ["", "x", "====", "1/contacts", "%00", "é"]
        .map(str::to_owned)
        .into_iter()
        .collect();
    for (_, cursor) in cursors(&local.store, &ada).await {
        let text = String::from_utf8(BASE64URL_NOPAD.decode(cursor.as_bytes()).unwrap()).unwrap();
        let cut = &text[..text.len() - 1];
        let recased = text.to_uppercase();
        for forged in [
            format!("{text}x"),
            cut.to_owned(),
            text.replacen('1', "2", 1),
            recased,
            format!(" {text}"),
        ] {
            garbage.push(BASE64URL_NOPAD.encode(forged.as_bytes()));
        }
        garbage.push(format!("{cursor}="));
        garbage.push(cursor[1..].to_owned());
    }
    for cursor in garbage {
        assert_eq!(
            taken(&local.store, &ada, "inbox", &cursor).await,
            BTreeSet::new(),
            "{cursor}"
        );
    }
}
