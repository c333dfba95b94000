//! Why nobody answers, in words: what was asked for, what is the matter with each engine, what to do.

use std::sync::Arc;
use thox_api::{ApiError, ErrorKind};
use thox_policy::{
    Ask, Refusal,
    route::Lack,
    world::{EngineState, World},
};

/// How to get a real model.
pub const GET_A_MODEL: &str =
    "Install Ollama (https://ollama.com), then `ollama pull qwen2.5-coder:7b`";

/// A refusal as clients read it.
#[must_use]
pub fn to_api(refusal: &Refusal, ask: &Ask<'_>, world: &World) -> ApiError {
    let model = ask.model;
    match refusal {
        Refusal::UnknownModel { nearest } => {
            let hint = nearest
                .as_deref()
                .map(|name| format!(" Did you mean `{name}`?"))
                .unwrap_or_default();
            let message = format!(
                "no engine has the model `{model}`.{hint} GET /v1/models lists what there is."
            );
            ApiError::new(ErrorKind::ModelNotFound, message).param("model")
        }
        Refusal::NotInstalled(wanted) => {
            let names: Vec<String> = wanted
                .iter()
                .map(|(on, name)| format!("`{name}` on {on}"))
                .collect();
            let message = format!(
                "the model `{model}` is in the catalog, but nothing that was found has it: it would be {}. {GET_A_MODEL}.",
                names.join(" or ")
            );
            ApiError::new(ErrorKind::ModelNotFound, message).param("model")
        }
        Refusal::Incapable(engines) => {
            let lacks: Vec<String> = engines
                .iter()
                .map(|(engine, lack)| lacks(engine, *lack, ask))
                .collect();
            let next = "Leave out what asks for it, or ask for a model that can: GET /v1/models tells each one's capabilities";
            let next = if world.engines.iter().any(|engine| {
                engine.state == EngineState::Up && engine.kind != thox_policy::EngineKind::Starter
            }) {
                next.to_owned()
            } else {
                format!("A real model can. {GET_A_MODEL}")
            };
            let message = format!(
                "nothing can answer this request for `{model}`: {}. {next}.",
                lacks.join("; ")
            );
            ApiError::new(ErrorKind::CapabilityMissing, message).param("model")
        }
        Refusal::Unavailable(engines) => {
            let message = format!(
                "the model `{model}` cannot be had now: {}. GET /health tells when it is back; it is asked for by itself.",
                states(engines)
            );
            ApiError::new(ErrorKind::NoEngine, message).retry_after(RETRY_AFTER_SECONDS)
        }
        Refusal::NoEngine(engines) if engines.is_empty() => {
            let message = format!("no engine is configured, so nothing can answer. {GET_A_MODEL}.");
            ApiError::new(ErrorKind::NoEngine, message).retry_after(RETRY_AFTER_SECONDS)
        }
        Refusal::NoEngine(engines) => {
            let message = format!(
                "no engine can answer: {}. Start one (on a PC `ollama serve`); it is found by itself.",
                states(engines)
            );
            ApiError::new(ErrorKind::NoEngine, message).retry_after(RETRY_AFTER_SECONDS)
        }
    }
}

/// Engines are looked at about this often.
const RETRY_AFTER_SECONDS: u32 = 5;

fn lacks(engine: &Arc<str>, lack: Lack, ask: &Ask<'_>) -> String {
    match lack {
        Lack::Endpoint => format!("engine `{engine}` has no {}", ask.endpoint.as_str()),
        Lack::Capabilities(missing) => {
            format!("engine `{engine}` lacks {} for this model", missing.names())
        }
    }
}

fn states(engines: &[(Arc<str>, EngineState)]) -> String {
    let told: Vec<String> = engines
        .iter()
        .map(|(engine, state)| match state {
            EngineState::Up => format!("engine `{engine}` is up"),
            EngineState::Unproven => format!("engine `{engine}` has not answered yet"),
            EngineState::Resting(why) | EngineState::Down(why) => {
                format!("engine `{engine}`: {why}")
            }
        })
        .collect();
    told.join("; ")
}
