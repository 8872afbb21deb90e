//! What is nobody's business is in no log, no metric, no message and no error: contacts, secrets, tokens.

use graph_sim::Health;
use graph_sim::faults::{Fault, Rule};
use lambda_boot::MetricSink;
use local_stack::APP_SECRET;
use serde_json::json;

use crate::errors::Log;
use crate::scene::Scene;

/// It stands for whatever a user writes into a contact.
const PRIVATE: &str = "Xyzzy";

#[tokio::test]
async fn no_contact_no_secret_and_no_token_is_told_to_anybody_whatever_happens() {
    let mut scene = Scene::new().await;
    let log = Log::of_everything();
    scene.stack.set_page_size(5);
    let ada = scene.user("Ada", 12, 1);
    let ada = scene.enrol(&ada).await;
    let private = json!({
        "givenName": PRIVATE,
        "personalNotes": format!("{PRIVATE} and {PRIVATE}"),
        "emailAddresses": [{ "name": PRIVATE, "address": "xyzzy@example.com" }],
    });
    let mut messages = Vec::new();
    let faults = [
        Fault::Truncated,
        Fault::Reset { committed: true },
        Fault::Error {
            status: 400,
            code: "ErrorInvalidRequest".to_owned(),
            committed: false,
        },
        Fault::ForeignLink {
            host: format!("https://{PRIVATE}.example"),
        },
        Fault::TokenRejected,
        Fault::Throttled {
            retry_after: Some(30),
        },
    ];
    for fault in faults {
        let id = scene.create(&ada, None, private.clone());
        scene.edit(&ada, &id, json!({ "surname": PRIVATE }));
        scene.world().add_fault(Rule::new(fault).times(6));
        scene.stack.transport.deliver_due().await;
        messages.extend(
            scene
                .stack
                .work
                .messages()
                .into_iter()
                .map(|message| message.body),
        );
        scene.minutes(3).await;
        scene.world().clear_faults();
        scene.delete(&ada, &id);
        scene.minutes(3).await;
    }
    scene.world().set_health(&ada.key, Health::Denied);
    scene.world().rotate_secret(local_stack::APP, "told-to-nobody");
    scene.world().expire_tokens();
    scene.create(&ada, None, private);
    scene.minutes(3).await;

    let mut told = log.lines();
    assert!(told.len() > 100, "{} lines: the story has no point", told.len());
    let MetricSink::Memory(events) = &scene.stack.metrics else {
        panic!("metrics are not kept");
    };
    told.extend(events.lock().unwrap().iter().map(ToString::to_string));
    told.extend(messages);
    told.push(scene.state(&ada).await.to_string());
    let key = "0123456789abcdef0123456789abcdef";
    for line in &told {
        let lower = line.to_lowercase();
        for private in [PRIVATE, APP_SECRET, key, "sim.", "Bearer "] {
            assert!(
                !lower.contains(&private.to_lowercase()),
                "{private:?} is told: {line}"
            );
        }
    }
}
