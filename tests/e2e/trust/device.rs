//! On the device itself: the control socket and the real `thox`, from the first claim to the last key.

use super::{claim_code, person::Person, with_key};
use crate::stage::Stage;
use serde_json::Value;
use thox_tests::doubles::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_the_device_needs_no_key() {
    let stage = Stage::of(Kind::Ollama).await;
    let socket = stage.thoxd.process.folder().join("state/control.sock");
    let owner = Person::on(&stage.thoxd);
    assert_eq!(owner.says(&["claim-code"]), claim_code(&stage));
    let key = owner.says(&[
        "auth",
        "generate-key",
        "--name",
        "my-app",
        "--scope",
        "admin",
    ]);
    let listed: Value =
        serde_json::from_str(&owner.says(&["--json", "auth", "list-keys"])).unwrap();
    assert!(listed.to_string().contains("my-app") && !listed.to_string().contains(&key));
    let reply = with_key(stage.address(), "GET", "/thox/v1/keys", None, &key).await;
    assert_eq!(reply.status, 200);
    owner.says(&["auth", "enable"]);
    let locked = super::send(stage.address(), "GET", "/v1/models", None, &[]).await;
    assert_eq!(locked.status, 401);
    owner.says(&["auth", "disable"]);
    owner.says(&["auth", "revoke-key", "my-app"]);
    let reply = with_key(stage.address(), "GET", "/thox/v1/keys", None, &key).await;
    assert_eq!(reply.status, 401);
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions())
            & 0o007,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_claims_the_device_from_a_laptop() {
    let stage = Stage::of(Kind::Ollama).await;
    let person = Person::at(&stage.address().to_string());
    let refused = person.thox(&["auth", "list-keys"]);
    assert_eq!(
        refused.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    let nowhere = person.thox(&["claim-code"]);
    assert!(
        !nowhere.status.success(),
        "the code is not to be had over the network"
    );
    let wrong = person.thox(&["claim", "0000-0000"]);
    assert!(!wrong.status.success());
    person.says(&["claim", &claim_code(&stage)]);
    assert!(person.says(&["auth", "status"]).contains("claimed"));
    let key = person.says(&[
        "api-key",
        "generate",
        "--name",
        "ci",
        "--expires",
        "90d",
        "--rpm",
        "60",
    ]);
    assert!(key.starts_with("sk-"), "{key}");
    let list = person.says(&["auth", "list-keys"]);
    assert!(list.contains("ci") && !list.contains(&key), "{list}");
    let rotated = person.says(&["auth", "rotate-key", "ci"]);
    assert_ne!(rotated, key);
    let keys: Value = serde_json::from_str(&person.says(&["--json", "auth", "list-keys"])).unwrap();
    let keys = keys["data"].as_array().unwrap();
    let own = keys.iter().find(|key| key["scope"] == "admin").unwrap();
    person.says(&["auth", "rotate-key", own["id"].as_str().unwrap()]);
    person.says(&["auth", "enable"]);
    person.says(&["models", "list"]);
    person.says(&["auth", "disable"]);
    let cleared = person.says(&["data", "clear", "--yes"]);
    assert!(!cleared.is_empty());
    person.says(&["auth", "revoke-key", "ci"]);
    let log = stage.thoxd.process.log();
    assert!(!log.contains(&key) && !log.contains(&rotated));
}
