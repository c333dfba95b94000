//! The device's own replies have the fields that are described, no more and no fewer.

use crate::document::{document, resolve};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use thox_api::{
    ApiError, AuthStatus, BackendHealth, BackendState, CircuitState, Claim, ClaimCode, Class,
    DataCleared, DecisionRecord, DeviceStatus, Download, DownloadList, DownloadProgress,
    DownloadState, Effect, EngineChanged, ErrorKind, Explanation, Health, InstallUpdate,
    KeyDeleted, KeyInfo, KeyList, LogLevel, LogLine, MakeKey, ModelAction, ModelChanged, ModelList,
    ModelObject, NamedModel, NewKey, OfferUpdate, OverallStatus, Reboot, Rebooting, Reset,
    ResetDone, Restarting, RouteChoice, RouterBackend, RouterModel, RouterRules, RouterStatus,
    Scope, SetAuth, SetSetting, Setting, SettingList, SettingsReloaded, StreamEvent, TlsStatus,
    UnitHealth, Update, UpdateEvidence, UpdateLast, UpdateOutcome, UpdateProgress, UpdateSlot,
    UpdateState,
};

/// A schema's fields and those that have to be there, with those of `allOf`.
fn fields<'d>(document: &'d Value, schema: &'d Value) -> (BTreeSet<&'d str>, BTreeSet<&'d str>) {
    let schema = resolve(document, schema);
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    if let Some(properties) = schema["properties"].as_object() {
        known.extend(properties.keys().map(String::as_str));
    }
    if let Some(required) = schema["required"].as_array() {
        needed.extend(required.iter().filter_map(Value::as_str));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more_known, more_needed) = fields(document, part);
        known.extend(more_known);
        needed.extend(more_needed);
    }
    (known, needed)
}

/// `full` has every field, `bare` leaves out what may be left out.
fn describes(schema: &str, full: &impl Serialize, bare: &impl Serialize) {
    let document = document();
    let reference = json!({ "$ref": format!("#/components/schemas/{schema}") });
    let (known, needed) = fields(&document, &reference);
    let names = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let full = names(&serde_json::to_value(full).expect("JSON"));
    let bare = names(&serde_json::to_value(bare).expect("JSON"));
    assert!(
        full.iter().eq(known.iter()),
        "{schema}: {full:?} is sent, {known:?} described"
    );
    assert!(
        bare.iter().eq(needed.iter()),
        "{schema}: {bare:?} is always sent, {needed:?} required"
    );
}

fn always(schema: &str, reply: &impl Serialize) {
    describes(schema, reply, reply);
}

fn text() -> String {
    "x".to_owned()
}

fn health(filled: Option<String>) -> BackendHealth {
    BackendHealth {
        name: text(),
        kind: text(),
        backend: text(),
        state: BackendState::Down,
        reason: filled.clone(),
        version: filled.clone(),
        models: 1,
        unit: filled.map(|text| unit(Some(text))),
    }
}

fn unit(result: Option<String>) -> UnitHealth {
    UnitHealth {
        name: text(),
        state: text(),
        substate: text(),
        result,
        restarts: 1,
    }
}

fn choice() -> RouteChoice {
    RouteChoice {
        engine: text(),
        backend: text(),
        model: text(),
        reason: text(),
    }
}

fn rules() -> RouterRules {
    RouterRules {
        large_model_threshold: text(),
        default_model: text(),
    }
}

#[test]
fn health_is_described() {
    describes("BackendHealth", &health(Some(text())), &health(None));
    describes("UnitHealth", &unit(Some(text())), &unit(None));
    let whole = |name| Health {
        status: OverallStatus::Degraded,
        version: text(),
        name,
        uptime_seconds: 1,
        backends: Vec::new(),
        notes: Vec::new(),
    };
    describes("Health", &whole(Some(text())), &whole(None));
}

#[test]
fn models_are_described() {
    let model = |filled: bool| ModelObject {
        id: text(),
        object: text(),
        created: 1,
        owned_by: text(),
        backend: text(),
        backends: Vec::new(),
        stands_for: filled.then(text),
        description: filled.then(text),
        parameters: filled.then_some(1),
        capabilities: filled.then(Vec::new),
        context_length: filled.then_some(1),
        max_context_length: filled.then_some(1),
        loaded: true,
        starter: filled,
    };
    describes("Model", &model(true), &model(false));
    let list = ModelList {
        object: text(),
        data: Vec::new(),
    };
    always("ModelList", &list);
}

