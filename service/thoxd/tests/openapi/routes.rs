//! Every route is described, and every described one answers as described.

use crate::document::{document, examples, operations};
use axum::{Router, body::Body};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};
use thoxd::{
    engine,
    gateway::{Caller, Gateway, record::Ledger},
    http::{Door, routes},
    lifetime::Lifetime,
    settings,
    world::Worlds,
    ws,
};
use tower::ServiceExt;

/// Every Rust file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `("GET", "/v1/models/{id}")` for each `.route("/v1/models/{*id}", get(…))` in a source text.
fn routes_in(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for call in source.split(".route(").skip(1) {
        let mut depth = 1;
        let end = call.find(|character| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let arguments = &call[..end.expect("a closing parenthesis")];
        let (path, methods) = arguments.split_once(',').expect("a path and its methods");
        let path = path.trim().trim_matches('"').replace("{*", "{");
        for method in [
            "get", "post", "put", "patch", "delete", "head", "options", "any",
        ] {
            let is_used = methods
                .match_indices(&format!("{method}("))
                .any(|(at, _)| !methods[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if is_used {
                found.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    found
}

/// All doors without any engine.
fn service() -> Router {
    let text = "[engines.ollama]\nenabled = false\n[engines.starter]\nenabled = false";
    let settings = settings::parse_text(text).expect("settings");
    let lifetime = Lifetime::default();
    let fleet = engine::fleet(&settings, &lifetime).expect("no engines");
    let worlds = Worlds::new(&settings, fleet);
    let gateway = Gateway::new(worlds, Arc::new(Ledger::default()));
    let server = Arc::new(settings.server);
    let sockets = ws::routes(gateway.clone(), Arc::clone(&server), lifetime);
    routes(Door { gateway, server }, sockets)
}

async fn ask(method: &str, path: &str, body: Option<&Value>) -> Response<Body> {
    let caller = Caller {
        request_id: "test".into(),
        client: Ipv4Addr::LOCALHOST.into(),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .extension(caller);
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |json| Body::from(json.to_string()));
    let request = request.body(body).expect("a request");
    service().oneshot(request).await.expect("a reply")
}

async fn error_code(reply: Response<Body>) -> (StatusCode, Value) {
    let status = reply.status();
    assert_eq!(reply.headers()[header::CONTENT_TYPE], "application/json");
    let body = reply.into_body().collect().await.expect("a body");
    let json: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    (status, json["error"]["code"].clone())
}

#[test]
fn routes_are_found_in_source_text() {
    let source = "Router::new().route(\"/a\", get(x::y))\n.route(\n    \"/b/{*id}\",\n    get(forget(1)).post(z),\n)";
    let found = routes_in(source);
    let expected = [("GET", "/a"), ("GET", "/b/{id}"), ("POST", "/b/{id}")];
    assert!(
        found
            .iter()
            .map(|(method, path)| (&**method, &**path))
            .eq(expected),
        "{found:?}"
    );
}

#[test]
fn every_route_is_described_and_every_described_one_is_a_route() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let served: BTreeSet<(String, String)> = files
        .iter()
        .flat_map(|file| routes_in(&fs::read_to_string(file).expect("a source file")))
        .collect();
    assert!(served.contains(&("POST".to_owned(), "/v1/chat/completions".to_owned())));
    let document = document();
    let described: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| (method, path))
        .collect();
    let missing: Vec<_> = served.difference(&described).collect();
    let invented: Vec<_> = described.difference(&served).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "not in service/api/openapi.json: {missing:?}; in it, but no route: {invented:?}"
    );
}

#[tokio::test]
async fn every_described_route_answers_with_a_described_status() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let request = &operation["requestBody"]["content"]["application/json"];
        let bodies: Vec<Option<&Value>> = match examples(request) {
            none if none.is_empty() => vec![None],
            some => some.into_iter().map(Some).chain([None]).collect(),
        };
        for body in bodies {
            let reply = ask(&method, &path.replace("{id}", "a/b:c"), body).await;
            let status = reply.status().as_u16().to_string();
            assert!(
                operation["responses"].get(&status).is_some(),
                "{method} {path} answered {status} to {body:?}"
            );
            assert_ne!(status, "405", "{method} {path}");
        }
        let reply = ask("DELETE", &path.replace("{id}", "a"), None).await;
        assert_eq!(
            reply.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "DELETE {path}"
        );
        let allowed = reply.headers()[header::ALLOW].to_str().expect("Allow");
        assert!(allowed.contains(&*method), "{path} allows {allowed}");
    }
}

#[tokio::test]
async fn what_the_router_itself_refuses_has_openais_shape_too() {
    for path in ["/v1/models/%FF", "/thox/v1/router/explain?model=a&model=b"] {
        let (status, code) = error_code(ask("GET", path, None).await).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(code, "invalid_request", "{path}");
    }
    let (status, code) = error_code(ask("GET", "/v1/models/a/b:c", None).await).await;
    assert_eq!(
        (status, code),
        (StatusCode::NOT_FOUND, "model_not_found".into())
    );
}

#[tokio::test]
async fn the_document_is_served() {
    let reply = ask("GET", "/openapi.json", None).await;
    let body = reply.into_body().collect().await.expect("a body");
    let served: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    assert_eq!(served, document());
}
