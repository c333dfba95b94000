//! The one guard in front of every door: is it us who are asked, by a page of ours, by someone who may, and how much.
//!
//! - `questions`: the questions themselves; `limits`: how much is left to whom.
//! - [`visitor`]: who stands at a door, and what he may use once inside.
//! - `credential`: the key that a request brings.
//! - `refusal`: what a visitor who may not pass is told.
//! - [`body`]: what he brings: declared as JSON, in one piece, bounded.
//! - [`audit`]: who asked what, where that is kept at all.

pub mod audit;
pub mod body;
mod credential;
mod limits;
mod questions;
mod refusal;
pub mod visitor;

pub use questions::Guard;
pub use visitor::{Allowance, Arrival, Pass, Visitor};
