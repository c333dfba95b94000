//! On the device itself: the control socket and the real `thox`, from the first claim to the last key.

use super::{claim_code, with_key};
use crate::stage::Stage;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use thox_tests::doubles::Kind;
use thox_tests::thoxd::binary;

/// The command line of a person with an empty home.
struct Person {
    home: tempfile::TempDir,
    host: String,
    socket: Option<PathBuf>,
}

impl Person {
    fn at(stage: &Stage, socket: Option<PathBuf>) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            host: stage.address().to_string(),
            socket,
        }
    }

    fn thox(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("thox"));
        command
            .args(arguments)
            .env_remove("THOX_API_KEY")
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_RUNTIME_DIR", self.home.path())
            .stdin(Stdio::null());
        match &self.socket {
            Some(socket) => command
                .env_remove("THOX_HOST")
                .env("THOX_CONTROL_SOCKET", socket),
            None => command
                .env("THOX_HOST", &self.host)
                .env("THOX_CONTROL_SOCKET", self.home.path().join("none")),
        };
        command.output().unwrap()
    }

    /// What it prints; it has to work.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.thox(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "thox {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_the_device_needs_no_key() {
    let stage = Stage::of(Kind::Ollama).await;
    let socket = stage.thoxd.process.folder().join("state/control.sock");
    let owner = Person::at(&stage, Some(socket.clone()));
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
    let person = Person::at(&stage, None);
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
