//! The real `thox` against the real daemon: what a person types, sees, and which exit codes a script gets.

use super::{device, device_with};
use crate::stage::Stage;
use crate::trust::Owned;
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use std::time::Duration;
use thox_tests::doubles::{Double, Fault};
use thox_tests::patience::within;
use thox_tests::thoxd::binary;
use tokio::process::Command;

fn command(stage: &Stage, key: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("thox"));
    command
        .args(arguments)
        .env("HOME", stage.thoxd.process.folder())
        .env(
            "XDG_CONFIG_HOME",
            stage.thoxd.process.folder().join("thox-config"),
        )
        .env("THOX_HOST", stage.address().to_string())
        .env("THOX_API_KEY", key)
        .env_remove("THOX_CONTROL_SOCKET")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn thox(device: &Owned, arguments: &[&str]) -> Output {
    let running = command(&device.stage, &device.admin, arguments).output();
    within("thox to end", running).await.unwrap()
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// What it prints where it works.
async fn prints(device: &Owned, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = told(&thox(device, arguments).await);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(0), ""),
        "{arguments:?}: {stdout}"
    );
    stdout
}

#[tokio::test]
async fn a_model_comes_and_goes() {
    let device = device().await;
    assert_eq!(
        prints(&device, &["models", "pull", "llama3.2:3b"]).await,
        "llama3.2:3b is on ollama: 1.0 kB.\n"
    );
    assert!(
        prints(&device, &["models", "list"])
            .await
            .contains("llama3.2:3b")
    );
    let list = prints(&device, &["models", "downloads"]).await;
    assert!(list.contains("dl_") && list.contains("succeeded"), "{list}");
    let loaded = prints(&device, &["models", "load", "llama3.2:3b"]).await;
    assert_eq!(loaded, "llama3.2:3b is in the memory of ollama.\n");
    assert_eq!(device.stage.resident(), ["llama3.2:3b"]);
    prints(&device, &["models", "unload", "llama3.2:3b"]).await;
    assert!(device.stage.resident().is_empty());
    let removed = prints(&device, &["models", "rm", "llama3.2:3b", "--json"]).await;
    let removed: Value = serde_json::from_str(&removed).unwrap();
    assert_eq!(removed["action"], "deleted");
    for (arguments, code, words) in [
        (
            &["models", "rm", "llama3.2:3b"][..],
            5,
            "no engine has the model",
        ),
        (&["models", "pull", "missing"], 5, "file does not exist"),
        (&["models", "pull", "../x"], 1, "is no model's name"),
        (
            &["models", "pull", "evil.example/a/b"],
            1,
            "downloads.registries",
        ),
        (
            &["models", "load", "llama3.2", "--engine", "gone"],
            1,
            "there is no engine",
        ),
        (
            &["models", "downloads", "--cancel", "dl_0"],
            5,
            "there is no download",
        ),
        (&["models", "pull"], 2, "<MODEL>"),
    ] {
        let (found, stdout, stderr) = told(&thox(&device, arguments).await);
        assert_eq!(
            (found, stdout.as_str()),
            (Some(code), ""),
            "{arguments:?}: {stderr}"
        );
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let (key, _) = device.key(&json!({ "name": "asks" })).await;
    for arguments in [
        &["models", "pull", "a"][..],
        &["logs"],
        &["restart"],
        &["config", "get"],
    ] {
        let done = command(&device.stage, &key, arguments)
            .output()
            .await
            .unwrap();
        assert_eq!(told(&done).0, Some(4), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_pull_is_told_as_lines_of_json_and_outlives_its_command() {
    let device = device().await;
    device
        .stage
        .script(|script| script.pull_gap = Duration::from_millis(100));
    let pull = &["models", "pull", "llama3.2:3b", "--json"];
    let mut left = command(&device.stage, &device.admin, pull).spawn().unwrap();
    thox_tests::patience::until("the pull has begun", || {
        let seen = device.stage.engine.journal().to("/api/pull");
        (!seen.is_empty()).then_some(())
    })
    .await;
    left.kill().await.unwrap();
    let lines = prints(&device, pull).await;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.last().unwrap()["state"], "succeeded");
    assert_eq!(
        device.stage.engine.journal().to("/api/pull").len(),
        1,
        "the same download"
    );

    device.stage.fault_verbs(Fault::Hang { after: 2 });
    let waiting = command(&device.stage, &device.admin, &["models", "pull", "gone:1b"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    device.stage.engine.journal();
    let id = loop {
        let list = device.admin("GET", super::DOWNLOADS, None).await.json();
        let all = list["data"].as_array().unwrap().clone();
        if let Some(one) = all
            .iter()
            .find(|one| one["model"] == "gone:1b" && one["state"] == "running")
        {
            break one["id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let cancelled = prints(&device, &["models", "downloads", "--cancel", &id]).await;
    assert_eq!(cancelled, "The download of gone:1b is cancelled.\n");
    let done = within("the pull to end", waiting.wait_with_output())
        .await
        .unwrap();
    let (code, _, stderr) = told(&done);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("was cancelled"), "{stderr}");
}

#[tokio::test]
async fn settings_the_log_and_a_restart() {
    let port = Double::free_port().await;
    let listen = format!("127.0.0.1:{port}");
    let device = device_with(|builder| builder.list("server", "listen", &[&listen])).await;
    assert_eq!(
        prints(&device, &["config", "get", "server.max_body"]).await,
        "32MiB\n"
    );
    let set = prints(&device, &["config", "set", "server.max_body", "64MiB"]).await;
    assert!(
        set.starts_with("server.max_body = \"64MiB\", from ") && set.contains("thox restart"),
        "{set}"
    );
    let explained = prints(&device, &["config", "explain", "server.max_body"]).await;
    assert!(
        explained.contains("Largest body of a request") && explained.contains("thox restart"),
        "{explained}"
    );
    let all = prints(&device, &["config", "get", "server"]).await;
    assert!(
        all.contains("server.max_body = \"64MiB\"\n") && !all.contains("log.level"),
        "{all}"
    );
    let restarted = prints(&device, &["restart"]).await;
    assert!(restarted.contains("runs anew"), "{restarted}");
    let explained = prints(&device, &["config", "explain", "server.max_body"]).await;
    assert!(
        explained.contains("64MiB") && !explained.contains("thox restart"),
        "{explained}"
    );
    let unset = prints(&device, &["config", "unset", "server.max_body"]).await;
    assert!(
        unset.starts_with("server.max_body = \"32MiB\", from the built-in default."),
        "{unset}"
    );
    for (arguments, code) in [
        (&["config", "get", "server.max_bdy"][..], 5),
        (&["config", "set", "server.max_body", "much"], 1),
        (&["config", "set", "a b", "1"], 2),
        (&["logs", "--level", "loud"], 2),
    ] {
        let (found, _, stderr) = told(&thox(&device, arguments).await);
        assert_eq!(found, Some(code), "{arguments:?}: {stderr}");
    }
    let log = prints(&device, &["logs", "-n", "50", "--level", "info"]).await;
    assert!(
        log.contains("a setting was changed") && log.contains("Z info "),
        "{log}"
    );
    let json = prints(&device, &["logs", "-n", "1", "--json"]).await;
    assert!(serde_json::from_str::<Value>(&json).unwrap()["number"].is_u64());
}
