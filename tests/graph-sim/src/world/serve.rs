//! Requests below `/users/{user}`: from a place and a method to the mailbox and back.
//!
//! Knows paths, links and contexts. What happens in a mailbox is `mailbox`'s, how a contact looks `contacts`'.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{Answer, Refusal, bytes_answer, empty_answer, json_answer, set_header};
use super::call::{Call, Operation, Place};
use super::contacts::{ListPage, View, show};
use super::delta::{self, Scope};
use super::extras;
use super::fields;
use super::folders;
use super::mailbox::{Health, Mailbox, MailboxKey};
use super::settings::DeadToken;
use super::tokens::Caller;
use super::{Done, World};

impl World {
    /// A mailbox that Graph serves; the refusals are those of facts 8.
    pub(super) fn known_mailbox(&self, caller: &Caller, user: &str) -> Result<MailboxKey, Refusal> {
        let unknown = || {
            Refusal::new(
                404,
                "ErrorInvalidUser",
                format!("The requested user '{user}' is invalid."),
            )
        };
        let key = self.directory.find(&caller.tenant, user).ok_or_else(unknown)?;
        match self.directory.mailbox(&key).ok_or_else(unknown)?.health {
            Health::Live | Health::Full => Ok(key),
            Health::NotEnabled => Err(Refusal::new(
                404,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            )),
            Health::Denied => Err(Refusal::new(
                403,
                "ErrorAccessDenied",
                "Access to OData is disabled.",
            )),
        }
    }

    pub(super) fn serve_mailbox(
        &mut self,
        caller: &Caller,
        call: &Call,
        user: &str,
        path: &[String],
        place: &Place,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let key = self.known_mailbox(caller, user)?;
        let about_contacts = matches!(place, Place::Contacts | Place::ContactDelta | Place::Contact(_));
        self.complain(
            about_contacts && !call.prefer.immutable_ids,
            "contacts without immutable ids (facts 10)",
        );
        let answer = match place {
            Place::Folders | Place::FolderCount | Place::Folder | Place::FolderPurge => {
                self.serve_folders(&key, call, path, place, now)
            }
            Place::FolderDelta | Place::ContactDelta => self.serve_delta(&key, call, path, place, now),
            Place::Contacts | Place::ContactCount => self.serve_contacts(&key, call, path, place, now),
            Place::Contact(id) | Place::ContactPurge(id) => {
                self.serve_contact(&key, call, path, place, id, now)
            }
            Place::Extensions(id)
            | Place::ExtensionCount(id)
            | Place::Extension(id, _)
            | Place::Photo(id)
            | Place::PhotoValue(id) => self.serve_extras(&key, call, place, id),
            Place::TranslateIds => {
                let mut shown = self.served(&key)?.translate(&call.object()?)?;
                shown["@odata.context"] =
                    Value::from(self.context("Collection(microsoft.graph.convertIdResult)"));
                Ok(json_answer(200, &shown))
            }
        };
        answer.map(Done::Answer)
    }

    fn served(&self, key: &MailboxKey) -> Result<&Mailbox, Refusal> {
        self.directory.mailbox(key).ok_or_else(Refusal::item_not_found)
    }

    fn served_mut(&mut self, key: &MailboxKey) -> Result<&mut Mailbox, Refusal> {
        self.directory
            .mailbox_mut(key)
            .ok_or_else(Refusal::item_not_found)
    }

    fn serve_folders(
        &mut self,
        key: &MailboxKey,
        call: &Call,
        path: &[String],
        place: &Place,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let context = self.context(&format!("users('{}')/contactFolders", key.user));
        let mailbox = self.served_mut(key)?;
        let folder = mailbox.path_folder(path)?;
        let shown = |mailbox: &Mailbox, status, id: &str| {
            let found = mailbox.folder(id).ok_or_else(Refusal::item_not_found)?;
            let mut shown = folders::show(found);
            shown["@odata.context"] = Value::from(format!("{context}/$entity"));
            Ok(json_answer(status, &shown))
        };
        match (place, call.method.as_str()) {
            (Place::Folders, "GET") => {
                let page = mailbox.list_folders(&folder, call.query()?, call.prefer.max_page);
                self.list_answer(call, &context, page)
            }
            (Place::FolderCount, "GET") => Ok(count(mailbox.children_of(&folder).len())),
            (Place::Folders, "POST") => {
                let id = mailbox.post_folder(&folder, &call.object()?, now)?;
                shown(mailbox, 201, &id)
            }
            (Place::Folder, "GET") => shown(mailbox, 200, &folder),
            (Place::Folder, "PATCH") => {
                mailbox.patch_folder(&folder, &call.object()?, now)?;
                shown(mailbox, 200, &folder)
            }
            (Place::Folder, "DELETE") => mailbox
                .remove_folder(&folder, false, now)
                .map(|()| empty_answer(204)),
            (Place::FolderPurge, "POST") => mailbox
                .remove_folder(&folder, true, now)
                .map(|()| empty_answer(204)),
            _ => Err(extras::not_allowed()),
        }
    }

