//! The decisions of thoxd, pure: no clock, no network, no task; time and the state of the world come in as arguments.
//!
//! - [`parameters`]: how large a model is, `7B`.
//! - [`model_name`]: a model's name in a registry.
//! - [`engine`]: what kinds of engine there are and what each can do by its nature.
//! - [`capability`]: what a request needs and a model can do.
//! - [`catalog`]: what a public model name means on each engine.
//! - [`world`]: the immutable snapshot that decisions are made on.
//! - [`mod@route`]: which engine answers a request, and why.
//! - [`circuit`]: when an engine is left alone after failures, and when it is asked again.
//! - [`access`]: who may pass which route with what; [`network`]: where a client is; [`limits`]: how much it may ask.
//! - [`browser`]: whether a page that asks is ours.
//! - [`discovery`]: what a device tells of itself on its network; [`listening`]: where it is answered.
//! - [`admit`]: a bounded queue in front of an engine, fair between clients.
//! - [`update`]: updates of the device's system, step by step.
//! - [`nearest`]: the known name that a mistyped one is closest to.

pub mod access;
pub mod admit;
pub mod browser;
pub mod capability;
pub mod catalog;
pub mod circuit;
pub mod discovery;
pub mod engine;
pub mod limits;
pub mod listening;
pub mod model_name;
pub mod nearest;
pub mod network;
pub mod parameters;
pub mod route;
pub mod update;
pub mod world;

pub use capability::{Capabilities, Capability};
pub use engine::{Endpoint, EngineKind};
pub use model_name::{Digest, ModelName, Registry};
pub use parameters::ParameterCount;
pub use route::{Ask, Decision, Reason, Refusal, route};
pub use world::World;
