//! The mailbox's contact folders: which there are, and what becomes of the contacts of those that are gone.
//!
//! The folder delta is the cheap question, asked in every run; the listing of the whole tree is the dear one, asked
//! when the cheap one says that something changed, and with every poll and comparison, since whether the folder
//! delta covers nested folders is documented nowhere (facts 3).

use std::collections::BTreeSet;

use contact_store::{Cursor, Folder, FolderScope};
use graph_client::{ContactFolder, ErrorKind, GraphError, Next, ReadFrom, Transport};
use job_queue::LifecycleJob;
use sync_core::demand::{CLOCK_SKEW, Demand};
use sync_core::folders::{self, DEFAULT_FOLDER, FolderSeen, Scope};
use sync_core::ids::{ContactId, FolderId, OutlookId};

use crate::Trouble;
use crate::session::Session;
use crate::work::Progress;

/// Contacts of an empty mailbox that are read at a time.
const AT_ONCE: usize = 1_000;

/// What the folder delta says.
enum Changes {
    None,
    /// Something changed; the link from which to ask next time, `None` where delta is not to be had.
    Some(Option<String>),
}

impl<T: Transport> Session<'_, T> {
    pub(crate) async fn discover(&mut self, demand: &Demand) -> Result<Progress, Trouble> {
        let link = match self.mailbox.folder_link.clone() {
            Some(link) if !self.listing_is_due(demand) => {
                match self.folder_changes(ReadFrom::Link(&link)).await? {
                    Changes::None => return Ok(Progress::Complete),
                    Changes::Some(link) => link,
                }
            }
            None if !self.listing_is_due(demand) => return Ok(Progress::Complete),
            // The link first: what changes while the tree is listed is then told next time.
            Some(_) | None => match self.folder_changes(ReadFrom::Start).await? {
                Changes::None => None,
                Changes::Some(link) => link,
            },
        };
        self.list_folders().await?;
        if self.bury_gone().await? == Progress::Cut {
            return Ok(Progress::Cut);
        }
        let synced = self.folders.values().filter(|it| it.in_scope).map(|it| &it.id);
        let subscribed: BTreeSet<_> = self.subscriptions.iter().map(|it| &it.folder).collect();
        let differs = synced.collect::<BTreeSet<_>>() != subscribed;
        self.ask_for_subscriptions(differs).await?;
        // Only when all of it is done: until then, every run asks again.
        let now = self.now();
        self.update_mailbox(|mailbox| {
            mailbox.folder_link.clone_from(&link);
            mailbox.folders_listed_at = Some(now);
        })
        .await?;
        Ok(Progress::Complete)
    }

    /// An empty mailbox hides its default folder (facts 3): that one is asked for each time, until it shows.
    fn listing_is_due(&self, demand: &Demand) -> bool {
        let Some(listed_at) = self.mailbox.folders_listed_at else {
            return true;
        };
        let asked_at = demand.all_folders.max(demand.compare);
        !self.knows_default()
            || asked_at.is_some_and(|asked_at| listed_at.duration_since(asked_at) <= CLOCK_SKEW)
    }

    async fn folder_changes(&mut self, from: ReadFrom<'_>) -> Result<Changes, Trouble> {
        if !self.engine.settings.delta {
            return Ok(Changes::Some(None));
        }
        let mut changed = from == ReadFrom::Start;
        let mut page = self.graph().folder_delta(from).await;
        loop {
            match page {
                Ok(page_read) => {
                    changed |= !page_read.changed.is_empty() || !page_read.removed.is_empty();
                    changed |= !page_read.unreadable.is_empty();
                    match page_read.next {
                        Next::Page(link) => page = self.graph().folder_delta(ReadFrom::Link(&link)).await,
                        Next::Done(link) if changed => return Ok(Changes::Some(Some(link))),
                        // The old link still tells the same: not worth a write.
                        Next::Done(_) => return Ok(Changes::None),
                    }
                }
                Err(error) if error.kind() == ErrorKind::SyncStateGone && from != ReadFrom::Start => {
                    return Box::pin(self.folder_changes(ReadFrom::Start)).await;
                }
                // Over quota (facts 4.3): the tree can still be listed.
                Err(error) if error.kind() == ErrorKind::QuotaExceeded => return Ok(Changes::Some(None)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lists the tree, and brings the known folders up to it. A folder that is not in it is only noted as gone.
    pub(crate) async fn list_folders(&mut self) -> Result<(), Trouble> {
        let listing = self.graph().contact_folder_tree().await?;
        let known_default = self
            .folders
            .values()
            .find(|folder| folder.is_default)
            .map(|it| it.id.clone());
        let default = match known_default {
            // A mailbox that Exchange has made anew has another one.
            Some(default) if self.graph().contact_folder(default.as_str()).await?.is_some() => default,
            Some(_) | None => match self.graph().default_folder_id().await? {
                Some(default) => FolderId::new(default),
                None => return self.ask_for_subscriptions(self.subscriptions.is_empty()).await,
            },
        };
        let seen: Vec<FolderSeen> = listing.rows.into_iter().map(seen).collect();
        let paths = folders::paths(&default, &seen);
        let mut changed = false;
        for (id, path) in &paths {
            let shown = seen.iter().find(|folder| folder.id == *id);
            changed |= self.bring_up_to(id, path, *id == default, shown).await?;
        }
        // With rows that could not be read, absence proves nothing.
        if listing.unreadable.is_empty() {
            let missing = self.folders.keys().filter(|id| !paths.contains_key(id));
            self.missing = missing.cloned().collect();
        }
        self.ask_for_subscriptions(changed).await
    }

    async fn ask_for_subscriptions(&self, wanted: bool) -> Result<(), Trouble> {
        if wanted {
            let mailbox = self.mailbox.id.clone();
            self.engine
                .lifecycle
                .send(&[LifecycleJob::Ensure { mailbox }])
                .await?;
        }
        Ok(())
    }

    /// True where the folder is new, or in scope now and not before, or the other way round.
    async fn bring_up_to(
        &mut self,
        id: &FolderId,
        path: &str,
        is_default: bool,
        shown: Option<&FolderSeen>,
    ) -> Result<bool, Trouble> {
        let scope = match &self.mailbox.scope {
            FolderScope::All => Scope::All,
            FolderScope::Only(names) => Scope::Only(names),
        };
        let in_scope = folders::in_scope(&scope, id, path);
        let known = self.folders.get(id);
        let mut folder = known.cloned().unwrap_or_else(|| Folder {
            mailbox: self.mailbox.id.clone(),
            id: id.clone(),
            name: DEFAULT_FOLDER.to_owned(),
            parent: None,
            is_default,
            in_scope,
            cursor: Cursor::Unstarted,
            contacts_seen: 0,
            comparison: None,
            rev: 0,
        });
        if let Some(shown) = shown {
            folder.name.clone_from(&shown.name);
            folder.parent.clone_from(&shown.parent);
        }
        if folder.in_scope != in_scope {
            folder.in_scope = in_scope;
            folder.cursor = Cursor::Unstarted;
        }
        let differs = known.is_none_or(|known| known.in_scope != in_scope);
        if known != Some(&folder) {
            self.save_folder(folder).await?;
        }
        Ok(differs)
    }

    /// Looks up every contact of a folder that is gone, or out of scope: it has moved, or it is buried.
    ///
    /// Such a folder is forgotten only when the mirror has nothing in it; the index may lag behind its last contacts.
    async fn bury_gone(&mut self) -> Result<Progress, Trouble> {
        let mut gone = self.gone_folders().await?;
        gone.extend(
            self.folders
                .values()
                .filter(|it| !it.in_scope)
                .map(|it| it.id.clone()),
        );
        // From here on their contacts are not ours.
        for id in &gone {
            if let Some(mut folder) = self.folders.get(id).filter(|it| it.in_scope).cloned() {
                folder.in_scope = false;
                folder.cursor = Cursor::Unstarted;
                self.save_folder(folder).await?;
            }
        }
        let mut contacts = Vec::new();
        for id in &gone {
            contacts.extend(self.contacts_in(id).await?);
        }
        if !self.knows_default() {
            contacts.extend(self.contacts_nowhere().await?);
        }
        if self.verify_in_time(contacts).await? == Progress::Cut {
            return Ok(Progress::Cut);
        }
        for id in gone {
            if self.missing.contains(&id)
                && self.contacts_in(&id).await?.is_empty()
                && let Some(folder) = self.folders.remove(&id)
            {
                self.engine.store.delete_folder(&folder).await?;
            }
        }
        Ok(Progress::Complete)
    }

    /// The contacts with items in folders that nobody knows. The first one of an empty mailbox shows the default folder; if he
    /// is deleted before that is noted, no round will ever say so.
    async fn contacts_nowhere(&self) -> Result<Vec<(ContactId, OutlookId)>, Trouble> {
        let mut contacts = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let store = &self.engine.store;
            let page = store
                .contacts(&self.mailbox.id, after.as_deref(), AT_ONCE)
                .await?;
            let strays = page
                .items
                .into_iter()
                .filter(|it| !self.folders.contains_key(&it.folder));
            contacts.extend(strays.filter_map(|it| Some((it.id, it.outlook?.id))));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(contacts),
            }
        }
    }

    /// False as long as an empty mailbox hides its default folder, and with it all others.
    pub(crate) fn knows_default(&self) -> bool {
        self.folders.values().any(|folder| folder.is_default)
    }

    /// The missing folders that really are gone, each after those that it lay in.
    async fn gone_folders(&self) -> Result<Vec<FolderId>, Trouble> {
        let mut gone: Vec<FolderId> = Vec::new();
        let mut waiting: Vec<FolderId> = self.missing.iter().cloned().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            for id in std::mem::take(&mut waiting) {
                let parent = self.folders.get(&id).and_then(|it| it.parent.as_ref());
                if parent.is_some_and(|parent| self.missing.contains(parent) && !gone.contains(parent)) {
                    waiting.push(id);
                } else if self.is_really_gone(&id, &gone).await? {
                    gone.push(id);
                }
            }
            if waiting.len() == before {
                // What lies in a missing folder that is still there, is still there.
                break;
            }
        }
        Ok(gone)
    }

    /// Evidence for a folder: it does not exist, or it lies outside of the contact folders (a deleted one can be
    /// read below Deleted Items).
    async fn is_really_gone(&self, id: &FolderId, gone: &[FolderId]) -> Result<bool, GraphError> {
        Ok(match self.graph().contact_folder(id.as_str()).await? {
            None => true,
            Some(folder) => folder.parent_folder_id.map(FolderId::new).is_none_or(|parent| {
                // The default folder lies in the mailbox's root, which is none of ours.
                let is_default = self.folders.get(id).is_some_and(|it| it.is_default);
                !is_default && (gone.contains(&parent) || !self.folders.contains_key(&parent))
            }),
        })
    }
}

pub(crate) fn seen(row: ContactFolder) -> FolderSeen {
    FolderSeen {
        id: FolderId::new(row.id),
        name: row.display_name.unwrap_or_default(),
        parent: row.parent_folder_id.map(FolderId::new),
    }
}
