//! Histories that are made up: each fault is found where it is, and not where it isn't.

use scoreboard::{Act, Card, Deed, Ending, Event, Fault, History, Members, Side, Verdict, judge};

use Side::{Outlook, Platform};

const TITLE: &str = "jobTitle";

/// A history in the making.
#[derive(Default)]
struct Story {
    history: History,
    era: usize,
}

impl Story {
    fn new() -> Self {
        Self::default()
    }

    fn deed(mut self, side: Side, act: Act, who: &str, title: Option<&str>) -> Self {
        let members = title.map(titled);
        self.history.events.push(Event::Deed(Deed {
            side,
            act,
            who: who.to_owned(),
            members: members.unwrap_or_default(),
            knew: Members::new(),
            era: self.era,
        }));
        self
    }

    fn creates(self, side: Side, who: &str) -> Self {
        self.deed(side, Act::Create, who, None)
    }

    fn edits(self, side: Side, who: &str, title: &str) -> Self {
        self.deed(side, Act::Edit, who, Some(title))
    }

    fn deletes(self, side: Side, who: &str) -> Self {
        self.deed(side, Act::Delete, who, None)
    }

    fn they_meet(mut self) -> Self {
        self.era += 1;
        self
    }

    /// He who did the last deed saw this title just before.
    fn in_view_of(mut self, title: &str) -> Self {
        match self.history.events.last_mut() {
            Some(Event::Deed(deed)) => deed.knew = titled(title),
            Some(Event::Seen(..)) | None => panic!("no deed"),
        }
        self
    }

    fn seen(mut self, side: Side, who: &[&str]) -> Self {
        let who = who.iter().map(|who| (*who).to_owned()).collect();
        self.history.events.push(Event::Seen(side, who));
        self
    }

    fn log(mut self, log: &str) -> Self {
        log.clone_into(&mut self.history.ending.log);
        self
    }

    /// The ending: who is where, with which title.
    fn ends(mut self, outlook: &[(&str, &str)], platform: &[(&str, &str)]) -> Verdict {
        self.history.ending = Ending {
            outlook: cards(outlook),
            platform: cards(platform),
            ..self.history.ending
        };
        judge(&self.history)
    }
}

fn titled(title: &str) -> Members {
    Members::from([(TITLE.to_owned(), title.to_owned())])
}

fn cards(side: &[(&str, &str)]) -> Vec<Card> {
    let card = |(who, title): &(&str, &str)| Card {
        who: (*who).to_owned(),
        members: titled(title),
    };
    side.iter().map(card).collect()
}

#[track_caller]
fn check(verdict: &Verdict, expected: &[(Fault, usize)]) {
    let found = Fault::ALL.map(|fault| (fault, verdict.count(fault)));
    let found: Vec<_> = found.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found, expected, "{:?}", verdict.found);
}

#[test]
fn what_goes_well_is_no_fault() {
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .creates(Platform, "bo")
        .seen(Outlook, &["ada", "bo"])
        .they_meet()
        .edits(Platform, "ada", "Countess")
        .deletes(Outlook, "bo")
        .seen(Outlook, &["ada"])
        .seen(Outlook, &["ada"])
        .ends(&[("ada", "Countess")], &[("ada", "Countess")]);
    check(&verdict, &[]);
}

#[test]
fn a_contact_that_is_nowhere_is_lost() {
    let verdict = Story::new().creates(Platform, "ada").ends(&[], &[]);
    check(&verdict, &[(Fault::Lost, 1)]);
}

#[test]
fn a_contact_that_one_side_never_got_is_not_lost_but_apart() {
    let verdict = Story::new().creates(Platform, "ada").ends(&[], &[("ada", "")]);
    check(&verdict, &[(Fault::Apart, 1)]);
}

#[test]
fn each_copy_too_many_counts() {
    let thrice = [("ada", ""), ("ada", ""), ("ada", "")];
    let verdict = Story::new().creates(Platform, "ada").ends(&thrice, &thrice);
    check(&verdict, &[(Fault::Doubled, 2)]);
}

#[test]
fn a_deleted_contact_that_is_back_is_resurrected() {
    let story = || {
        Story::new()
            .creates(Outlook, "ada")
            .they_meet()
            .deletes(Platform, "ada")
    };
    let back = [("ada", "")];
    check(&story().ends(&back, &back), &[(Fault::Resurrected, 1)]);
    // A delete that has not arrived on the other side brings nobody back.
    check(&story().ends(&back, &[]), &[(Fault::Apart, 1)]);
    check(&story().ends(&[], &[]), &[]);
}

