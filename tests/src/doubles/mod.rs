//! HTTP doubles of the engines, field for field, with every trap that the real ones have and faults that a test
//! switches on.
//!
//! - [`Double`]: one engine on a free port of the loopback
//! - [`Kind`]: which engine it plays; its routes stand in `ollama`, `trtllm`, `edge_llm` and `openai`
//! - [`Script`]: what it has and how it answers; [`Model`], [`Answering`], [`Delivery`]
//! - [`Fault`]: what goes wrong
//! - [`Journal`]: what it saw: requests, connections, cancellations

mod answer;
mod chat;
mod connection;
mod double;
mod edge_llm;
mod embedding;
mod fault;
mod journal;
mod model;
mod ollama;
mod ollama_context;
mod ollama_native;
mod openai;
mod reply;
mod sample;
mod script;
mod trtllm;
mod trtllm_shape;

pub use double::{Double, Kind};
pub use embedding::vector;
pub use fault::Fault;
pub use journal::{Cancelled, Journal, Outcome, Seen, Stage};
pub use model::Model;
pub use sample::instance_of;
pub use script::{Answering, Cutting, Delivery, Script};
