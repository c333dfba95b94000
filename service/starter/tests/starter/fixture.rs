//! GGUF files made for a test: a tiny llama model whose weights, metadata and directory can be anything.

/// A metadata value.
#[derive(Clone)]
pub(crate) enum Value {
    U32(u32),
    F32(f32),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    /// Type number and bytes as they are.
    Raw(u32, Vec<u8>),
}

/// A tensor before it is laid out.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<u64>,
    pub(crate) kind: u32,
    pub(crate) data: Vec<u8>,
    /// Overrides the place.
    pub(crate) offset: Option<u64>,
}

/// A file in parts.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) version: u32,
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Tensor>,
    /// Overrides the counts.
    pub(crate) counts: Option<(u64, u64)>,
}

/// Storage type numbers of ggml.
pub(crate) const F32: u32 = 0;
pub(crate) const F16: u32 = 1;
pub(crate) const Q8_0: u32 = 8;

const WIDTH: usize = 32;
const HIDDEN: usize = 64;

/// A model of one layer that writes `letter` for ever, whatever it is asked: every token is embedded as ones, the layer
/// adds nothing, and only the letter's output row is not zero.
pub(crate) fn endless(letter: u8, kind: u32) -> File {
    let tokens = vocabulary();
    let count = tokens.len();
    let mut output = vec![0.0; count * WIDTH];
    output[usize::from(letter) * WIDTH..][..WIDTH].fill(1.0);
    let types = (0..count).map(|i| if i < 256 { 1 } else { 3 }).collect();
    let metadata = vec![
        ("general.architecture", Value::Text("llama".into())),
        ("llama.context_length", Value::U32(10_000_000)),
        ("llama.embedding_length", Value::U32(32)),
        ("llama.block_count", Value::U32(1)),
        ("llama.feed_forward_length", Value::U32(64)),
        ("llama.attention.head_count", Value::U32(4)),
        ("llama.attention.head_count_kv", Value::U32(2)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", Value::Text("gpt2".into())),
        ("tokenizer.ggml.pre", Value::Text("gpt-2".into())),
        ("tokenizer.ggml.tokens", Value::Texts(tokens)),
        ("tokenizer.ggml.token_type", Value::I32s(types)),
        ("tokenizer.ggml.merges", Value::Texts(vec![])),
        ("tokenizer.ggml.eos_token_id", Value::U32(256)),
        (
            "tokenizer.chat_template",
            Value::Text(
                "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}".into(),
            ),
        ),
    ];
    let tensors = vec![
        tensor(
            "token_embd.weight",
            WIDTH,
            count,
            kind,
            &vec![1.0; count * WIDTH],
        ),
        tensor("output.weight", WIDTH, count, kind, &output),
        tensor("output_norm.weight", WIDTH, 1, F32, &[1.0; WIDTH]),
        tensor("blk.0.attn_norm.weight", WIDTH, 1, F32, &[1.0; WIDTH]),
        tensor("blk.0.ffn_norm.weight", WIDTH, 1, F32, &[1.0; WIDTH]),
        tensor(
            "blk.0.attn_q.weight",
            WIDTH,
            WIDTH,
            kind,
            &vec![0.0; WIDTH * WIDTH],
        ),
        tensor(
            "blk.0.attn_k.weight",
            WIDTH,
            16,
            kind,
            &vec![0.0; WIDTH * 16],
        ),
        tensor(
            "blk.0.attn_v.weight",
            WIDTH,
            16,
            kind,
            &vec![0.0; WIDTH * 16],
        ),
        tensor(
            "blk.0.attn_output.weight",
            WIDTH,
            WIDTH,
            kind,
            &vec![0.0; WIDTH * WIDTH],
        ),
        tensor(
            "blk.0.ffn_gate.weight",
            WIDTH,
            HIDDEN,
            kind,
            &vec![0.0; WIDTH * HIDDEN],
        ),
        tensor(
            "blk.0.ffn_up.weight",
            WIDTH,
            HIDDEN,
            kind,
            &vec![0.0; WIDTH * HIDDEN],
        ),
        tensor(
            "blk.0.ffn_down.weight",
            HIDDEN,
            WIDTH,
            kind,
            &vec![0.0; WIDTH * HIDDEN],
        ),
    ];
    let metadata = metadata
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    File {
        version: 3,
        metadata,
        tensors,
        counts: None,
    }
}

/// A tensor of numbers from -1 to 1.
pub(crate) fn tensor(
    name: &str,
    columns: usize,
    rows: usize,
    kind: u32,
    numbers: &[f32],
) -> Tensor {
    let data = match kind {
        F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        // Only 0, 1 and -1 are needed in half precision.
        F16 => numbers
            .iter()
            .flat_map(|&x| {
                (if x == 0.0 {
                    0_u16
                } else if x > 0.0 {
                    0x3c00
                } else {
                    0xbc00
                })
                .to_le_bytes()
            })
            .collect(),
        // The scale 1 makes each number its own quant.
        Q8_0 => numbers
            .chunks(32)
            .flat_map(|block| {
                [0x00, 0x3c]
                    .into_iter()
                    .chain(block.iter().map(|&x| (x as i8).cast_unsigned()))
            })
            .collect(),
        _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let mut dimensions = vec![columns as u64];
    if rows > 1 {
        dimensions.push(rows as u64);
    }
    Tensor {
        name: name.to_owned(),
        dimensions,
        kind,
        data,
        offset: None,
    }
}

/// Every byte under its own number, in GPT-2's alphabet, and one token that ends.
fn vocabulary() -> Vec<String> {
    let mut next = 0x100;
    let mut tokens: Vec<String> = (0..=255_u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte).to_string(),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap().to_string()
            }
        })
        .collect();
    tokens.push("<|im_end|>".to_owned());
    tokens
}

