//! Engines as they behave over HTTP; each kind's peculiarities are repaired here and nowhere else.
//!
//! - [`adapter`]: per kind, which fields a request may have and how its replies deviate from OpenAI's.
//! - [`request`]: a client's request as the engine at hand takes it; [`spliced`]: the same on its way out.
//! - [`chunk`]: an engine's JSON as the client is promised it; [`choices`]: the repairs inside `choices`.
//! - [`json`]: members of an object as they stand in the text.
//! - [`shape`]: the same piece again with another content.
//! - [`sse`]: events out of an engine's stream of bytes.
//! - [`refusal`]: an engine's error replies, in whatever form, as ours.
//! - [`pool`]: HTTP/1.1 connections, kept open between requests; [`wire`]: how one is made; [`driven`]: how it runs.
//! - [`failure`]: what can go wrong between thoxd and an engine.
//! - [`survey`]: what an engine has and whether it is well.
//! - [`reading`]: how much of a prompt it reads.
//! - [`verbs`]: what it is asked to do to its models; [`pull`]: a download, line by line.
//! - [`slots`]: how many requests an engine gets at once, and who waits.

pub mod adapter;
pub mod choices;
pub mod chunk;
pub mod driven;
pub mod failure;
mod fleet;
pub mod json;
pub mod pool;
pub mod pull;
pub mod reading;
pub mod refusal;
pub mod request;
pub mod shape;
pub mod slots;
pub mod spliced;
pub mod sse;
pub mod survey;
pub mod verbs;
pub mod wire;

pub use adapter::{Adapter, Variant};
pub use failure::{Failure, Trouble};
pub use fleet::{CannotSetUp, Engine, Fleet, fleet};
pub use pool::ReplyStream;
pub use pull::{Pull, Step};
pub use verbs::Verb;
