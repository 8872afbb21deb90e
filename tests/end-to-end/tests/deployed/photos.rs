//! The scenario of photos: switched on, a photo of Outlook's arrives in the bucket and the API, and one of the API's in
//! Outlook; a removed mailbox leaves none.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::config::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use data_encoding::BASE64;
use serde_json::{Value, json};
use sync_core::photo::PhotoHash;

use crate::scene::{AT_THE_NEXT_TICK, SOON, Scene, User};

/// A photo, as far as its beginning and its length tell.
fn jpeg(text: &str, bytes: usize) -> Vec<u8> {
    let mut photo = [&[0xff, 0xd8, 0xff, 0xe0], text.as_bytes()].concat();
    photo.resize(bytes, 0xfe);
    photo
}

pub(crate) async fn both_ways(scene: &Scene) -> Result<()> {
    let outputs = set(scene, "on")?;
    let bucket = outputs.get("PhotoBucketName").context("there is no bucket")?;
    let user = scene.settled(1, 71, 4, 0).await?;
    let (item, id) = first(scene, &user).await?;
    let path = format!("v1/mailboxes/{}/contacts/{id}", user.id);

    let theirs = jpeg("theirs", 100_000);
    let edit = json!({ "kind": "set_photo", "id": item, "photo": BASE64.encode(&theirs) });
    scene.edit(&user, edit).await?;
    // Nobody is told of a photo alone.
    let resync = format!("v1/mailboxes/{}/resync", user.id);
    scene.call("POST", &resync, None).await?;
    let hash = PhotoHash::of(&theirs);
    scene
        .until("the mirror has the photo", AT_THE_NEXT_TICK, async || {
            let (_, contact) = scene.call("GET", &path, None).await?;
            Ok(contact["photo"]["hash"] == hash.as_str())
        })
        .await?;
    let (status, given) = bytes(scene, "GET", &format!("{path}/photo"), Vec::new()).await?;
    ensure!(status == 200 && given == theirs, "GET photo answered {status}");
    let names = names(scene, bucket)?;
    ensure!(
        names.len() == 1 && names[0].ends_with(hash.as_str()),
        "the bucket has {names:?}"
    );

    // As large as a photo may be: through the function's URL it is larger by a third.
    let ours = jpeg("ours", 4 << 20);
    let (status, answer) = bytes(scene, "PUT", &format!("{path}/photo"), ours.clone()).await?;
    ensure!(
        status == 200,
        "PUT photo answered {status}: {}",
        String::from_utf8_lossy(&answer)
    );
    let within = scene
        .until("Outlook has the photo", SOON, async || {
            Ok(in_outlook(scene, &user, &item).await? == ours)
        })
        .await?;
    crate::say(&format!(
        "    a photo of 4 MB, from the API to Outlook: {:.2} s",
        within.as_secs_f64()
    ));
    scene
        .until("it is settled, and the old one gone", SOON, async || {
            let (_, contact) = scene.call("GET", &path, None).await?;
            Ok(contact["sync"]["state"] == "settled" && self::names(scene, bucket)?.len() == 1)
        })
        .await?;
    let (status, given) = bytes(scene, "GET", &format!("{path}/photo"), Vec::new()).await?;
    ensure!(status == 200 && given == ours, "GET photo answered {status}");

    scene
        .call("DELETE", &format!("v1/mailboxes/{}", user.id), None)
        .await?;
    scene
        .until("the bucket is empty", SOON, async || {
            Ok(self::names(scene, bucket)?.is_empty())
        })
        .await?;
    set(scene, "off")?;
    Ok(())
}

/// Gives the parameter another value.
fn set(scene: &Scene, photos: &str) -> Result<BTreeMap<String, String>> {
    let change = BTreeMap::from([("ContactPhotos".to_owned(), photos.to_owned())]);
    scene.stack.reconfigure(&change)
}

/// A contact: its id in Outlook, and here.
async fn first(scene: &Scene, user: &User) -> Result<(String, String)> {
    let truth = scene.truth(user).await?;
    let item = truth
        .contacts
        .keys()
        .next()
        .context("there is no contact")?
        .clone();
    let (_, page) = scene
        .call("GET", &format!("v1/mailboxes/{}/contacts", user.id), None)
        .await?;
    let contacts = page["items"].as_array().context("no items")?;
    let contact = contacts.iter().find(|it| it["outlook"]["id"] == item.as_str());
    let id = contact.and_then(|it| it["id"].as_str());
    Ok((item, id.context("the mirror has no such contact")?.to_owned()))
}

/// A contact's photo in the simulated Outlook.
async fn in_outlook(scene: &Scene, user: &User, item: &str) -> Result<Vec<u8>> {
    let graph = scene.stack.graph["url"].as_str().context("no Graph")?;
    let url = reqwest::Url::parse_with_params(
        &format!("{graph}/_sim/photo"),
        [
            ("tenant", user.tenant.as_str()),
            ("user", &user.object_id),
            ("id", item),
        ],
    )?;
    let answer = http()?.get(url).send().await?.bytes().await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    Ok(BASE64.decode(answer["photo"].as_str().unwrap_or_default().as_bytes())?)
}

/// What is in the bucket.
fn names(scene: &Scene, bucket: &str) -> Result<Vec<String>> {
    let listed = scene
        .stack
        .call("s3", "ListObjectsV2", &json!({ "Bucket": bucket }))?;
    let objects = listed["Contents"].as_array().into_iter().flatten();
    Ok(objects
        .filter_map(|it| it["Key"].as_str().map(str::to_owned))
        .collect())
}

fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// Asks the API for bytes, or gives it some.
#[expect(clippy::disallowed_methods, reason = "a signature is for this moment")]
async fn bytes(scene: &Scene, method: &str, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>)> {
    let url = format!("{}{path}", scene.stack.url("ContactsApiUrl")?);
    let identity = Credentials::new("test", "test", None, None, "local").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("lambda")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()?;
    let signable = SignableRequest::new(method, &url, std::iter::empty(), SignableBody::Bytes(&body))?;
    let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
    let mut request = http()?.request(method.parse()?, &url);
    for (name, value) in instructions.headers() {
        request = request.header(name, value);
    }
    if !body.is_empty() {
        let request_headers = [("content-type", "image/jpeg"), ("if-match", "*")];
        for (name, value) in request_headers {
            request = request.header(name, value);
        }
        request = request.body(body);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
}
