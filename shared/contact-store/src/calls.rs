//! The calls to `DynamoDB`: loops over pages, batches and what a batch left over, guarded writes, the meter.
//!
//! Knows items, keys and conditions; must not know records. Requests that fail are repeated by the SDK; here only
//! what an answer of 200 leaves undone.

use std::time::Duration;

use aws_sdk_dynamodb::config::AsyncSleep;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{
    DeleteRequest, KeysAndAttributes, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, WriteRequest,
};

use crate::error::StoreError;
use crate::guard::{Guard, Outcome, outcome_of};
use crate::items::{Item, Table};
use crate::{Answer, Store};

/// `DynamoDB`'s limit of keys in one `BatchGetItem`.
const GET_BATCH: usize = 100;

/// `DynamoDB`'s limit of requests in one `BatchWriteItem`.
const WRITE_BATCH: usize = 25;

/// Rows asked for at once at most; a page ends at 1 MB whatever is asked for.
const ROWS: usize = 1_000;

/// A batch that gets nowhere is tried this often in all, which takes 1.5 s.
const FRUITLESS_ATTEMPTS: u32 = 6;

/// The wait after the first fruitless attempt; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// What a query has found.
pub(crate) struct Rows {
    pub(crate) rows: Vec<Item>,
    /// True where there may be more behind the last row.
    pub(crate) more: bool,
}

impl Store {
    pub(crate) async fn get(&self, table: Table, key: Item) -> Answer<Option<Item>> {
        let get = self
            .client
            .get_item()
            .table_name(self.table(table))
            .set_key(Some(key))
            .consistent_read(true);
        let answer = get
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await?;
        self.meter.read(answer.consumed_capacity.as_slice());
        Ok(answer.item)
    }

    pub(crate) fn query(&self, table: Table) -> QueryFluentBuilder {
        self.client.query().table_name(self.table(table))
    }

