//! The simulator's traffic is that of the real Graph, as far as its `OpenAPI` document tells.

use ambient::Ambient;
use bytes::Bytes;
use conformance::Contract;
use graph_sim::Exchange;
use serde_json::{Value, json};

use crate::driver::{Driver, START, USER, transport, world};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// Every operation on one collection of contacts.
async fn use_contacts(driver: &Driver, base: &str) {
    let ada = json!({
        "givenName": "Ada", "surname": "Lovelace", "birthday": "1815-12-10T00:00:00Z", "businessPhones": ["+44 1"],
        "emailAddresses": [{ "address": "ada@example.com", "name": "Ada" }],
        "businessAddress": { "city": "London", "countryOrRegion": "England" },
    });
    let made = driver.send("POST", base, Some(ada)).await;
    let contact = format!("{base}/{}", text(&made, "id"));
    for number in 0..12 {
        driver
            .send("POST", base, Some(json!({ "givenName": format!("N{number}") })))
            .await;
    }
    let page = driver
        .send(
            "GET",
            &format!("{base}?$select=displayName,emailAddresses&$count=true"),
            None,
        )
        .await;
    driver.send("GET", text(&page, "@odata.nextLink"), None).await;
    driver.send("GET", &format!("{base}/$count"), None).await;
    for delta in ["delta", "delta()"] {
        let page = driver.send("GET", &format!("{base}/{delta}"), None).await;
        let last = driver.send("GET", text(&page, "@odata.nextLink"), None).await;
        driver
            .send("PATCH", &contact, Some(json!({ "jobTitle": delta })))
            .await;
        driver.send("GET", text(&last, "@odata.deltaLink"), None).await;
    }
    driver.send("GET", &contact, None).await;
    let extensions = format!("{contact}/extensions");
    let extension = json!({ "@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "Com.Contoso", "key": "k" });
    driver.send("POST", &extensions, Some(extension.clone())).await;
    driver.send("GET", &extensions, None).await;
    driver.send("GET", &format!("{extensions}/$count"), None).await;
    driver
        .send("GET", &format!("{extensions}/Com.Contoso"), None)
        .await;
    driver
        .send("PATCH", &format!("{extensions}/Com.Contoso"), Some(extension))
        .await;
    driver
        .send("DELETE", &format!("{extensions}/Com.Contoso"), None)
        .await;
    let photo = format!("{contact}/photo");
    let jpeg = Bytes::from_static(b"\xff\xd8\xff\xe0");
    driver
        .send_bytes("PUT", &format!("{photo}/$value"), "image/jpeg", Some(jpeg))
        .await;
    driver.send("GET", &format!("{photo}/$value"), None).await;
    driver.send("GET", &photo, None).await;
    driver.send("PATCH", &photo, Some(json!({}))).await;
    driver.send("DELETE", &format!("{photo}/$value"), None).await;
    driver.send("DELETE", &contact, None).await;
    driver.send("DELETE", &contact, None).await;
    driver.send("GET", &format!("{base}/what"), None).await;
    let short = driver
        .send("POST", base, Some(json!({ "givenName": "Short" })))
        .await;
    driver
        .send(
            "POST",
            &format!("{base}/{}/permanentDelete", text(&short, "id")),
            None,
        )
        .await;
}

/// Every operation on one collection of folders. Gives the path of a folder that stays.
async fn use_folders(driver: &Driver, base: &str) -> String {
    let kept = driver
        .send("POST", base, Some(json!({ "displayName": "Suppliers" })))
        .await;
    driver
        .send("POST", base, Some(json!({ "displayName": "Suppliers" })))
        .await;
    driver.send("GET", base, None).await;
    driver.send("GET", &format!("{base}/$count"), None).await;
    for delta in ["delta", "delta()"] {
        let page = driver.send("GET", &format!("{base}/{delta}"), None).await;
        let gone = driver
            .send("POST", base, Some(json!({ "displayName": delta })))
            .await;
        let gone = format!("{base}/{}", text(&gone, "id"));
        if delta == "delta" {
            driver.send("DELETE", &gone, None).await;
        } else {
            driver
                .send("POST", &format!("{gone}/permanentDelete"), None)
                .await;
        }
        driver.send("GET", text(&page, "@odata.deltaLink"), None).await;
    }
    let kept = format!("{base}/{}", text(&kept, "id"));
    driver.send("GET", &kept, None).await;
    driver
        .send("PATCH", &kept, Some(json!({ "displayName": "Vendors" })))
        .await;
    kept
}

async fn use_subscriptions(driver: &Driver) {
    let body = json!({
        "changeType": "created,updated,deleted", "resource": format!("users/{USER}/contacts"), "clientState": "secret",
        "notificationUrl": "https://hooks.example/n", "lifecycleNotificationUrl": "https://hooks.example/l",
        "expirationDateTime": "2026-11-25T08:00:00Z",
    });
    let made = driver.send("POST", "/subscriptions", Some(body.clone())).await;
    driver.send("POST", "/subscriptions", Some(body)).await;
    let one = format!("/subscriptions/{}", text(&made, "id"));
    driver.send("GET", "/subscriptions", None).await;
    driver.send("GET", &one, None).await;
    driver
        .send(
            "PATCH",
            &one,
            Some(json!({ "expirationDateTime": "2026-11-26T08:00:00Z" })),
        )
        .await;
    driver.send("POST", &format!("{one}/reauthorize"), None).await;
    driver
        .send("GET", "/subscriptions/getVapidPublicKey()", None)
        .await;
    let item = json!({ "id": "1", "method": "GET", "url": one });
    driver
        .send("POST", "/$batch", Some(json!({ "requests": [item] })))
        .await;
}

#[tokio::test]
async fn every_operation_of_the_document_is_answered_as_the_document_says() {
    let (world, _) = world();
    let ambient = Ambient::simulated(START.parse().unwrap(), 1);
    let (transport, _) = transport(world, ambient);
    let driver = Driver::sign_in(transport).await;
    use_subscriptions(&driver).await;
    let users = format!("/users/{USER}");
    let folder = use_folders(&driver, &format!("{users}/contactFolders")).await;
    let child = use_folders(&driver, &format!("{folder}/childFolders")).await;
    for base in [users.clone(), folder, child.clone()] {
        use_contacts(&driver, &format!("{base}/contacts")).await;
    }
    driver
        .send("POST", &format!("{child}/permanentDelete"), None)
        .await;
    let ids =
        json!({ "inputIds": ["nothing"], "sourceIdType": "restId", "targetIdType": "restImmutableEntryId" });
    driver
        .send("POST", &format!("{users}/translateExchangeIds"), Some(ids))
        .await;
    let subscription = driver.send("GET", "/subscriptions", None).await;
    let one = format!("/subscriptions/{}", text(&subscription["value"][0], "id"));
    driver.send("DELETE", &one, None).await;

    let contract = Contract::read().unwrap();
    let report = contract
        .check(&driver.record())
        .unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    println!(
        "{} exchanges of {} operations agree with the document",
        report.exchanges,
        report.operations.len()
    );
    assert!(
        report.untouched.is_empty(),
        "not asked for: {:#?}",
        report.untouched
    );
    assert_eq!((report.operations.len(), report.batches), (86, 1));
}

#[tokio::test]
async fn notifications_of_changes_and_of_lifecycle_agree_with_the_document() {
    let (world, key) = world();
    let (transport, mail) = transport(world, Ambient::simulated(START.parse().unwrap(), 1));
    let driver = Driver::sign_in(transport.clone()).await;
    use_subscriptions(&driver).await;
    driver
        .send(
            "POST",
            &format!("/users/{USER}/contacts"),
            Some(json!({ "givenName": "Ada" })),
        )
        .await;
    transport
        .world()
        .lock()
        .unwrap()
        .announce(&key, graph_sim::Lifecycle::Missed, START.parse().unwrap());
    transport.deliver_due().await;
    let contract = Contract::read().unwrap();
    let bodies = mail.lock().unwrap().clone();
    assert_eq!(bodies.len(), 2);
    for body in &bodies {
        contract.check_notification(body).unwrap();
    }
    let mut broken = bodies[0].clone();
    broken["value"][0]["subscriptionId"] = json!("not a GUID");
    assert!(contract.check_notification(&broken).is_err());
}

/// A right exchange, to be broken in one place each.
async fn right() -> Exchange {
    let (world, key) = world();
    world
        .lock()
        .unwrap()
        .user_creates_contact(&key, None, json!({ "givenName": "Ada" }), START.parse().unwrap())
        .unwrap();
    let (transport, _) = transport(world, Ambient::simulated(START.parse().unwrap(), 1));
    let driver = Driver::sign_in(transport).await;
    driver
        .send(
            "GET",
            &format!("/users/{USER}/contacts/delta?$select=givenName"),
            None,
        )
        .await;
    driver.record().remove(0)
}

#[tokio::test]
async fn a_broken_exchange_is_found_whatever_is_broken() {
    let contract = Contract::read().unwrap();
    let right = right().await;
    let report = contract.check(std::slice::from_ref(&right)).unwrap();
    let operation = "GET /users/{user-id}/contacts/delta";
    assert_eq!(
        report.operations.keys().collect::<Vec<_>>(),
        [operation],
        "not taken for a contact's id"
    );

    let broken = |change: &dyn Fn(&mut Exchange)| {
        let mut exchange = right.clone();
        change(&mut exchange);
        let wrong = contract.check(&[exchange]).expect_err("a broken exchange passed");
        wrong
            .iter()
            .map(|violation| violation.what.clone())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let says = |what: String, part: &str| assert!(what.contains(part), "{what}");
    says(
        broken(&|it| it.body = it.body.replace("\"Ada\"", "7")),
        "answer/value/0/givenName",
    );
    says(
        broken(&|it| it.body = it.body.replace("\"value\"", "\"values\"")),
        "\"value\" is a required property",
    );
    says(broken(&|it| it.body.truncate(20)), "isn't JSON");
    says(broken(&|it| it.status = 204), "status 204");
    says(broken(&|it| it.query = "$select=shoeSize".into()), "$select");
    says(broken(&|it| it.query = "$magic=1".into()), "$magic isn't one");
    says(
        broken(&|it| it.path = "/v1.0/users/u/messages".into()),
        "no such operation",
    );
    says(
        broken(&|it| drop(it.headers.insert("content-type".into(), "text/html".into()))),
        "text/html",
    );
    says(
        broken(&|it| {
            it.status = 404;
            it.body = "{\"error\":{\"message\":\"no code\"}}".into();
        }),
        "\"code\" is a required property",
    );
}
