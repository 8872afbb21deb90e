//! Plausible contacts by number: the same seed gives the same people.
//!
//! Knows names and shapes of data. Among them are members that no client of ours knows.

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::World;
use super::edits::EditError;
use super::mailbox::{Mailbox, MailboxKey};

const GIVEN: [&str; 24] = [
    "Ada", "Amina", "Björn", "Carlos", "Chiara", "Dmitri", "Elena", "Fatima", "Grace", "Hiroshi", "Ines",
    "Jakub", "Kwame", "Lena", "Mateo", "Nadia", "Olivia", "Paweł", "Quentin", "Rosa", "Søren", "Tomoko",
    "Uma", "Zoë",
];
const FAMILY: [&str; 24] = [
    "Adeyemi", "Bianchi", "Castro", "Dubois", "Eriksson", "Fischer", "García", "Haddad", "Ivanova", "Jensen",
    "Kowalski", "Lovelace", "Müller", "Nakamura", "O'Neill", "Petrov", "Quispe", "Rossi", "Silva", "Tanaka",
    "Ueda", "van Dijk", "Wójcik", "Zhang",
];
const COMPANIES: [&str; 10] = [
    "Northwind",
    "Contoso",
    "Fabrikam",
    "Adatum",
    "Litware",
    "Proseware",
    "Tailspin",
    "Wingtip",
    "Woodgrove",
    "Relecloud",
];
const CITIES: [(&str, &str, &str); 8] = [
    ("Berlin", "10117", "Germany"),
    ("Lagos", "101233", "Nigeria"),
    ("Lyon", "69002", "France"),
    ("Osaka", "530-0001", "Japan"),
    ("Porto", "4000-322", "Portugal"),
    ("Kraków", "31-042", "Poland"),
    ("Dublin", "D02 X285", "Ireland"),
    ("Bogotá", "110231", "Colombia"),
];
const FOLDERS: [&str; 8] = [
    "Suppliers",
    "Customers",
    "Private",
    "Board",
    "Europe",
    "Conference 2026",
    "Press & media",
    "Old / archive",
];
const ROLES: [&str; 6] = [
    "Buyer",
    "Engineer",
    "Head of sales",
    "Partner",
    "Accountant",
    "Editor",
];

impl World {
    /// Fills a mailbox with `contacts` in the default folder and `folders` nested ones. Nobody is notified: they were
    /// there before. Gives the folders' ids.
    pub fn seed_contacts(
        &mut self,
        key: &MailboxKey,
        contacts: usize,
        folders: usize,
        now: Timestamp,
    ) -> Result<Vec<String>, EditError> {
        let names = self.directory.names(&key.tenant);
        let mailbox = self.directory.mailbox_mut(key).ok_or(EditError::NoMailbox)?;
        let made = nest(mailbox, folders, now);
        let places: Vec<String> = std::iter::once(mailbox.contacts_folder.clone())
            .chain(made.iter().cloned())
            .collect();
        for number in 0..contacts {
            // Half of the contacts lie in the default folder, as people do it.
            let place = if number % 2 == 0 {
                0
            } else {
                mailbox.dice.usize(0..places.len())
            };
            let members = person(&mut mailbox.dice, number);
            mailbox.create(&places[place], members, &names, now);
        }
        mailbox.events.clear();
        Ok(made)
    }
}

/// Folders up to three deep: every third one lies below the one before.
fn nest(mailbox: &mut Mailbox, count: usize, now: Timestamp) -> Vec<String> {
    let mut made: Vec<String> = Vec::new();
    for number in 0..count {
        let round = number / FOLDERS.len();
        let name = FOLDERS[number % FOLDERS.len()];
        let name = if round == 0 {
            name.to_owned()
        } else {
            format!("{name} {}", round + 1)
        };
        let parent = match number % 3 {
            0 => mailbox.contacts_folder.clone(),
            _ => made[number - 1].clone(),
        };
        made.extend(mailbox.create_folder(&parent, &name, now));
    }
    made
}

/// One person, as Outlook may hold them.
fn person(dice: &mut Rng, number: usize) -> Map<String, Value> {
    let given = GIVEN[dice.usize(0..GIVEN.len())];
    let family = FAMILY[dice.usize(0..FAMILY.len())];
    let company = COMPANIES[dice.usize(0..COMPANIES.len())];
    let host = format!("{}.example", company.to_ascii_lowercase());
    let mut person = json!({
        "givenName": given,
        "surname": family,
        "companyName": company,
        "emailAddresses": [{ "name": format!("{given} {family}"), "address": format!("person{number}@{host}") }],
    });
    let mut add = |percent: u8, name: &str, value: Value| {
        if dice.u8(0..100) < percent {
            person[name] = value;
        }
    };
    let (city, code, country) = CITIES[number % CITIES.len()];
    let phone = |line: usize| format!("+49 30 {:07}", (number * 7 + line) % 10_000_000);
    add(60, "jobTitle", json!(ROLES[number % ROLES.len()]));
    add(70, "businessPhones", json!([phone(1), phone(2)]));
    add(50, "mobilePhone", json!(phone(3)));
    add(20, "homePhones", json!([phone(4)]));
    add(
        40,
        "businessAddress",
        json!({ "street": format!("Main street {number}"), "city": city, "postalCode": code, "countryOrRegion": country }),
    );
    add(
        20,
        "birthday",
        json!(format!(
            "19{:02}-{:02}-{:02}",
            50 + number % 50,
            1 + number % 12,
            1 + number % 28
        )),
    );
    add(
        30,
        "personalNotes",
        json!(format!("Met at stand {number}.\r\nCall back: \u{2706} \u{1f4de}")),
    );
    add(25, "categories", json!(["Customer", "Newsletter"]));
    add(10, "children", json!(["Kim", "Robin"]));
    add(10, "middleName", json!("M."));
    // Members of other versions of the API: a mirror keeps what it doesn't know (facts 1.1, 1.2).
    add(10, "weddingAnniversary", json!("2001-05-05"));
    add(10, "flag", json!({ "flagStatus": "notFlagged" }));
    match person {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