    /// The first `limit` rows (at least one) behind `start`, over as many of `DynamoDB`'s pages as it takes.
    pub(crate) async fn rows(
        &self,
        query: QueryFluentBuilder,
        start: Option<Item>,
        limit: usize,
    ) -> Answer<Rows> {
        let (mut rows, mut start, limit) = (Vec::new(), start, limit.max(1));
        let mut step = limit.min(ROWS);
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(start)
                .limit(i32::try_from(step).unwrap_or(i32::MAX));
            let page = page
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await?;
            self.meter.read(page.consumed_capacity.as_slice());
            rows.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if rows.len() >= limit || start.is_none() {
                let more = rows.len() > limit || start.is_some();
                rows.truncate(limit);
                return Ok(Rows { rows, more });
            }
            // The page was cut at 1 MB, or a filter took rows out: where few are left of many, larger steps.
            step = (step * 2).min(ROWS);
        }
    }

    /// The items of these keys, each once, in no order. Consistent.
    pub(crate) async fn batch_get(&self, table: Table, keys: Vec<Item>) -> Answer<Vec<Item>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GET_BATCH) {
            let (mut keys, mut fruitless) = (keys.to_vec(), 0);
            while !keys.is_empty() {
                let asked = keys.len();
                let ask = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .build();
                let ask = ask.map_err(|error| StoreError::Unavailable(error.into()))?;
                let get = self.client.batch_get_item().request_items(self.table(table), ask);
                let answer = get
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await?;
                self.meter.read(answer.consumed_capacity());
                found.extend(
                    answer
                        .responses
                        .into_iter()
                        .flatten()
                        .flat_map(|(_, items)| items),
                );
                let left = answer
                    .unprocessed_keys
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, left)| left.keys);
                keys = left.collect();
                self.pause_if_fruitless(keys.len() == asked, &mut fruitless)
                    .await?;
            }
        }
        Ok(found)
    }

    /// Deletes, whatever is stored: for erasure only.
    pub(crate) async fn batch_delete(&self, table: Table, keys: Vec<Item>) -> Answer<()> {
        for keys in keys.chunks(WRITE_BATCH) {
            let (mut requests, mut fruitless) = (deletions(keys)?, 0);
            while !requests.is_empty() {
                let asked = requests.len();
                let write = self
                    .client
                    .batch_write_item()
                    .request_items(self.table(table), requests);
                let answer = write
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await?;
                self.meter.write(answer.consumed_capacity());
                requests = answer
                    .unprocessed_items
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, left)| left)
                    .collect();
                self.pause_if_fruitless(requests.len() == asked, &mut fruitless)
                    .await?;
            }
        }
        Ok(())
    }

    /// A batch that got somewhere goes on at once: 16 MB of answer were full. One that got nowhere is throttled.
    async fn pause_if_fruitless(&self, fruitless: bool, count: &mut u32) -> Answer<()> {
        if !fruitless {
            return Ok(());
        }
        *count += 1;
        if *count >= FRUITLESS_ATTEMPTS {
            return Err(StoreError::Throttled);
        }
        // The client's own sleep, with which it waits between its retries.
        if let Some(sleep) = self.client.config().sleep_impl() {
            sleep.sleep(FIRST_WAIT * 2_u32.pow(*count - 1)).await;
        }
        Ok(())
    }

    /// The SDK repeats a write whose answer was lost, and then the writer's own write may refuse the repetition. A
    /// refusal therefore says only that the item has to be read again.
    pub(crate) async fn put(&self, table: Table, item: Item, guard: Guard) -> Answer<Outcome> {
        let put = self
            .client
            .put_item()
            .table_name(self.table(table))
            .set_item(Some(item))
            .condition_expression(guard.expression())
            .set_expression_attribute_names(Some(guard.names()))
            .set_expression_attribute_values(guard.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match put.send().await {
            Ok(answer) => {
                self.meter.write(answer.consumed_capacity.as_slice());
                Ok(Outcome::Done)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refusal)) => Ok(self.refused(refusal)),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    /// Puts both items or none, and says of each whether its guard held.
    pub(crate) async fn put_both(&self, table: Table, puts: [(Item, Guard); 2]) -> Answer<[Outcome; 2]> {
        let mut call = self
            .client
            .transact_write_items()
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        for (item, guard) in puts {
            let put = Put::builder()
                .table_name(self.table(table))
                .set_item(Some(item))
                .condition_expression(guard.expression())
                .set_expression_attribute_names(Some(guard.names()))
                .set_expression_attribute_values(guard.values())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .build()
                .map_err(|error| StoreError::Unavailable(error.into()))?;
            call = call.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match call.send().await {
            Ok(answer) => {
                self.meter.write(answer.consumed_capacity());
                Ok([Outcome::Done, Outcome::Done])
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    self.meter.write(&[]);
                    let [first, second] = cancelled.cancellation_reasons() else {
                        return Err(error.into());
                    };
                    Ok([outcome_of(first)?, outcome_of(second)?])
                }
                Some(_) | None => Err(error.into()),
            },
        }
    }

    pub(crate) async fn delete(&self, table: Table, key: Item, guard: Guard) -> Answer<Outcome> {
        let delete = self
            .client
            .delete_item()
            .table_name(self.table(table))
            .set_key(Some(key))
            .condition_expression(guard.expression())
            .set_expression_attribute_names(Some(guard.names()))
            .set_expression_attribute_values(guard.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match delete.send().await {
            Ok(answer) => {
                self.meter.write(answer.consumed_capacity.as_slice());
                Ok(Outcome::Done)
            }
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(refusal)) => Ok(self.refused(refusal)),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    fn refused(&self, refusal: &ConditionalCheckFailedException) -> Outcome {
        self.meter.write(&[]);
        Outcome::Refused(refusal.item().cloned())
    }

    fn table(&self, table: Table) -> &str {
        match table {
            Table::Contacts => &self.tables.contacts,
            Table::State => &self.tables.state,
        }
    }
}

fn deletions(keys: &[Item]) -> Answer<Vec<WriteRequest>> {
    let deletion = |key: &Item| {
        let delete = DeleteRequest::builder().set_key(Some(key.clone())).build();
        delete
            .map(|delete| WriteRequest::builder().delete_request(delete).build())
            .map_err(|error| StoreError::Unavailable(error.into()))
    };
    keys.iter().map(deletion).collect()
}
