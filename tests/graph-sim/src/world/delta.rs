//! Delta rounds of contacts and folders (facts 4).
//!
//! A round is a list of rows, made when it starts; a page shows the state of its rows when it is asked for. Tokens
//! are names of states that the mailbox keeps, in a bounded cache as Exchange does (facts 4.3). Must not know HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::answers::Refusal;
use super::contacts::{View, show};
use super::folders;
use super::ids;
use super::mailbox::{Change, Health, Mailbox};
use super::query::{DEFAULT_PAGE, Prefer, Query};
use super::settings::{DeadToken, Settings, Warts};

/// The most rows of a page, whatever the client prefers (facts 4.2, 4).
const MAX_PAGE: usize = 200;

/// What a round runs over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The contacts of one folder.
    Contacts(String),
    /// The folders below one.
    Folders(String),
}

/// What a token stands for.
#[derive(Clone, Debug)]
pub(crate) struct SyncState {
    pub(crate) scope: Scope,
    select: Option<Vec<String>>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Between two pages of a round; when it ends, the next begins after `until`.
    Page {
        rows: Arc<Vec<Row>>,
        at: usize,
        until: u64,
        blank: bool,
    },
    /// Between two rounds.
    Settled { since: u64 },
}

#[derive(Clone, Debug)]
struct Row {
    id: String,
    alias: String,
    /// The members that changed; `None`: all of them.
    members: Option<BTreeSet<String>>,
}

/// One page, with the token that leads on from it.
pub(crate) struct DeltaPage {
    pub(crate) rows: Vec<Value>,
    /// `$skiptoken` or `$deltatoken`.
    pub(crate) kind: &'static str,
    pub(crate) token: String,
}

impl Mailbox {
    /// The page that a first call or a link asks for.
    pub(crate) fn delta_page(
        &mut self,
        scope: &Scope,
        query: &Query,
        prefer: Prefer,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<DeltaPage, Refusal> {
        if self.health == Health::Full {
            // facts 4.3: the sync state is written into the mailbox.
            return Err(folders::full());
        }
        let token = query.skip_token.as_ref().or(query.delta_token.as_ref());
        let state = if let Some(token) = token.filter(|token| !token.is_empty()) {
            let known = self.sync_states.get(token).filter(|state| state.scope == *scope);
            known.cloned().ok_or_else(|| dead_token(settings.dead_token))?
        } else {
            only_delta_options(query)?;
            let stage = self.first_round(scope, settings, now);
            SyncState {
                scope: scope.clone(),
                select: query.select.clone(),
                stage,
            }
        };
        if let Scope::Contacts(folder) = scope
            && self.folder(folder).is_none()
        {
            return Err(Refusal::new(
                404,
                "ErrorSyncFolderNotFound",
                "The specified folder could not be found.",
            ));
        }
        // facts 4.2, 4: the preference isn't in the token and must be repeated.
        let size = prefer.max_page.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
        Ok(self.page(state, size, prefer.immutable_ids, settings, now))
    }

    fn page(
        &mut self,
        state: SyncState,
        size: usize,
        immutable: bool,
        settings: &Settings,
        now: Timestamp,
    ) -> DeltaPage {
        let SyncState {
            scope,
            select,
            stage: before,
        } = state;
        let (rows, at, until, blank) = match before {
            Stage::Page {
                rows,
                at,
                until,
                blank,
            } => (rows, at, until, blank),
            Stage::Settled { since } => {
                let (rows, until) = self.changes(&scope, since, settings, now);
                (rows, 0, until, false)
            }
        };
        // facts 4.2, 1: an empty page with a next link is normal.
        let empty = !blank && self.dice.u8(0..100) < settings.warts.empty_pages;
        let end = if empty { at } else { rows.len().min(at + size) };
        let shown = rows[at..end]
            .iter()
            .map(|row| self.show_row(&scope, select.as_deref(), row, immutable))
            .collect();
        let (kind, after) = if end < rows.len() || empty {
            (
                "$skiptoken",
                Stage::Page {
                    rows,
                    at: end,
                    until,
                    blank: empty,
                },
            )
        } else {
            ("$deltatoken", Stage::Settled { since: until })
        };
        let token = self.keep(
            SyncState {
                scope,
                select,
                stage: after,
            },
            settings.sync_states_kept,
        );
        DeltaPage {
            rows: shown,
            kind,
            token,
        }
    }

    /// Gives a state a token. The oldest states fall out as new ones are added (facts 4.3).
    fn keep(&mut self, state: SyncState, most: usize) -> String {
        let token = format!("R0{}", ids::opaque(&[&self.root, &self.dice.u64(..).to_string()]));
        self.sync_states.insert(token.clone(), state);
        self.sync_state_age.push_back(token.clone());
        while self.sync_state_age.len() > most {
            if let Some(oldest) = self.sync_state_age.pop_front() {
                self.sync_states.remove(&oldest);
            }
        }
        token
    }

    fn first_round(&mut self, scope: &Scope, settings: &Settings, now: Timestamp) -> Stage {
        let until = self.visible(scope, settings.warts.lag_ms, now);
        let mut rows: Vec<Row> = match scope {
            Scope::Contacts(folder) => {
                let row = |item: &&super::mailbox::Item| Row::whole(&item.id, item.classic_id());
                self.contacts_in(folder).iter().map(row).collect()
            }
            Scope::Folders(top) => self
                .family(top)
                .iter()
                .filter_map(|id| self.folder_row(id, top))
                .collect(),
        };
        if settings.warts.removed_at_start {
            let present: BTreeSet<String> = rows.iter().map(|row| row.id.clone()).collect();
            let gone = fold(self.log_of(scope), 0, until)
                .into_iter()
                .filter(|row| !present.contains(&row.id));
            rows.extend(gone.collect::<Vec<_>>());
        }
        Stage::Page {
            rows: Arc::new(self.disturb(rows, settings.warts)),
            at: 0,
            until,
            blank: false,
        }
    }

    fn folder_row(&self, id: &str, top: &str) -> Option<Row> {
        self.folder(id)
            .filter(|folder| folder.id != top)
            .map(|folder| Row::whole(&folder.id, folder.id.clone()))
    }

    fn changes(
        &mut self,
        scope: &Scope,
        since: u64,
        settings: &Settings,
        now: Timestamp,
    ) -> (Arc<Vec<Row>>, u64) {
        let until = self.visible(scope, settings.warts.lag_ms, now).max(since);
        let rows = fold(self.log_of(scope), since, until);
        (Arc::new(self.disturb(rows, settings.warts)), until)
    }

    fn log_of(&self, scope: &Scope) -> &[Change] {
        match scope {
            Scope::Contacts(folder) => self
                .folders
                .get(folder)
                .map(|folder| folder.log.as_slice())
                .unwrap_or_default(),
            Scope::Folders(_) => &self.folder_log,
        }
    }

    /// The last change that delta shows: changes can lag behind (facts 4.2, 8).
    fn visible(&self, scope: &Scope, lag_ms: u64, now: Timestamp) -> u64 {
        let lag = SignedDuration::try_from(Duration::from_millis(lag_ms)).unwrap_or_default();
        let seen = |change: &&Change| change.at.checked_add(lag).is_ok_and(|shown| shown <= now);
        self.log_of(scope)
            .iter()
            .filter(seen)
            .map(|change| change.seq)
            .max()
            .unwrap_or(0)
    }

    /// Replays and disorder (facts 4.2, 5).
    fn disturb(&mut self, mut rows: Vec<Row>, warts: Warts) -> Vec<Row> {
        if warts.reorder {
            self.dice.shuffle(&mut rows);
        }
        if warts.replays > 0 {
            let again: Vec<Row> = rows
                .iter()
                .filter(|_| self.dice.u8(0..100) < warts.replays)
                .cloned()
                .collect();
            rows.extend(again);
        }
        if !warts.sparse_updates {
            for row in &mut rows {
                row.members = None;
            }
        }
        rows
    }

    fn show_row(&self, scope: &Scope, select: Option<&[String]>, row: &Row, immutable: bool) -> Value {
        match scope {
            Scope::Folders(top) => match self.folder(&row.id) {
                Some(folder) if self.family(top).contains(&folder.id) => folders::show(folder),
                _ => removed(&row.id),
            },
            Scope::Contacts(folder) => match self.items.get(&row.id) {
                Some(item) if item.folder == *folder => {
                    let view = View {
                        immutable,
                        select,
                        expand: &[],
                    };
                    sparse(show(item, &view), row.members.as_ref())
                }
                // facts 4.2, 7: a move out of the folder looks like a delete.
                _ => removed(if immutable { &row.id } else { &row.alias }),
            },
        }
    }
}

impl Row {
    fn whole(id: &str, alias: String) -> Self {
        Self {
            id: id.to_owned(),
            alias,
            members: None,
        }
    }
}

/// The changes after `since`, one row for each item.
fn fold(log: &[Change], since: u64, until: u64) -> Vec<Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for change in log
        .iter()
        .filter(|change| change.seq > since && change.seq <= until)
    {
        let row = rows.entry(&change.item).or_insert_with(|| Row {
            id: change.item.clone(),
            alias: String::new(),
            members: Some(BTreeSet::new()),
        });
        row.alias.clone_from(&change.alias);
        row.members = match (row.members.take(), &change.members) {
            (Some(mut all), Some(more)) => {
                all.extend(more.iter().cloned());
                Some(all)
            }
            _ => None,
        };
    }
    rows.into_values().collect()
}

