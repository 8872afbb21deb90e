//! A mailbox's end: subscriptions, photos, mirror, state, in this order, so that a crash leaves what is needed to go on.

use contact_store::Erased;
use graph_client::{ErrorKind, GraphError, Transport};
use job_queue::WorkJob;

use crate::Trouble;
use crate::session::Session;

/// Contacts erased per call.
pub(crate) const ERASE_AT_ONCE: usize = 200;

/// Photos erased per call.
const PHOTOS_AT_ONCE: u16 = 200;

impl<T: Transport> Session<'_, T> {
    pub(crate) async fn remove(&mut self) -> Result<(), Trouble> {
        for subscription in std::mem::take(&mut self.subscriptions) {
            if let Some(id) = &subscription.id {
                let tenant = self.mailbox.tenant.as_str();
                match self
                    .engine
                    .graph
                    .tenant(tenant)
                    .delete_subscription(id.as_str())
                    .await
                {
                    Err(error) if !is_out_of_reach(&error) => return Err(error.into()),
                    // Where Graph no longer lets us, it ends by itself within a week.
                    Ok(()) | Err(_) => {}
                }
            }
            self.engine.store.delete_subscription(&subscription).await?;
        }
        let mailbox = self.mailbox.id.clone();
        if let Some(photos) = self.engine.photos.clone() {
            while photos.erase_mailbox(&mailbox, PHOTOS_AT_ONCE).await? {
                if self.out_of_time() {
                    self.report.continued += 1;
                    return self.send_work(&[WorkJob::Remove { mailbox }]).await;
                }
            }
        }
        loop {
            let Erased { more, .. } = self.engine.store.erase_contacts(&mailbox, ERASE_AT_ONCE).await?;
            if !more {
                break;
            }
            if self.out_of_time() {
                self.report.continued += 1;
                return self.send_work(&[WorkJob::Remove { mailbox }]).await;
            }
        }
        Ok(self.engine.store.erase_state(&mailbox).await?)
    }
}

/// True where no later attempt would delete it either.
fn is_out_of_reach(error: &GraphError) -> bool {
    match error.kind() {
        ErrorKind::Forbidden
        | ErrorKind::BadCredential
        | ErrorKind::TenantNotFound
        | ErrorKind::MailboxUnavailable(_)
        | ErrorKind::NotFound => true,
        ErrorKind::Throttled { .. }
        | ErrorKind::SyncStateGone
        | ErrorKind::FolderNotFound
        | ErrorKind::QuotaExceeded
        | ErrorKind::Conflict
        | ErrorKind::AlreadyExists
        | ErrorKind::ForeignHost
        | ErrorKind::Transient
        | ErrorKind::Permanent => false,
    }
}
