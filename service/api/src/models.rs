//! The replies of `/v1/models` and `/v1/models/{id}`: OpenAI's list and object with more fields.

use serde::{Deserialize, Serialize};

/// OpenAI's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The models, by id.
    pub data: Vec<ModelObject>,
}

/// OpenAI's model object and what a router knows besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelObject {
    /// The name to ask for.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Unix seconds. Engines disagree on what this means, so it is thoxd's own start.
    pub created: u64,
    /// Who runs it: the backend's label.
    pub owned_by: String,
    /// The backend that would answer now.
    pub backend: String,
    /// Every backend that has it.
    pub backends: Vec<String>,
    /// The name of the model behind it at that backend, where it differs from `id`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stands_for: Option<String>,
    /// One sentence for the people who choose between models, from the settings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// How many parameters it has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parameters: Option<u64>,
    /// What it can do, where the engine tells: `completion`, `tools`, `insert`, `vision`, `embedding`, `thinking`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capabilities: Option<Vec<String>>,
    /// Tokens of context, where the engine tells: those it runs with where the model is in memory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_length: Option<u64>,
    /// Tokens that the model could read, where the engine runs it with fewer (Ollama: `OLLAMA_CONTEXT_LENGTH`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_context_length: Option<u64>,
    /// Whether it is in memory now.
    pub loaded: bool,
    /// Whether this is the embedded starter model and not a real one.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub starter: bool,
}
