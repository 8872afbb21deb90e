//! What a caller sends to enrol a mailbox, and which of it is valid.
//!
//! Knows how tenants, users and folders are written. It must not ask Microsoft Graph whether they exist: enrolment
//! answers at once, and the worker finds out (the mailbox's phase tells).

use contact_store::{FolderScope, Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sync_core::ids::{MailboxId, TenantId, UserId};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::read::Members;

/// A mailbox has at most some thousand folders; a caller who names more than this means all of them.
const MOST_FOLDERS: usize = 100;

/// Longer than any path of folders that Outlook can show.
const LONGEST_PATH: usize = 1024;

/// Which mailbox to enrol, and how much of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Enrolment)]
pub(crate) struct EnrolmentForm {
    /// The Microsoft Entra tenant: its directory id (a GUID) or one of its domain names.
    #[schema(example = "contoso.onmicrosoft.com")]
    tenant: String,
    /// The user: the object id (a GUID) or the user principal name. The two give two mailboxes, so choose one way.
    #[schema(example = "ada@contoso.com")]
    user: String,
    /// Which contact folders; absent for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    folders: Option<FoldersForm>,
    /// `paused` to look at a plan first, or to bring contacts in: nothing is read and nothing is written until the mailbox
    /// is resumed. Of a mailbox that is enrolled already it changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, default = "now")]
    start: Option<StartName>,
}

/// How a mailbox begins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Start)]
enum StartName {
    /// The first sync begins at once.
    Now,
    /// It waits until the mailbox is resumed.
    Paused,
}

/// A choice of contact folders.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = FolderChoice)]
pub(crate) struct FoldersForm {
    /// The folders' paths from the default folder (`Contacts/Suppliers`), or ids. The order makes no difference.
    #[schema(min_items = 1, max_items = 100, example = json!(["Contacts", "Contacts/Suppliers"]))]
    include: Vec<String>,
}

impl FoldersForm {
    /// `None` for all folders.
    pub(crate) fn of(scope: FolderScope) -> Option<Self> {
        match scope {
            FolderScope::All => None,
            FolderScope::Only(include) => Some(Self { include }),
        }
    }
}

/// A valid enrolment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Enrolment {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) scope: FolderScope,
    pub(crate) phase: Phase,
}

impl Enrolment {
    /// Reads an [`EnrolmentForm`]; the problem names everything that is wrong with it.
    pub(crate) fn read(body: Map<String, Value>) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        let mut members = Members::new(body, "", &mut errors);
        let tenant = members.text("tenant", tenant);
        let user = members.text("user", user);
        let scope = members.object("folders").map_or(FolderScope::All, |mut folders| {
            let mut include = folders.texts("include", MOST_FOLDERS, folder);
            folders.finish();
            // A set: two enrolments with the same folders in another order are the same.
            include.sort();
            include.dedup();
            FolderScope::Only(include)
        });
        let start = members.optional_text("start", start);
        members.finish();
        match (tenant, user) {
            (Some(tenant), Some(user)) if errors.is_empty() => Ok(Self {
                tenant,
                user,
                scope,
                phase: start.unwrap_or(Phase::Enrolled),
            }),
            _ => Err(Problem::invalid(errors)),
        }
    }

    pub(crate) fn mailbox(&self) -> MailboxId {
        MailboxId::derive(&self.tenant, &self.user)
    }
}

fn start(text: &str) -> Result<Phase, &'static str> {
    match text {
        "now" => Ok(Phase::Enrolled),
        "paused" => Ok(Phase::Paused),
        _ => Err("must be now or paused"),
    }
}

fn tenant(text: &str) -> Result<TenantId, &'static str> {
    if is_guid(text) || is_domain(text) {
        Ok(TenantId::new(text.to_ascii_lowercase()))
    } else {
        Err("must be a tenant's GUID or one of its domain names")
    }
}

fn user(text: &str) -> Result<UserId, &'static str> {
    if is_guid(text) {
        Ok(UserId::new(text.to_ascii_lowercase()))
    } else if is_principal_name(text) {
        Ok(UserId::new(text))
    } else {
        Err("must be a user's object id (a GUID) or user principal name")
    }
}

fn folder(text: &str) -> Result<String, &'static str> {
    let blank = |name: &str| name.trim().is_empty();
    if text.len() > LONGEST_PATH {
        Err("is too long")
    } else if text.chars().any(char::is_control) || text.split('/').any(blank) {
        Err("must be a folder's path, id or name, as in Contacts/Suppliers")
    } else {
        Ok(text.to_owned())
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A DNS name of two labels or more, so that `common` and `organizations`, which Entra knows as tenants of
/// everybody, are none.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// Entra's own rule for the part before the @ (64 characters at most), read generously: synchronised directories
/// hold names that it would not let a person type.
fn is_principal_name(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(name, domain)| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !br#"@\/%?<>()[]{},;:"|"#.contains(&byte))
            && is_domain(domain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_and_users_are_guids_or_names_that_entra_could_have_given() {
        let guid = "0F3A6c9e-1111-4222-8333-abcdefabcdef";
        for (text, is_tenant, is_user) in [
            (guid, true, true),
            ("contoso.com", true, false),
            ("contoso.onmicrosoft.com", true, false),
            ("ada@contoso.com", false, true),
            ("o'neil+x#EXT#@contoso.com", false, true),
            ("common", false, false),
            ("", false, false),
            ("-contoso.com", false, false),
            ("contoso..com", false, false),
            ("https://contoso.com", false, false),
            ("0F3A6c9e111142228333abcdefabcdef", false, false),
            ("ada@contoso.com/../me", false, false),
            ("a b@contoso.com", false, false),
            ("a@b@contoso.com", false, false),
            ("@contoso.com", false, false),
            ("ada@contoso", false, false),
        ] {
            assert_eq!(
                (tenant(text).is_ok(), user(text).is_ok()),
                (is_tenant, is_user),
                "{text:?}"
            );
        }
        assert_eq!(tenant(guid).unwrap().as_str(), guid.to_lowercase());
    }

    #[test]
    fn a_choice_of_folders_is_a_set() {
        let read = |include: Value| {
            let body = serde_json::json!({"tenant": "contoso.com", "user": "ada@contoso.com", "folders": {"include": include}});
            let Value::Object(body) = body else { unreachable!() };
            Enrolment::read(body).map_err(|problem| serde_json::to_value(problem).unwrap())
        };
        let list = read(serde_json::json!(["Contacts/Suppliers", "Contacts", "Contacts"])).unwrap();
        assert_eq!(
            list,
            read(serde_json::json!(["Contacts", "Contacts/Suppliers"])).unwrap()
        );
        for wrong in [
            serde_json::json!([]),
            serde_json::json!("Contacts"),
            serde_json::json!([" /x"]),
            Value::Null,
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
