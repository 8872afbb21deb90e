//! What seeing a contact in Outlook means for the mirror, and what not seeing it means.
//!
//! Total functions over what the mirror knows and what Graph said. They never read anything: where what was said is
//! not enough to act on, the verdict is to look again ([`Verdict::Verify`]), and the caller reads the contact by its
//! id and asks anew with [`Source::Read`].

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::bugs::{Bug, bug};
use crate::ids::{ChangeKey, FolderId};

/// The members of a contact, as Outlook names them; members that nobody here has heard of included.
pub type Document = Map<String, Value>;

/// What the mirror knows of a contact.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The folder it was last seen in.
    pub folder: &'a FolderId,
    /// Outlook's version of it.
    pub change_key: &'a ChangeKey,
    /// Outlook's time of its last change.
    pub modified_at: Option<Timestamp>,
    /// Its members.
    pub document: &'a Document,
    /// True for a tombstone.
    pub deleted: bool,
}

/// A contact as Graph showed it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The folder that it is in.
    pub folder: &'a FolderId,
    /// Outlook's version of it.
    pub change_key: &'a ChangeKey,
    /// Outlook's time of its last change.
    pub modified_at: Option<Timestamp>,
    /// Its members: all of them, or those that a delta row carried.
    pub document: &'a Document,
}

/// How Graph came to show it, which decides how far it is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A row of a delta round: at least the changed members, perhaps a replay (facts 4.2, points 5 and 6).
    Delta,
    /// A row of a full round: whole, but perhaps a replay.
    Full,
    /// Read by id or from a list: whole, and true at that moment.
    Read,
}

/// What to do about a contact that was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The mirror has never had it, or had buried it and Outlook has it again: write it.
    Insert(Document),
    /// Its members or its folder differ: write it, as a new version.
    Update(Document),
    /// Only Outlook's version differs: remember that version. Nothing that anybody sees has changed.
    Touch,
    /// The mirror has it just so: write nothing.
    Unchanged,
    /// What was said may be old: read the contact by its id, then ask again.
    Verify(Doubt),
}

/// Why a sighting is not enough to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is not certainly newer than what the mirror has: this may be a replay.
    NotNewer,
    /// The mirror has never had it, and this may be only a part of it.
    Partial,
    /// The mirror holds a tombstone: a restored contact, or the replay of a deleted one.
    Buried,
}

/// Decides about a contact that Graph has shown.
pub fn judge(known: Option<Known<'_>>, seen: Sighting<'_>, source: Source) -> Verdict {
    let Some(known) = known else {
        return match source {
            Source::Delta => Verdict::Verify(Doubt::Partial),
            Source::Full | Source::Read => Verdict::Insert(seen.document.clone()),
        };
    };
    if known.deleted {
        return match source {
            Source::Delta | Source::Full => Verdict::Verify(Doubt::Buried),
            Source::Read => Verdict::Insert(seen.document.clone()),
        };
    }
    if known.change_key == seen.change_key && known.folder == seen.folder && !bug(Bug::EchoTaken) {
        return Verdict::Unchanged;
    }
    let is_newer = is_newer(seen.modified_at, known.modified_at);
    let document = match source {
        Source::Delta | Source::Full if !is_newer => return Verdict::Verify(Doubt::NotNewer),
        Source::Delta => overlaid(known.document, seen.document),
        Source::Full | Source::Read => seen.document.clone(),
    };
    if document == *known.document && known.folder == seen.folder {
        Verdict::Touch
    } else {
        Verdict::Update(document)
    }
}

/// What to do about a contact that Graph no longer shows in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The mirror does not have it in that folder: nothing to do.
    Ignore,
    /// It may have been deleted, or moved: read it by its id. Only that is evidence.
    Verify,
}

/// Decides about a contact that a round reports as removed from `folder`, or that a complete round did not show.
///
/// A move out of a folder is reported as a removal (facts 4.2, point 7), so removal alone deletes nothing.
pub fn judge_absence(known: Option<Known<'_>>, folder: &FolderId) -> Absence {
    match known {
        Some(known) if !known.deleted && known.folder == folder => Absence::Verify,
        Some(_) | None => Absence::Ignore,
    }
}

/// Graph's times are whole seconds: the same second proves nothing.
fn is_newer(seen: Option<Timestamp>, known: Option<Timestamp>) -> bool {
    matches!((seen, known), (Some(seen), Some(known)) if seen > known)
}

