//! Shards of an index that nothing was ever written into: what they hold is known without a look.
//!
//! A tick of a schedule asks for all shards of the index of due times, and where there are two mailboxes all but two of
//! them are empty. Knows the names of these attributes and the SDK's JSON as bytes. A query that it doesn't recognise it leaves to the database.

use std::collections::BTreeSet;

/// Before a value of an index's partition key in an item that is written: `due_shard`, `roster_shard`.
const WRITTEN: &[u8] = br#"_shard":{"S":""#;
/// Before the one that a query asks for.
const ASKED: &[u8] = br#"":shard":{"S":""#;
/// What a query of an empty partition is answered.
const EMPTY: &str = r#"{"Count":0,"Items":[],"ScannedCount":0}"#;

/// The partitions that something was written into.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeSet<Vec<u8>>);

impl Touched {
    /// An item may be written.
    pub(super) fn write(&mut self, body: &[u8]) {
        let mut rest = body;
        while let Some((value, behind)) = value_behind(rest, WRITTEN) {
            if !self.0.contains(value) {
                self.0.insert(value.to_vec());
            }
            rest = behind;
        }
    }

    /// The answer to a query of a partition that is certainly empty.
    pub(super) fn answer(&self, body: &[u8]) -> Option<&'static str> {
        let (shard, _) = value_behind(body, ASKED)?;
        (!self.0.contains(shard)).then_some(EMPTY)
    }
}

/// The text behind a mark, to its quotation mark, and what follows it.
fn value_behind<'b>(body: &'b [u8], mark: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = body.windows(mark.len()).position(|window| window == mark)?;
    let behind = &body[at + mark.len()..];
    let end = behind.iter().position(|byte| *byte == b'"')?;
    Some(behind.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_partition_that_nothing_was_written_into_is_answered_for() {
        let mut touched = Touched::default();
        touched
            .write(br#"{"Item":{"due_shard":{"S":"poll#07"}},"Next":{"roster_shard":{"S":"mailbox#01"}}}"#);
        let query =
            |shard: &str| format!(r#"{{"ExpressionAttributeValues":{{":shard":{{"S":"{shard}"}}}}}}"#);
        for shard in ["poll#07", "mailbox#01"] {
            assert_eq!(touched.answer(query(shard).as_bytes()), None, "{shard}");
        }
        assert_eq!(touched.answer(query("poll#08").as_bytes()), Some(EMPTY));
        assert_eq!(touched.answer(br#"{"TableName":"ContactsTable"}"#), None);
    }
}
