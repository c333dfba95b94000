//! The context that Ollama runs a model with, and what becomes of a prompt that is longer: it is cut, and nobody is told,
//! unless the native routes' `truncate` forbids it.

use super::Model;
use super::chat::prompt_tokens;
use super::ollama_native::error;
use super::reply::Reply;
use super::script::{Cutting, Script};
use serde_json::Value;

/// Ollama's default for `num_keep`.
const KEEP: usize = 4;

/// What `/api/ps` tells of a model.
pub(crate) fn length(script: &Script, model: &Model) -> usize {
    let own = usize::try_from(model.context_length).unwrap_or(usize::MAX);
    script.context.min(own)
}

/// How many tokens of a prompt are read.
pub(crate) fn read(script: &Script, model: &Model, body: &Value) -> usize {
    let (length, prompt) = (length(script, model), prompt_tokens(script, body));
    match script.cutting {
        None => prompt,
        Some(Cutting::ToContext) => prompt.min(length),
        Some(Cutting::ToHalf) if prompt < length => prompt,
        Some(Cutting::ToHalf) => length - (length.saturating_sub(KEEP) / 2).max(1),
    }
}

/// The refusal of a prompt that would be cut, for a client that does not want that.
pub(crate) fn refuse(script: &Script, model: &Model, body: &Value) -> Option<Reply> {
    let is_cut = read(script, model, body) < prompt_tokens(script, body);
    (is_cut && body["truncate"] == false)
        .then(|| error(400, "the input length exceeds the context length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::Kind;
    use serde_json::json;

    #[test]
    fn a_prompt_is_cut_as_ollama_does() {
        let mut script = Script::of(Kind::Ollama);
        let model = Model::chat("a", 1);
        let of = |words: usize| json!({"prompt": "w ".repeat(words)});
        for (words, to_half, to_context) in [
            (100, 100, 100),
            (4095, 4095, 4095),
            (4096, 2050, 4096),
            (9000, 2050, 4096),
        ] {
            script.cutting = Some(Cutting::ToHalf);
            assert_eq!(read(&script, &model, &of(words)), to_half);
            script.cutting = Some(Cutting::ToContext);
            assert_eq!(read(&script, &model, &of(words)), to_context);
        }
        let mut long = of(9000);
        assert!(refuse(&script, &model, &long).is_none());
        long["truncate"] = json!(false);
        assert!(refuse(&script, &model, &long).is_some());
    }
}
