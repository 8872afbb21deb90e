//! Contact folders (facts 3): <https://learn.microsoft.com/graph/api/resources/contactfolder>.

use std::collections::BTreeSet;

use serde_json::Value;

use super::MailboxClient;
use crate::batch::BatchRequest;
use crate::classify::Subject;
use crate::client::{Call, Target};
use crate::delta::DeltaPage;
use crate::error::{ErrorKind, GraphError};
use crate::model::ContactFolder;
use crate::page::{Envelope, Listing, Page, ReadFrom, read_row};
use crate::transport::Transport;

impl<T: Transport> MailboxClient<'_, T> {
    /// The folders directly below `parent`, all pages; `None`: below the default folder, which is not listed itself.
    /// <https://learn.microsoft.com/graph/api/user-list-contactfolders>
    pub async fn contact_folders(&self, parent: Option<&str>) -> Result<Listing<ContactFolder>, GraphError> {
        let mut path = vec!["users", self.user, "contactFolders"];
        path.extend(parent.into_iter().flat_map(|parent| [parent, "childFolders"]));
        let subject = if parent.is_some() {
            Subject::Folder
        } else {
            Subject::Mailbox
        };
        let call = Call::get("folder.list", subject, Target::Path(&path));
        self.client.listing(self.tenant, call).await
    }

    /// All folders below the default one, each before those in it. A level of the tree costs one request per 20
    /// folders.
    pub async fn contact_folder_tree(&self) -> Result<Listing<ContactFolder>, GraphError> {
        let mut tree = self.contact_folders(None).await?;
        let mut seen = BTreeSet::new();
        let mut level = 0;
        while level < tree.rows.len() {
            // A folder that moves while the tree is read may come twice.
            let parents: Vec<String> = tree.rows[level..]
                .iter()
                .map(|folder| folder.id.clone())
                .filter(|id| seen.insert(id.clone()))
                .collect();
            level = tree.rows.len();
            let children = self.children(&parents).await?;
            let news = children
                .rows
                .into_iter()
                .filter(|folder| !seen.contains(&folder.id));
            tree.rows.extend(news);
            tree.unreadable.extend(children.unreadable);
        }
        Ok(tree)
    }

    /// The folders directly below any of `parents`. One that is deleted meanwhile has none.
    async fn children(&self, parents: &[String]) -> Result<Listing<ContactFolder>, GraphError> {
        const OPERATION: &str = "folder.list_children";
        let request = |parent: &String| {
            let path = ["users", self.user, "contactFolders", parent, "childFolders"];
            let request = BatchRequest::get(&path, Subject::Folder);
            request.map(|request| request.page_size(self.client.page_size()))
        };
        let requests: Result<Vec<_>, _> = parents.iter().map(request).collect();
        let requests =
            requests.map_err(|error| GraphError::new(ErrorKind::Permanent, OPERATION).because(error))?;
        let mut all = Listing {
            rows: Vec::new(),
            unreadable: Vec::new(),
        };
        for outcome in self.client.batch(self.tenant, OPERATION, &requests).await {
            let body = match outcome {
                Ok(answer) => answer.body,
                Err(error) if error.kind() == ErrorKind::FolderNotFound => continue,
                Err(error) => return Err(error),
            };
            let page = Envelope::open(body, self.client.endpoints())
                .map(Page::of)
                .map_err(|damage| {
                    damage.error(Subject::Folder, |kind, code| {
                        GraphError::new(kind, OPERATION).answered(200, code)
                    })
                })?;
            let children = self.client.listing_from(self.tenant, OPERATION, page).await?;
            all.rows.extend(children.rows);
            all.unreadable.extend(children.unreadable);
        }
        Ok(all)
    }

    /// A folder; `None` where there is no such folder.
    /// <https://learn.microsoft.com/graph/api/contactfolder-get>
    pub async fn contact_folder(&self, id: &str) -> Result<Option<ContactFolder>, GraphError> {
        let target = Target::Path(&["users", self.user, "contactFolders", id]);
        let call = Call::get("folder.get", Subject::Folder, target);
        let answer = match self.client.call(self.tenant, call).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::FolderNotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let folder = read_row(answer.json(Subject::Folder)?).map_err(|row| answer.unreadable(row.problem))?;
        Ok(Some(folder))
    }

    /// One page of what has changed among the folders of the mailbox. Not in China 21Vianet (facts 3).
    /// <https://learn.microsoft.com/graph/api/contactfolder-delta>
    pub async fn folder_delta(&self, from: ReadFrom<'_>) -> Result<DeltaPage<ContactFolder>, GraphError> {
        let start = ["users", self.user, "contactFolders", "delta"];
        let call = Call::get("folder.delta", Subject::Mailbox, from.target(&start));
        self.client.delta_page(self.tenant, call).await
    }

    /// The id of the default folder. v1.0 doesn't list it, so it is read off what is in it: a contact, else a folder;
    /// `None` where it is empty (facts 3).
    pub async fn default_folder_id(&self) -> Result<Option<String>, GraphError> {
        const ONE: &str = "$top=1&$select=id,parentFolderId";
        for inside in ["contacts", "contactFolders"] {
            let path = ["users", self.user, inside];
            let call = Call::get("folder.default_id", Subject::Mailbox, Target::Query(&path, ONE));
            let answer = self.client.call(self.tenant, call).await?;
            let body = answer.json(Subject::Mailbox)?;
            let parent = body.pointer("/value/0/parentFolderId").and_then(Value::as_str);
            if let Some(parent) = parent {
                return Ok(Some(parent.to_owned()));
            }
        }
        Ok(None)
    }
}
