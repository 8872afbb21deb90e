//! The matrix: what somebody does in Outlook × what somebody does here, and what comes of it under each policy.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::edit::{Current, Edited, create, delete, save};
use crate::ids::ChangeKey;
use crate::push::{Step, step};
use crate::record::Urgency;
use crate::sighting::{Absence, Known, Sighting, Source, Verdict, judge, judge_absence};

/// What is in the table where a row can't be: nobody edits here what he has never seen.
const NEVER: &str = "-";

/// A contact is shown as `surname/nickName/jobTitle @folder`, then what is next to be done in Outlook, then who has won
/// which clash. At first it is `Byron/-/- @f` on both sides. Outlook writes `O`, the platform `P`; the other member is
/// the nick name here and the job title in Outlook.
///
/// Outlook | platform | if Outlook wins | if the platform wins
///
/// Where a contact was created here, the answer to the create is lost, and what is done in Outlook is done to what was
/// created.
const MATRIX: &str = "
nothing    | nothing    | unchanged                                   | =
nothing    | create     | P/-/- @f, create                            | =
nothing    | edit same  | P/-/- @f, update                            | =
nothing    | edit other | Byron/P/- @f, update                        | =
nothing    | delete     | Byron/-/- @f, delete                        | =
nothing    | move       | Byron/-/- @p, move                          | =

create     | nothing    | insert                                      | =
create     | create     | O/-/- @f, agreed, surname: Outlook          | P/-/- @f, update, surname: Platform
create     | edit same  | -                                           | -
create     | edit other | -                                           | -
create     | delete     | -                                           | -
create     | move       | -                                           | -

edit same  | nothing    | update                                      | =
edit same  | create     | O/-/- @f, agreed, surname: Outlook          | P/-/- @f, update, surname: Platform
edit same  | edit same  | O/-/- @f, agreed, surname: Outlook          | P/-/- @f, update, surname: Platform
edit same  | edit other | O/P/- @f, update                            | =
edit same  | delete     | O/-/- @f, agreed, (deleted): Outlook        | O/-/- @f, delete, (deleted): Platform
edit same  | move       | O/-/- @p, move                              | =

edit other | nothing    | update                                      | =
edit other | create     | P/-/O @f, agreed                            | =
edit other | edit same  | P/-/O @f, update                            | =
edit other | edit other | Byron/P/O @f, update                        | =
edit other | delete     | Byron/-/O @f, agreed, (deleted): Outlook    | Byron/-/O @f, delete, (deleted): Platform
edit other | move       | Byron/-/O @p, move                          | =

delete     | nothing    | look for it                                 | =
delete     | create     | P/-/- @f, create                            | =
delete     | edit same  | gone, (deleted): Outlook                    | P/-/- @f, create, (deleted): Platform
delete     | edit other | gone, (deleted): Outlook                    | Byron/P/- @f, create, (deleted): Platform
delete     | delete     | gone                                        | =
delete     | move       | gone, (deleted): Outlook                    | Byron/-/- @p, create, (deleted): Platform

move       | nothing    | update                                      | =
move       | create     | P/-/- @o, agreed                            | =
move       | edit same  | P/-/- @o, update                            | =
move       | edit other | Byron/P/- @o, update                        | =
move       | delete     | Byron/-/- @o, agreed, (deleted): Outlook    | Byron/-/- @o, delete, (deleted): Platform
move       | move       | Byron/-/- @o, agreed, folder: Outlook       | Byron/-/- @p, move, folder: Platform
";

const ACTS: [&str; 6] = ["nothing", "create", "edit same", "edit other", "delete", "move"];

#[test]
fn every_meeting_of_two_acts_has_its_outcome_under_each_policy() {
    let rows: Vec<Vec<&str>> = MATRIX
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let pairs: BTreeSet<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(pairs.len(), ACTS.len() * ACTS.len(), "the table is whole");
    for row in &rows {
        let &[outlook, platform, if_outlook, if_platform] = row.as_slice() else {
            panic!("{row:?}")
        };
        assert!(ACTS.contains(&outlook) && ACTS.contains(&platform), "{row:?}");
        if if_outlook == NEVER {
            continue;
        }
        let if_platform = if if_platform == "=" {
            if_outlook
        } else {
            if_platform
        };
        for conflict in [Policy::LastWriteWins, Policy::OutlookWins, Policy::PlatformWins] {
            for deletion in [
                DeletionPolicy::EditWins,
                DeletionPolicy::DeleteWins,
                DeletionPolicy::ByPolicy,
            ] {
                // Outlook's act is earlier, in the same second, later; the platform's is at 100.5.
                for second in [99, 100, 101] {
                    let rules = Rules { conflict, deletion };
                    let is_platforms = platform_wins(outlook, platform, rules, second);
                    let expected = if is_platforms { if_platform } else { if_outlook };
                    let found = outcome(outlook, platform, rules, second);
                    assert_eq!(
                        found, expected,
                        "{outlook} × {platform}, {rules:?}, Outlook at {second}"
                    );
                }
            }
        }
    }
}

/// The policies in words of their own.
fn platform_wins(outlook: &str, platform: &str, rules: Rules, second: i64) -> bool {
    let is_later = second < 100 && outlook != "delete";
    let by_policy = match rules.conflict {
        Policy::LastWriteWins => is_later,
        Policy::OutlookWins => false,
        Policy::PlatformWins => true,
    };
    let is_deletion = (outlook == "delete") != (platform == "delete");
    match rules.deletion {
        DeletionPolicy::EditWins if is_deletion => outlook == "delete",
        DeletionPolicy::DeleteWins if is_deletion => platform == "delete",
        DeletionPolicy::ByPolicy | DeletionPolicy::EditWins | DeletionPolicy::DeleteWins => by_policy,
    }
}

