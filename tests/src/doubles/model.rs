//! The models that a double has.

/// One model of an engine, with the facts that engines report.
#[derive(Debug, Clone)]
pub struct Model {
    /// The engine's name for it, tag included.
    pub name: String,
    /// How many parameters.
    pub parameters: u64,
    /// The architecture, which prefixes the keys of `model_info` in Ollama.
    pub family: &'static str,
    /// The longest context, in tokens.
    pub context_length: u32,
    /// Ollama's words: `completion`, `tools`, `insert`, `vision`, `embedding`, `thinking`.
    pub capabilities: Vec<&'static str>,
    /// The size of the weights, in bytes.
    pub size_bytes: u64,
}

impl Model {
    /// A model that chats, completes and calls tools.
    pub fn chat(name: &str, parameters: u64) -> Self {
        Self {
            name: name.to_owned(),
            parameters,
            family: "qwen2",
            context_length: 32_768,
            capabilities: vec!["completion", "tools", "insert"],
            // About what a 4-bit quantisation weighs.
            size_bytes: parameters / 2 + parameters / 8,
        }
    }

    /// A model that sees images too.
    pub fn vision(name: &str, parameters: u64) -> Self {
        let mut model = Self::chat(name, parameters);
        model.capabilities.push("vision");
        model
    }

    /// A model that thinks before it speaks.
    pub fn thinking(name: &str, parameters: u64) -> Self {
        let mut model = Self::chat(name, parameters);
        model.capabilities.push("thinking");
        model
    }

    /// A model that only embeds.
    pub fn embedding(name: &str, parameters: u64) -> Self {
        Self {
            family: "nomic-bert",
            context_length: 2048,
            capabilities: vec!["embedding"],
            ..Self::chat(name, parameters)
        }
    }

    /// Whether the model can do something.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }

    /// The count as Ollama writes it in `details.parameter_size`: `7.6B`, `137M`.
    pub fn parameter_size(&self) -> String {
        const MILLION: u64 = 1_000_000;
        if self.parameters >= 1000 * MILLION {
            format!(
                "{}.{}B",
                self.parameters / (1000 * MILLION),
                self.parameters / (100 * MILLION) % 10
            )
        } else {
            format!("{}M", self.parameters / MILLION)
        }
    }
}
