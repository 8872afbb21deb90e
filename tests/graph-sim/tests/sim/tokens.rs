//! The token endpoint, and what a token opens.

use crate::scene::{APP, SECRET, Scene, TENANT};

#[test]
fn a_secret_gives_a_token_that_ends_and_never_a_refresh_token() {
    let mut scene = Scene::new();
    let token = scene.sign_in(SECRET);
    assert_eq!(
        (
            token.body["token_type"].as_str(),
            token.body["expires_in"].as_u64()
        ),
        (Some("Bearer"), Some(3599))
    );
    assert!(token.body.get("refresh_token").is_none());
    assert_eq!(scene.get("/contacts").status, 200);
    scene.wait(3600);
    let late = scene.get("/contacts");
    assert_eq!((late.status, late.code()), (401, "InvalidAuthenticationToken"));
    scene.token = String::new();
    assert_eq!(scene.get("/contacts").status, 401);
}

#[test]
fn a_rotated_secret_makes_the_old_one_invalid() {
    let mut scene = Scene::new();
    scene.world.rotate_secret(APP, "new");
    let old = scene.sign_in(SECRET);
    assert_eq!(
        (
            old.status,
            old.body["error"].as_str(),
            &old.body["error_codes"][0]
        ),
        (401, Some("invalid_client"), &7_000_222.into())
    );
    assert_eq!(scene.sign_in("wrong").body["error_codes"][0], 7_000_215);
    assert_eq!(scene.sign_in("new").status, 200);
    assert_eq!(
        scene.get("/contacts").status,
        200,
        "tokens of the old secret live on"
    );
    scene.world.expire_tokens();
    assert_eq!(scene.get("/contacts").status, 401);
}

#[test]
fn wrong_tenants_scopes_and_apps_each_have_their_error() {
    let mut scene = Scene::new();
    let form = |app: &str, scope: &str| {
        format!("client_id={app}&client_secret={SECRET}&grant_type=client_credentials&scope={scope}")
    };
    let default = "https%3A%2F%2Fgraph.microsoft.com%2F.default";
    let mut error = |tenant: &str, body: &str| {
        let seen = scene.sign_in_with(tenant, body);
        (
            seen.status,
            seen.body["error"].as_str().unwrap().to_owned(),
            seen.body["error_codes"][0].as_u64().unwrap(),
        )
    };
    assert_eq!(
        error("common", &form(APP, default)),
        (400, "invalid_request".into(), 90_002)
    );
    assert_eq!(
        error(TENANT, &form("other", default)),
        (400, "unauthorized_client".into(), 700_016)
    );
    assert_eq!(
        error(TENANT, &form(APP, "Contacts.Read")),
        (400, "invalid_scope".into(), 70_011)
    );
}
