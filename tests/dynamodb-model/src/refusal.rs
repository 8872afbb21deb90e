//! What the service says instead of an answer. Knows its forms on the wire.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::Item;

/// What a condition has said of a write.
#[derive(Debug)]
pub enum Verdict {
    /// It holds, or there is none.
    Holds,
    /// It doesn't. With the item that is stored, where it was asked for.
    Fails(Option<Arc<Item>>),
}

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A condition does not hold; the item that is stored, where it was asked for.
    #[error("The conditional request failed")]
    Condition(Option<Arc<Item>>),
    /// A transaction, and what the condition of each of its writes has said.
    #[error("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes(.0))]
    Transaction(Vec<Verdict>),
    /// A token of a transaction comes again with another one.
    #[error("the token is another transaction's")]
    Token,
    /// There is no such table.
    #[error("Cannot do operations on a non-existent table")]
    NoTable,
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The service may well know it; the model does not.
    #[error("{0} is not modelled")]
    NotModelled(String),
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotModelled(_) => 501,
            Self::Condition(_) | Self::Transaction(_) | Self::Token | Self::NoTable | Self::Invalid(_) => 400,
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let kind = match self {
            Self::Condition(_) => "ConditionalCheckFailedException",
            Self::Transaction(_) => "TransactionCanceledException",
            Self::Token => "IdempotentParameterMismatchException",
            Self::NoTable => "ResourceNotFoundException",
            Self::Invalid(_) | Self::NotModelled(_) => "ValidationException",
        };
        let prefix = if matches!(self, Self::Invalid(_) | Self::NotModelled(_)) {
            "com.amazon.coral.validate"
        } else {
            "com.amazonaws.dynamodb.v20120810"
        };
        // Two members are spelled as nowhere else.
        let message = if matches!(self, Self::Transaction(_)) {
            "Message"
        } else {
            "message"
        };
        let mut body = json!({ "__type": format!("{prefix}#{kind}"), message: self.to_string() });
        match self {
            Self::Condition(Some(item)) => body["Item"] = Value::Object((**item).clone()),
            Self::Transaction(reasons) => body["CancellationReasons"] = reasons.iter().map(reason).collect(),
            Self::Condition(None) | Self::Token | Self::NoTable | Self::Invalid(_) | Self::NotModelled(_) => {
            }
        }
        body
    }
}

fn reason(verdict: &Verdict) -> Value {
    let mut reason = json!({ "Code": code(verdict) });
    if let Verdict::Fails(stored) = verdict {
        reason["Message"] = "The conditional request failed".into();
        if let Some(stored) = stored {
            reason["Item"] = Value::Object((**stored).clone());
        }
    }
    reason
}

fn code(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "None",
        Verdict::Fails(_) => "ConditionalCheckFailed",
    }
}

fn codes(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(code).collect::<Vec<_>>().join(", ")
}
