//! What a history says against a program.
//!
//! Knows no policy: where both sides have changed the same, either may win, as long as the other value is kept somewhere.
//! Must not know which program it judges.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Act, Card, Deed, Event, History, Members, Side};

/// What can be held against a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Somebody has made a contact, nobody has deleted it, and it is on neither side.
    Lost,
    /// A contact is on one side more than once.
    Doubled,
    /// A contact was deleted by somebody whom nobody contradicted, and is back where he had deleted it.
    Resurrected,
    /// A contact disappeared from a side though nobody had deleted it, be it only for a while.
    WronglyDeleted,
    /// A value was acknowledged, nobody has replaced it knowingly, and it is nowhere, not even in the program's log.
    Overwritten,
    /// The two sides still show a contact differently, or only one of them shows it.
    Apart,
}

impl Fault {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Lost,
        Self::Doubled,
        Self::Resurrected,
        Self::WronglyDeleted,
        Self::Overwritten,
        Self::Apart,
    ];

    /// In a table's head.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Resurrected => "resurrected",
            Self::WronglyDeleted => "wrongly deleted",
            Self::Overwritten => "overwritten without trace",
            Self::Apart => "apart at the end",
        }
    }
}

/// The judgement of a play.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Each fault with what it is about, a contact more than once where it happened more than once.
    pub found: BTreeMap<Fault, Vec<String>>,
    /// Requests to Graph.
    pub requests: u64,
    /// Of these, those that a fault of the script has struck.
    pub struck: u64,
}

impl Verdict {
    /// How often.
    pub fn count(&self, fault: Fault) -> usize {
        self.found.get(&fault).map_or(0, Vec::len)
    }

    fn find(&mut self, fault: Fault, what: impl Into<String>) {
        self.found.entry(fault).or_default().push(what.into());
    }
}

/// What is to be of a contact at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Present,
    /// Deleted on this side.
    Gone(Side),
    /// One side has deleted it, the other has edited it, and neither knew of the other.
    Either,
}

/// Judges a play.
pub fn judge(history: &History) -> Verdict {
    let mut verdict = Verdict {
        requests: history.ending.requests,
        struck: history.ending.struck,
        ..Verdict::default()
    };
    let mut people: BTreeMap<&str, Vec<&Deed>> = BTreeMap::new();
    for deed in history.deeds() {
        people.entry(&deed.who).or_default().push(deed);
    }
    for (who, deeds) in &people {
        judge_contact(&mut verdict, history, who, deeds);
    }
    for who in vanished(history) {
        verdict.find(Fault::WronglyDeleted, who);
    }
    let ending = &history.ending;
    for who in apart(history, &ending.outlook, &ending.platform) {
        verdict.find(Fault::Apart, who);
    }
    verdict
}

fn judge_contact(verdict: &mut Verdict, history: &History, who: &str, deeds: &[&Deed]) {
    let fate = fate(deeds);
    let shown = Side::BOTH.map(|side| cards(history.ending.side(side), who));
    let most = shown.iter().map(Vec::len).max().unwrap_or_default();
    if let Fate::Gone(side) = fate {
        // Where only the other side shows it, it is not back: the two are apart.
        if !cards(history.ending.side(side), who).is_empty() {
            verdict.find(Fault::Resurrected, who);
        }
        return;
    }
    if fate == Fate::Present && most == 0 {
        verdict.find(Fault::Lost, who);
        return;
    }
    for _ in 1..most {
        verdict.find(Fault::Doubled, who);
    }
    for value in overwritten(history, deeds, &shown.concat()) {
        verdict.find(Fault::Overwritten, format!("{who}: {value}"));
    }
}

fn cards<'a>(side: &'a [Card], who: &str) -> Vec<&'a Card> {
    side.iter().filter(|card| card.who == who).collect()
}

fn fate(deeds: &[&Deed]) -> Fate {
    let is_undone = |index: usize, delete: &Deed| {
        let later = deeds.iter().skip(index + 1);
        later
            .filter(|deed| matches!(deed.act, Act::Create | Act::Restore))
            .any(|deed| deed.side == delete.side || deed.era > delete.era)
    };
    let delete = deeds
        .iter()
        .enumerate()
        .find(|(index, deed)| deed.act == Act::Delete && !is_undone(*index, deed));
    let Some((at, delete)) = delete else {
        return Fate::Present;
    };
    let contradicts = |(index, deed): (usize, &&Deed)| {
        let is_change = matches!(deed.act, Act::Edit | Act::Move) && deed.side != delete.side;
        is_change && deed.era >= delete.era && (index > at || !knows(delete, deed))
    };
    if deeds.iter().enumerate().any(contradicts) {
        Fate::Either
    } else {
        Fate::Gone(delete.side)
    }
}

