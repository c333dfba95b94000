//! Ollama's own routes: `/api/version`, `/api/tags`, `/api/ps`, `/api/show`.

use super::{Details, Known, Report, get, post};
use crate::engine::{adapter::Variant, failure::Failure, fleet::Engine, reading::Running};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use thox_policy::{Capabilities, Capability, ParameterCount, catalog::Found};

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    details: TagDetails,
}

#[derive(Default, Deserialize)]
struct TagDetails {
    #[serde(default)]
    parameter_size: String,
}

#[derive(Deserialize)]
struct Show {
    #[serde(default)]
    model_info: Map<String, Value>,
    #[serde(default)]
    capabilities: Option<Vec<String>>,
}

pub(super) async fn survey(engine: &Engine, known: &mut Known) -> Result<Report, Failure> {
    let version: Version = get(engine, "/api/version").await?;
    let tags: Tags = get(engine, "/api/tags").await?;
    let running: Running = get(engine, "/api/ps").await?;
    let running: HashMap<&str, u64> = running
        .models
        .iter()
        .map(|model| (model.name.as_str(), model.context_length))
        .collect();
    let mut models = Vec::with_capacity(tags.models.len());
    for tag in &tags.models {
        let key = format!("{}@{}", tag.name, tag.digest);
        let details = match known.0.get(&key) {
            Some(details) => details.clone(),
            // One model that cannot be described is no reason to lose the others.
            None => match show(engine, tag).await {
                Ok(details) => known.0.entry(key).or_insert(details).clone(),
                Err(error) => {
                    tracing::debug!(engine = %engine.name, model = %tag.name, %error, "a model is not described");
                    of_tag(tag)
                }
            },
        };
        let loaded = running.get(tag.name.as_str()).copied();
        let loaded_with = loaded.filter(|length| *length > 0);
        let own = details.context_length;
        models.push(Found {
            name: Arc::from(tag.name.as_str()),
            parameters: details.parameters,
            capabilities: details.capabilities,
            context_length: loaded_with.or(own),
            max_context_length: own.filter(|own| loaded_with.is_some_and(|with| with < *own)),
            is_loaded: loaded.is_some(),
        });
    }
    let present: HashSet<String> = tags
        .models
        .iter()
        .map(|tag| format!("{}@{}", tag.name, tag.digest))
        .collect();
    known.0.retain(|key, _| present.contains(key));
    Ok(Report {
        version: Some(version.version),
        variant: Variant::Current,
        models: models.into(),
    })
}

fn of_tag(tag: &Tag) -> Details {
    let size = tag.details.parameter_size.parse().ok();
    Details {
        parameters: size.or_else(|| ParameterCount::in_name(&tag.name)),
        ..Details::default()
    }
}

async fn show(engine: &Engine, tag: &Tag) -> Result<Details, Failure> {
    let show: Show = post(
        engine,
        "/api/show",
        json!({ "model": tag.name }).to_string(),
    )
    .await?;
    let number = |key: &str| show.model_info.get(key).and_then(Value::as_u64);
    let context_length = show
        .model_info
        .get("general.architecture")
        .and_then(Value::as_str)
        .and_then(|architecture| number(&format!("{architecture}.context_length")));
    Ok(Details {
        parameters: number("general.parameter_count")
            .filter(|count| *count > 0)
            .map(ParameterCount)
            .or(of_tag(tag).parameters),
        capabilities: show
            .capabilities
            .as_ref()
            .map(|names| read_capabilities(names)),
        context_length,
    })
}

fn read_capabilities(names: &[String]) -> Capabilities {
    names
        .iter()
        .filter_map(|name| Capability::named(name))
        .collect()
}
