//! The ids of contacts: the same for the same, another for anything else, and always one that can be read again.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sync_core::ids::{ContactId, MailboxId, OutlookId, TenantId, UserId};

proptest! {
    #[test]
    fn an_id_is_of_one_thing_only(texts in prop::collection::btree_set(".{0,12}", 1..6)) {
        let mailbox = MailboxId::derive(&TenantId::new("contoso.example"), &UserId::new("ada"));
        let items: Vec<OutlookId> = texts.iter().map(OutlookId::new).collect();
        let all = || {
            let first: Vec<ContactId> = items.iter().map(|item| ContactId::derive(&mailbox, item)).collect();
            let twins: Vec<ContactId> = first
                .iter()
                .flat_map(|id| items.iter().map(|item| id.twin(item)))
                .collect();
            let of_twins = twins.iter().map(|twin| twin.twin(&items[0])).collect();
            let external = texts.iter().map(|text| ContactId::of_external(&mailbox, text)).collect();
            let requests = texts.iter().map(|text| ContactId::of_request(&mailbox, text)).collect();
            [first, twins, of_twins, external, requests].concat()
        };
        let ids = all();
        prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for id in &ids {
            let read: Result<ContactId, _> = id.as_str().parse();
            prop_assert_eq!(read.as_ref(), Ok(id));
        }
        prop_assert_eq!(ids, all());
    }
}
