//! The starter engine: a small, safe GGUF interpreter with a small model of our own, behind the HTTP of any engine.
//!
//! It answers on a developer's PC where nothing else is installed, and says what it is. No byte of a model file or of a
//! request is trusted: the crate has no `unsafe` and no code path that panics on input.

mod answer;
mod cancel;
mod chat;
mod error;
mod gguf;
mod half;
mod http;
mod matrix;
mod model;
mod run;
mod sample;
mod tokenizer;

/// An answer from prompt to end.
pub use answer::{Ask, Finish, Outcome, Step};
/// The sign that nobody waits any more.
pub use cancel::{Cancel, CancelOnDrop};
/// Chat messages and their template.
pub use chat::{ChatError, Message};
/// The crate's error.
pub use error::Error;
/// What can be wrong with a GGUF file.
pub use gguf::GgufError;
/// The engine behind HTTP.
pub use http::{MODEL_ID, Starter};
/// A model out of a GGUF file.
pub use model::{Model, ModelError};
/// What can go wrong in a run.
pub use run::RunError;
/// How tokens are chosen.
pub use sample::Sampling;
/// What can be wrong with a file's tokenizer.
pub use tokenizer::TokenizerError;

/// The bytes of the model that the crate brings along, a GGUF file that any other engine can load too.
pub fn embedded_gguf() -> &'static [u8] {
    include_bytes!("../model/thox-starter.gguf")
}