fn document(surname: &str) -> Document {
    json!({"surname": surname}).as_object().unwrap().clone()
}

fn with(mut document: Document, name: &str, value: &str) -> Document {
    document.insert(name.to_owned(), json!(value));
    document
}

/// What comes of it, in the words of the table.
fn outcome(outlook: &str, platform: &str, rules: Rules, second: i64) -> String {
    let folder = FolderId::new("f");
    let base = document("Byron");
    let now = Timestamp::from_millisecond(100_500).unwrap();
    let modified_at = Timestamp::from_second(second).ok();
    let current = Current {
        rev: 0,
        document: &base,
        extras: &Document::new(),
        folder: &folder,
        edit: None,
    };
    let edited = match platform {
        "nothing" => None,
        "create" => Some(create(document("P"), &folder, false, 0, now, Urgency::Now)),
        "edit same" => save(current, document("P"), &folder, now, Urgency::Now),
        "edit other" => save(
            current,
            with(base.clone(), "nickName", "P"),
            &folder,
            now,
            Urgency::Now,
        ),
        "delete" => delete(current, now, Urgency::Now),
        "move" => save(current, base.clone(), &FolderId::new("p"), now, Urgency::Now),
        other => panic!("{other}"),
    };
    let before = if platform == "create" {
        document("P")
    } else {
        base.clone()
    };
    let shown = match outlook {
        // Nothing has been done to a contact that isn't there: its create has not been tried.
        "nothing" if platform == "create" => None,
        "nothing" => Some((before, "f")),
        "create" | "edit same" => Some((document("O"), "f")),
        "edit other" => Some((with(before, "jobTitle", "O"), "f")),
        "delete" => None,
        "move" => Some((before, "o")),
        other => panic!("{other}"),
    };
    let Some(edited) = edited else {
        return unedited(outlook, &base, shown);
    };
    let pending = pending(&edited);
    if let Some((shown, folder)) = &shown {
        let shown = Shown {
            document: shown,
            folder: &FolderId::new(*folder),
            modified_at,
        };
        return told(&onto(pending, shown, rules, &BTreeMap::new()));
    }
    let stays = |edit: Edit, clashes: Vec<Clash>| Rebased {
        document: edited.document.clone(),
        extras: edited.extras.clone(),
        folder: edited.folder.clone(),
        edit: Some(edit),
        clashes,
    };
    match bereaved(pending, rules) {
        Bereaved::Gone(clash) => format!("gone{}", clashes(clash.as_slice())),
        Bereaved::Recreate(edit, clash) => told(&stays(*edit, vec![clash])),
        Bereaved::Unborn => told(&stays(edited.edit.clone().unwrap(), Vec::new())),
    }
}

fn pending(edited: &Edited) -> Pending<'_> {
    Pending {
        document: &edited.document,
        extras: &edited.extras,
        folder: &edited.folder,
        edit: edited.edit.as_ref().unwrap(),
    }
}

/// Nothing is pending: the mirror follows Outlook.
fn unedited(outlook: &str, base: &Document, shown: Option<(Document, &str)>) -> String {
    let (key, newer) = (ChangeKey::new("1"), ChangeKey::new("2"));
    let folder = FolderId::new("f");
    let known = (outlook != "create").then_some(Known {
        folder: &folder,
        change_key: &key,
        modified_at: Timestamp::from_second(1).ok(),
        document: base,
        deleted: false,
    });
    let Some((document, at)) = shown else {
        return match judge_absence(known, &folder) {
            Absence::Verify => "look for it".to_owned(),
            Absence::Ignore => "ignore".to_owned(),
        };
    };
    let seen = Sighting {
        folder: &FolderId::new(at),
        change_key: if outlook == "nothing" { &key } else { &newer },
        modified_at: Timestamp::from_second(2).ok(),
        document: &document,
    };
    let verdict = match judge(known, seen, Source::Read) {
        Verdict::Insert(_) => "insert",
        Verdict::Update(_) => "update",
        Verdict::Touch => "touch",
        Verdict::Unchanged => "unchanged",
        Verdict::Verify(_) => "verify",
    };
    verdict.to_owned()
}

fn told(of: &Rebased) -> String {
    let member = |name| of.document.get(name).and_then(Value::as_str).unwrap_or("-");
    let [surname, nick, job] = ["surname", "nickName", "jobTitle"].map(member);
    let next = of.edit.as_ref().map_or(Step::Agreed, |edit| {
        step(Pending {
            document: &of.document,
            extras: &of.extras,
            folder: &of.folder,
            edit,
        })
    });
    let next = match next {
        Step::Create(_) => "create",
        Step::Update(_) => "update",
        Step::Move(_) => "move",
        Step::Delete => "delete",
        Step::Agreed => "agreed",
        Step::Held => "held",
    };
    let folder = &of.folder;
    format!("{surname}/{nick}/{job} @{folder}, {next}{}", clashes(&of.clashes))
}

fn clashes(clashes: &[Clash]) -> String {
    let told = |clash: &Clash| format!(", {}: {:?}", clash.member, clash.winner);
    clashes.iter().map(told).collect()
}
