//! Health, models, router, metrics, the API's own description.

use super::{error::Refused, routes::SharedDoor};
use crate::observe::Metrics;
use axum::{
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use thox_api::{ApiError, ErrorKind, OverallStatus};
use thox_policy::{nearest::nearest, world::EngineState};

/// `GET /health`, `GET /v1/health`
pub async fn health(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let worlds = door.gateway.worlds();
    let health = worlds.device_health(&door.guard.lan, &door.bus, &door.lifetime);
    let status = match health.status {
        OverallStatus::Healthy | OverallStatus::Degraded => StatusCode::OK,
        OverallStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(status, &health)
}

/// `GET /v1/models`
pub async fn models(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    json(StatusCode::OK, &door.gateway.worlds().models())
}

/// `GET /v1/models/{id}`
pub async fn model(
    State(door): State<SharedDoor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id.map_err(|error| {
        let message = format!(
            "the model's id cannot be read: {}. GET /v1/models lists what there is.",
            error.body_text()
        );
        ApiError::new(ErrorKind::InvalidRequest, message).param("id")
    })?;
    let worlds = door.gateway.worlds();
    if let Some(model) = worlds.model(&id) {
        return json(StatusCode::OK, &model);
    }
    let known = worlds.models();
    let hint = nearest(&id, known.data.iter().map(|model| model.id.as_str()))
        .map(|name| format!(" Did you mean `{name}`?"))
        .unwrap_or_default();
    let message = format!("there is no model `{id}`.{hint} GET /v1/models lists what there is.");
    Err(ApiError::new(ErrorKind::ModelNotFound, message)
        .param("model")
        .into())
}

/// `GET /router/status`, `GET /v1/router/status`
pub async fn router_status(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let decisions = door.gateway.ledger().recent();
    json(
        StatusCode::OK,
        &door.gateway.worlds().router_status(decisions),
    )
}

/// What to explain.
#[derive(Debug, Deserialize)]
pub struct Explain {
    model: Option<String>,
}

/// `GET /thox/v1/router/explain?model=NAME`
pub async fn explain(
    State(door): State<SharedDoor>,
    what: Result<Query<Explain>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(what) = what.map_err(|error| {
        let message = format!(
            "the query cannot be read: {}. Send one model, such as ?model=thox-coder.",
            error.body_text()
        );
        ApiError::new(ErrorKind::InvalidRequest, message).param("model")
    })?;
    let worlds = door.gateway.worlds();
    let name = what
        .model
        .unwrap_or_else(|| worlds.current().routing.rules.default_model.to_string());
    json(StatusCode::OK, &worlds.explain(&name))
}

/// `GET /metrics`
pub async fn metrics(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let metrics = &door.gateway.ledger().metrics;
    for (engine, state, _) in door.gateway.worlds().current().engines() {
        let label = Metrics::label(&engine.name);
        let (in_flight, queued) = engine.slots.load();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        metrics
            .in_flight
            .get_or_create(&label)
            .set(count(in_flight));
        metrics.queued.get_or_create(&label).set(count(queued));
        metrics.up.get_or_create(&label).set(i64::from(matches!(
            state,
            EngineState::Up | EngineState::Resting(_)
        )));
        metrics
            .circuit_open
            .get_or_create(&label)
            .set(i64::from(engine.is_resting()));
    }
    let text = metrics.text().map_err(|error| internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(typed(StatusCode::OK, kind, text.into()))
}

/// `GET /openapi.json`
pub async fn openapi() -> Response {
    static DOCUMENT: &str = include_str!("../../../api/openapi.json");
    typed(StatusCode::OK, "application/json", DOCUMENT.into())
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Refused> {
    let bytes = serde_json::to_vec(value).map_err(|error| internal(&error))?;
    Ok(typed(status, "application/json", bytes.into()))
}

fn typed(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(super) fn internal(cause: &dyn std::error::Error) -> Refused {
    ApiError::new(
        ErrorKind::Internal,
        "thoxd made a mistake; its log says more, under the request's id.",
    )
    .cause(cause)
    .into()
}