/// The known members with the seen ones laid over them: a member that a delta row leaves out keeps its value.
fn overlaid(known: &Document, seen: &Document) -> Document {
    let mut document = known.clone();
    document.extend(seen.iter().map(|(name, value)| (name.clone(), value.clone())));
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(value: &Value) -> Document {
        value.as_object().unwrap().clone()
    }

    /// A story: what is known (folder, key, second, deleted), what is seen (folder, key, second, members), and the
    /// verdicts on a delta row, a row of a full round, and a read.
    type Row = (
        &'static str,
        Option<(&'static str, &'static str, i64, bool)>,
        (&'static str, &'static str, i64, Document),
        [Verdict; 3],
    );

    /// The whole table. The mirror's Ada is Ada Byron.
    #[test]
    fn every_sighting_has_one_verdict() {
        use Doubt::{Buried, NotNewer, Partial};
        use Verdict::{Insert, Touch, Unchanged, Update, Verify};
        let ada = || document(&json!({"givenName": "Ada", "surname": "Byron"}));
        let part = || document(&json!({"surname": "Lovelace"}));
        let both = || document(&json!({"givenName": "Ada", "surname": "Lovelace"}));
        let k1 = Some(("f", "k1", 1, false));
        let k2 = Some(("f", "k2", 2, false));
        let buried = Some(("f", "k1", 1, true));
        let table: Vec<Row> = vec![
            (
                "never seen",
                None,
                ("f", "k1", 1, ada()),
                [Verify(Partial), Insert(ada()), Insert(ada())],
            ),
            (
                "a replay",
                k1,
                ("f", "k1", 1, ada()),
                [Unchanged, Unchanged, Unchanged],
            ),
            (
                "edited",
                k1,
                ("f", "k2", 2, part()),
                [Update(both()), Update(part()), Update(part())],
            ),
            (
                "edited and edited back",
                k1,
                ("f", "k2", 2, ada()),
                [Touch, Touch, Touch],
            ),
            (
                "older",
                k2,
                ("f", "k1", 1, part()),
                [Verify(NotNewer), Verify(NotNewer), Update(part())],
            ),
            (
                "same second",
                k1,
                ("f", "k2", 1, part()),
                [Verify(NotNewer), Verify(NotNewer), Update(part())],
            ),
            (
                "moved",
                k1,
                ("g", "k2", 2, ada()),
                [Update(ada()), Update(ada()), Update(ada())],
            ),
            (
                "deleted here",
                buried,
                ("f", "k1", 1, ada()),
                [Verify(Buried), Verify(Buried), Insert(ada())],
            ),
        ];
        for (story, known, (folder, key, second, seen), verdicts) in table {
            let known_document = ada();
            let known = known.map(|(folder, key, second, deleted)| {
                (FolderId::new(folder), ChangeKey::new(key), second, deleted)
            });
            let known = known.as_ref().map(|(folder, change_key, second, deleted)| Known {
                folder,
                change_key,
                modified_at: Timestamp::from_second(*second).ok(),
                document: &known_document,
                deleted: *deleted,
            });
            let (folder, change_key) = (FolderId::new(folder), ChangeKey::new(key));
            let modified_at = Timestamp::from_second(second).ok();
            let seen = Sighting {
                folder: &folder,
                change_key: &change_key,
                modified_at,
                document: &seen,
            };
            for (source, verdict) in [Source::Delta, Source::Full, Source::Read]
                .into_iter()
                .zip(verdicts)
            {
                assert_eq!(judge(known, seen, source), verdict, "{story}, {source:?}");
            }
        }
    }

    #[test]
    fn only_a_live_contact_of_that_folder_is_looked_up_when_it_is_missing() {
        let (here, there, key, document) = (
            FolderId::new("f"),
            FolderId::new("g"),
            ChangeKey::new("k"),
            Document::new(),
        );
        let known = |folder, deleted| {
            Some(Known {
                folder,
                change_key: &key,
                modified_at: None,
                document: &document,
                deleted,
            })
        };
        assert_eq!(judge_absence(known(&here, false), &here), Absence::Verify);
        assert_eq!(
            judge_absence(known(&there, false), &here),
            Absence::Ignore,
            "it has moved, and the mirror knows"
        );
        assert_eq!(
            judge_absence(known(&here, true), &here),
            Absence::Ignore,
            "it is buried already"
        );
        assert_eq!(judge_absence(None, &here), Absence::Ignore);
    }
}