/// Whether a deed was done in view of an earlier one of the other side.
fn knows(deed: &Deed, earlier: &Deed) -> bool {
    let shown = |(name, value): (&String, &String)| deed.knew.get(name) == Some(value);
    deed.era > earlier.era || (!earlier.members.is_empty() && earlier.members.iter().all(shown))
}

/// The values that are nowhere, and that nobody has replaced knowingly.
fn overwritten(history: &History, deeds: &[&Deed], shown: &[&Card]) -> Vec<String> {
    let mut values = Vec::new();
    for (index, deed) in deeds.iter().enumerate().filter(|(_, deed)| deed.act == Act::Edit) {
        for (member, value) in &deed.members {
            let replaces = |later: &&&Deed| {
                let knows = later.side == deed.side || knows(later, deed);
                knows && (later.act == Act::Delete || later.members.contains_key(member))
            };
            let is_replaced = deeds.iter().skip(index + 1).any(|later| replaces(&later));
            let is_shown = shown.iter().any(|card| card.members.get(member) == Some(value));
            if !is_replaced && !is_shown && !history.ending.log.contains(value.as_str()) {
                values.push(format!("{member} '{value}'"));
            }
        }
    }
    values
}

/// Who disappeared from a side without having been deleted. Two looks in a row must miss him: one may fall between a
/// delete and a create that together are a move.
fn vanished(history: &History) -> BTreeSet<String> {
    let mut vanished = BTreeSet::new();
    for side in Side::BOTH {
        let mut looks: Vec<(usize, BTreeSet<&str>)> = Vec::new();
        for (index, event) in history.events.iter().enumerate() {
            match event {
                Event::Seen(of, who) if *of == side => {
                    looks.push((index, who.iter().map(String::as_str).collect()));
                }
                Event::Seen(..) | Event::Deed(_) => {}
            }
        }
        let end = history.ending.side(side).iter().map(|card| card.who.as_str());
        looks.push((history.events.len(), end.collect()));
        for three in looks.windows(3) {
            let [(_, before), (_, missing), (index, still_missing)] = three else {
                continue;
            };
            let gone = before
                .difference(missing)
                .filter(|who| !still_missing.contains(**who));
            let past = &history.events[..*index];
            vanished.extend(
                gone.filter(|who| !is_deleted(past, who))
                    .map(|who| (*who).to_owned()),
            );
        }
    }
    vanished
}

/// Whether a contact's last coming or going was a delete.
fn is_deleted(past: &[Event], who: &str) -> bool {
    let last = past.iter().rev().find_map(|event| match event {
        Event::Deed(deed) if deed.who == who => match deed.act {
            Act::Create | Act::Restore => Some(false),
            Act::Delete => Some(true),
            Act::Edit | Act::Move => None,
        },
        Event::Deed(_) | Event::Seen(..) => None,
    });
    last.unwrap_or_default()
}

/// Who is not the same on both sides: as often, with the same values of the members that somebody has written.
pub fn apart(history: &History, outlook: &[Card], platform: &[Card]) -> BTreeSet<String> {
    let mut written: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for deed in history.deeds() {
        let members = deed.members.keys().map(String::as_str);
        written.entry(&deed.who).or_default().extend(members);
    }
    let shown = |side: &[Card], who: &str, names: &BTreeSet<&str>| {
        let mut shown: Vec<Members> = cards(side, who)
            .into_iter()
            .map(|card| card.members.clone())
            .collect();
        for members in &mut shown {
            members.retain(|name, _| names.contains(name.as_str()));
        }
        shown.sort();
        shown
    };
    let differs =
        |(who, names): &(&str, BTreeSet<&str>)| shown(outlook, who, names) != shown(platform, who, names);
    let apart = written.into_iter().filter(differs);
    apart.map(|(who, _)| who.to_owned()).collect()
}
