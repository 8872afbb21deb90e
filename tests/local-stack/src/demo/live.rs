//! Act three: people edit in Outlook and the platform through the API, and each edit is shown when the other side has
//! it, with the time that it took.
//!
//! Knows both sides as anybody who reads them: it asks for the contact, again and again. Must not look into the bundle
//! to learn when an edit has arrived.

use std::time::Duration;

use jiff::Timestamp;
use sync_core::record::Side;

use super::Stage;
use super::edits::Made;
use super::first_sync::many;
use super::players::Players;
use super::tally::{Tally, span};
use super::trouble::Faults;

/// How often a fresh edit is looked for. An old one is looked for less often, to leave the machine to the bundle.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// An edit that takes longer gets a line while it is waited for.
const PATIENCE: u64 = 3_000;
/// After the last edit nothing is waited for longer than this.
const LAST_WAIT: Duration = Duration::from_mins(3);

/// Columns for what was edited.
const WIDTH: usize = 48;

/// An edit that is not settled yet.
struct Pending {
    made: Made,
    look_at: Timestamp,
    mentioned: bool,
    /// The other side shows it; that both sides know it may come a moment later.
    arrived: bool,
}

impl Stage<'_> {
    /// Until somebody stops it, or the edits asked for are made; and then until the last of them has arrived.
    pub(super) async fn live(&mut self) -> anyhow::Result<Tally> {
        let ambient = self.stack.ambient.clone();
        let mut players = Players::new(ambient.clone(), self.scene.seed);
        let (mut tally, mut pending) = (Tally::default(), Vec::new());
        let (mut made, mut next_edit) = (0_u32, ambient.now());
        let mut ended_at = None;
        self.announce();
        loop {
            let now = ambient.now();
            let is_over = self.stop.is_asked()
                || self.screen.is_gone()
                || self.scene.edits.is_some_and(|edits| made >= edits);
            if is_over {
                let ended_at = *ended_at.get_or_insert(now);
                let given_up = ambient::add(ended_at, LAST_WAIT) < now;
                if (pending.is_empty() && self.is_at_rest()) || given_up {
                    self.miss(&pending);
                    return Ok(tally);
                }
            } else if now >= next_edit {
                next_edit = ambient::add(now, Duration::from_millis(self.scene.every));
                let edit = players.act(&mut self.people, self.stack, &self.platform).await?;
                made += 1;
                pending.push(Pending {
                    look_at: now,
                    made: edit,
                    mentioned: false,
                    arrived: false,
                });
            }
            self.look(&mut pending, &mut players, &mut tally).await?;
            self.hear();
            self.status(&tally, &pending, is_over);
            ambient.sleep(LOOK_EVERY).await;
        }
    }

    fn announce(&mut self) {
        let end = match self.scene.edits {
            Some(edits) => many(usize::try_from(edits).unwrap_or_default(), "edit", "edits"),
            None => "until Ctrl-C, then a conflict".to_owned(),
        };
        self.screen.line(&format!(
            "\n3. Live edits, by people in Outlook and by the platform through the API: one every {}, {end}.\n   \
             Time is until the other side has it: from Outlook to the mirrored item, from the API to Outlook's.\n",
            span(self.scene.every),
        ));
        self.screen.line(&row([
            "at", "made in", "mailbox", "edit", "contact", "time", "median",
        ]));
    }

    /// Asks both sides for what is pending, shows what has arrived, and takes out what is settled.
    async fn look(
        &mut self,
        pending: &mut Vec<Pending>,
        players: &mut Players,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let mut place = 0;
        while place < pending.len() {
            let edit = &mut pending[place];
            if edit.look_at > self.stack.ambient.now() {
                place += 1;
                continue;
            }
            let mirrored = self
                .audience
                .contact(&edit.made.mailbox, &edit.made.contact)
                .await?;
            let age = age(&edit.made, self.stack.ambient.now());
            if !edit.arrived && edit.made.has_arrived(mirrored.as_ref(), &self.stack.world()) {
                edit.arrived = true;
                let way = tally.add(edit.made.by, edit.made.kind, age);
                let note = if edit.made.unheard {
                    " (never notified)"
                } else {
                    ""
                };
                let line = row_of(&edit.made, note, &span(age), &span(way.median()));
                self.screen.line(&line);
            }
            if edit.arrived && Made::is_settled(mirrored.as_ref()) {
                let settled = pending.swap_remove(place);
                players.done(&settled.made, mirrored.as_ref(), &mut self.people);
                continue;
            }
            edit.look_at = ambient::add(
                self.stack.ambient.now(),
                Duration::from_millis((age / 100).min(50)),
            );
            if !edit.arrived && age > PATIENCE && !std::mem::replace(&mut edit.mentioned, true) {
                let note = why(&edit.made, self.scene.faults);
                let line = row_of(&edit.made, note, "waiting", "");
                self.screen.line(&line);
            }
            place += 1;
        }
        Ok(())
    }

    fn miss(&mut self, pending: &[Pending]) {
        if !pending.is_empty() {
            let wait = LAST_WAIT.as_secs();
            let edits = many(pending.len(), "edit", "edits");
            self.screen.line(&format!(
                "   {edits} not on the other side within {wait} s after the last one."
            ));
        }
    }

    fn status(&mut self, tally: &Tally, pending: &[Pending], is_over: bool) {
        let now = self.stack.ambient.now();
        let oldest = pending.iter().map(|edit| age(&edit.made, now)).max();
        let waiting = match oldest {
            Some(oldest) => format!("{} under way, the oldest for {}", pending.len(), span(oldest)),
            None => "nothing under way".to_owned(),
        };
        let end = if is_over { "coming to rest" } else { "Ctrl-C ends" };
        self.screen
            .status(&format!("{} arrived, {waiting}; {end}", tally.len()));
    }
}

fn age(made: &Made, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(made.at).as_millis()).unwrap_or_default()
}

fn why(made: &Made, faults: Faults) -> &'static str {
    match (made.unheard, faults) {
        (true, _) => " (notification lost)",
        (false, Faults::None) => " (not there yet)",
        (false, Faults::Some | Faults::Many) => " (late, or refused)",
    }
}

fn row_of(made: &Made, note: &str, time: &str, median: &str) -> String {
    let at = made.at.strftime("%H:%M:%S").to_string();
    let made_in = match made.by {
        Side::Outlook => "Outlook",
        Side::Platform => "API",
    };
    let room = WIDTH - note.chars().count();
    let mut what: String = made.what.chars().take(room).collect();
    if made.what.chars().count() > room {
        what.pop();
        what.push('…');
    }
    what.push_str(note);
    row([
        &at,
        made_in,
        &made.whose,
        &made.kind.to_string(),
        &what,
        time,
        median,
    ])
}

/// A row of 100 columns.
fn row([at, made_in, mailbox, kind, what, time, median]: [&str; 7]) -> String {
    format!("   {at:<8} {made_in:<7} {mailbox:<7} {kind:<7} {what:<WIDTH$}{time:>8}{median:>8}")
}
