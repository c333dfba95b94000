//! The routes that servers with OpenAI's API share: `/v1/models`, and `/health` and `/version` where they exist.

use super::{PATIENCE, get};
use crate::engine::{
    failure::{Failure, Trouble},
    fleet::Engine,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use thox_policy::{ParameterCount, catalog::Found};

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    /// vLLM and Edge-LLM.
    #[serde(default)]
    max_model_len: Option<u64>,
    /// llama.cpp.
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    n_params: Option<u64>,
    #[serde(default)]
    n_ctx_train: Option<u64>,
}

pub(super) async fn models(engine: &Engine) -> Result<Arc<[Found]>, Failure> {
    let list: List = get(engine, "/v1/models").await?;
    let found = list.data.into_iter().map(|item| {
        let meta = item.meta.unwrap_or_default();
        Found {
            parameters: meta
                .n_params
                .map(ParameterCount)
                .or_else(|| ParameterCount::in_name(&item.id)),
            name: Arc::from(item.id),
            capabilities: None,
            context_length: item.max_model_len.or(meta.n_ctx_train),
            max_context_length: None,
            // One process serves one model, or does not tell.
            is_loaded: true,
        }
    });
    Ok(found.collect())
}

pub(super) async fn must_be_well(engine: &Engine, path: &'static str) -> Result<(), Failure> {
    let (status, _) = engine
        .pool
        .ask(Method::GET, path, Bytes::new(), PATIENCE)
        .await?;
    if status.is_success() {
        Ok(())
    } else {
        Err(Failure::new(
            Trouble::Unreachable,
            format_args!("{path} answered {status}: it is not ready"),
        ))
    }
}

/// The server's version; `None` where it has no such route.
pub(super) async fn version(engine: &Engine) -> Result<Option<String>, Failure> {
    let (status, body) = engine
        .pool
        .ask(Method::GET, "/version", Bytes::new(), PATIENCE)
        .await?;
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let version = serde_json::from_slice::<Value>(&body).ok();
    let version = version
        .as_ref()
        .and_then(|value| value.get("version"))
        .and_then(Value::as_str);
    Ok(Some(version.unwrap_or("unknown").to_owned()))
}
