//! Why a request was not fulfilled, and how causes inside become answers outside.
//!
//! Knows the errors of the stores and the queues. What went wrong *inside* (a source, a chain of them) is for the log
//! alone: [`crate::edge`] takes it off the response and puts the request's id there instead.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use contact_store::StoreError;
use job_queue::QueueError;
use photo_store::PhotoError;

use crate::problem::{Kind, Problem};

/// Why a request was not fulfilled: the client's problem, or a cause on this side that the client doesn't see.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told as it is.
    Told(Box<Problem>),
    /// Told as the kind alone; the cause goes to the log.
    Inside(Kind, Arc<dyn std::error::Error + Send + Sync>),
}

/// The cause of a failure inside, carried by its response as an extension to the place where it is logged.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    pub(crate) error: Arc<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Inside(Kind::Internal, Arc::new(error))
    }

    /// As one of many answers in a response: what is inside is logged here, since the response has room for one cause.
    pub(crate) fn into_problem(self) -> Problem {
        match self {
            Self::Told(problem) => *problem,
            Self::Inside(kind, error) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "one of many was not written"
                );
                Problem::new(kind)
            }
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Told(Box::new(problem))
    }
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Self {
        Problem::new(kind).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InvalidCursor => Kind::InvalidCursor.into(),
            StoreError::ExpiredCursor => Kind::ExpiredCursor.into(),
            StoreError::Conflict { .. } | StoreError::Throttled | StoreError::Unavailable(_) => {
                Self::Inside(Kind::TryAgain, Arc::new(error))
            }
            // Only what the platform itself has written is never left out to make a contact fit.
            StoreError::TooLarge { .. } => Kind::ContactTooLarge.into(),
            StoreError::NewerSchema { .. } | StoreError::Corrupt { .. } | StoreError::Unwritable { .. } => {
                Self::Inside(Kind::Internal, Arc::new(error))
            }
        }
    }
}

impl From<QueueError> for Failure {
    /// What was written stays written; the repeated request sends the messages again.
    fn from(error: QueueError) -> Self {
        Self::Inside(Kind::TryAgain, Arc::new(error))
    }
}

impl From<PhotoError> for Failure {
    fn from(error: PhotoError) -> Self {
        Self::Inside(Kind::TryAgain, Arc::new(error))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Told(problem) => problem.into_response(),
            Self::Inside(kind, error) => {
                let mut response = Problem::new(kind).into_response();
                response.extensions_mut().insert(Cause { kind, error });
                response
            }
        }
    }
}
