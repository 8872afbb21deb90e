//! How a world is made and set: tenants, apps, mailboxes, health, faults. What an administrator of the simulator does.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::World;
use super::delta::Scope;
use super::mailbox::{Health, Mailbox, MailboxKey};
use super::notify::Outbox;
use super::settings::Settings;
use super::throttle::Throttle;
use super::tokens::Directory;
use crate::faults::{Faults, NoticeRule, Rule};
use crate::journal::Journal;

impl World {
    /// An empty Graph.
    pub fn new(settings: Settings) -> Self {
        Self {
            dice: Rng::with_seed(settings.seed),
            settings,
            directory: Directory::default(),
            subscriptions: BTreeMap::new(),
            outbox: Outbox::default(),
            faults: Faults::default(),
            throttle: Throttle::default(),
            journal: Journal::default(),
            pending: BTreeMap::new(),
            numbers: 0,
            batch_delay: std::time::Duration::ZERO,
        }
    }

    /// What can be set; changes hold from the next request on.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// What is set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Registers an app, or gives it one more secret. It is in no tenant until [`World::consent`].
    pub fn add_app(&mut self, app: &str, secret: &str) {
        self.directory.add_app(app, secret);
    }

    /// An administrator of the tenant consents to the app. Makes the tenant where it isn't there.
    pub fn consent(&mut self, tenant: &str, app: &str) {
        self.directory.consent(tenant, app);
    }

    /// The tenant is gone with everything in it.
    pub fn remove_tenant(&mut self, tenant: &str) {
        self.directory.remove_tenant(tenant);
        self.subscriptions
            .retain(|_, subscription| subscription.mailbox.tenant != tenant);
    }

    /// From now on the app's only valid secret is this one (facts 9.1).
    pub fn rotate_secret(&mut self, app: &str, secret: &str) {
        self.directory.rotate_secret(app, secret);
    }

    /// All access tokens end now.
    pub fn expire_tokens(&mut self) {
        self.directory.expire_tokens();
    }

    /// Adds a user with an empty mailbox. `user` is the object id, `principal` the user principal name.
    pub fn add_mailbox(&mut self, tenant: &str, user: &str, principal: &str, name: &str) -> MailboxKey {
        let key = MailboxKey {
            tenant: tenant.to_owned(),
            user: user.to_owned(),
        };
        self.directory
            .add_mailbox(Mailbox::new(key.clone(), principal, name, self.settings.seed));
        key
    }

    /// The user is gone. False where there was none.
    pub fn remove_mailbox(&mut self, key: &MailboxKey) -> bool {
        self.subscriptions
            .retain(|_, subscription| subscription.mailbox != *key);
        self.directory.remove_mailbox(key)
    }

    /// Whether Graph serves the mailbox. False where there is none.
    pub fn set_health(&mut self, key: &MailboxKey, health: Health) -> bool {
        self.directory
            .mailbox_mut(key)
            .map(|mailbox| mailbox.health = health)
            .is_some()
    }

    /// The keys of all mailboxes, in order.
    pub fn mailboxes(&self) -> Vec<MailboxKey> {
        self.directory
            .mailboxes()
            .map(|mailbox| mailbox.key.clone())
            .collect()
    }

    /// A mailbox by its tenant and its user's object id or principal name.
    pub fn find_mailbox(&self, tenant: &str, user: &str) -> Option<MailboxKey> {
        self.directory.find(tenant, user)
    }

    /// The id of the default folder.
    pub fn default_folder_id(&self, key: &MailboxKey) -> Option<String> {
        self.directory
            .mailbox(key)
            .map(|mailbox| mailbox.contacts_folder.clone())
    }

    /// The id of Deleted Items, which soft-deleted contacts have as their parent.
    pub fn deleted_items_id(&self, key: &MailboxKey) -> Option<String> {
        self.directory
            .mailbox(key)
            .map(|mailbox| mailbox.deleted_folder.clone())
    }

    /// Delta tokens die: those of one folder's contacts, or all of the mailbox. Gives their number.
    pub fn forget_sync_states(&mut self, key: &MailboxKey, folder: Option<&str>) -> usize {
        let Some(mailbox) = self.directory.mailbox_mut(key) else {
            return 0;
        };
        let before = mailbox.sync_states.len();
        let of = |scope: &Scope| match (folder, scope) {
            (None, _) => true,
            (Some(folder), Scope::Contacts(id)) => id == folder,
            (Some(_), Scope::Folders(_)) => false,
        };
        mailbox.sync_states.retain(|_, state| !of(&state.scope));
        before - mailbox.sync_states.len()
    }

    /// Adds a rule to the fault script.
    pub fn add_fault(&mut self, rule: Rule) {
        self.faults.rules.push(rule);
    }

    /// Adds a rule for notifications.
    pub fn add_notice_fault(&mut self, rule: NoticeRule) {
        self.faults.notices.push(rule);
    }

    /// Takes all faults out of force.
    pub fn clear_faults(&mut self) {
        self.faults = Faults::default();
    }

    /// The mailboxes that have a living subscription.
    pub fn subscribed(&self) -> BTreeSet<&MailboxKey> {
        self.subscriptions.values().map(|it| &it.mailbox).collect()
    }

    /// How many subscriptions are alive, those of one mailbox or all.
    pub fn subscription_count(&self, key: Option<&MailboxKey>) -> usize {
        self.subscriptions
            .values()
            .filter(|it| key.is_none_or(|key| it.mailbox == *key))
            .count()
    }
}
