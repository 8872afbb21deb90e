//! Times as attributes: UTC, RFC 3339, always with three digits of milliseconds.
//!
//! One width for all, so that the order of the texts is the order of the times: sort keys rely on it. What is finer
//! than a millisecond is cut off.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// `2026-11-23T06:41:00.000Z`.
pub(crate) fn text(time: Timestamp) -> String {
    format!("{time:.3}")
}

pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// The same for a time that may be missing. Goes with `#[serde(default, skip_serializing_if = "Option::is_none")]`.
pub(crate) mod option {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_texts_is_the_order_of_the_times() {
        let texts: Vec<_> = [0, 1, 999, 1_000, 1_800_000_000_000, 253_402_000_000_000]
            .map(|ms| text(Timestamp::from_millisecond(ms).unwrap()))
            .into();
        assert!(texts.is_sorted(), "{texts:?}");
        assert!(texts.iter().all(|text| text.len() == 24), "{texts:?}");
        assert_eq!(texts[1], "1970-01-01T00:00:00.001Z");
    }
}