#[test]
fn the_router_is_described() {
    let backend = |filled: Option<String>| RouterBackend {
        health: health(filled),
        circuit: CircuitState::Open,
        in_flight: 1,
        queued: 1,
        slots: 1,
        resident: Vec::new(),
    };
    describes("RouterBackend", &backend(Some(text())), &backend(None));
    let model = |refusal: Option<String>| RouterModel {
        id: text(),
        route: None,
        refusal,
    };
    describes("RouterModel", &model(Some(text())), &model(None));
    let explanation = |refusal: Option<String>| Explanation {
        model: text(),
        parameters: None,
        is_large: true,
        chosen: None,
        not_taken: Vec::new(),
        refusal,
        rules: rules(),
    };
    describes(
        "Explanation",
        &explanation(Some(text())),
        &explanation(None),
    );
    always("RouteChoice", &choice());
    always("RouterRules", &rules());
    let decision = DecisionRecord {
        at_ms: 1,
        request_id: text(),
        model: text(),
        endpoint: text(),
        engine: None,
        reason: None,
        outcome: text(),
        ms: 1,
    };
    always("DecisionRecord", &decision);
    let whole = RouterStatus {
        rules: rules(),
        backends: Vec::new(),
        models: Vec::new(),
        decisions: Vec::new(),
    };
    always("RouterStatus", &whole);
}

#[test]
fn errors_and_the_streams_events_are_described() {
    let error = ApiError::new(ErrorKind::Internal, "x").body();
    always("Error", &error);
    always("ErrorObject", &error.error);
    let done = |request_id: Option<Value>| StreamEvent::Done {
        request_id,
        backend: text(),
        model: text(),
        finish_reason: None,
        usage: None,
    };
    describes("StreamDone", &done(Some(json!(1))), &done(None));
    let failed = |request_id: Option<Value>| StreamEvent::Error {
        request_id,
        error: error.error.clone(),
    };
    describes("StreamError", &failed(Some(json!(1))), &failed(None));
}

#[test]
fn keys_and_the_device_are_described() {
    let info = KeyInfo {
        id: String::new(),
        object: "key".to_owned(),
        name: String::new(),
        prefix: String::new(),
        scope: Scope::Inference,
        class: Class::Batch,
        created: 0,
        expires: Some(1),
        last_used: Some(1),
        requests_per_minute: Some(1),
        tokens_per_minute: Some(1),
    };
    always("Key", &info);
    let new = |warning: Option<String>| NewKey {
        key: String::new(),
        warning,
        info: info.clone(),
    };
    describes("NewKey", &new(Some(text())), &new(None));
    always(
        "KeyList",
        &KeyList {
            object: "list".to_owned(),
            data: vec![info.clone()],
        },
    );
    always(
        "KeyDeleted",
        &KeyDeleted {
            id: String::new(),
            object: "key".to_owned(),
            deleted: true,
        },
    );
    let auth = |warning: Option<String>| AuthStatus {
        enabled: true,
        claimed: true,
        keys: 1,
        tls: true,
        warning,
    };
    describes("AuthStatus", &auth(Some(text())), &auth(None));
    always("SetAuth", &SetAuth { enabled: true });
    always(
        "ClaimCode",
        &ClaimCode {
            code: None,
            claimed: true,
            page: None,
            tls_fingerprint: None,
        },
    );
    always(
        "DataCleared",
        &DataCleared {
            audit_lines: 1,
            decisions: 1,
        },
    );
    let tls = TlsStatus {
        ports: vec![1],
        fingerprint: String::new(),
        self_signed: true,
        expires: 1,
    };
    always("TlsStatus", &tls);
    let progress = DownloadProgress {
        object: "model.build".to_owned(),
        model: text(),
        state: DownloadState::Running,
        bytes: 1,
        total: Some(1),
        bytes_per_second: Some(1),
    };
    always(
        "DeviceStatus",
        &DeviceStatus {
            name: String::new(),
            version: String::new(),
            instance: String::new(),
            names: Vec::new(),
            tls: Some(tls),
            claimed: true,
            key_needed: true,
            downloads: vec![progress.clone()],
        },
    );
    always("DownloadProgress", &progress);
    let full = MakeKey {
        name: String::new(),
        scope: Some(Scope::Admin),
        expires_in: Some(1),
        requests_per_minute: Some(1),
        tokens_per_minute: Some(1),
        class: Some(Class::Interactive),
    };
    let bare = MakeKey {
        scope: None,
        expires_in: None,
        requests_per_minute: None,
        tokens_per_minute: None,
        class: None,
        ..full.clone()
    };
    describes("MakeKey", &full, &bare);
    describes(
        "Claim",
        &Claim {
            code: String::new(),
            name: Some(String::new()),
        },
        &Claim {
            code: String::new(),
            name: None,
        },
    );
}

