//! Help, completions, manual pages, mistakes in typing.

use crate::command::run;

#[test]
fn help_documents_exit_codes_and_environment() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for text in [
        "0    it worked",
        "130  Ctrl-C",
        "THOX_HOST",
        "NO_COLOR",
        "status",
        "completions",
    ] {
        assert!(help.stdout.contains(text), "no {text:?} in {}", help.stdout);
    }
    assert!(run(&["--version"]).stdout.starts_with("thox "));
}

#[test]
fn what_is_typed_wrongly_is_a_usage_error() {
    for arguments in [
        &["statsu"][..],
        &["models"],
        &["router", "explain"],
        &["status", "--hots", "x"],
        &[],
    ] {
        let done = run(arguments);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            done.stderr.contains("Usage:"),
            "{arguments:?}: {}",
            done.stderr
        );
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(
            script.code == Some(0) && script.stdout.contains("thox"),
            "{shell}"
        );
    }
    let page = run(&["man"]);
    assert!(page.stdout.contains(".TH thox 1"), "{}", page.stdout);
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert_eq!(run(&["man", pages.to_str().unwrap()]).code, Some(0));
    for page in [
        "thox.1",
        "thox-chat.1",
        "thox-router-explain.1",
        "thox-auth-generate-key.1",
    ] {
        assert!(pages.join(page).is_file(), "{page}");
    }
}
