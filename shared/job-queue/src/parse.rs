//! Jobs as the text of messages, and back.
//!
//! Knows the envelope: the job's own members and `v`, the version of the form. Must not know queues.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{LifecycleJob, WorkJob};

/// The version that is written. Raise it only with a change that the deployment before can't read; new optional
/// members are no such change.
const VERSION: u32 = 1;

/// Why a message is not a job. Whatever it is, the caller lets the message go to the dead-letter queue, where a
/// person or a later deployment can take it up.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A later deployment wrote it.
    #[error("the job is of version {version}; this code reads up to {VERSION}")]
    Newer {
        /// What the message says.
        version: u32,
    },
    /// Not JSON, an unknown job, or members that don't fit.
    #[error("the message is not a job")]
    Garbled(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Envelope<'a, J> {
    v: u32,
    #[serde(flatten)]
    job: &'a J,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    v: u32,
}

impl WorkJob {
    /// Reads a message of the work queue.
    pub fn parse(message: &str) -> Result<Self, JobError> {
        parse(message)
    }

    /// The text of the message.
    pub fn to_message(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Envelope {
            v: VERSION,
            job: self,
        })
    }
}

impl LifecycleJob {
    /// Reads a message of the lifecycle queue.
    pub fn parse(message: &str) -> Result<Self, JobError> {
        parse(message)
    }

    /// The text of the message.
    pub fn to_message(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Envelope {
            v: VERSION,
            job: self,
        })
    }
}

fn parse<J: DeserializeOwned>(message: &str) -> Result<J, JobError> {
    let Version { v: version } = serde_json::from_str(message).map_err(JobError::Garbled)?;
    if version > VERSION {
        return Err(JobError::Newer { version });
    }
    serde_json::from_str(message).map_err(JobError::Garbled)
}
