//! The immutable snapshot that decisions are made on.

use crate::{Capabilities, EngineKind, ParameterCount};
use std::{collections::HashMap, sync::Arc};

/// Everything that routing looks at, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The rules in force.
    pub rules: Rules,
    /// The engines in the settings' order; a [`Placement`] points into it.
    pub engines: Vec<Engine>,
    /// What can be asked for, by public name.
    pub models: HashMap<Arc<str>, Model>,
}

/// The settings that routing obeys.
#[derive(Clone, Debug)]
pub struct Rules {
    /// From this size on a model belongs on TensorRT.
    pub large_model: ParameterCount,
    /// The name that always finds an answer while any engine has a model for chat.
    pub default_model: Arc<str>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            large_model: ParameterCount(10_000_000_000),
            default_model: Arc::from("thox-coder"),
        }
    }
}

/// One configured engine.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// Its software.
    pub kind: EngineKind,
    /// The label that API consumers see.
    pub backend: Arc<str>,
    /// Whether it can be asked.
    pub state: EngineState,
}

/// Whether an engine can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineState {
    /// It answered the last time it was asked.
    Up,
    /// Nobody has asked it yet.
    Unproven,
    /// Its circuit is open: it failed too often and is left alone for a while.
    Resting(Arc<str>),
    /// It cannot be reached or says that it is not ready.
    Down(Arc<str>),
}

impl EngineState {
    /// Whether a request may be sent to it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Up | Self::Unproven)
    }
}

/// What a public name stands for.
#[derive(Clone, Debug)]
pub struct Model {
    /// The public name.
    pub id: Arc<str>,
    /// Where it can be had; empty when a name of the catalog is installed nowhere.
    pub placements: Vec<Placement>,
    /// Its size: the catalog's word, else the engines'.
    pub parameters: Option<ParameterCount>,
    /// Whether `/v1/models` lists it: not the second spelling of a name, nor what nothing has.
    pub is_listed: bool,
    /// What would have to be installed, `(engine or backend, its model name)`: for the error's next step.
    pub wanted: Vec<(Arc<str>, Arc<str>)>,
}

/// A model at an engine.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Index into [`World::engines`].
    pub engine: usize,
    /// The engine's own name for the model.
    pub model: Arc<str>,
    /// Its size, if the engine or the catalog says.
    pub parameters: Option<ParameterCount>,
    /// What it can do, if the engine says.
    pub capabilities: Option<Capabilities>,
    /// Tokens of context, if the engine says: those it runs with where the model is in memory.
    pub context_length: Option<u64>,
    /// Tokens that the model could read, where the engine runs it with fewer.
    pub max_context_length: Option<u64>,
    /// Whether it is in memory now.
    pub is_loaded: bool,
    /// Whether another model stands in for the name.
    pub is_substitute: bool,
}
