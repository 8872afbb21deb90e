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
    Delete, DeleteRequest, KeysAndAttributes, Put, PutRequest, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, WriteRequest,
};

use crate::error::StoreError;
use crate::guard::{Guard, Outcome, Write, outcome_of};
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

    /// Deletes, whatever is stored: for erasure, and for what is remembered beside.
    pub(crate) async fn batch_delete(&self, table: Table, keys: Vec<Item>) -> Answer<()> {
        self.batch_write(table, Vec::new(), keys).await
    }

    /// Puts and deletes, whatever is stored, and no key twice.
    pub(crate) async fn batch_write(
        &self,
        table: Table,
        puts: Vec<Item>,
        deletions: Vec<Item>,
    ) -> Answer<()> {
        let puts = puts.into_iter().map(put_request);
        let requests: Vec<WriteRequest> = puts
            .chain(deletions.into_iter().map(delete_request))
            .collect::<Answer<_>>()?;
        for requests in requests.chunks(WRITE_BATCH) {
            let (mut requests, mut fruitless) = (requests.to_vec(), 0);
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
                // A transaction writes the item at this moment.
                Some(PutItemError::TransactionConflictException(_)) => Ok(Outcome::Refused(None)),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    /// Does all of these writes or none, and says of each whether its guard held.
    pub(crate) async fn transact<const N: usize>(
        &self,
        table: Table,
        writes: [Write; N],
    ) -> Answer<[Outcome; N]> {
        let outcomes = self.transact_all(table, writes.to_vec()).await?;
        outcomes
            .try_into()
            .map_err(|_| StoreError::Unavailable("a transaction said too little of its writes".into()))
    }

    /// The same for a number of writes that is not known beforehand, a hundred at most.
    pub(crate) async fn transact_all(&self, table: Table, writes: Vec<Write>) -> Answer<Vec<Outcome>> {
        let count = writes.len();
        let items = writes.into_iter().map(|write| self.transacted(table, write));
        let call = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items.collect::<Answer<_>>()?))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match call.send().await {
            Ok(answer) => {
                self.meter.write(answer.consumed_capacity());
                Ok(std::iter::repeat_with(|| Outcome::Done).take(count).collect())
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled.cancellation_reasons().len() == count =>
                {
                    self.meter.write(&[]);
                    cancelled.cancellation_reasons().iter().map(outcome_of).collect()
                }
                Some(_) | None => Err(error.into()),
            },
        }
    }

    fn transacted(&self, table: Table, write: Write) -> Answer<TransactWriteItem> {
        let on_refusal = ReturnValuesOnConditionCheckFailure::AllOld;
        let item = TransactWriteItem::builder();
        let item = match write {
            Write::Put(put, guard) => Put::builder()
                .table_name(self.table(table))
                .set_item(Some(put))
                .condition_expression(guard.expression())
                .set_expression_attribute_names(Some(guard.names()))
                .set_expression_attribute_values(guard.values())
                .return_values_on_condition_check_failure(on_refusal)
                .build()
                .map(|put| item.put(put)),
            Write::Delete(key, guard) => Delete::builder()
                .table_name(self.table(table))
                .set_key(Some(key))
                .condition_expression(guard.expression())
                .set_expression_attribute_names(Some(guard.names()))
                .set_expression_attribute_values(guard.values())
                .return_values_on_condition_check_failure(on_refusal)
                .build()
                .map(|delete| item.delete(delete)),
        };
        Ok(item
            .map_err(|error| StoreError::Unavailable(error.into()))?
            .build())
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
                Some(DeleteItemError::TransactionConflictException(_)) => Ok(Outcome::Refused(None)),
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
            Table::History => &self.history,
        }
    }
}

fn put_request(item: Item) -> Answer<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build();
    put.map(|put| WriteRequest::builder().put_request(put).build())
        .map_err(|error| StoreError::Unavailable(error.into()))
}

fn delete_request(key: Item) -> Answer<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build();
    delete
        .map(|delete| WriteRequest::builder().delete_request(delete).build())
        .map_err(|error| StoreError::Unavailable(error.into()))
}
