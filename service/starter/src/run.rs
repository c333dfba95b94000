//! One run of the model over a text: token by token through the layers, with its own key-value memory.

use crate::cancel::Cancel;
use crate::matrix::{Input, Matrix, dot};
use crate::model::{Layer, Model, Shape};

/// Why a run ended without its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Whoever asked is gone.
    #[error("the request was cancelled")]
    Cancelled,
    /// Nothing to continue.
    #[error("the prompt is empty: send at least one character")]
    EmptyPrompt,
    /// More than the model can read.
    #[error(
        "the prompt has {tokens} tokens, but this model reads at most {limit}: shorten it, or use a model with a longer context"
    )]
    PromptTooLong {
        /// Tokens in the prompt.
        tokens: usize,
        /// The most that a prompt may have, so that one token of answer still fits.
        limit: usize,
    },
    /// A token that the model does not have.
    #[error("token {0} is not in the model's vocabulary")]
    UnknownToken(u32),
    /// Weights that lead nowhere.
    #[error(
        "the model's arithmetic gave a result that is no number: the file's weights are damaged"
    )]
    NotANumber,
}

/// The state of one run. Its memory grows with the text, never with what the file announces.
#[derive(Debug)]
pub(crate) struct Run<'m> {
    model: &'m Model,
    memory: Vec<Memory>,
    position: usize,
    x: Vec<f32>,
    normed: Vec<f32>,
    input: Input,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    attended: Vec<f32>,
    scores: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    change: Vec<f32>,
    logits: Vec<f32>,
}

/// One layer's keys and values of all tokens so far.
#[derive(Debug, Default, Clone)]
struct Memory {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl<'m> Run<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        Self {
            model,
            memory: vec![Memory::default(); model.layers.len()],
            position: 0,
            x: Vec::new(),
            normed: Vec::new(),
            input: Input::default(),
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            attended: Vec::new(),
            scores: Vec::new(),
            gate: Vec::new(),
            up: Vec::new(),
            change: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Whether another token fits.
    pub(crate) fn is_full(&self) -> bool {
        self.position >= self.model.shape.context
    }

    /// Reads the whole prompt; the result is the scores of each token as the next one.
    pub(crate) fn prefill(&mut self, prompt: &[u32], cancel: &Cancel) -> Result<&[f32], RunError> {
        let (&last, before) = prompt.split_last().ok_or(RunError::EmptyPrompt)?;
        let limit = self.model.shape.context - 1;
        if prompt.len() > limit {
            return Err(RunError::PromptTooLong {
                tokens: prompt.len(),
                limit,
            });
        }
        for &token in before {
            self.advance(token, cancel)?;
        }
        self.step(last, cancel)
    }

    /// Reads one token and scores the next.
    pub(crate) fn step(&mut self, token: u32, cancel: &Cancel) -> Result<&[f32], RunError> {
        self.advance(token, cancel)?;
        rms_norm(
            &self.x,
            &self.model.output_norm,
            self.model.shape.epsilon,
            &mut self.normed,
        );
        self.input.set(&self.normed);
        self.model
            .output
            .as_ref()
            .unwrap_or(&self.model.embedding)
            .times(&self.input, &mut self.logits);
        match self.logits.iter().all(|score| score.is_finite()) {
            true => Ok(&self.logits),
            false => Err(RunError::NotANumber),
        }
    }

    /// Takes one token through all layers, asking before each whether anyone still waits.
    fn advance(&mut self, token: u32, cancel: &Cancel) -> Result<(), RunError> {
        let model = self.model;
        let row = usize::try_from(token)
            .ok()
            .filter(|&row| row < model.embedding.rows());
        self.x.clear();
        model
            .embedding
            .row(row.ok_or(RunError::UnknownToken(token))?, &mut self.x);
        for (index, layer) in model.layers.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err(RunError::Cancelled);
            }
            self.attention(layer, index);
            self.feed_forward(layer);
        }
        self.position += 1;
        Ok(())
    }

    fn attention(&mut self, layer: &Layer, index: usize) {
        let shape = &self.model.shape;
        rms_norm(&self.x, &layer.attn_norm, shape.epsilon, &mut self.normed);
        self.input.set(&self.normed);
        layer.q.times(&self.input, &mut self.q);
        layer.k.times(&self.input, &mut self.k);
        layer.v.times(&self.input, &mut self.v);
        rotate(&mut self.q, self.position, shape);
        rotate(&mut self.k, self.position, shape);
        let Some(memory) = self.memory.get_mut(index) else {
            return;
        };
        memory.keys.extend_from_slice(&self.k);
        memory.values.extend_from_slice(&self.v);

        #[expect(
            clippy::cast_precision_loss,
            reason = "a head has a few hundred numbers"
        )]
        let scale = 1.0 / (shape.head as f32).sqrt();
        let kv_width = shape.kv_heads * shape.head;
        self.attended.clear();
        self.attended.resize(shape.heads * shape.head, 0.0);
        let heads = self
            .q
            .chunks_exact(shape.head)
            .zip(self.attended.chunks_exact_mut(shape.head));
        for (number, (query, out)) in heads.enumerate() {
            // Several query heads share one key-value head.
            let offset = number / (shape.heads / shape.kv_heads) * shape.head;
            let part = offset..offset + shape.head;
            self.scores.clear();
            let keys = memory
                .keys
                .chunks_exact(kv_width)
                .filter_map(|token| token.get(part.clone()));
            self.scores.extend(keys.map(|key| dot(query, key) * scale));
            softmax(&mut self.scores);
            let values = memory
                .values
                .chunks_exact(kv_width)
                .filter_map(|token| token.get(part.clone()));
            for (weight, value) in self.scores.iter().zip(values) {
                for (out, v) in out.iter_mut().zip(value) {
                    *out += weight * v;
                }
            }
        }
        self.input.set(&self.attended);
        self.add(&layer.o);
    }

    fn feed_forward(&mut self, layer: &Layer) {
        rms_norm(
            &self.x,
            &layer.ffn_norm,
            self.model.shape.epsilon,
            &mut self.normed,
        );
        self.input.set(&self.normed);
        layer.gate.times(&self.input, &mut self.gate);
        layer.up.times(&self.input, &mut self.up);
        for (gate, up) in self.gate.iter_mut().zip(&self.up) {
            *gate = *gate / (1.0 + (-*gate).exp()) * up;
        }
        self.input.set(&self.gate);
        self.add(&layer.down);
    }

    /// Adds the product of a matrix with the input that is set to the residual stream.
    fn add(&mut self, matrix: &Matrix) {
        matrix.times(&self.input, &mut self.change);
        for (x, change) in self.x.iter_mut().zip(&self.change) {
            *x += change;
        }
    }
}

fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut Vec<f32>) {
    let sum: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "llama.cpp sums in f64 and goes on in f32"
    )]
    let mean = (sum / x.len() as f64) as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    out.clear();
    out.extend(x.iter().zip(weight).map(|(x, weight)| x * scale * weight));
}

/// RoPE as the llama architecture has it: neighbouring pairs turn, each pair slower than the one before.
fn rotate(heads: &mut [f32], position: usize, shape: &Shape) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "positions and head sizes are far below 2^24"
    )]
    let (position, rope) = (position as f32, shape.rope as f32);
    let slower = shape.rope_base.powf(-2.0 / rope);
    for head in heads.chunks_exact_mut(shape.head) {
        let mut angle = position;
        for [a, b] in head.as_chunks_mut::<2>().0.iter_mut().take(shape.rope / 2) {
            let (sin, cos) = angle.sin_cos();
            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            angle *= slower;
        }
    }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}
