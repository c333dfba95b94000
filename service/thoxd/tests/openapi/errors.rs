//! Error statuses, types and codes are those of the error table.

use crate::document::{document, examples, operations, resolve};
use serde_json::Value;
use std::{collections::BTreeSet, iter::successors};
use thox_api::{ErrorKind, error::Row};

/// Every line of the table. A kind that is new does not compile until it stands here.
fn table() -> Vec<Row> {
    use ErrorKind::*;
    let next = |kind: &ErrorKind| match kind {
        InvalidRequest => Some(Unauthorized),
        Unauthorized => Some(InsufficientScope),
        InsufficientScope => Some(Forbidden),
        Forbidden => Some(ForeignHost),
        ForeignHost => Some(ForeignOrigin),
        ForeignOrigin => Some(RateLimited),
        RateLimited => Some(WrongClaimCode),
        WrongClaimCode => Some(AlreadyClaimed),
        AlreadyClaimed => Some(KeyNotFound),
        KeyNotFound => Some(DownloadNotFound),
        DownloadNotFound => Some(EngineNotFound),
        EngineNotFound => Some(SettingNotFound),
        SettingNotFound => Some(RegistryNotAllowed),
        RegistryNotAllowed => Some(SettingFixed),
        SettingFixed => Some(InvalidSettings),
        InvalidSettings => Some(KeyRevoked),
        KeyRevoked => Some(UnknownPath),
        UnknownPath => Some(MethodNotAllowed),
        MethodNotAllowed => Some(NotAcceptable),
        NotAcceptable => Some(UnsupportedMediaType),
        UnsupportedMediaType => Some(UpgradeRequired),
        UpgradeRequired => Some(BodyTooLarge),
        BodyTooLarge => Some(RequestTimeout),
        RequestTimeout => Some(HttpVersion),
        HttpVersion => Some(ModelNotFound),
        ModelNotFound => Some(CapabilityMissing),
        CapabilityMissing => Some(QueueFull),
        QueueFull => Some(EngineBusy),
        EngineBusy => Some(NoEngine),
        NoEngine => Some(EngineError),
        EngineError => Some(EngineTimeout),
        EngineTimeout => Some(NoServiceManager),
        NoServiceManager => Some(UpdateUnavailable),
        UpdateUnavailable => Some(UpdateRefused),
        UpdateRefused => Some(BundleRefused),
        BundleRefused => Some(Cancelled),
        Cancelled => Some(ShuttingDown),
        ShuttingDown => Some(Internal),
        Internal => None,
    };
    successors(Some(InvalidRequest), next)
        .map(ErrorKind::row)
        .collect()
}

fn words(values: &Value) -> BTreeSet<&str> {
    let values = values.as_array().expect("a list");
    values.iter().filter_map(Value::as_str).collect()
}

#[test]
fn types_and_codes_are_the_tables() {
    let document = document();
    let fields = &document["components"]["schemas"]["ErrorObject"]["properties"];
    let table = table();
    let codes: BTreeSet<&str> = table.iter().map(|row| row.code).collect();
    let kinds: BTreeSet<&str> = table.iter().map(|row| row.kind).collect();
    assert_eq!(words(&fields["code"]["enum"]), codes);
    assert_eq!(words(&fields["type"]["enum"]), kinds);
}

#[test]
fn every_error_reply_is_a_line_of_the_table() {
    let document = document();
    let table = table();
    for (path, method, operation) in operations(&document) {
        let replies = operation["responses"].as_object().expect("responses");
        for (status, reply) in replies.iter().filter(|(status, _)| &***status >= "400") {
            let place = format!("{method} {path} {status}");
            let status: u16 = status.parse().expect("a status");
            let lines: Vec<&Row> = table.iter().filter(|row| row.status == status).collect();
            assert!(!lines.is_empty(), "{place} is not in the table");
            let content = &resolve(&document, reply)["content"]["application/json"];
            let examples = examples(content);
            assert!(!examples.is_empty(), "{place} has no example");
            for example in examples {
                if content["schema"]["$ref"] == "#/components/schemas/Health" {
                    continue;
                }
                let error = &example["error"];
                if content["schema"]["$ref"] == "#/components/schemas/JsonRpcError" {
                    let code = &error["data"]["code"];
                    assert!(
                        lines.iter().any(|row| *code == row.code),
                        "{place}: {error}"
                    );
                    continue;
                }
                let is_line = |row: &&Row| error["code"] == row.code && error["type"] == row.kind;
                assert!(lines.iter().any(is_line), "{place}: {error}");
            }
        }
    }
}

#[test]
fn each_kind_has_a_name_of_its_own_on_d_bus() {
    let rows = table();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.dbus).collect();
    assert_eq!(names.len(), rows.len());
    for name in names {
        let whole = format!("ai.thox.Error.{name}");
        assert!(
            zbus::names::ErrorName::try_from(whole.as_str()).is_ok(),
            "{whole}"
        );
    }
}
