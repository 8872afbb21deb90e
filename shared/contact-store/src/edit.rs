//! The stored form of what is pending: `sync-core`'s edit, which has none of its own.
//!
//! Names and spellings only; a round trip gives the same edit, with its times cut to milliseconds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Map, Value};
use sync_core::ids::FolderId;
use sync_core::record::{Edit, Failed, Hold, Urgency, Wish};
use sync_core::sighting::Document;

use crate::{document, stamp};

#[derive(Serialize, Deserialize)]
struct Stored {
    wish: Wish,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "document::option")]
    base: Option<Document>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_folder: Option<FolderId>,
    // A document of texts, since a member's name may be one that an attribute can't have.
    #[serde(default, skip_serializing_if = "Map::is_empty", with = "document")]
    members: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty", with = "document")]
    earlier: Map<String, Value>,
    #[serde(with = "stamp")]
    edited_at: Timestamp,
    count: u64,
    urgency: Urgency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<StoredFailed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
}

#[derive(Serialize, Deserialize)]
struct StoredFailed {
    times: u32,
    #[serde(with = "stamp")]
    at: Timestamp,
}

#[expect(clippy::ref_option, reason = "serde asks for this signature")]
pub(crate) fn serialize<S: Serializer>(edit: &Option<Edit>, serializer: S) -> Result<S::Ok, S::Error> {
    edit.as_ref().map(Stored::from).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Edit>, D::Error> {
    let stored = Option::<Stored>::deserialize(deserializer)?;
    stored
        .map(|stored| Edit::try_from(stored).map_err(D::Error::custom))
        .transpose()
}

impl From<&Edit> for Stored {
    fn from(edit: &Edit) -> Self {
        let members = edit.members.iter();
        let earlier = edit.earlier.iter();
        Self {
            wish: edit.wish,
            base: edit.base.clone(),
            base_folder: edit.base_folder.clone(),
            members: members
                .map(|(name, at)| (name.clone(), stamp::text(*at).into()))
                .collect(),
            earlier: earlier
                .map(|(name, values)| (name.clone(), values.clone().into()))
                .collect(),
            edited_at: edit.edited_at,
            count: edit.count,
            urgency: edit.urgency,
            failed: edit.failed.map(|Failed { times, at }| StoredFailed { times, at }),
            hold: edit.hold.clone(),
        }
    }
}

impl TryFrom<Stored> for Edit {
    type Error = jiff::Error;

    fn try_from(stored: Stored) -> Result<Self, jiff::Error> {
        let members = stored
            .members
            .into_iter()
            .map(|(name, at)| Ok((name, at.as_str().unwrap_or_default().parse()?)))
            .collect::<Result<BTreeMap<_, Timestamp>, jiff::Error>>()?;
        let earlier = stored.earlier.into_iter();
        Ok(Self {
            wish: stored.wish,
            base: stored.base,
            base_folder: stored.base_folder,
            members,
            earlier: earlier
                .map(|(name, values)| (name, values.as_array().cloned().unwrap_or_default()))
                .collect(),
            edited_at: stored.edited_at,
            count: stored.count,
            urgency: stored.urgency,
            failed: stored
                .failed
                .map(|StoredFailed { times, at }| Failed { times, at }),
            hold: stored.hold,
        })
    }
}
