//! Chat messages to one text, by the template that the model's file brings along.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error as TemplateError, ErrorKind, context};
use serde::Serialize;

use crate::gguf::Gguf;
use crate::tokenizer::Tokenizer;

/// Steps that rendering may take: far above what a template needs for the longest chat, far below a visible pause.
const FUEL: u64 = 1_000_000;

/// Why messages cannot be made into a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// A file without a template.
    #[error("the model's file has no chat template: use /v1/completions with it")]
    NoTemplate,
    /// A template with a fault in it.
    #[error("the chat template in the model's file cannot be used: {0}")]
    Template(#[from] TemplateError),
}

/// One message of a chat.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// The compiled template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    pub(crate) fn read(gguf: &Gguf<'_>, tokenizer: &Tokenizer) -> Result<Self, crate::Error> {
        let mut environment = Environment::new();
        // As the transformers library renders chat templates, for which they are written.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(ChatError::from)?);
        environment.set_fuel(Some(FUEL));
        environment.add_function(
            "raise_exception",
            |why: String| -> Result<String, TemplateError> {
                Err(TemplateError::new(ErrorKind::InvalidOperation, why))
            },
        );
        if let Some(source) = gguf.optional_text("tokenizer.chat_template")? {
            environment
                .add_template_owned(NAME, source.to_owned())
                .map_err(ChatError::from)?;
        }
        Ok(Self {
            environment,
            bos: tokenizer.bos_text().to_owned(),
            eos: tokenizer.eos_text().to_owned(),
        })
    }

    /// The prompt that the model continues with its answer.
    pub(crate) fn render(&self, messages: &[Message]) -> Result<String, ChatError> {
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|_| ChatError::NoTemplate)?;
        Ok(template.render(context! {
            messages => Serde(messages),
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        })?)
    }
}
