//! Page cursors: good for their own question, refused everywhere else.

use contact_store::{Expected, Store, StoreError};
use data_encoding::BASE64URL_NOPAD;
use sync_core::ids::{FolderId, MailboxId};

use crate::local::Local;
use crate::{at, contact, enrolled, mailbox_id};

/// A cursor of each question, asked of ada's mailbox.
async fn cursors(store: &Store, mailbox: &MailboxId) -> Vec<(&'static str, String)> {
    let inbox = FolderId::new("inbox");
    vec![
        ("mailboxes", store.mailboxes(None, 1).await.unwrap().next.unwrap()),
        (
            "contacts",
            store.contacts(mailbox, None, 1).await.unwrap().next.unwrap(),
        ),
        (
            "folder",
            store
                .contacts_in_folder(mailbox, &inbox, None, 1)
                .await
                .unwrap()
                .next
                .unwrap(),
        ),
        (
            "changes",
            store
                .contacts_changed_since(mailbox, at(0), None, 1)
                .await
                .unwrap()
                .next
                .unwrap(),
        ),
    ]
}

/// Which questions take a cursor.
async fn taken(store: &Store, mailbox: &MailboxId, folder: &str, cursor: &str) -> Vec<&'static str> {
    let (folder, after) = (FolderId::new(folder), Some(cursor));
    let answers = [
        ("mailboxes", store.mailboxes(after, 1).await.err()),
        ("contacts", store.contacts(mailbox, after, 1).await.err()),
        (
            "folder",
            store.contacts_in_folder(mailbox, &folder, after, 1).await.err(),
        ),
        (
            "changes",
            store.contacts_changed_since(mailbox, at(0), after, 1).await.err(),
        ),
        ("outlines", store.outlines(mailbox, &folder, after).await.err()),
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
    (local, mailbox_id("ada"), mailbox_id("bob"))
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_question_only() {
    let (local, ada, bob) = two_mailboxes().await;
    for (question, cursor) in cursors(&local.store, &ada).await {
        assert_eq!(taken(&local.store, &ada, "inbox", &cursor).await, [question]);
        let of_another: &[&str] = if question == "mailboxes" {
            &["mailboxes"]
        } else {
            &[]
        };
        assert_eq!(taken(&local.store, &bob, "inbox", &cursor).await, of_another);
        let of_another_folder: &[&str] = if question == "folder" { &[] } else { &[question] };
        assert_eq!(
            taken(&local.store, &ada, "archive", &cursor).await,
            of_another_folder
        );
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
            [""; 0],
            "{cursor}"
        );
    }
}
