//! Work of the device that takes long, shown while it goes on.

use crate::{
    device::Lines,
    failure::Failure,
    output::{self, Output},
};
use serde::de::DeserializeOwned;

/// What is followed, and how it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work<T> {
    /// What an error calls it.
    pub(super) noun: &'static str,
    /// How far it is, in a line.
    pub(super) progress: fn(&T) -> String,
    /// Whether nothing more is to come, although the device goes on telling.
    pub(super) is_over: fn(&T) -> bool,
}

/// Shows each state until the work is over or the device tells no more; returns the last one, `begun` where there was none.
///
/// As JSON each line is written as it comes, which leaves out `begun`.
///
/// # Errors
/// A line is no such state, or the connection ends amid the reply.
pub(super) async fn follow<T: DeserializeOwned>(
    work: Work<T>,
    begun: T,
    mut lines: Lines,
    output: Output,
    is_json: bool,
) -> Result<T, Failure> {
    let mut last = begun;
    while !(work.is_over)(&last)
        && let Some(line) = lines.next().await?
    {
        last = serde_json::from_str(&line).map_err(|error| {
            let noun = work.noun;
            Failure::error(format!("the device tells of its {noun} strangely: {error}"))
        })?;
        if is_json {
            output.line(&line)?;
        } else {
            output::progress(&(work.progress)(&last));
        }
    }
    output::progress("");
    Ok(last)
}
