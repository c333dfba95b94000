//! The settings files.

use crate::command::run;
use std::fs;

#[test]
fn set_get_and_explain_work_on_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/mine.toml");
    let file = path.to_str().unwrap();
    let done = run(&["config", "set", "server.max_body", "64MiB", "--file", file]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        done.stdout,
        format!(
            "server.max_body = \"64MiB\" is written to {file}.\nRestart thoxd for it to take effect: thox restart.\n"
        )
    );
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "[server]\nmax_body = \"64MiB\"\n"
    );
    assert_eq!(
        run(&["config", "get", "server.max_body", "--config", file]).stdout,
        "64MiB\n"
    );
    assert_eq!(
        run(&[
            "config",
            "get",
            "server.max_body",
            "--config",
            file,
            "--json"
        ])
        .stdout,
        "\"64MiB\"\n"
    );

    let done = run(&["config", "explain", "server.max_body", "--config", file]);
    assert!(
        done.stdout
            .starts_with("server.max_body\nLargest body of a request"),
        "{done:?}"
    );
    let end = format!("value:   \"64MiB\"\ndefault: \"32MiB\"\nfrom:    {file}:2\n");
    assert!(done.stdout.ends_with(&end), "{done:?}");

    let all = run(&["config", "get", "--config", file]);
    assert!(
        all.stdout.contains("router.circuit.failures = 3\n"),
        "{all:?}"
    );
    assert!(
        all.stdout
            .contains("# engines.ollama.api_key_file is not set\n"),
        "{all:?}"
    );
    let table = run(&["config", "get", "router", "--config", file, "--json"]);
    let table: serde_json::Value = serde_json::from_str(&table.stdout).unwrap();
    assert_eq!(table["router.default_model"], "thox-coder");
}

#[test]
fn what_is_wrong_is_said_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let file = path.to_str().unwrap();
    for (key, value, code, message) in [
        ("server.max_bdy", "1MiB", 1, "did you mean server.max_body?"),
        ("server.max_body", "much", 1, "expected a size"),
        ("no key", "1", 2, "`no key` is no key"),
    ] {
        let done = run(&["config", "set", key, value, "--file", file]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{key}");
        assert!(done.stderr.contains(message), "{key}: {}", done.stderr);
        assert!(!path.exists(), "{key}");
    }
    let done = run(&["config", "get", "max_body", "--config", "/dev/null"]);
    assert_eq!(done.code, Some(5));
    assert_eq!(
        done.stderr,
        "error: there is no key max_body; did you mean server.max_body?\n"
    );
    fs::write(&path, "[server]\nlisen = 1\n").unwrap();
    let done = run(&["config", "get", "--config", file]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains(&format!(
            "{file}:2: unknown key server.lisen; did you mean server.listen?"
        )),
        "{done:?}"
    );
}

#[test]
fn documented_names_stand_for_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let file = path.to_str().unwrap();
    let done = run(&["config", "set", "default_model", "mine", "--file", file]);
    assert!(
        done.stdout
            .starts_with("router.default_model = \"mine\" is written"),
        "{done:?}"
    );
    assert_eq!(
        run(&["config", "get", "default_model", "--config", file]).stdout,
        "mine\n"
    );
    // As long as thoxd has no such setting, its name is what is told.
    let done = run(&["config", "get", "api.rate_limit", "--config", file]);
    let told = "there is no key limits.remote_requests_per_minute";
    assert!(
        done.code == Some(0) || done.stderr.contains(told),
        "{done:?}"
    );
}