fn removed(id: &str) -> Value {
    json!({ "id": id, "@removed": { "reason": "deleted" } })
}

/// facts 4.2, 6: at least the changed members.
fn sparse(shown: Map<String, Value>, members: Option<&BTreeSet<String>>) -> Value {
    let Some(members) = members else {
        return Value::Object(shown);
    };
    let always = ["@odata.etag", "id", "changeKey", "lastModifiedDateTime"];
    let kept = |name: &str| always.contains(&name) || members.contains(name);
    Value::Object(shown.into_iter().filter(|(name, _)| kept(name)).collect())
}

/// facts 4.2, 3: `$select` is the one option that a contact delta has.
fn only_delta_options(query: &Query) -> Result<(), Refusal> {
    if !query.expand.is_empty() {
        // facts 1.3, #1993: seen for messages and events.
        return Err(Refusal::new(
            500,
            "InternalServerError",
            "Value cannot be null. Parameter name: type",
        ));
    }
    if query.filter.is_some() || query.order.is_some() || query.count {
        return Err(Refusal::bad_request(
            "The query parameter is not supported with change tracking.",
        ));
    }
    Ok(())
}

/// facts 4.3: the forms in which a dead token is told. The caller adds the `Location` of a full sync to a 410.
pub(crate) fn dead_token(form: DeadToken) -> Refusal {
    match form {
        DeadToken::Gone => Refusal::new(
            410,
            "SyncStateNotFound",
            "The sync state generation is not found; generation=0. Please restart the sync.",
        ),
        DeadToken::ResyncRequired => {
            Refusal::new(410, "resyncRequired", "Resync required. Restart the sync.")
        }
        DeadToken::Invalid => Refusal::new(400, "SyncStateInvalid", "The sync state is invalid."),
        DeadToken::Malformed => Refusal::malformed_id(),
    }
}
