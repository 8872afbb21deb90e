//! The members of a contact by name and type (facts 1.1), for reading, creating and patching alike.
//!
//! The same three states occur in all of them: a member that isn't there, one that is null, one with a value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::DecodeError;

/// A member's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not there. In a patch: keep it (or let Outlook recalculate it, facts 2.3).
    #[default]
    Absent,
    /// Null. In a patch: clear it.
    Null,
    /// This value.
    Set(T),
}

impl<T> Field<T> {
    /// True where the member isn't there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Set))
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

macro_rules! contact_fields {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// The members of a contact. Send `display_name` with every patch: else Outlook may overwrite it with one of
        /// its own making (facts 1.2).
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct ContactFields {
            $($(#[$doc])* #[serde(skip_serializing_if = "Field::is_absent")] pub $field: Field<$type>,)*
            /// Members that are not named here: schema extensions, and what Graph will learn later.
            #[serde(flatten)]
            pub other: Map<String, Value>,
        }
    };
}

contact_fields! {
    /// Name shown in lists.
    display_name: String,
    /// First name.
    given_name: String,
    /// Middle name.
    middle_name: String,
    /// Last name.
    surname: String,
    /// Nickname.
    nick_name: String,
    /// Initials.
    initials: String,
    /// Form of address, as in "Dr".
    title: String,
    /// Suffix, as in "Jr".
    generation: String,
    /// Name that it is filed under.
    file_as: String,
    /// First name as it is spoken, in Japanese.
    yomi_given_name: String,
    /// Last name as it is spoken, in Japanese.
    yomi_surname: String,
    /// Company name as it is spoken, in Japanese.
    yomi_company_name: String,
    /// Company.
    company_name: String,
    /// Department.
    department: String,
    /// Position.
    job_title: String,
    /// Profession.
    profession: String,
    /// Office.
    office_location: String,
    /// Manager's name.
    manager: String,
    /// Assistant's name.
    assistant_name: String,
    /// Web page of the business.
    business_home_page: String,
    /// Partner's name.
    spouse_name: String,
    /// Children's names.
    children: Vec<String>,
    /// Birthday, as Graph writes it: a time in UTC, or in writing also a date.
    birthday: String,
    /// Notes.
    personal_notes: String,
    /// Names of the user's Outlook categories.
    categories: Vec<String>,
    /// At most 3 (facts 1.2).
    email_addresses: Vec<EmailAddress>,
    /// First e-mail address.
    primary_email_address: EmailAddress,
    /// Second e-mail address.
    secondary_email_address: EmailAddress,
    /// Third e-mail address.
    tertiary_email_address: EmailAddress,
    /// Addresses for instant messages.
    im_addresses: Vec<String>,
    /// At most 2 (facts 1.2).
    business_phones: Vec<String>,
    /// Phones at home.
    home_phones: Vec<String>,
    /// The mobile phone: there is only one.
    mobile_phone: String,
    /// Address at work.
    business_address: PhysicalAddress,
    /// Address at home.
    home_address: PhysicalAddress,
    /// Another address.
    other_address: PhysicalAddress,
    /// Extended properties; read only where they were asked for (facts 1.3).
    single_value_extended_properties: Vec<ExtendedProperty>,
}

/// An e-mail address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmailAddress {
    /// The address; missing where Outlook doesn't take it for one (facts 1.2).
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub address: Field<String>,
    /// The name shown for it.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub name: Field<String>,
    /// Other members, among them `type`, which v1.0 sends but doesn't declare.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A postal address. Written whole: a line that is left out is cleared (facts 2.3).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PhysicalAddress {
    /// Street and number.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub street: Field<String>,
    /// City.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub city: Field<String>,
    /// State or province.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub state: Field<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub postal_code: Field<String>,
    /// Country or region.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub country_or_region: Field<String>,
    /// Other members.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A single-value extended property (facts 1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedProperty {
    /// For example `String {8ECCC264-6880-4EBE-992F-8888D2EEAA1D} Name MyKey`.
    pub id: String,
    /// Its value.
    pub value: String,
}

impl ContactFields {
    /// Reads them from a JSON object.
    pub fn from_members(members: &Map<String, Value>) -> Result<Self, DecodeError> {
        let members = Value::Object(members.clone());
        serde_path_to_error::deserialize(members).map_err(DecodeError::from)
    }

    /// Writes them as a JSON object.
    pub fn to_members(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            // A struct with text keys always becomes an object.
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))
            | Err(_) => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_tells_keep_clear_and_set_apart() {
        let patch = ContactFields {
            display_name: Field::Set("Ada".to_owned()),
            title: Field::Null,
            categories: Field::Set(vec![]),
            ..ContactFields::default()
        };
        assert_eq!(
            Value::Object(patch.to_members()),
            json!({ "displayName": "Ada", "title": null, "categories": [] })
        );
    }

    #[test]
    fn a_known_member_of_a_wrong_type_is_told_by_place() {
        let members = json!({ "emailAddresses": "secret" });
        let error = ContactFields::from_members(members.as_object().unwrap()).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
