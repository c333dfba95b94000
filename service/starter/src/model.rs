//! A llama model: its shape and weights out of a GGUF file, each checked before it is used.

use crate::chat::ChatTemplate;
use crate::error::Error;
use crate::gguf::{Gguf, GgufError, Kind, TensorInfo, wrong};
use crate::matrix::{Matrix, floats};
use crate::tokenizer::Tokenizer;

/// Why a well-formed GGUF file is no model that can be run here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Another architecture than llama.
    #[error("the model's architecture is `{0}`; only `llama` is supported")]
    Architecture(String),
    /// A variant of the architecture that is not built in.
    #[error("the model uses {0}, which is not supported")]
    Variant(&'static str),
    /// Sizes that do not fit together.
    #[error("the model's sizes do not fit together: {0}")]
    Sizes(&'static str),
    /// A tensor that the architecture needs.
    #[error("tensor `{0}` is missing")]
    MissingTensor(String),
    /// A tensor that the architecture does not have: the file would be run wrongly without it.
    #[error("tensor `{0}` is not part of a llama model as it is supported here")]
    UnknownTensor(String),
    /// A tensor of another shape than the sizes demand.
    #[error("tensor `{name}` is {columns} by {rows}, not {expected_columns} by {expected_rows}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Its row length.
        columns: usize,
        /// Its number of rows.
        rows: usize,
        /// The row length that it should have.
        expected_columns: usize,
        /// The number of rows that it should have.
        expected_rows: usize,
    },
}

/// A model that is ready to run. It is immutable: any number of runs share it.
#[derive(Debug)]
pub struct Model {
    pub(crate) shape: Shape,
    pub(crate) embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) output_norm: Box<[f32]>,
    /// Missing where the model uses its embedding for the output too.
    pub(crate) output: Option<Matrix>,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: ChatTemplate,
    parameters: usize,
    file_bytes: usize,
}

/// The sizes and constants that the arithmetic needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head: usize,
    /// How many numbers of a head are rotated.
    pub(crate) rope: usize,
    pub(crate) rope_base: f32,
    pub(crate) epsilon: f32,
    /// The longest text, prompt and answer together, in tokens.
    pub(crate) context: usize,
}

/// One layer's weights.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attn_norm: Box<[f32]>,
    pub(crate) q: Matrix,
    pub(crate) k: Matrix,
    pub(crate) v: Matrix,
    pub(crate) o: Matrix,
    pub(crate) ffn_norm: Box<[f32]>,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

impl Model {
    /// Reads a model out of a GGUF file's bytes.
    ///
    /// Never panics and never takes more memory than a small multiple of the file, whatever the bytes are.
    ///
    /// # Errors
    /// What is wrong with the file, by name.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let gguf = Gguf::parse(file)?;
        let shape = Shape::read(&gguf)?;
        let tokenizer = Tokenizer::read(&gguf)?;
        let template = ChatTemplate::read(&gguf, &tokenizer)?;
        let hidden = gguf.count("llama.feed_forward_length")?;
        let layer_count = gguf.count("llama.block_count")?;

        let tensors = Tensors { gguf: &gguf };
        let vocabulary = tokenizer.len();
        let kv = shape.kv_heads * shape.head;
        let all = shape.heads * shape.head;
        let embedding = tensors.matrix("token_embd.weight", shape.width, vocabulary)?;
        let mut layers = Vec::new();
        for index in 0..layer_count {
            let name = |part: &str| format!("blk.{index}.{part}.weight");
            layers.push(Layer {
                attn_norm: tensors.vector(&name("attn_norm"), shape.width)?,
                q: tensors.matrix(&name("attn_q"), shape.width, all)?,
                k: tensors.matrix(&name("attn_k"), shape.width, kv)?,
                v: tensors.matrix(&name("attn_v"), shape.width, kv)?,
                o: tensors.matrix(&name("attn_output"), all, shape.width)?,
                ffn_norm: tensors.vector(&name("ffn_norm"), shape.width)?,
                gate: tensors.matrix(&name("ffn_gate"), shape.width, hidden)?,
                up: tensors.matrix(&name("ffn_up"), shape.width, hidden)?,
                down: tensors.matrix(&name("ffn_down"), hidden, shape.width)?,
            });
        }
        let output_norm = tensors.vector("output_norm.weight", shape.width)?;
        let output = match gguf.tensors().contains_key("output.weight") {
            true => Some(tensors.matrix("output.weight", shape.width, vocabulary)?),
            false => None,
        };
        tensors.refuse_others(layer_count)?;
        let parameters = gguf.tensors().values().map(|t| t.columns * t.rows).sum();
        Ok(Self {
            shape,
            embedding,
            layers,
            output_norm,
            output,
            tokenizer,
            template,
            parameters,
            file_bytes: file.len(),
        })
    }

    /// How many parameters it has.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The longest text, prompt and answer together, in tokens.
    pub fn context_length(&self) -> usize {
        self.shape.context
    }

    /// The size of its file, in bytes.
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }
}

