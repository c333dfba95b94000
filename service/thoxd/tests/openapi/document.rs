//! The description itself, read as JSON: version, references, examples.

use serde_json::Value;
use thox_policy::Endpoint;

/// What `GET /openapi.json` sends.
const TEXT: &str = include_str!("../../../api/openapi.json");

/// The description.
pub(crate) fn document() -> Value {
    serde_json::from_str(TEXT).expect("openapi.json is JSON")
}

/// Each operation with its path and its method in capitals.
pub(crate) fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, methods)| {
        let methods: &Value = methods;
        let methods = methods.as_object().expect("a path's methods");
        methods.iter().map(move |(method, operation)| {
            let path: &String = path;
            (path.clone(), method.to_uppercase(), operation)
        })
    };
    paths.iter().flat_map(of_path).collect()
}

/// A value, or what its `$ref` points to.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(pointer) => document
            .pointer(pointer.strip_prefix('#').expect("a reference inside"))
            .unwrap_or_else(|| panic!("{pointer} points to nothing")),
        None => value,
    }
}

/// The examples of a media type or a parameter.
pub(crate) fn examples(of: &Value) -> Vec<&Value> {
    let several = of["examples"].as_object();
    let several = several.into_iter().flatten().map(|(_, one)| &one["value"]);
    of.get("example").into_iter().chain(several).collect()
}

fn visit<'d>(value: &'d Value, look: &mut impl FnMut(&'d Value)) {
    look(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|field| visit(field, look)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, look)),
        _ => {}
    }
}

#[test]
fn the_version_is_the_programs() {
    let document = document();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        document["info"]["license"]["identifier"],
        env!("CARGO_PKG_LICENSE")
    );
}

#[test]
fn every_reference_points_to_something_and_every_component_is_referred_to() {
    let document = document();
    let mut referred = Vec::new();
    visit(&document, &mut |value| {
        if value.get("$ref").is_some_and(Value::is_string) {
            resolve(&document, value);
            referred.extend(value["$ref"].as_str().map(str::to_owned));
        }
        // Keys are referred to by their schemes' names.
        for scheme in value["security"].as_array().into_iter().flatten() {
            let names = scheme.as_object().expect("a scheme").keys();
            referred.extend(names.map(|name| format!("#/components/securitySchemes/{name}")));
        }
    });
    let components = document["components"].as_object().expect("components");
    for (kind, all) in components {
        for name in all.as_object().expect("components of a kind").keys() {
            let pointer = format!("#/components/{kind}/{name}");
            assert!(referred.contains(&pointer), "nothing refers to {pointer}");
        }
    }
}

#[test]
fn the_examples_of_requests_are_read_without_complaint() {
    let document = document();
    let mut count = 0;
    for (path, endpoint) in [
        ("/v1/chat/completions", Endpoint::Chat),
        ("/v1/completions", Endpoint::Completions),
        ("/v1/embeddings", Endpoint::Embeddings),
    ] {
        let media = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        for example in examples(media) {
            let body = example.to_string();
            let read = thoxd::gateway::peek(body.as_bytes(), endpoint);
            assert!(read.is_ok(), "{path}: {body}: {:?}", read.err());
            count += 1;
        }
    }
    assert!(count >= 8, "there were more examples");
}
