//! Contacts in the forms that other programs read: vCard 4.0 (RFC 6350) and `JSContact` (RFC 9553).
//!
//! Knows how the members of a whole contact (Graph's names, lists of any length) are said in both, and back. Must not
//! know mailboxes, stores, Graph's limits, clocks or chance; it has no I/O. [`vcard::read`] also takes 2.1 and 3.0.
//!
//! | Member | vCard | `JSContact` |
//! | --- | --- | --- |
//! | `displayName` | `FN`; made up and marked `DERIVED=TRUE` where there is none | `name.full` |
//! | `surname`, `givenName`, `middleName`, `title`, `generation` | the parts of `N` | `name.components` of kind `surname`, `given`, `given2`, `title`, `generation` |
//! | `yomiGivenName`, `yomiSurname` | `X-PHONETIC-FIRST-NAME`, `X-PHONETIC-LAST-NAME` | `phonetic` of the name's components |
//! | `yomiCompanyName` | `X-PHONETIC-ORG` | members |
//! | `nickName` | `NICKNAME` | `nicknames` |
//! | `companyName`, `department` | `ORG`, its first part and the rest | `organizations`, `name` and `units` |
//! | `jobTitle`, `profession` | `TITLE`, `ROLE` | `titles` of kind `title`, `role` |
//! | `emailAddresses` | `EMAIL`, an element's `name` in `X-NAME` | `emails`, an element's `name` in `outlook-contact-sync:name` |
//! | `businessPhones`, `homePhones`, `mobilePhone` | `TEL` of type `WORK` (or none), `HOME`, `CELL` | `phones`: contexts `work` (or none), `private`; feature `mobile` |
//! | `imAddresses` | `IMPP` where it is a URI, else `X-MS-IMADDRESS` | `onlineServices` that come from `impp` |
//! | `businessAddress`, `homeAddress`, `otherAddress` | `ADR` of type `WORK`, `HOME`, none | `addresses`: contexts `work`, `private`, none |
//! | `businessHomePage` | `URL` of type `WORK` (or none) | `links`: contexts `work` (or none) |
//! | `birthday` | `BDAY` | `anniversaries` of kind `birth` |
//! | `spouseName`, `children` | `RELATED;VALUE=text` of type `SPOUSE`, `CHILD` | `relatedTo`, by name |
//! | `categories`, `personalNotes` | `CATEGORIES`, `NOTE` | `keywords`, `notes` |
//! | `assistantName`, `manager`, `fileAs`, `initials`, `officeLocation` | `X-MS-ASSISTANT`, `X-MS-MANAGER`, `X-MS-FILE-AS`, `X-MS-INITIALS`, `X-MS-OFFICE-LOCATION` | members |
//! | `primaryEmailAddress`, `secondary…`, `tertiary…` | not written: Graph derives them | not written |
//! | `vCard` (a list of lines) | those lines: properties that no member can hold | members |
//! | `jsContact` (an object) | members | those properties: what no member can hold |
//! | any other member, and what the above cannot say | `X-OUTLOOK-CONTACT-MEMBERS`, JSON | `outlook-contact-sync:members`, JSON |
//!
//! - **Nothing is lost from here and back**: whatever the standard properties cannot say exactly is told beside them
//!   by the last line of the table. It is believed only while they still say what they said: an edit by another
//!   program wins. So is what would make a card too large to be read again (in `JSContact` as a text that holds JSON).
//! - **What was read of others is kept** by whole properties (`JSContact`: also by the entries of a map) that no member
//!   can hold, such as a fax or a second mobile phone. Of what a member does hold, labels and further types are dropped.
//! - Absent, null, `""`, `[]` and `{}` are one and the same, and a line end is a line feed.
//! - **A birthday is a calendar date**: the date of what Graph sends, whatever its time. It is read as
//!   `YYYY-MM-DDT11:59:00Z`: Graph's type is a time (facts 1.1), and this one has the same date nearly everywhere.
//!   One without a year is kept as a property.

mod birthday;
mod carried;
pub mod jscontact;
mod members;
mod text;
pub mod vcard;

/// A contact's members, by Graph's names.
pub type Document = serde_json::Map<String, serde_json::Value>;