#[test]
fn who_is_taken_back_by_a_person_is_to_be_there() {
    let story = || {
        let story = Story::new()
            .creates(Outlook, "ada")
            .they_meet()
            .deletes(Outlook, "ada");
        story.they_meet().deed(Outlook, Act::Restore, "ada", None)
    };
    check(&story().ends(&[("ada", "")], &[("ada", "")]), &[]);
    check(&story().ends(&[], &[]), &[(Fault::Lost, 1)]);
}

#[test]
fn who_disappears_without_a_delete_is_wrongly_deleted_even_if_he_comes_back() {
    let both = [("ada", ""), ("bo", "")];
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .creates(Outlook, "bo")
        .seen(Platform, &["ada", "bo"])
        .seen(Platform, &["ada"])
        .seen(Platform, &["ada"])
        .seen(Platform, &["ada", "bo"])
        .ends(&both, &both);
    check(&verdict, &[(Fault::WronglyDeleted, 1)]);
}

#[test]
fn who_is_missed_by_one_look_alone_is_not_deleted() {
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .seen(Platform, &["ada"])
        .seen(Platform, &[])
        .seen(Platform, &["ada"])
        .ends(&[("ada", "")], &[("ada", "")]);
    check(&verdict, &[]);
}

#[test]
fn who_was_deleted_by_somebody_may_disappear_on_both_sides() {
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .seen(Platform, &["ada"])
        .deletes(Outlook, "ada")
        .seen(Platform, &[])
        .seen(Platform, &[])
        .ends(&[], &[]);
    check(&verdict, &[]);
}

#[test]
fn a_value_that_gives_way_must_be_somewhere() {
    let story = || {
        let story = Story::new().creates(Outlook, "ada").they_meet();
        story
            .edits(Outlook, "ada", "Countess")
            .edits(Platform, "ada", "Analyst")
    };
    let analyst = [("ada", "Analyst")];
    check(&story().ends(&analyst, &analyst), &[(Fault::Overwritten, 1)]);
    check(&story().log("lost: Countess").ends(&analyst, &analyst), &[]);
    let countess = [("ada", "Countess")];
    check(&story().ends(&countess, &countess), &[(Fault::Overwritten, 1)]);
}

#[test]
fn a_value_that_somebody_replaces_knowingly_may_go() {
    let analyst = [("ada", "Analyst")];
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .edits(Outlook, "ada", "Countess")
        .they_meet()
        .edits(Platform, "ada", "Analyst")
        .ends(&analyst, &analyst);
    check(&verdict, &[]);
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .edits(Outlook, "ada", "Countess")
        .they_meet()
        .edits(Platform, "ada", "Analyst")
        .ends(&[("ada", "Countess")], &[("ada", "Countess")]);
    check(&verdict, &[(Fault::Overwritten, 1)]);
}

#[test]
fn who_saw_what_he_replaced_or_deleted_did_it_knowingly() {
    let story = || {
        Story::new()
            .creates(Outlook, "ada")
            .edits(Outlook, "ada", "Countess")
    };
    let analyst = [("ada", "Analyst")];
    let replaced = story().edits(Platform, "ada", "Analyst").in_view_of("Countess");
    check(&replaced.ends(&analyst, &analyst), &[]);
    let deleted = story().deletes(Platform, "ada").in_view_of("Countess");
    check(&deleted.ends(&analyst, &analyst), &[(Fault::Resurrected, 1)]);
}

#[test]
fn deleted_by_one_and_edited_by_the_other_may_end_either_way_but_not_without_trace() {
    let story = || {
        let story = Story::new().creates(Outlook, "ada").they_meet();
        story.deletes(Outlook, "ada").edits(Platform, "ada", "Countess")
    };
    let there = [("ada", "Countess")];
    check(&story().ends(&there, &there), &[]);
    check(&story().log("lost: Countess").ends(&[], &[]), &[]);
    check(&story().ends(&[], &[]), &[(Fault::Overwritten, 1)]);
    check(&story().ends(&[], &there), &[(Fault::Apart, 1)]);
}

#[test]
fn different_values_at_the_end_are_apart() {
    let verdict = Story::new()
        .creates(Outlook, "ada")
        .they_meet()
        .edits(Platform, "ada", "Countess")
        .ends(&[("ada", "")], &[("ada", "Countess")]);
    check(&verdict, &[(Fault::Apart, 1)]);
}
