//! What users do in Outlook. Each edit is told to the subscribers at once, and arrives when time passes.

use graph_sim::Edit;
use serde_json::{Map, Value, json};

use crate::scene::{Person, Scene};

impl Scene {
    /// Gives one contact of the default folder another title.
    pub(crate) fn edit_one(&self, person: &Person, title: &str) {
        let id = self.contacts_in(person, "Contacts")[0].clone();
        self.edit(person, &id, json!({ "jobTitle": title }));
    }

    pub(crate) fn user_does(&self, person: &Person, edit: Edit) -> String {
        let now = self.now();
        self.stack.world().edit(&person.key, edit, now).unwrap()
    }

    pub(crate) fn create(&self, person: &Person, folder: Option<&str>, members: Value) -> String {
        let folder = folder.map(str::to_owned);
        let members = object(members);
        self.user_does(person, Edit::CreateContact { folder, members })
    }

    pub(crate) fn edit(&self, person: &Person, id: &str, members: Value) {
        let (id, members) = (id.to_owned(), object(members));
        self.user_does(person, Edit::EditContact { id, members });
    }

    /// To Deleted Items.
    pub(crate) fn delete(&self, person: &Person, id: &str) {
        let id = id.to_owned();
        self.user_does(person, Edit::DeleteContact { id, purge: false });
    }

    /// For good.
    pub(crate) fn purge(&self, person: &Person, id: &str) {
        let id = id.to_owned();
        self.user_does(person, Edit::DeleteContact { id, purge: true });
    }

    /// From Deleted Items too.
    pub(crate) fn move_to(&self, person: &Person, id: &str, folder: Option<&str>) {
        let (id, folder) = (id.to_owned(), folder.map(str::to_owned));
        self.user_does(person, Edit::MoveContact { id, folder });
    }

    pub(crate) fn create_folder(&self, person: &Person, parent: Option<&str>, name: &str) -> String {
        let (parent, name) = (parent.map(str::to_owned), name.to_owned());
        self.user_does(person, Edit::CreateFolder { parent, name })
    }
}

fn object(members: Value) -> Map<String, Value> {
    let Value::Object(members) = members else {
        panic!("no members: {members}");
    };
    members
}
