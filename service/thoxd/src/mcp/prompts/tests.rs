//! The prompts as the models get them, beside this file. `THOX_UPDATE=1` writes them anew: then read the difference.

use super::*;
use minijinja::context;
use std::path::Path;

#[track_caller]
fn assert_snapshot(name: &str, job: Job, values: &Value) {
    let prompt = Prompts::default().render(job, values).unwrap();
    let text = format!("--- system\n{}\n--- user\n{}\n", prompt.system, prompt.user);
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/mcp/prompts/snapshots")
        .join(format!("{name}.txt"));
    if std::env::var_os("THOX_UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{}", file.display());
}

const NOTHING: Option<&str> = None;

#[test]
fn complete() {
    let values = context! {
        fence => "```", mark => "<CURSOR>", language => "python", file => "sum.py", lines => 5,
        before => "def add(a, b):\n    return ", after => "\n\nprint(add(1, 2))",
    };
    assert_snapshot("complete", Job::Complete, &values);
    let values = context! {
        fence => "````", mark => "<CURSOR>", language => NOTHING, file => NOTHING, lines => 1,
        before => "```\n", after => "",
    };
    assert_snapshot("complete-bare", Job::Complete, &values);
}

#[test]
fn explain() {
    for level in ["beginner", "intermediate", "expert"] {
        let values = context! {
            fence => "```", kind => "code", language => "rust", file => "main.rs", level,
            question => "Why the semicolon?", code => "fn main() {}",
        };
        assert_snapshot(&format!("explain-{level}"), Job::Explain, &values);
    }
    let values = context! {
        fence => "```", kind => "error", language => NOTHING, file => NOTHING, level => "intermediate",
        question => NOTHING, code => "error[E0382]: use of moved value: `a`",
    };
    assert_snapshot("explain-error", Job::Explain, &values);
}

#[test]
fn refactor() {
    let values = context! {
        fence => "```", language => "go", file => "a.go", goal => "Return early.", code => "package a",
    };
    assert_snapshot("refactor", Job::Refactor, &values);
}

#[test]
fn test() {
    let values = context! {
        fence => "```", language => "typescript", file => NOTHING, framework => "vitest", focus => "rounding",
        code => "export const half = (n: number) => Math.round(n / 2)",
    };
    assert_snapshot("test", Job::Test, &values);
    let values = context! {
        fence => "```", language => NOTHING, file => NOTHING, framework => NOTHING, focus => NOTHING, code => "x",
    };
    assert_snapshot("test-bare", Job::Test, &values);
}

#[test]
fn what_code_says_is_no_template_and_no_markup() {
    let values = context! {
        fence => "```", language => NOTHING, file => NOTHING, goal => "{{ code }}", code => "{{ goal }} <a&b> {% if %}",
    };
    let prompt = Prompts::default().render(Job::Refactor, &values).unwrap();
    assert!(prompt.user.contains("Goal: {{ code }}\n"));
    assert!(prompt.user.contains("{{ goal }} <a&b> {% if %}"));
}

#[test]
fn a_value_that_is_missing_is_told() {
    assert!(
        Prompts::default()
            .render(Job::Refactor, &context! {})
            .is_err()
    );
}

#[test]
fn a_fence_is_longer_than_those_in_the_code() {
    assert_eq!(fence("no ticks"), "```");
    assert_eq!(fence("a `b` c"), "```");
    assert_eq!(fence("```\nx\n```"), "````");
    assert_eq!(fence("`````"), "``````");
}
