//! What an engine has and whether it is well: asked in the background, never on a request's path.

mod ollama;
mod openai;

use super::{
    adapter::Variant,
    failure::{Failure, Trouble},
    fleet::Engine,
};
use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use std::{collections::HashMap, sync::Arc, time::Duration};
use thox_policy::{Capabilities, EngineKind, ParameterCount, catalog::Found};

/// A healthy engine answers these within milliseconds, one that is loading a model within a second or two.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an engine said of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Its version, where it tells.
    pub version: Option<String>,
    /// Which server of its kind it is.
    pub variant: Variant,
    /// Its models.
    pub models: Arc<[Found]>,
}

/// What is known of models by their digest, so that each is asked about once.
#[derive(Debug, Default)]
pub struct Known(HashMap<String, Details>);

#[derive(Clone, Debug, Default)]
struct Details {
    parameters: Option<ParameterCount>,
    capabilities: Option<Capabilities>,
    context_length: Option<u64>,
}

/// Asks an engine for its health and its models.
///
/// # Errors
/// The [`Failure`] because of which it counts as down.
pub async fn survey(engine: &Engine, known: &mut Known) -> Result<Report, Failure> {
    match engine.kind {
        EngineKind::Ollama => ollama::survey(engine, known).await,
        EngineKind::Trtllm => {
            openai::must_be_well(engine, "/health").await?;
            let version = openai::version(engine).await?;
            // `/version` came after the Jetson branch.
            let variant = if version.is_some() {
                Variant::Current
            } else {
                Variant::JetsonServer
            };
            Ok(Report {
                version,
                variant,
                models: openai::models(engine).await?,
            })
        }
        EngineKind::EdgeLlm => {
            openai::must_be_well(engine, "/health/ready").await?;
            Ok(Report {
                models: openai::models(engine).await?,
                ..Report::default()
            })
        }
        EngineKind::Openai | EngineKind::Starter => Ok(Report {
            models: openai::models(engine).await?,
            ..Report::default()
        }),
    }
}

async fn get<T: DeserializeOwned>(engine: &Engine, path: &'static str) -> Result<T, Failure> {
    parse(
        path,
        engine
            .pool
            .ask(Method::GET, path, Bytes::new(), PATIENCE)
            .await?,
    )
}

async fn post<T: DeserializeOwned>(
    engine: &Engine,
    path: &'static str,
    body: String,
) -> Result<T, Failure> {
    parse(
        path,
        engine
            .pool
            .ask(Method::POST, path, body.into(), PATIENCE)
            .await?,
    )
}

fn parse<T: DeserializeOwned>(
    path: &str,
    (status, body): (http::StatusCode, Bytes),
) -> Result<T, Failure> {
    if !status.is_success() {
        return Err(Failure::new(
            Trouble::Garbled,
            format_args!("{path} answered {status}"),
        ));
    }
    serde_json::from_slice(&body)
        .map_err(|error| Failure::new(Trouble::Garbled, format_args!("{path}: {error}")))
}
