//! A contact's document as a native map of `DynamoDB`, so that people can read it, and every JSON value comes back.
//!
//! What the map can't hold is kept as the text of its JSON in `{"$json": "..."}`: numbers that would come back changed
//! or out of range, nests deeper than `DynamoDB` takes, empty member names, and objects that look like this wrapping.
//! Knows JSON only; nothing of contacts.

use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// The only member of a wrapping.
pub(crate) const JSON: &str = "$json";

/// How deep a document nests as a native map. `DynamoDB` takes 32 levels, this one counted from the item.
const DEPTH: usize = 24;

/// Floats that are stored as they are. Integral ones would lose their point; very large and very small ones are not
/// readable at full length, and beyond 1E-130 and 9.9E+125 `DynamoDB` takes none.
const RANGE: std::ops::Range<f64> = 1e-20..1e20;

/// `DynamoDB` allows 64 KB for a name.
const LONGEST_NAME: usize = 65_535;

pub(crate) fn serialize<S: Serializer>(
    document: &Map<String, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    object(document, 0, serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    match unpack(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)? {
        Value::Object(document) => Ok(document),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(serde::de::Error::custom("a document that is no object"))
        }
    }
}

/// The same for a document that may be missing.
pub(crate) mod option {
    use serde::{Deserializer, Serializer};
    use serde_json::{Map, Value};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(crate) fn serialize<S: Serializer>(
        document: &Option<Map<String, Value>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match document {
            Some(document) => super::serialize(document, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Map<String, Value>>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

/// The same for one value that may be missing; `null` is a value.
pub(crate) mod value {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_json::Value;

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::Packed { value, depth: 4 }.serialize(serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        let value = super::unpack(Value::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Ok(Some(value))
    }
}

fn object<S: Serializer>(
    members: &Map<String, Value>,
    depth: usize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if depth >= DEPTH || !members.keys().all(|name| is_native_name(name)) {
        return wrapped(members, serializer);
    }
    let mut map = serializer.serialize_map(Some(members.len()))?;
    for (name, value) in members {
        map.serialize_entry(
            name,
            &Packed {
                value,
                depth: depth + 1,
            },
        )?;
    }
    map.end()
}

fn array<S: Serializer>(values: &[Value], depth: usize, serializer: S) -> Result<S::Ok, S::Error> {
    if depth >= DEPTH {
        return wrapped(values, serializer);
    }
    let mut list = serializer.serialize_seq(Some(values.len()))?;
    for value in values {
        list.serialize_element(&Packed {
            value,
            depth: depth + 1,
        })?;
    }
    list.end()
}

fn wrapped<S: Serializer>(value: &(impl Serialize + ?Sized), serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(JSON, &serde_json::to_string(value).map_err(S::Error::custom)?)?;
    map.end()
}

/// A value of a document at its depth, as it is stored.
struct Packed<'a> {
    value: &'a Value,
    depth: usize,
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(yes) => serializer.serialize_bool(*yes),
            Value::String(text) => serializer.serialize_str(text),
            Value::Number(number) if is_native(number) => number.serialize(serializer),
            Value::Number(number) => wrapped(number, serializer),
            Value::Array(values) => array(values, self.depth, serializer),
            Value::Object(members) => object(members, self.depth, serializer),
        }
    }
}

fn is_native(number: &Number) -> bool {
    let is_integer = number.is_i64() || number.is_u64();
    is_integer
        || number
            .as_f64()
            .is_some_and(|float| float.fract() != 0.0 && RANGE.contains(&float.abs()))
}

fn is_native_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && name != JSON
}

fn unpack(value: Value) -> Result<Value, serde_json::Error> {
    match value {
        Value::Object(object) => match object.get(JSON) {
            Some(Value::String(text)) => serde_json::from_str(text),
            Some(_) | None => object
                .into_iter()
                .map(|(name, value)| Ok((name, unpack(value)?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
        },
        Value::Array(values) => values
            .into_iter()
            .map(unpack)
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value),
    }
}
