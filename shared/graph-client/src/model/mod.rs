//! The resources as they are on the wire.
//!
//! Knows names and types of members (facts 1, 3, 5). Must not know how they are fetched.

mod contact;
mod fields;
mod folder;
pub(crate) mod stamp;
mod subscription;

pub use contact::Contact;
pub use fields::{ContactFields, EmailAddress, ExtendedProperty, Field, PhysicalAddress};
pub use folder::ContactFolder;
pub use stamp::STAMP_PROPERTY;
pub use subscription::{NewSubscription, Subscription};
