//! Act four: both sides change the same member of one contact at once; the policy decides, and a person decides
//! otherwise.
//!
//! Knows the API's conflicts. Must not decide anything: what it shows is what both sides and the log say.

use graph_sim::Edit;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cast::{Card, Person};
use super::tally::span;
use super::{End, Stage};

const MEMBER: &str = "jobTitle";
const BY_THE_PLATFORM: &str = "Managing director";
const IN_OUTLOOK: &str = "Chief of staff";

/// How often both sides are looked at, in milliseconds.
const EVERY: u64 = 5;
/// How long they may take.
const PATIENCE: u64 = 180_000;

impl Stage<'_> {
    /// Different where the conflict did not come to pass, or was not settled.
    pub(super) async fn conflict(&mut self) -> anyhow::Result<End> {
        let Some((person, card)) = self.subject() else {
            self.screen
                .line("\n4. A conflict: left out, since nobody is left to have one about.");
            return Ok(End::Equal);
        };
        self.screen.line(&format!(
            "\n4. A conflict: both sides give {} another job title at once\n",
            card.name
        ));
        let mailbox = format!("/v1/mailboxes/{}", self.people[person].id);
        let contact = format!("{mailbox}/contacts/{}", card.id);

        let before = self.platform.ask("GET", &contact, None).await?;
        self.show("both sides had", &before["contact"][MEMBER], "");
        let body = json!({ "contact": { MEMBER: BY_THE_PLATFORM } });
        self.platform.ask("PATCH", &contact, Some(body)).await?;
        let began = self.stack.ambient.now();
        // Nothing else runs between the API's answer and this: the bundle can't have been at Outlook yet.
        let members = Map::from_iter([(MEMBER.to_owned(), IN_OUTLOOK.into())]);
        let id = card.outlook_id.clone();
        let key = self.people[person].key.clone();
        self.stack
            .world()
            .edit(&key, Edit::EditContact { id, members }, began)?;
        let who = self.people[person].name.clone();
        self.show("the platform's edit", &json!(BY_THE_PLATFORM), "PATCH by the API");
        self.show("Outlook's edit", &json!(IN_OUTLOOK), &format!("by {who}"));

        let log = format!("{mailbox}/conflicts?contact={}", card.id);
        let Some(conflict) = self.decided(&log, &contact, person, &card, began).await? else {
            self.screen.line("   No conflict in the log: it was not seen.");
            return Ok(End::Different);
        };
        let took = span(self.since(began));
        let clash = &conflict["clashes"][0];
        let winner = clash["winner"].as_str().unwrap_or_default();
        let (winner, loser, other) = match winner {
            "outlook" => ("Outlook", "platform", &clash["platform"]),
            _ => ("the platform", "outlook", &clash["outlook"]),
        };
        let policy = conflict["policy"].as_str().unwrap_or_default();
        self.show(
            "both sides have now",
            &clash["kept"],
            &format!("{policy}: {winner} wins, after {took}"),
        );
        let id = conflict["id"].as_str().unwrap_or_default();
        self.screen.line(&format!(
            "\n   The conflict log has all three values, and the bus was told of it:\n   GET  conflicts/{id}"
        ));

        self.screen.line(&format!(
            "   A person decides otherwise:\n   POST conflicts/{id}/settle {{\"take\": \"{loser}\"}}\n"
        ));
        let settled_at = self.stack.ambient.now();
        let settle = format!("{mailbox}/conflicts/{id}/settle");
        self.platform
            .ask("POST", &settle, Some(json!({ "take": loser })))
            .await?;
        if !self.both_have(other, &contact, person, &card, settled_at).await? {
            self.screen.line("   Outlook has not followed.");
            return Ok(End::Different);
        }
        let took = span(self.since(settled_at));
        self.show("both sides have now", other, &format!("in Outlook after {took}"));
        Ok(End::Equal)
    }

    /// A contact that has a title to lose, if there is one.
    fn subject(&self) -> Option<(usize, Card)> {
        let world = self.stack.world();
        let has_title = |person: &Person, card: &Card| {
            let contact = world.contact(&person.key, &card.outlook_id);
            contact.is_some_and(|contact| contact[MEMBER].is_string())
        };
        let all = || {
            let people = self.people.iter().enumerate();
            people.flat_map(|(place, person)| person.contacts.iter().map(move |card| (place, person, card)))
        };
        let titled = all().find(|(_, person, card)| has_title(person, card));
        titled
            .or_else(|| all().next())
            .map(|(place, _, card)| (place, card.clone()))
    }

    /// Waits for the conflict's entry, and until both sides have what was kept.
    async fn decided(
        &mut self,
        log: &str,
        contact: &str,
        person: usize,
        card: &Card,
        began: Timestamp,
    ) -> anyhow::Result<Option<Value>> {
        while self.since(began) < PATIENCE {
            let list = self.platform.ask("GET", log, None).await?;
            let newest = &list["items"][0];
            if newest["clashes"][0]["member"] == MEMBER {
                let kept = &newest["clashes"][0]["kept"];
                let is_kept = self.both_have(kept, contact, person, card, began).await?;
                return Ok(is_kept.then(|| newest.clone()));
            }
            self.wait("waiting for the conflict", began).await;
        }
        Ok(None)
    }

    /// Waits until Outlook and the API show the value, and nothing waits to be brought to Outlook.
    async fn both_have(
        &mut self,
        value: &Value,
        contact: &str,
        person: usize,
        card: &Card,
        began: Timestamp,
    ) -> anyhow::Result<bool> {
        let key = self.people[person].key.clone();
        while self.since(began) < PATIENCE {
            let in_outlook = self.stack.world().contact(&key, &card.outlook_id);
            let here = self.platform.ask("GET", contact, None).await?;
            let is_settled = here["sync"]["state"] == "settled";
            if is_settled
                && here["contact"][MEMBER] == *value
                && in_outlook.is_some_and(|it| it[MEMBER] == *value)
            {
                return Ok(true);
            }
            self.wait("waiting until both sides agree", began).await;
        }
        Ok(false)
    }

    async fn wait(&mut self, what: &str, began: Timestamp) {
        let waited = span(self.since(began));
        self.screen.status(&format!("{what} for {waited}"));
        self.hear();
        self.pause(EVERY).await;
    }

    fn since(&self, began: Timestamp) -> u64 {
        let passed = self.stack.ambient.now().duration_since(began).as_millis();
        u64::try_from(passed).unwrap_or_default()
    }

    fn show(&mut self, what: &str, value: &Value, note: &str) {
        let value = if value.is_null() {
            "none".to_owned()
        } else {
            value.to_string()
        };
        let line = format!("   {what:<22}{value:<24}{note}");
        self.screen.line(line.trim_end());
    }
}