#[test]
fn a_reset_is_described() {
    let reset = |keep_models| Reset {
        confirm: text(),
        keep_models,
    };
    describes("Reset", &reset(true), &reset(false));
    always(
        "ResetDone",
        &ResetDone {
            name: text(),
            keys: 1,
            audit_lines: 1,
            settings: None,
            tls_fingerprint: None,
            left_to_system: text(),
            restart_needed: true,
        },
    );
}

#[test]
fn models_that_come_and_go() {
    let download = Download {
        id: text(),
        object: text(),
        model: text(),
        engine: text(),
        state: DownloadState::Queued,
        status: text(),
        bytes: 1,
        total: None,
        bytes_per_second: None,
        created: 1,
        finished: None,
        error: None,
    };
    always("Download", &download);
    always(
        "DownloadList",
        &DownloadList {
            object: text(),
            data: vec![download],
        },
    );
    always(
        "ModelChanged",
        &ModelChanged {
            object: text(),
            model: text(),
            engine: text(),
            action: ModelAction::Loaded,
        },
    );
    let bare = NamedModel {
        model: text(),
        engine: None,
    };
    let full = NamedModel {
        engine: Some(text()),
        ..bare.clone()
    };
    describes("NamedModel", &full, &bare);
}

#[test]
fn settings_the_log_the_restarts_and_engines() {
    let setting = Setting {
        key: text(),
        value: Value::Null,
        default: Value::Null,
        source: text(),
        documentation: text(),
        effect: Effect::Restart,
        restart_needed: true,
    };
    always("Setting", &setting);
    always(
        "SettingList",
        &SettingList {
            object: text(),
            data: vec![setting],
        },
    );
    always(
        "SettingsReloaded",
        &SettingsReloaded {
            object: text(),
            changed: vec![text()],
            restart_needed: vec![text()],
        },
    );
    always("SetSetting", &SetSetting { value: Value::Null });
    always(
        "LogLine",
        &LogLine {
            number: 1,
            at_ms: 1,
            level: LogLevel::Info,
            target: text(),
            message: text(),
        },
    );
    always(
        "Restarting",
        &Restarting {
            object: text(),
            instance: text(),
            drain_seconds: 1,
        },
    );
    always(
        "Rebooting",
        &Rebooting {
            object: text(),
            name: text(),
            instance: text(),
        },
    );
    always("Reboot", &Reboot { confirm: text() });
    always(
        "EngineChanged",
        &EngineChanged {
            object: text(),
            engine: text(),
            unit: UnitHealth::default(),
        },
    );
}

#[test]
fn updates_are_described() {
    let last = UpdateLast {
        outcome: UpdateOutcome::Left,
        version: text(),
        at: 1,
    };
    let progress = UpdateProgress {
        percent: 1,
        step: text(),
    };
    let slot = UpdateSlot {
        name: text(),
        version: None,
        running: true,
        next: true,
        good: None,
    };
    always("UpdateLast", &last);
    always("UpdateProgress", &progress);
    always("UpdateSlot", &slot);
    always(
        "Update",
        &Update {
            object: text(),
            available: true,
            note: None,
            state: UpdateState::Idle,
            version: None,
            progress: Some(progress),
            slots: vec![slot],
            last: Some(last.clone()),
        },
    );
    always(
        "UpdateEvidence",
        &UpdateEvidence {
            object: text(),
            last: Some(last),
            reason: None,
            evidence: None,
        },
    );
    always("InstallUpdate", &InstallUpdate { source: text() });
    always("OfferUpdate", &OfferUpdate { path: text() });
}
