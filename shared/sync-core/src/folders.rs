//! What a listing of the mailbox's contact folders means for the folders that are known.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::FolderId;

/// The name that the default folder has in paths; Outlook translates its display name.
pub const DEFAULT_FOLDER: &str = "Contacts";

/// Stands for the default folder while its id is not known: an empty mailbox hides it (facts 3). No id looks like it.
pub const UNLISTED_DEFAULT: &str = "default";

/// A contact folder as Outlook shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderSeen {
    /// Its id.
    pub id: FolderId,
    /// Its display name.
    pub name: String,
    /// The folder that it is in; `None` for the default folder.
    pub parent: Option<FolderId>,
}

/// Which folders of a mailbox are synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// Those named: by path from the default folder (`Contacts/Suppliers`), or by id. Letter case makes no
    /// difference in a path. A folder's subfolders are not part of it.
    Only(&'a [String]),
}

/// The folders by path from the default folder: `Contacts`, `Contacts/Suppliers`, …
///
/// A folder whose parents don't lead to the default folder is left out: it is not one of the mailbox's contact
/// folders, or no longer (a deleted one sits below Deleted Items).
pub fn paths(default: &FolderId, seen: &[FolderSeen]) -> BTreeMap<FolderId, String> {
    let by_id: BTreeMap<_, _> = seen.iter().map(|folder| (&folder.id, folder)).collect();
    let path = |folder: &FolderSeen| {
        let mut names = vec![folder.name.as_str()];
        let mut walked = BTreeSet::from([&folder.id]);
        let mut parent = folder.parent.as_ref()?;
        while parent != default {
            // A circle can't be: but the listing is input, and input is not trusted to end.
            if !walked.insert(parent) {
                return None;
            }
            let above = by_id.get(parent)?;
            names.push(&above.name);
            parent = above.parent.as_ref()?;
        }
        names.push(DEFAULT_FOLDER);
        names.reverse();
        Some(names.join("/"))
    };
    let mut paths: BTreeMap<_, _> = seen
        .iter()
        .filter(|folder| folder.id != *default)
        .filter_map(|folder| Some((folder.id.clone(), path(folder)?)))
        .collect();
    paths.insert(default.clone(), DEFAULT_FOLDER.to_owned());
    paths
}

/// Whether a folder is synced.
pub fn in_scope(scope: &Scope<'_>, id: &FolderId, path: &str) -> bool {
    match scope {
        Scope::All => true,
        Scope::Only(names) => names
            .iter()
            .any(|name| name == id.as_str() || name.trim_matches('/').to_lowercase() == path.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: &str, name: &str, parent: &str) -> FolderSeen {
        FolderSeen {
            id: FolderId::new(id),
            name: name.to_owned(),
            parent: Some(FolderId::new(parent)),
        }
    }

    #[test]
    fn paths_lead_from_the_default_folder_and_what_does_not_hang_below_it_is_left_out() {
        let root = FolderId::new("root");
        let listing = [
            seen("a", "Suppliers", "root"),
            seen("b", "Tea", "a"),
            seen("lost", "Old", "deleted items"),
            seen("x", "Circle", "y"),
            seen("y", "Circle", "x"),
        ];
        let paths = paths(&root, &listing);
        let paths: Vec<_> = paths
            .iter()
            .map(|(id, path)| (id.as_str(), path.as_str()))
            .collect();
        assert_eq!(
            paths,
            [
                ("a", "Contacts/Suppliers"),
                ("b", "Contacts/Suppliers/Tea"),
                ("root", "Contacts")
            ]
        );
    }

    #[test]
    fn a_scope_names_folders_by_path_or_id() {
        let names = [
            "contacts/suppliers".to_owned(),
            "/Contacts/".to_owned(),
            "some-id".to_owned(),
        ];
        let scope = Scope::Only(&names);
        assert!(in_scope(&scope, &FolderId::new("a"), "Contacts/Suppliers"));
        assert!(in_scope(&scope, &FolderId::new("b"), "Contacts"));
        assert!(in_scope(&scope, &FolderId::new("some-id"), "Contacts/Other"));
        assert!(!in_scope(&scope, &FolderId::new("c"), "Contacts/Suppliers/Tea"));
        assert!(in_scope(
            &Scope::All,
            &FolderId::new("c"),
            "Contacts/Suppliers/Tea"
        ));
    }
}
