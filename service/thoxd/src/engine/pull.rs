//! A pull under way, line by line: Ollama's `{"status","digest","total","completed"}`, and `{"error"}` under status 200.

use super::{
    failure::{Failure, Trouble},
    fleet::Engine,
    pool::ReplyStream,
    verbs,
};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use std::time::Duration;
use thox_api::{ApiError, ErrorKind};
use thox_policy::{Digest, ModelName};

/// While Ollama checks the sum of a large file it says nothing: 100 GB from a slow disk take a quarter of an hour.
const LONGEST_SILENCE: Duration = Duration::from_secs(30 * 60);

/// A line has a digest, two numbers and a word or two.
const LONGEST_LINE: usize = 64 << 10;

/// A pull under way. Dropping it stops the engine's download; what it has is kept there for the next time.
#[derive(Debug)]
pub struct Pull {
    engine: String,
    reply: ReplyStream,
    pending: Vec<u8>,
}

/// What the engine says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What it does.
    Status(String),
    /// How much of a piece is there.
    Piece {
        /// Which.
        digest: Digest,
        /// Its bytes.
        total: u64,
        /// Those that are there.
        completed: u64,
    },
    /// The model is there.
    Done,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    status: String,
    digest: Option<String>,
    total: Option<u64>,
    completed: Option<u64>,
    error: Option<String>,
}

impl Pull {
    /// Asks an engine to fetch a model.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn begin(engine: &Engine, name: &ModelName) -> Result<Self, ApiError> {
        let asking = tokio::time::timeout(LONGEST_SILENCE, verbs::begin_pull(engine, name));
        let reply = asking
            .await
            .unwrap_or_else(|_| Err(silent().to_api(&engine.name)))?;
        Ok(Self {
            engine: engine.name.to_string(),
            reply,
            pending: Vec::new(),
        })
    }

    /// The next step.
    ///
    /// # Errors
    /// As the client reads them: the engine's own word, or that it broke off.
    pub async fn next(&mut self) -> Result<Step, ApiError> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                let line = line.trim_ascii();
                if line.is_empty() {
                    continue;
                }
                return read(&self.engine, line);
            }
            if self.pending.len() > LONGEST_LINE {
                return Err(self.broken(Trouble::Garbled, "a line without end"));
            }
            let frame = tokio::time::timeout(LONGEST_SILENCE, self.reply.frame()).await;
            match frame {
                Err(_) => return Err(silent().to_api(&self.engine)),
                Ok(None) => {
                    return Err(self.broken(Trouble::BrokeOff, "the download's end is missing"));
                }
                Ok(Some(Err(error))) => {
                    return Err(Failure::of(Trouble::BrokeOff, &error).to_api(&self.engine));
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    fn broken(&self, trouble: Trouble, cause: &str) -> ApiError {
        Failure::new(trouble, cause).to_api(&self.engine)
    }
}

fn silent() -> Failure {
    Failure::new(
        Trouble::Silent,
        format_args!("nothing was heard for {LONGEST_SILENCE:?}"),
    )
}

fn read(engine: &str, line: &[u8]) -> Result<Step, ApiError> {
    let line: Line = serde_json::from_slice(line)
        .map_err(|error| Failure::new(Trouble::Garbled, error).to_api(engine))?;
    if let Some(error) = line.error {
        return Err(refused(engine, &error));
    }
    if line.status == "success" {
        return Ok(Step::Done);
    }
    // A piece whose name is none is not counted; the download does not hang on it.
    let digest = line.digest.and_then(|digest| digest.parse().ok());
    if let (Some(digest), Some(total)) = (digest, line.total) {
        let completed = line.completed.unwrap_or(0).min(total);
        return Ok(Step::Piece {
            digest,
            total,
            completed,
        });
    }
    Ok(Step::Status(words(&line.status)))
}

/// An engine's word, short enough to be kept and without what could steer a terminal.
fn words(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(300).collect()
}

/// The registry's refusals reach Ollama's stream as text alone.
fn refused(engine: &str, said: &str) -> ApiError {
    let is_missing = ["file does not exist", "not found", "manifest unknown"]
        .iter()
        .any(|known| said.contains(known));
    let said = words(said);
    let said = said.trim_end_matches('.');
    if is_missing {
        let message = format!(
            "the registry has no such model; engine `{engine}` says: {said}. https://ollama.com/library lists Ollama's."
        );
        return ApiError::new(ErrorKind::ModelNotFound, message).param("model");
    }
    let message = format!(
        "engine `{engine}` could not fetch the model: {said}. See to the network and to the room on its disk, then ask again: it goes on where it was."
    );
    ApiError::new(ErrorKind::EngineError, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_step() {
        let step = |line: &str| read("ollama", line.as_bytes());
        assert_eq!(
            step(r#"{"status":"pulling manifest"}"#).unwrap(),
            Step::Status("pulling manifest".to_owned())
        );
        let digest = format!("sha256:{}", "ab".repeat(32));
        let line =
            format!(r#"{{"status":"pulling abab","digest":"{digest}","total":10,"completed":4}}"#);
        let piece = |completed| Step::Piece {
            digest: digest.parse().unwrap(),
            total: 10,
            completed,
        };
        assert_eq!(step(&line).unwrap(), piece(4));
        // Go leaves zero out.
        assert_eq!(
            step(&line.replace(r#","completed":4"#, "")).unwrap(),
            piece(0)
        );
        assert_eq!(step(&line.replace(":4}", ":99}")).unwrap(), piece(10));
        assert_eq!(step(r#"{"status":"success"}"#).unwrap(), Step::Done);
        let hostile = line.replace("sha256:", "../../");
        assert_eq!(
            step(&hostile).unwrap(),
            Step::Status("pulling abab".to_owned())
        );
    }

    #[test]
    fn an_error_under_200_is_an_error() {
        let kind = |line: &str| read("ollama", line.as_bytes()).unwrap_err().kind;
        assert_eq!(
            kind(r#"{"error":"pull model manifest: file does not exist"}"#),
            ErrorKind::ModelNotFound
        );
        assert_eq!(
            kind(r#"{"error":"no space left on device"}"#),
            ErrorKind::EngineError
        );
        assert_eq!(kind("<html>"), ErrorKind::EngineError);
    }
}
