//! The forms of the messages, word for word: messages in flight are read by the next deployment.

use job_queue::{JobError, LifecycleEvent, LifecycleJob, WorkJob};
use sync_core::ids::{MailboxId, SubscriptionId, TenantId, UserId};

pub(crate) fn mailbox(user: &str) -> MailboxId {
    MailboxId::derive(&TenantId::new("contoso.example"), &UserId::new(user))
}

const ADA: &str = "mbx_abcdefghijklmnopqrstuvwxyz";

#[test]
fn work_jobs_keep_their_forms() {
    let mailbox: MailboxId = ADA.parse().unwrap();
    let check = |job: WorkJob, form: &str| {
        assert_eq!(job.to_message().unwrap(), form);
        assert_eq!(WorkJob::parse(form).unwrap(), job);
    };
    let at = "2026-11-23T06:41:00.25Z".parse().unwrap();
    let subscription = Some(SubscriptionId::new("7b1c"));
    check(
        WorkJob::Changed {
            mailbox: mailbox.clone(),
            subscription,
            received_at: at,
        },
        r#"{"v":1,"job":"changed","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz","subscription":"7b1c","receivedAt":"2026-11-23T06:41:00.25Z"}"#,
    );
    check(
        WorkJob::Sync {
            mailbox: mailbox.clone(),
            requested_at: at,
        },
        r#"{"v":1,"job":"sync","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz","requestedAt":"2026-11-23T06:41:00.25Z"}"#,
    );
    check(
        WorkJob::Compare {
            mailbox: mailbox.clone(),
            requested_at: at,
        },
        r#"{"v":1,"job":"compare","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz","requestedAt":"2026-11-23T06:41:00.25Z"}"#,
    );
    let contact: sync_core::ids::ContactId = "con_abcdefghijklmnopqrstuvwxyz".parse().unwrap();
    check(
        WorkJob::Photos {
            mailbox: mailbox.clone(),
            contacts: vec![contact.clone()],
        },
        r#"{"v":1,"job":"photos","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz","contacts":["con_abcdefghijklmnopqrstuvwxyz"]}"#,
    );
    for (after, form) in [
        (
            None,
            r#"{"v":1,"job":"photo-sweep","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz"}"#,
        ),
        (
            Some(contact),
            r#"{"v":1,"job":"photo-sweep","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz","after":"con_abcdefghijklmnopqrstuvwxyz"}"#,
        ),
    ] {
        let mailbox = mailbox.clone();
        check(WorkJob::PhotoSweep { mailbox, after }, form);
    }
    check(
        WorkJob::Remove { mailbox },
        r#"{"v":1,"job":"remove","mailbox":"mbx_abcdefghijklmnopqrstuvwxyz"}"#,
    );
}

#[test]
fn lifecycle_jobs_keep_their_forms() {
    let mailbox: MailboxId = ADA.parse().unwrap();
    let check = |job: LifecycleJob, form: &str| {
        assert_eq!(job.to_message().unwrap(), form);
        assert_eq!(LifecycleJob::parse(form).unwrap(), job);
    };
    for (event, word) in [
        (LifecycleEvent::ReauthorizationRequired, "reauthorizationRequired"),
        (LifecycleEvent::SubscriptionRemoved, "subscriptionRemoved"),
        (LifecycleEvent::Missed, "missed"),
    ] {
        let job = LifecycleJob::Event {
            mailbox: mailbox.clone(),
            subscription: SubscriptionId::new("7b1c"),
            event,
        };
        check(
            job,
            &format!(r#"{{"v":1,"job":"event","mailbox":"{ADA}","subscription":"7b1c","event":"{word}"}}"#),
        );
    }
    check(
        LifecycleJob::Stray {
            mailbox: mailbox.clone(),
            subscription: SubscriptionId::new("7b1c"),
        },
        &format!(r#"{{"v":1,"job":"stray","mailbox":"{ADA}","subscription":"7b1c"}}"#),
    );
    check(
        LifecycleJob::Ensure { mailbox },
        &format!(r#"{{"v":1,"job":"ensure","mailbox":"{ADA}"}}"#),
    );
}

#[test]
fn a_message_of_an_older_form_or_with_unknown_members_is_read() {
    let job = WorkJob::Remove {
        mailbox: ADA.parse().unwrap(),
    };
    for form in [
        format!(r#"{{"job":"remove","mailbox":"{ADA}"}}"#),
        format!(r#"{{"mailbox":"{ADA}","colour":"red","job":"remove","v":1}}"#),
    ] {
        assert_eq!(WorkJob::parse(&form).unwrap(), job, "{form}");
    }
}

#[test]
fn what_is_not_a_job_is_an_error_and_a_job_of_a_later_deployment_says_so() {
    for garbled in [
        "",
        "null",
        "[]",
        "sync",
        r#"{"job":"dance"}"#,
        r#"{"v":1,"job":"sync","mailbox":"x"}"#,
    ] {
        assert!(
            matches!(WorkJob::parse(garbled), Err(JobError::Garbled(_))),
            "{garbled}"
        );
    }
    let later = WorkJob::parse(r#"{"v":2,"job":"dance"}"#);
    assert!(matches!(later, Err(JobError::Newer { version: 2 })));
}