    fn serve_contacts(
        &mut self,
        key: &MailboxKey,
        call: &Call,
        path: &[String],
        place: &Place,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let folder = self.served(key)?.path_folder(path)?;
        let context = self.context(&format!("users('{}')/contacts", key.user));
        match (place, call.method.as_str()) {
            (Place::Contacts, "GET") => {
                let (query, prefer) = (call.query()?, call.prefer);
                let page =
                    self.served(key)?
                        .list_contacts(&folder, query, prefer.immutable_ids, prefer.max_page);
                self.list_answer(call, &context, page)
            }
            (Place::ContactCount, "GET") => Ok(count(
                self.served(key)?
                    .list_contacts(&folder, call.query()?, true, None)
                    .total,
            )),
            (Place::Contacts, "POST") => {
                let write = fields::read(call.object()?)?;
                let names = self.directory.names(&key.tenant);
                let id = self.served_mut(key)?.post_contact(&folder, write, &names, now)?;
                self.contact_answer(key, call, 201, &id)
            }
            _ => Err(extras::not_allowed()),
        }
    }

    fn serve_contact(
        &mut self,
        key: &MailboxKey,
        call: &Call,
        path: &[String],
        place: &Place,
        id: &str,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        // The folder in the path is not checked against the contact's: ids are unique in the mailbox (facts 3).
        self.served(key)?.path_folder(path)?;
        let item = self.served(key)?.find(id, &self.settings)?;
        let item_id = item.id.clone();
        let warts = self.settings.warts;
        match (place, call.method.as_str()) {
            (Place::Contact(_), "GET") => self.contact_answer(key, call, 200, &item_id),
            (Place::Contact(_), "PATCH") => {
                Mailbox::check_etag(item, call.header("if-match"), &self.settings)?;
                let write = fields::read(call.object()?)?;
                let names = self.directory.names(&key.tenant);
                self.served_mut(key)?
                    .patch_contact(&item_id, write, &names, now)?;
                self.contact_answer(key, call, 200, &item_id)
            }
            (Place::Contact(_), "DELETE") => {
                // facts 2.5: a repeated DELETE gives 404.
                if self.served(key)?.is_deleted(item) {
                    return Err(Refusal::item_not_found());
                }
                Mailbox::check_etag(item, call.header("if-match"), &self.settings)?;
                self.served_mut(key)?.delete(&item_id, false, &warts, now);
                Ok(empty_answer(204))
            }
            (Place::ContactPurge(_), "POST") => {
                self.served_mut(key)?.delete(&item_id, true, &warts, now);
                Ok(empty_answer(204))
            }
            _ => Err(extras::not_allowed()),
        }
    }

    fn serve_extras(
        &mut self,
        key: &MailboxKey,
        call: &Call,
        place: &Place,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let found = self.served(key)?.find(id, &self.settings)?.id.clone();
        let writes = ["POST", "PATCH"].contains(&call.method.as_str());
        let body = if writes && !matches!(place, Place::PhotoValue(_) | Place::Photo(_)) {
            Some(call.object()?)
        } else {
            None
        };
        let item = self
            .served_mut(key)?
            .items
            .get_mut(&found)
            .ok_or_else(Refusal::item_not_found)?;
        let method = call.method.as_str();
        match place {
            Place::Extensions(_) => extras::extensions(item, method, body),
            Place::ExtensionCount(_) => Ok(count(item.extensions.len())),
            Place::Extension(_, extension) => extras::extension(item, method, extension, body),
            Place::Photo(_) => Ok(extras::photo(item)),
            Place::PhotoValue(_) => extras::photo_value(item, method, &call.body),
            Place::Folders
            | Place::FolderCount
            | Place::FolderDelta
            | Place::Folder
            | Place::FolderPurge
            | Place::Contacts
            | Place::ContactCount
            | Place::ContactDelta
            | Place::Contact(_)
            | Place::ContactPurge(_)
            | Place::TranslateIds => Err(extras::not_allowed()),
        }
    }