impl File {
    pub(crate) fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.metadata.retain(|(other, _)| other != key);
        self.metadata.push((key.to_owned(), value));
        self
    }

    pub(crate) fn without(&mut self, key: &str) -> &mut Self {
        self.metadata.retain(|(other, _)| other != key);
        self
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.name == name)
            .unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        out.resize(out.len().next_multiple_of(32), 0);
        for tensor in &self.tensors {
            out.extend(&tensor.data);
            out.resize(out.len().next_multiple_of(32), 0);
        }
        out
    }

    /// All that stands before the tensors' data.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        let (tensors, metadata) = self
            .counts
            .unwrap_or((self.tensors.len() as u64, self.metadata.len() as u64));
        out.extend(self.version.to_le_bytes());
        out.extend(tensors.to_le_bytes());
        out.extend(metadata.to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            match value {
                Value::U32(number) => {
                    out.extend(4_u32.to_le_bytes());
                    out.extend(number.to_le_bytes());
                }
                Value::F32(number) => {
                    out.extend(6_u32.to_le_bytes());
                    out.extend(number.to_le_bytes());
                }
                Value::Text(value) => {
                    out.extend(8_u32.to_le_bytes());
                    text(&mut out, value);
                }
                Value::Texts(values) => {
                    out.extend([9_u32, 8].map(u32::to_le_bytes).concat());
                    out.extend((values.len() as u64).to_le_bytes());
                    values.iter().for_each(|value| text(&mut out, value));
                }
                Value::I32s(values) => {
                    out.extend([9_u32, 5].map(u32::to_le_bytes).concat());
                    out.extend((values.len() as u64).to_le_bytes());
                    values
                        .iter()
                        .for_each(|value| out.extend(value.to_le_bytes()));
                }
                Value::Raw(kind, bytes) => {
                    out.extend(kind.to_le_bytes());
                    out.extend(bytes);
                }
            }
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor
                .dimensions
                .iter()
                .for_each(|size| out.extend(size.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(offset).to_le_bytes());
            offset += (tensor.data.len() as u64).next_multiple_of(32);
        }
        out
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}
