//! Which model on which engine a name means: a public name by the catalog, or an engine's own.

use crate::{
    engine::{Engine, verbs},
    world::Snapshot,
};
use std::sync::Arc;
use thox_api::{ApiError, ErrorKind, NamedModel};
use thox_policy::{
    Capability, ModelName,
    nearest::nearest,
    world::{Model, Placement},
};

/// A model on an engine.
#[derive(Clone, Debug)]
pub struct Target {
    /// The engine's place in the fleet.
    pub index: usize,
    /// The engine.
    pub engine: Arc<Engine>,
    /// The engine's own name of the model.
    pub model: ModelName,
    /// Whether it has vectors and no words.
    pub is_embedding: bool,
}

/// What is to be done where several engines have the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Several {
    /// Any of them will do.
    First,
    /// It has to be said which.
    Ask,
}

/// A model that an engine has.
///
/// # Errors
/// The name is none, nothing has the model, no engine that has it can do anything to it, or several can.
pub fn installed(
    snapshot: &Snapshot,
    named: &NamedModel,
    several: Several,
) -> Result<Target, ApiError> {
    let wanted = named_engine(snapshot, named)?;
    let model = snapshot.routing.models.get(named.model.as_str());
    let Some(model) = model else {
        parse(&named.model)?;
        return Err(missing(snapshot, &named.model));
    };
    // What stands in for the default model is another model: nobody who names the one means the other.
    let placements = model.placements.iter().filter(|placement| {
        !placement.is_substitute && wanted.is_none_or(|wanted| placement.engine == wanted)
    });
    let on: Vec<(&Placement, &Arc<Engine>)> = placements
        .filter_map(|placement| Some((placement, snapshot.fleet.get(placement.engine)?)))
        .collect();
    let mut able = on.iter().filter(|(_, engine)| verbs::is_able(engine.kind));
    let Some((placement, engine)) = able.next() else {
        return Err(match on.first() {
            Some((_, engine)) => verbs::unable(engine),
            None => absent(snapshot, model, &named.model),
        });
    };
    if several == Several::Ask
        && let Some((_, other)) = able.next()
    {
        let message = format!(
            "the engines `{}` and `{}` both have the model `{}`: say which by `engine`.",
            engine.name, other.name, named.model
        );
        return Err(ApiError::new(ErrorKind::InvalidRequest, message).param("engine"));
    }
    let can = |capability| {
        placement
            .capabilities
            .is_some_and(|all| all.has(capability))
    };
    Ok(Target {
        index: placement.engine,
        engine: Arc::clone(engine),
        model: parse(&placement.model)?,
        is_embedding: can(Capability::Embedding) && !can(Capability::Completion),
    })
}

/// A model to fetch, and the engine that shall have it.
///
/// # Errors
/// The name is none, or no engine can fetch models.
pub fn wanted(snapshot: &Snapshot, named: &NamedModel) -> Result<Target, ApiError> {
    let wanted = named_engine(snapshot, named)?;
    let fleet = || snapshot.fleet.iter().enumerate();
    let (index, engine) = match wanted {
        Some(wanted) => fleet().find(|(index, _)| *index == wanted),
        None => {
            let is_usable = |index: usize| {
                let view = snapshot.routing.engines.get(index);
                view.is_some_and(|view| view.state.is_usable())
            };
            let able = || fleet().filter(|(_, engine)| verbs::is_able(engine.kind));
            able()
                .find(|(index, _)| is_usable(*index))
                .or_else(|| able().next())
        }
    }
    .ok_or_else(|| {
        let message = "no engine is set up that fetches models: Ollama does. Install it (https://ollama.com), and set engines.ollama if it is not on 127.0.0.1:11434.";
        ApiError::new(ErrorKind::CapabilityMissing, message).param("engine")
    })?;
    if !verbs::is_able(engine.kind) {
        return Err(verbs::unable(engine));
    }
    let catalog = snapshot.routing.models.get(named.model.as_str());
    let means = catalog.and_then(|model| {
        let called = |label: &str| model.wanted.iter().find(|(on, _)| **on == *label);
        called(&engine.name).or_else(|| called(&engine.backend))
    });
    let name = means.map_or(named.model.as_str(), |(_, name)| name);
    Ok(Target {
        index,
        engine: Arc::clone(engine),
        model: parse(name)?,
        is_embedding: false,
    })
}

pub(super) fn named_engine(
    snapshot: &Snapshot,
    named: &NamedModel,
) -> Result<Option<usize>, ApiError> {
    let Some(name) = &named.engine else {
        return Ok(None);
    };
    let found = snapshot
        .fleet
        .iter()
        .position(|engine| *engine.name == **name);
    found.map(Some).ok_or_else(|| {
        let names: Vec<String> = snapshot
            .fleet
            .iter()
            .map(|engine| format!("`{}`", engine.name))
            .collect();
        let shown: String = name.chars().take(80).collect();
        let message = format!(
            "there is no engine {shown:?}. There are: {}.",
            names.join(", ")
        );
        ApiError::new(ErrorKind::InvalidRequest, message).param("engine")
    })
}

fn parse(name: &str) -> Result<ModelName, ApiError> {
    name.parse()
        .map_err(|error: thox_policy::model_name::InvalidModelName| {
            ApiError::new(ErrorKind::InvalidRequest, format!("{error}.")).param("model")
        })
}

fn missing(snapshot: &Snapshot, name: &str) -> ApiError {
    let models = snapshot.routing.models.values();
    let known = models
        .filter(|model| model.is_listed)
        .map(|model| &*model.id);
    let hint = nearest(name, known)
        .map(|near| format!(" Did you mean `{near}`?"))
        .unwrap_or_default();
    let message =
        format!("no engine has the model `{name}`.{hint} GET /v1/models lists what there is.");
    ApiError::new(ErrorKind::ModelNotFound, message).param("model")
}

/// A name of the catalog that nothing has, or that another model stands in for.
fn absent(snapshot: &Snapshot, model: &Model, name: &str) -> ApiError {
    let stand_in = model
        .placements
        .iter()
        .find(|placement| placement.is_substitute);
    let hint = match stand_in {
        Some(placement) => format!(
            "`{}` answers in its place: name that one if you mean it",
            placement.model
        ),
        None => return missing(snapshot, name),
    };
    let message = format!(
        "no engine has the model `{name}`; {hint}, or fetch it: POST /thox/v1/models/downloads."
    );
    ApiError::new(ErrorKind::ModelNotFound, message).param("model")
}
