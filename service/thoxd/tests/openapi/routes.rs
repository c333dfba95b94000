//! Every route is described, and every described one answers as described.

use crate::document::{document, examples, operations};
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};
use tempfile::TempDir;
use thox_policy::access::Source;
use thoxd::{
    bus::Bus,
    daemon::doors,
    engine,
    engines::Engines,
    gateway::{Gateway, record::Ledger},
    guard::{Arrival, Guard, Visitor, audit::Audit},
    http::{Door, Routes, Ways},
    keys::Keys,
    lan::Lan,
    lifetime::Lifetime,
    models::Models,
    observe::Log,
    reload::Reload,
    settings::{self, Live, Settings, Sources},
    systemd::{Manager, Units},
    updater::Updater,
    world::Worlds,
};

/// All doors without any engine, and the folder of their state.
fn service() -> (Routes<()>, TempDir) {
    let folder = TempDir::new().expect("a folder");
    let text = format!(
        "state_dir = {:?}\n[engines.ollama]\nenabled = false\n[engines.starter]\nenabled = false",
        folder.path()
    );
    let settings = settings::parse_text(&text).expect("settings");
    let lifetime = Lifetime::default();
    let fleet = engine::fleet(&settings, &lifetime).expect("no engines");
    let worlds = Worlds::new(&settings, fleet, Units::default());
    let keys = Keys::open(folder.path()).expect("keys");
    let audit = Audit::new(false, folder.path());
    let mut sources = Sources::of_process();
    let file = folder.path().join("thoxd.toml");
    std::fs::write(&file, text).expect("a settings file");
    sources.config = Some(file);
    let loaded = Settings::load(&sources).expect("settings");
    let mcp = settings.mcp.clone();
    let guard = Guard::new(&settings, keys, Lan::new(&[]), audit);
    let live = Arc::new(Live::new(sources, loaded));
    let log = Log::silent();
    let door = Door {
        reload: Reload::new(
            Arc::clone(&live),
            Arc::clone(&worlds),
            Arc::clone(&guard),
            log.clone(),
            Arc::new(Manager::default()),
        ),
        gateway: Gateway::new(Arc::clone(&worlds), Arc::new(Ledger::default())),
        guard,
        server: Arc::new(settings.server.clone()),
        plain: None,
        encrypted: None,
        state: Arc::new(folder.path().to_owned()),
        engines: Engines::new(Arc::clone(&worlds), Units::default()),
        models: Models::new(
            worlds,
            settings.downloads.registries.clone(),
            lifetime.clone(),
        ),
        updater: Updater::new(&settings, Bus::default()),
        settings: live,
        log: log.recent,
        bus: Bus::default(),
        lifetime: lifetime.clone(),
        instance: "test".into(),
    };
    (doors(door, &mcp, &lifetime), folder)
}

async fn ask(method: &str, path: &str, body: Option<&Value>) -> Response<Body> {
    let arrival = Arrival {
        visitor: Visitor {
            address: Ipv4Addr::LOCALHOST.into(),
            source: Source::ControlSocket,
            is_encrypted: false,
        },
        request_id: "test".into(),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .extension(arrival);
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |json| Body::from(json.to_string()));
    let request = request.body(body).expect("a request");
    let (routes, _folder) = service();
    Ways::new(routes).answer(request).await
}

/// A path with its parameters filled in; a setting's key and a file of the page are some that there are.
fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id)
        .replace("{key}", "server.max_body")
        .replace("{name}", "ollama")
        .replace("{file}", "app.js")
}

async fn error_code(reply: Response<Body>) -> (StatusCode, Value) {
    let status = reply.status();
    assert_eq!(reply.headers()[header::CONTENT_TYPE], "application/json");
    let body = reply.into_body().collect().await.expect("a body");
    let json: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    (status, json["error"]["code"].clone())
}

#[tokio::test]
async fn every_route_is_described_and_every_described_one_is_a_route() {
    let (routes, _folder) = service();
    let list = routes.list();
    let served: BTreeSet<(String, String)> = list
        .iter()
        .map(|route| (route.method.to_owned(), route.path.replace("{*", "{")))
        .collect();
    assert!(served.contains(&("POST".to_owned(), "/v1/chat/completions".to_owned())));
    let document = document();
    let described: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| (method, path))
        .filter(|(_, path)| cfg!(feature = "mcp") || path != "/mcp")
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
    let is_served = |path: &str| cfg!(feature = "mcp") || path != "/mcp";
    for (path, method, operation) in operations(&document) {
        if !is_served(&path) {
            continue;
        }
        let request = &operation["requestBody"]["content"]["application/json"];
        let bodies: Vec<Option<&Value>> = match examples(request) {
            none if none.is_empty() => vec![None],
            some => some.into_iter().map(Some).chain([None]).collect(),
        };
        for body in bodies {
            let reply = ask(&method, &filled(&path, "a/b:c"), body).await;
            let status = reply.status().as_u16().to_string();
            assert!(
                operation["responses"].get(&status).is_some(),
                "{method} {path} answered {status} to {body:?}"
            );
            assert_ne!(status, "405", "{method} {path}");
        }
        let reply = ask("PATCH", &filled(&path, "a"), None).await;
        assert_eq!(
            reply.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "PATCH {path}"
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
