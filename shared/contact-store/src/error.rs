//! What can go wrong, told apart by what a caller would do about it.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The store could not do it. Keys are named (they are hashes), contents never.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The item is not as the writer believed: somebody else wrote it, or it is gone. Read again and decide again.
    #[error("{key} is not as it was read")]
    Conflict {
        /// The item.
        key: String,
    },
    /// `DynamoDB` asks for less, and the retries are used up. Come back later.
    #[error("DynamoDB throttles")]
    Throttled,
    /// A newer version of this software has written the item. It was neither read nor overwritten.
    #[error("{key} has schema {schema}, newer than this software knows")]
    NewerSchema {
        /// The item.
        key: String,
        /// Its schema.
        schema: u64,
    },
    /// The item can't be read: a person has to look at it.
    #[error("{key} can't be read")]
    Corrupt {
        /// The item.
        key: String,
        /// Why.
        source: Source,
    },
    /// The item is larger than `DynamoDB` takes. Of a contact only where what the platform has written is too large by
    /// itself: what Outlook has as well is left out instead.
    #[error("{key} has {bytes} bytes, more than an item may have")]
    TooLarge {
        /// The item.
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// A page cursor is not one that this question was answered with.
    #[error("the page cursor does not belong to this question")]
    InvalidCursor,
    /// The cursor is so old that tombstones which it has not shown may be gone: begin without one.
    #[error("the cursor is older than tombstones are kept")]
    ExpiredCursor,
    /// A value can't be made an item: a fault of this software.
    #[error("{key} can't be written as an item")]
    Unwritable {
        /// The item.
        key: String,
        /// Why.
        source: Source,
    },
    /// `DynamoDB` could not be reached, or refused for another reason.
    #[error("DynamoDB failed")]
    Unavailable(#[source] Source),
}

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    /// By the error's code, never by its text. Failed conditions don't come here: their callers know the key.
    fn from(error: SdkError<E, R>) -> Self {
        match error.code() {
            Some(
                "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded",
            ) => Self::Throttled,
            Some(_) | None => Self::Unavailable(error.into()),
        }
    }
}