impl Shape {
    fn read(gguf: &Gguf<'_>) -> Result<Self, Error> {
        let architecture = gguf.text("general.architecture")?;
        if architecture != "llama" {
            return Err(ModelError::Architecture(architecture.to_owned()).into());
        }
        if gguf.optional_count("llama.expert_count")?.unwrap_or(0) > 0 {
            return Err(ModelError::Variant("a mixture of experts").into());
        }
        if gguf
            .optional_text("llama.rope.scaling.type")?
            .is_some_and(|kind| kind != "none")
        {
            return Err(ModelError::Variant("RoPE scaling").into());
        }
        let width = gguf.count("llama.embedding_length")?;
        let heads = gguf.count("llama.attention.head_count")?;
        let kv_heads = gguf
            .optional_count("llama.attention.head_count_kv")?
            .unwrap_or(heads);
        if heads == 0
            || kv_heads == 0
            || !heads.is_multiple_of(kv_heads)
            || !width.is_multiple_of(heads)
        {
            return Err(ModelError::Sizes(
                "the width has to be a multiple of the heads, and these of the key-value heads",
            )
            .into());
        }
        let head = width / heads;
        for key in ["llama.attention.key_length", "llama.attention.value_length"] {
            if gguf
                .optional_count(key)?
                .is_some_and(|length| length != head)
            {
                return Err(ModelError::Variant("heads of another size than width / heads").into());
            }
        }
        let rope = gguf
            .optional_count("llama.rope.dimension_count")?
            .unwrap_or(head);
        if rope == 0 || rope > head || !rope.is_multiple_of(2) {
            return Err(ModelError::Sizes(
                "the rotated part of a head has to be even and no longer than the head",
            )
            .into());
        }
        let rope_base = gguf
            .optional_decimal("llama.rope.freq_base")?
            .unwrap_or(10_000.0);
        if !(rope_base.is_finite() && rope_base >= 1.0) {
            return Err(wrong("llama.rope.freq_base", "a number of 1 or more").into());
        }
        const EPSILON: &str = "llama.attention.layer_norm_rms_epsilon";
        let epsilon = gguf
            .optional_decimal(EPSILON)?
            .ok_or_else(|| GgufError::MissingKey(EPSILON.to_owned()))?;
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(wrong(EPSILON, "a number above zero").into());
        }
        let context = gguf.count("llama.context_length")?;
        if context < 2 {
            return Err(wrong("llama.context_length", "2 or more").into());
        }
        Ok(Self {
            width,
            heads,
            kv_heads,
            head,
            rope,
            rope_base,
            epsilon,
            context,
        })
    }
}

/// The file's tensors, taken by name and expected shape.
struct Tensors<'a> {
    gguf: &'a Gguf<'a>,
}

impl Tensors<'_> {
    fn take(
        &self,
        name: &str,
        expected_columns: usize,
        expected_rows: usize,
    ) -> Result<&TensorInfo<'_>, ModelError> {
        let tensor = self
            .gguf
            .tensors()
            .get(name)
            .ok_or_else(|| ModelError::MissingTensor(name.to_owned()))?;
        let (columns, rows) = (tensor.columns, tensor.rows);
        if columns != expected_columns || rows != expected_rows {
            return Err(ModelError::TensorShape {
                name: name.to_owned(),
                columns,
                rows,
                expected_columns,
                expected_rows,
            });
        }
        Ok(tensor)
    }

    fn matrix(&self, name: &str, columns: usize, rows: usize) -> Result<Matrix, ModelError> {
        self.take(name, columns, rows).map(Matrix::new)
    }

    fn vector(&self, name: &str, length: usize) -> Result<Box<[f32]>, ModelError> {
        let tensor = self.take(name, length, 1)?;
        match tensor.kind {
            Kind::F32 => Ok(floats(tensor.data)),
            Kind::F16 | Kind::Q8_0 => Err(ModelError::Variant("norm weights that are not F32")),
        }
    }

    /// A bias or a frequency table that is silently left out would make the model talk nonsense.
    fn refuse_others(&self, layers: usize) -> Result<(), ModelError> {
        const PARTS: [&str; 9] = [
            "attn_norm",
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_output",
            "ffn_norm",
            "ffn_gate",
            "ffn_up",
            "ffn_down",
        ];
        let known = |name: &str| {
            let part = name
                .strip_prefix("blk.")
                .and_then(|rest| rest.strip_suffix(".weight"))
                .and_then(|rest| rest.split_once('.'));
            match part {
                Some((index, part)) => {
                    index.parse().is_ok_and(|i: usize| i < layers) && PARTS.contains(&part)
                }
                None => matches!(
                    name,
                    "token_embd.weight" | "output_norm.weight" | "output.weight"
                ),
            }
        };
        match self.gguf.tensors().keys().find(|name| !known(name)) {
            Some(name) => Err(ModelError::UnknownTensor((*name).to_owned())),
            None => Ok(()),
        }
    }
}
