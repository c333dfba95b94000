//! From samples to the table: medians over the rounds, ratios, budgets, verdicts.

mod rows;
mod table;

pub(crate) use rows::{Samples, Verdict, rows};
pub(crate) use table::{json, markdown};
