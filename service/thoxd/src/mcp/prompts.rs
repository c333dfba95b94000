//! What the models are asked: a system and a user text for each job, each a template in a file of its own.
//!
//! They are written for small models on the device: one task, the code in a fence that cannot be mistaken, the form of
//! the answer last, since that is what a small model remembers best.

use minijinja::{Environment, UndefinedBehavior, value::Value};
use std::sync::LazyLock;
use thox_api::{ApiError, ErrorKind};

/// The jobs that have prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Code at the cursor.
    Complete,
    /// Code or an error message in words.
    Explain,
    /// Code with a goal.
    Refactor,
    /// Tests for code.
    Test,
}

/// The two texts of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What the model is.
    pub system: String,
    /// What it shall do.
    pub user: String,
}

/// The templates, compiled when they are first needed: many a device is never asked by an editor.
#[derive(Debug)]
pub struct Prompts(LazyLock<Environment<'static>>);

const TEMPLATES: [(&str, &str); 8] = [
    (
        "complete.system",
        include_str!("prompts/complete.system.j2"),
    ),
    ("complete.user", include_str!("prompts/complete.user.j2")),
    ("explain.system", include_str!("prompts/explain.system.j2")),
    ("explain.user", include_str!("prompts/explain.user.j2")),
    (
        "refactor.system",
        include_str!("prompts/refactor.system.j2"),
    ),
    ("refactor.user", include_str!("prompts/refactor.user.j2")),
    ("test.system", include_str!("prompts/test.system.j2")),
    ("test.user", include_str!("prompts/test.user.j2")),
];

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Explain => "explain",
            Self::Refactor => "refactor",
            Self::Test => "test",
        }
    }
}

impl Default for Prompts {
    fn default() -> Self {
        Self(LazyLock::new(compile))
    }
}

fn compile() -> Environment<'static> {
    let mut environment = Environment::new();
    // A name that a template misspells is a mistake and no empty text.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        // They are part of the program, and a test renders each; one that cannot be read is missing in `render`.
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!(%error, name, "a prompt cannot be read");
        }
    }
    environment
}

impl Prompts {
    /// The texts of a job. `values` has what its templates name.
    ///
    /// # Errors
    /// A mistake of thoxd's own.
    pub fn render(&self, job: Job, values: &Value) -> Result<Prompt, ApiError> {
        let text = |part: &str| {
            let name = format!("{}.{part}", job.name());
            self.0
                .get_template(&name)
                .and_then(|template| template.render(values))
                .map_err(|error| {
                    let message =
                        "thoxd made a mistake; its log says more, under the request's id.";
                    // Not the error's own text: it may quote the values.
                    ApiError::new(ErrorKind::Internal, message)
                        .cause(format_args!("the prompt {name}: {:?}", error.kind()))
                })
        };
        Ok(Prompt {
            system: text("system")?,
            user: text("user")?,
        })
    }
}

/// A fence that no line of `code` can end.
#[must_use]
pub fn fence(code: &str) -> String {
    let longest = code
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    "`".repeat(longest.saturating_add(1).max(3))
}

#[cfg(test)]
mod tests;
