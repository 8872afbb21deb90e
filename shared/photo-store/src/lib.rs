//! Contact photos in S3, one object each.
//!
//! Knows the bucket, the names of objects and the four calls. Must not know what a photo is to a contact: who writes an
//! object says so in the contact's record *afterwards*, so a crash in between leaves an object that nobody names, and
//! never a record without its object.
//!
//! An object's name is `<mailbox>/<contact>/<version>-<hash>`, with the version of the contact that the photo has come
//! with. Versions only grow, so a name is never used again, and what is older than the present photo can be deleted
//! without asking who else is writing: [`PhotoStore::erase_older`] also takes what crashes have left.

use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::{Client, Config};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use futures_util::{StreamExt, TryStreamExt, stream};
use sync_core::ids::{ContactId, MailboxId};
use sync_core::photo::PhotoHash;

/// The form in which Outlook takes photos and gives them (facts 1.5).
pub const MEDIA_TYPE: &str = "image/jpeg";

/// So many objects are deleted at a time.
const DELETES_AT_ONCE: usize = 16;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why photos could not be read or written. Whatever it is, a later attempt may be better.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// No answer, or an error, after the SDK's own retries.
    #[error("S3 did not carry out the request")]
    Unavailable(#[source] BoxError),
}

/// The name of a photo's object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoName {
    key: String,
    hash: PhotoHash,
}

impl PhotoName {
    /// Of the photo that came with a version of a contact.
    pub fn new(mailbox: &MailboxId, contact: &ContactId, version: u64, hash: &PhotoHash) -> Self {
        Self {
            key: format!("{}{version}-{hash}", folder(mailbox, Some(contact))),
            hash: hash.clone(),
        }
    }
}

/// The photos of all mailboxes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PhotoStore {
    client: Client,
    bucket: String,
}

impl PhotoStore {
    /// The bucket, by a client of its own. Makes no call.
    pub fn new(config: impl Into<Builder>, bucket: impl Into<String>) -> Self {
        // By itself the SDK checks each body by another sum; the hash is in the name already.
        let config: Config = config
            .into()
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: bucket.into(),
        }
    }

    /// Writes a photo. S3 refuses one that is not what its name says.
    pub async fn put(&self, name: &PhotoName, photo: Bytes) -> Result<(), PhotoError> {
        let digest = HEXLOWER.decode(name.hash.as_str().as_bytes());
        let sum = digest.map(|digest| BASE64.encode(&digest)).ok();
        let put = self.client.put_object().bucket(&self.bucket).key(&name.key);
        let put = put.content_type(MEDIA_TYPE).set_checksum_sha256(sum);
        put.body(ByteStream::from(photo))
            .send()
            .await
            .map(|_| ())
            .map_err(unavailable)
    }

    /// A photo's bytes; `None` where there is no such object.
    pub async fn get(&self, name: &PhotoName) -> Result<Option<Bytes>, PhotoError> {
        let get = self.client.get_object().bucket(&self.bucket).key(&name.key);
        match get.send().await {
            Ok(answer) => {
                let body = answer.body.collect().await;
                body.map(|body| Some(body.into_bytes())).map_err(unavailable)
            }
            Err(SdkError::ServiceError(refusal)) if matches!(refusal.err(), GetObjectError::NoSuchKey(_)) => {
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Deletes a contact's photos that have come with versions before this one.
    pub async fn erase_older(
        &self,
        mailbox: &MailboxId,
        contact: &ContactId,
        version: u64,
    ) -> Result<(), PhotoError> {
        let folder = folder(mailbox, Some(contact));
        loop {
            let (keys, more) = self.list(&folder, 1000).await?;
            let older = keys.into_iter().filter(|key| {
                let name = key.strip_prefix(&folder).and_then(|name| name.split_once('-'));
                let of = name.and_then(|(version, _)| version.parse::<u64>().ok());
                of.is_some_and(|of| of < version)
            });
            let older: Vec<_> = older.collect();
            let any = !older.is_empty();
            self.delete(older).await?;
            // A contact has a handful; the rest of a page that held none is newer.
            if !(more && any) {
                return Ok(());
            }
        }
    }

    /// Deletes up to `limit` of a mailbox's photos. True where there may be more: call again.
    pub async fn erase_mailbox(&self, mailbox: &MailboxId, limit: u16) -> Result<bool, PhotoError> {
        let (keys, more) = self.list(&folder(mailbox, None), limit).await?;
        self.delete(keys).await?;
        Ok(more)
    }

    async fn list(&self, prefix: &str, limit: u16) -> Result<(Vec<String>, bool), PhotoError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let answer = list
            .max_keys(i32::from(limit))
            .send()
            .await
            .map_err(unavailable)?;
        let more = answer.is_truncated() == Some(true);
        let keys = answer.contents.into_iter().flatten();
        Ok((keys.filter_map(|object| object.key).collect(), more))
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), PhotoError> {
        let deletes = stream::iter(keys).map(|key| {
            let delete = self.client.delete_object().bucket(&self.bucket).key(key);
            async move { delete.send().await.map(|_| ()).map_err(unavailable) }
        });
        deletes.buffer_unordered(DELETES_AT_ONCE).try_collect().await
    }
}

/// What the names of a mailbox's, or of a contact's, photos begin with.
fn folder(mailbox: &MailboxId, contact: Option<&ContactId>) -> String {
    match contact {
        Some(contact) => format!("{mailbox}/{contact}/"),
        None => format!("{mailbox}/"),
    }
}

fn unavailable(error: impl Into<BoxError>) -> PhotoError {
    PhotoError::Unavailable(error.into())
}
