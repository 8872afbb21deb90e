//! A contact folder (facts 3).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::DecodeError;
use crate::page::Row;

/// A contact folder. Its id stays the same for its life, with or without immutable ids.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactFolder {
    /// The id.
    pub id: String,
    /// The name; may be missing in a delta row where it has not changed.
    pub display_name: Option<String>,
    /// The folder it is in; for a top folder that is the default folder, which is never listed itself.
    pub parent_folder_id: Option<String>,
}

impl Row for ContactFolder {
    fn read(row: Map<String, Value>) -> Result<Self, DecodeError> {
        let folder: Self = serde_path_to_error::deserialize(Value::Object(row)).map_err(DecodeError::from)?;
        if folder.id.is_empty() {
            Err(DecodeError::new("id", "a missing member"))
        } else {
            Ok(folder)
        }
    }
}
