//! The web page: everything that it names is there, nothing of it is elsewhere, and a browser may do with it what it
//! needs and no more.

use crate::stage::Stage;
use crate::trust::Owned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use thox_tests::client::{Reply, get, request};
use thox_tests::doubles::Kind;
use thox_tests::patience::within;

/// All of the page, over a slow Wi-Fi on a telephone.
const LARGEST_BYTES: usize = 96 << 10;

const PAGE_MAY: [&str; 10] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
];

/// The texts between `before` and the quote that follows.
fn named<'t>(text: &'t str, before: &str, quote: char) -> Vec<&'t str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split(quote).next())
        .collect()
}

/// The page and every file that it leads to, by path.
async fn whole_page(stage: &Stage) -> Vec<(String, Reply)> {
    let mut wanted = vec!["/".to_owned()];
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    while let Some(path) = wanted.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let reply = get(stage.address(), &path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let text = reply.text();
        let of_html = ["href=\"", "src=\""].map(|before| named(&text, before, '"'));
        let of_page = |name: &&str| name.starts_with("/page/");
        wanted.extend(
            of_html
                .concat()
                .into_iter()
                .filter(of_page)
                .map(str::to_owned),
        );
        let imports = named(&text, " from './", '\'').into_iter();
        wanted.extend(imports.map(|name| format!("/page/{name}")));
        files.push((path, reply));
    }
    files
}

#[tokio::test]
async fn every_file_is_there_small_and_of_this_device_alone() {
    let stage = Stage::of(Kind::Ollama).await;
    let files = whole_page(&stage).await;
    assert!(files.len() > 20, "{}", files.len());
    let kinds: BTreeSet<&str> = files
        .iter()
        .map(|(_, reply)| reply.header("content-type"))
        .collect();
    let expected = [
        "image/svg+xml",
        "text/css; charset=utf-8",
        "text/html; charset=utf-8",
        "text/javascript; charset=utf-8",
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
    let size: usize = files.iter().map(|(_, reply)| reply.body.len()).sum();
    assert!(size < LARGEST_BYTES, "{size} bytes");
    for (path, reply) in &files {
        let text = reply.text();
        for (at, _) in text.match_indices("://") {
            let rest: String = text[at + 3..].chars().take(11).collect();
            // The icon's namespace is a name and no address; an address of the device's own is put together.
            let is_own = rest.starts_with("www.w3.org/") || rest.starts_with("${");
            assert!(is_own, "{path} names another host: …://{rest}");
        }
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "localStorage.",
            "document.cookie",
            "import(",
            "@import",
            "url(",
        ] {
            assert!(!text.contains(forbidden), "{path}: {forbidden}");
        }
    }
    let html = files[0].1.text();
    for inline in [
        "<style",
        " style=",
        "<script>",
        " onclick",
        " onload",
        "javascript:",
    ] {
        assert!(!html.contains(inline), "{inline} in the page");
    }
}

#[tokio::test]
async fn a_browser_may_do_what_the_page_needs_and_no_more() {
    let stage = Stage::of(Kind::Ollama).await;
    for path in ["/", "/page/app.js", "/page/page.css"] {
        let reply = get(stage.address(), path).await;
        let policy = reply.header("content-security-policy");
        let parts: BTreeSet<&str> = policy.split(';').map(str::trim).collect();
        assert_eq!(parts, BTreeSet::from(PAGE_MAY), "{path}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
            ("set-cookie", ""),
        ] {
            assert_eq!(reply.header(header), value, "{path} {header}");
        }
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let stage = Stage::of(Kind::Ollama).await;
    for path in ["/", "/page/app.js"] {
        let first = get(stage.address(), path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.len() > 10 && tag.starts_with('"'), "{tag}");
        for (sent, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let headers = [("if-none-match", sent.as_str())];
            let reply = request(stage.address(), "GET", path, &headers, b"").await;
            let reply = reply.whole().await;
            assert_eq!(reply.status, status, "{path} {sent}");
            assert_eq!(reply.body.is_empty(), status == 304, "{path} {sent}");
            // A browser takes the headers of a 304 for those of what it has.
            for header in ["etag", "cache-control", "content-security-policy"] {
                assert_eq!(
                    reply.header(header),
                    first.header(header),
                    "{path} {header}"
                );
            }
        }
        let head = request(stage.address(), "HEAD", path, &[], b"").await;
        assert_eq!(head.status, 200);
        let length = head.headers.get("content-length").unwrap();
        assert_eq!(length, first.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_file_of_the_page_is_not_there() {
    let stage = Stage::of(Kind::Ollama).await;
    for path in [
        "/page/",
        "/page/index.html",
        "/page/none.js",
        "/page/..%2f..%2fetc%2fpasswd",
        "/page/%ff",
        "/page/app.js/",
        "/index.html",
    ] {
        let reply = get(stage.address(), path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.error_code(), "not_found", "{path}");
    }
    let reply = request(stage.address(), "POST", "/", &[], b"")
        .await
        .whole()
        .await;
    assert_eq!((reply.status, reply.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn with_authentication_on_the_page_is_there_and_tells_nothing() {
    let device = Owned::new().await;
    let locked = json!({ "enabled": true });
    let reply = device.admin("PUT", "/thox/v1/auth", Some(&locked)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for (path, reply) in whole_page(&device.stage).await {
        assert!(!reply.text().contains("qwen"), "{path}");
    }
    let status = get(device.address(), "/thox/v1/status").await;
    assert_eq!(status.status, 401);
}

/// What the page shows of a download to somebody without a key.
#[tokio::test]
async fn how_far_a_download_is_can_be_seen_without_a_key() {
    let device = Owned::new().await;
    device
        .stage
        .script(|script| script.pull_gap = Duration::from_millis(150));
    for model in ["llama3.2:3b", "missing:1b"] {
        let body = json!({ "model": model });
        let path = "/thox/v1/models/downloads";
        let begun = device.admin("POST", path, Some(&body)).await;
        assert_eq!(begun.status, 202, "{}", begun.text());
    }
    wait(&device, "half of it is there", |all| {
        let one = &all[0];
        one["object"] == "model.download"
            && one["model"] == "llama3.2:3b"
            && one["state"] == "running"
            && (&one["bytes"], &one["total"]) == (&json!(500), &json!(1000))
    })
    .await;
    wait(&device, "only the one that failed is told of", |all| {
        let count = all.as_array().unwrap().len();
        count == 1 && all[0]["model"] == "missing:1b" && all[0]["state"] == "failed"
    })
    .await;
}

async fn wait(device: &Owned, what: &str, is_so: impl Fn(&Value) -> bool) {
    within(what, async {
        loop {
            let status = get(device.address(), "/thox/v1/status").await.json();
            if is_so(&status["downloads"]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
