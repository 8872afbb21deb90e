//! `DynamoDB` in this process: one database for each test, behind the real client.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use contact_store::{Store, Tables};
use sync_core::ids::MailboxId;

use crate::tables;

pub(crate) const CONTACTS: &str = "ContactsTable";
pub(crate) const STATE: &str = "StateTable";
pub(crate) const HISTORY: &str = "HistoryTable";
/// How long versions are kept here.
pub(crate) const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

pub(crate) struct Local {
    pub(crate) store: Store,
    /// For what nobody but a test does: writing odd items, looking at raw ones.
    pub(crate) client: Client,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Local {
    pub(crate) async fn start() -> Self {
        let database = dynoxide::Database::memory().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            // Dropping the sender ends the wait as sending does.
            dynoxide::server::serve_with_shutdown(listener, database, async { drop(stopped.await) }).await
        });
        tables::create(&client, CONTACTS).await;
        tables::create(&client, STATE).await;
        tables::create(&client, HISTORY).await;
        let names = Tables {
            contacts: CONTACTS.to_owned(),
            state: STATE.to_owned(),
        };
        Self {
            store: Store::new(client.clone(), names).keeping_history(HISTORY, KEPT_FOR),
            client,
            _stop: stop,
        }
    }

    /// Every item of a mailbox in a table, as it is stored, by its sort key.
    pub(crate) async fn raw(&self, table: &str, mailbox: &MailboxId) -> Vec<HashMap<String, AttributeValue>> {
        let query = self
            .client
            .query()
            .table_name(table)
            .key_condition_expression("mailbox_id = :mailbox");
        let query = query.expression_attribute_values(":mailbox", AttributeValue::S(mailbox.to_string()));
        query
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .unwrap()
    }

    /// Changes one attribute of every item of a mailbox in a table, behind the store's back.
    pub(crate) async fn tamper(&self, table: &str, mailbox: &MailboxId, name: &str, value: AttributeValue) {
        for mut item in self.raw(table, mailbox).await {
            item.insert(name.to_owned(), value.clone());
            self.client
                .put_item()
                .table_name(table)
                .set_item(Some(item))
                .send()
                .await
                .unwrap();
        }
    }
}

pub(crate) fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    Client::from_conf(config)
}
