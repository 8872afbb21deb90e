//! The stamp: whose creation a contact is, in an extended property that lists can be filtered by (facts 1.3).
//!
//! Knows the property and how it is written, asked for and read. Must not know what the stamps are.

use serde_json::{Map, Value, json};

use crate::endpoints::encode;

/// The one extended property of this client. It must never change: contacts that were created before are found by it.
/// One fixed name for all contacts, since a mailbox can hold only so many names; the GUID keeps the name apart from
/// those of others. Names are matched case-sensitively, and GUIDs are written in lower case.
pub const STAMP_PROPERTY: &str = "String {982789f8-1166-4ecf-9c1e-08537b2ef7bd} Name OutlookContactSync";

const MEMBER: &str = "singleValueExtendedProperties";

/// Puts a stamp into the body of a creation.
pub(crate) fn put(members: &mut Map<String, Value>, stamp: &str) {
    members.insert(
        MEMBER.to_owned(),
        json!([{ "id": STAMP_PROPERTY, "value": stamp }]),
    );
}

/// Takes the stamp out of a row. Other properties stay.
pub(crate) fn take(row: &mut Map<String, Value>) -> Option<String> {
    let properties = row.get_mut(MEMBER)?.as_array_mut()?;
    let ours = |property: &Value| {
        property["id"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(STAMP_PROPERTY))
    };
    let place = properties.iter().position(ours)?;
    let property = properties.remove(place);
    if properties.is_empty() {
        row.remove(MEMBER);
    }
    property["value"].as_str().map(str::to_owned)
}

/// The query that makes a read show the stamp.
pub(crate) fn expand() -> String {
    let expand = format!("{MEMBER}($filter=id eq '{STAMP_PROPERTY}')");
    format!("$expand={}", encode(&expand))
}

/// The query that finds a stamp, and shows it: without `$expand` it would not (facts 1.3).
pub(crate) fn find(stamp: &str) -> String {
    let stamp = stamp.replace('\'', "''");
    let filter = format!("{MEMBER}/Any(ep: ep/id eq '{STAMP_PROPERTY}' and ep/value eq '{stamp}')");
    format!("$filter={}&{}", encode(&filter), expand())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(properties: &Value) -> Map<String, Value> {
        Map::from_iter([(MEMBER.to_owned(), properties.clone())])
    }

    #[test]
    fn a_stamp_that_is_put_is_taken_and_leaves_no_member() {
        let mut members = Map::new();
        put(&mut members, "con_1");
        assert_eq!(take(&mut members).as_deref(), Some("con_1"));
        assert!(members.is_empty());
    }

    #[test]
    fn properties_of_others_are_left_alone() {
        let others =
            json!({ "id": "String {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Name MyKey", "value": "k" });
        let mut both =
            row(&json!([others, { "id": STAMP_PROPERTY.replace("982789f8", "982789F8"), "value": "s" }]));
        assert_eq!(take(&mut both).as_deref(), Some("s"));
        assert_eq!(both, row(&json!([others])));
        for odd in [
            json!(null),
            json!("x"),
            json!([7]),
            json!([{ "id": 7 }]),
            json!([]),
        ] {
            let mut members = row(&odd);
            assert_eq!(take(&mut members), None);
            assert_eq!(members, row(&odd));
        }
    }

    #[test]
    fn queries_are_encoded_and_quotes_doubled() {
        assert_eq!(
            find("o'k"),
            "$filter=singleValueExtendedProperties%2FAny%28ep%3A%20ep%2Fid%20eq%20%27String%20\
             %7B982789f8-1166-4ecf-9c1e-08537b2ef7bd%7D%20Name%20OutlookContactSync%27%20and%20ep%2Fvalue%20eq%20\
             %27o%27%27k%27%29&$expand=singleValueExtendedProperties%28$filter%3Did%20eq%20%27String%20\
             %7B982789f8-1166-4ecf-9c1e-08537b2ef7bd%7D%20Name%20OutlookContactSync%27%29"
        );
    }
}
