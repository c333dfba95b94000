//! The crate's one error, gathered from its parts.

use crate::chat::ChatError;
use crate::gguf::GgufError;
use crate::model::ModelError;
use crate::run::RunError;
use crate::tokenizer::TokenizerError;

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no GGUF file that can be used.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The file holds no model that can be run here.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file's tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The file's chat template cannot be used.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A run went wrong.
    #[error(transparent)]
    Run(#[from] RunError),
}
