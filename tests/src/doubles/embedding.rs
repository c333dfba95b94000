//! Embeddings that depend on the text alone, so that a test can say what it expects.

use super::answer::usage;
use crate::json::{list, object, text};
use serde_json::Value;

/// The vector of a text: unit length, the same for the same text, different for others.
pub fn vector(input: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a seeds a splitmix generator.
    let mut state = input.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    let raw: Vec<f32> = (0..dimensions).map(|_| next()).collect();
    let length = raw
        .iter()
        .map(|x| x * x)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.iter().map(|x| x / length).collect()
}

/// The body of a reply to `/v1/embeddings`.
pub(crate) fn reply(model: &str, inputs: &[String], dimensions: usize, base64: bool) -> String {
    let data: Vec<String> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input, dimensions);
            let embedding = if base64 {
                text(&base64_of(&vector))
            } else {
                Value::from(vector).to_string()
            };
            object(&[
                ("object", text("embedding")),
                ("embedding", embedding),
                ("index", index.to_string()),
            ])
        })
        .collect();
    let tokens: usize = inputs.iter().map(|i| i.split_whitespace().count()).sum();
    // An embedding generates nothing; the engines leave `completion_tokens` out.
    let usage = usage(tokens, 0).replace(r#""completion_tokens":0,"#, "");
    object(&[
        ("object", text("list")),
        ("data", list(&data)),
        ("model", text(model)),
        ("usage", usage),
    ])
}

/// Little-endian f32 in base64, as OpenAI's SDKs ask for it.
fn base64_of(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let group = three
            .iter()
            .fold(0_u32, |acc, byte| acc << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= three.len() {
                char::from(ALPHABET[sextet])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        assert_eq!(base64_of(&[1.0]), "AACAPw==");
        assert_eq!(base64_of(&[1.0, -2.0]), "AACAPwAAAMA=");
        assert_eq!(base64_of(&[1.0, -2.0, 0.5]), "AACAPwAAAMAAAAA/");
    }

    #[test]
    fn vectors_have_unit_length_and_depend_on_the_text() {
        let (one, two) = (vector("one", 8), vector("two", 8));
        assert_ne!(one, two);
        assert_eq!(one, vector("one", 8));
        assert!((one.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
