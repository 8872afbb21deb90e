//! The feed of changes: whoever keeps asking with the cursor of the last answer misses nothing.
//!
//! A change gets its time before it is written, by the clock of its writer, and the index shows it later still: a
//! change may turn up behind newer ones. So the feed shows young changes at once, but goes back for them: a sweep reads
//! to the end, and the next one begins where the last was old enough to be complete.

use jiff::{SignedDuration, Timestamp};
use sync_core::ids::MailboxId;

use crate::contact::Contact;
use crate::error::StoreError;
use crate::items::{Table, s, text};
use crate::keys::{ChangedKey, attr, index};
use crate::page::Question;
use crate::{Answer, Store, stamp};

/// How late a change may turn up behind the time that it bears.
const LATENESS: SignedDuration = SignedDuration::from_secs(10);

/// A part of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Contacts and tombstones, the oldest change first, each with its last change. At least once: a change of the last
    /// seconds is shown again; its `version` tells that it is the same.
    pub items: Vec<Contact>,
    /// What to ask with next, for as long as tombstones are kept. It is opaque, good for this mailbox only, and no secret.
    pub cursor: String,
    /// True where there is more at once.
    pub more: bool,
    /// Changes passed over because a newer version of this software has written them, or because they can't be read.
    pub unreadable: u64,
}

/// How far a reader is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Everything up to this key has been shown, and nothing can turn up before it. Empty at the beginning.
    settled: String,
    /// Where the sweep goes on, if it was cut behind `settled`.
    sweep: Option<String>,
    /// When the cursor was given. Empty at the beginning.
    given: String,
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (settled, sweep, given) = (parts.next()?, parts.next()?, parts.next()?);
        let known = |text: &str| text.is_empty() || is_bound(text);
        let sweep = Some(sweep.to_owned()).filter(|sweep| !sweep.is_empty());
        let is_sound = known(settled) && sweep.as_deref().is_none_or(is_bound) && is_time(given);
        (is_sound && parts.next().is_none()).then(|| Self {
            settled: settled.to_owned(),
            sweep,
            given: given.to_owned(),
        })
    }

    fn text(&self) -> String {
        let sweep = self.sweep.as_deref().unwrap_or_default();
        format!("{}/{sweep}/{}", self.settled, self.given)
    }

    /// Whether tombstones that it hasn't seen may be gone, of those that are kept until `kept_since`.
    fn is_expired(&self, kept_since: &str) -> bool {
        !self.given.is_empty() && self.given.as_str() < kept_since
    }

    /// Behind which key to read on.
    fn from(&self) -> &str {
        self.sweep.as_deref().unwrap_or(&self.settled)
    }

    /// Having shown these keys at `given` as of `horizon`, which is the last moment that is complete.
    fn after(self, shown: &[&str], more: bool, horizon: &str, given: String) -> Self {
        // What was cut behind `settled` has been read while it was young: that it is old now proves nothing.
        let settled = match self.sweep {
            Some(_) => self.settled,
            None if !more && self.settled.as_str() < horizon => horizon.to_owned(),
            None => {
                let old = shown.iter().rfind(|key| **key < horizon);
                old.map_or(self.settled, |key| (*key).to_owned())
            }
        };
        let last = shown.last().filter(|_| more).map(|key| (*key).to_owned());
        let sweep = last.filter(|last| *last != settled);
        Self {
            settled,
            sweep,
            given,
        }
    }
}

/// A time, or a time and a contact.
fn is_bound(text: &str) -> bool {
    is_time(text) || ChangedKey::parse(text).is_some()
}

fn is_time(text: &str) -> bool {
    let time: Result<Timestamp, _> = text.parse();
    time.is_ok_and(|time| stamp::text(time) == text)
}

impl Store {
    /// **AP37** The changes of a mailbox since the cursor's answer, or all: without a cursor, every contact and tombstone
    /// is shown by its last change. Who was away for longer than tombstones are kept has missed deletes, and gets
    /// [`StoreError::ExpiredCursor`].
    #[tracing::instrument(name = "store.ap37_changes", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn changes(
        &self,
        mailbox: &MailboxId,
        after: Option<&str>,
        now: Timestamp,
        limit: usize,
    ) -> Answer<Feed> {
        let question = Question::Feed(mailbox);
        let position = question.position(after, Position::parse)?.unwrap_or_default();
        let before = |span: SignedDuration| stamp::text(now.saturating_sub(span).unwrap_or(Timestamp::MIN));
        let kept = SignedDuration::try_from(self.tombstone_retention).unwrap_or(SignedDuration::MAX);
        if position.is_expired(&before(kept.saturating_sub(LATENESS))) {
            return Err(StoreError::ExpiredCursor);
        }
        let query = self.query(Table::Contacts).index_name(index::BY_CHANGE);
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let query = if position.from().is_empty() {
            query.key_condition_expression("mailbox_id = :mailbox")
        } else {
            query
                .key_condition_expression("mailbox_id = :mailbox AND changed_key > :after")
                .expression_attribute_values(":after", s(position.from()))
        };
        let found = self.rows(query, None, limit).await?;
        let horizon = before(LATENESS);
        let shown: Vec<_> = found
            .rows
            .iter()
            .map(|row| text(row, attr::CHANGED_KEY))
            .collect();
        let cursor = question.cursor(
            position
                .after(&shown, found.more, &horizon, stamp::text(now))
                .text(),
        );
        let page = self.documents(mailbox, &found.rows, None).await?;
        Ok(Feed {
            items: page.items,
            cursor,
            more: found.more,
            unreadable: page.unreadable,
        })
    }
}
