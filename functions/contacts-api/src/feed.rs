//! The feed of changes: for systems that poll.
//!
//! Knows its answer's form. How nothing is missed is the store's business.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use contact_store::Feed;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::contact_forms::ItemForm;
use crate::failure::Failure;
use crate::forms::{LARGEST_ANSWER, is_zero};
use crate::paths::InMailbox;
use crate::problem::Kind;
use crate::queries::ChangesQuery;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(changes))
}

/// A part of the feed of changes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Changes)]
struct ChangesForm {
    /// Contacts and tombstones, the oldest change first. A contact is there once, as it is now.
    items: Vec<ItemForm>,
    /// What to ask with next: now, or in weeks.
    cursor: String,
    /// True where there is more at once.
    more: bool,
    /// How many items of this part could not be read, and are missing from it; absent for none. The log names them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    unreadable: u64,
}

impl From<Feed> for ChangesForm {
    fn from(of: Feed) -> Self {
        Self {
            items: of.items.into_iter().map(Into::into).collect(),
            cursor: of.cursor,
            more: of.more,
            unreadable: of.unreadable,
        }
    }
}

/// Follow the changes of a mailbox
///
/// Without a cursor it begins with every contact. Each answer has a cursor; who asks with it the next time misses no
/// change. Changes of the last seconds may be told twice: `version` tells that they are the same. Who has been away for
/// longer than deleted contacts are remembered (the deployment's `TombstoneDays`) gets 410, begins again without a
/// cursor, and drops what is not shown then.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/changes",
    operation_id = "listChanges", tag = "contacts", params(InMailbox, ChangesQuery),
    responses(
        (status = 200, description = "The changes since the cursor", body = ChangesForm),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 410, description = "The cursor is too old: deletes since then may be forgotten"),
    )
)]
async fn changes(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    query: ChangesQuery,
) -> Result<impl IntoResponse, Failure> {
    let mut limit = usize::from(query.limit);
    let after = query.cursor.as_deref();
    let body = loop {
        let now = api.ambient.now();
        let feed = api.store.changes(&mailbox, after, now, limit).await?;
        // Only an empty feed is worth the second read that tells whether there is such a mailbox at all.
        if feed.items.is_empty() && api.store.mailbox(&mailbox).await?.is_none() {
            return Err(Kind::MailboxNotFound.into());
        }
        let body = serde_json::to_vec(&ChangesForm::from(feed)).map_err(Failure::internal)?;
        if body.len() <= LARGEST_ANSWER || limit == 1 {
            break body;
        }
        limit = limit.div_ceil(2);
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}