    fn serve_delta(
        &mut self,
        key: &MailboxKey,
        call: &Call,
        path: &[String],
        place: &Place,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        if call.method != http::Method::GET {
            return Err(extras::not_allowed());
        }
        let of_contacts = *place == Place::ContactDelta;
        let gone = |refusal: Refusal| match refusal.status {
            // facts 3: what a folder delta or a contact delta says of a deleted folder.
            404 => Refusal::new(
                404,
                "ErrorSyncFolderNotFound",
                "The specified folder could not be found.",
            ),
            _ => refusal,
        };
        let folder = self.served(key)?.path_folder(path).map_err(gone)?;
        let scope = if of_contacts {
            Scope::Contacts(folder)
        } else {
            Scope::Folders(folder)
        };
        let Self {
            directory, settings, ..
        } = self;
        let mailbox = directory.mailbox_mut(key).ok_or_else(Refusal::item_not_found)?;
        let page = match mailbox.delta_page(&scope, call.query()?, call.prefer, settings, now) {
            Ok(page) => page,
            Err(refusal) if refusal.status == 410 => {
                return Err(self.dead_token(self.settings.dead_token, call));
            }
            Err(refusal) => return Err(refusal),
        };
        // facts 4.2: never both links; the whole URL is the state.
        let member = if page.kind == "$skiptoken" {
            "@odata.nextLink"
        } else {
            "@odata.deltaLink"
        };
        let link = format!(
            "{}{}?{}={}",
            self.settings.graph_url, call.path, page.kind, page.token
        );
        let context = self.context(if of_contacts {
            "Collection(contact)"
        } else {
            "Collection(contactFolder)"
        });
        Ok(json_answer(
            200,
            &json!({ "@odata.context": context, "value": page.rows, member: link }),
        ))
    }

    /// facts 4.3: a 410 carries the `Location` of a full sync, with an empty token.
    pub(super) fn dead_token(&self, form: DeadToken, call: &Call) -> Refusal {
        let refusal = delta::dead_token(form);
        if refusal.status != 410 {
            return refusal;
        }
        refusal.with_header(
            "location",
            format!("{}{}?$deltatoken=", self.settings.graph_url, call.path),
        )
    }

    fn contact_answer(
        &self,
        key: &MailboxKey,
        call: &Call,
        status: u16,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let item = self
            .served(key)?
            .items
            .get(id)
            .ok_or_else(Refusal::item_not_found)?;
        let query = call.query()?;
        let view = View {
            immutable: call.prefer.immutable_ids,
            select: query.select.as_deref(),
            expand: &query.expand,
        };
        let mut shown = show(item, &view);
        let context = self.context(&format!("users('{}')/contacts/$entity", key.user));
        shown.insert("@odata.context".to_owned(), Value::from(context));
        let mut answer = json_answer(status, &Value::Object(shown));
        if call.operation == Operation::CreateContact {
            let location = format!("{}{}/{id}", self.settings.graph_url, call.path);
            set_header(&mut answer, "location", &location);
        }
        set_header(&mut answer, "etag", &item.etag());
        Ok(answer)
    }

    fn list_answer(&self, call: &Call, context: &str, page: ListPage) -> Result<Answer, Refusal> {
        let query = call.query()?;
        let mut body = json!({ "@odata.context": context });
        body["value"] = Value::Array(page.rows);
        if query.count {
            body["@odata.count"] = Value::from(page.total);
        }
        if let Some(next) = page.next {
            let link = format!(
                "{}{}?{}",
                self.settings.graph_url,
                call.path,
                query.with_skip(next)
            );
            body["@odata.nextLink"] = Value::from(link);
        }
        Ok(json_answer(200, &body))
    }

    pub(super) fn context(&self, of: &str) -> String {
        format!("{}/v1.0/$metadata#{of}", self.settings.graph_url)
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

fn count(number: usize) -> Answer {
    bytes_answer(200, "text/plain", bytes::Bytes::from(number.to_string()))
}
