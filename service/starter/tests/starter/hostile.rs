//! Files that are cut off, damaged or made to harm: each is refused by name, none panics or takes memory it has not.

use std::time::{Duration, Instant};

use crate::fixture::{F16, F32, File, Q8_0, Value, endless, tensor};
use thox_starter::{Ask, Cancel, Error, Message, Model, RunError, embedded_gguf};

fn written(model: &Model, tokens: usize) -> Result<String, RunError> {
    let mut text = String::new();
    let ask = Ask {
        prompt: model.prompt("hi"),
        max_tokens: Some(tokens),
        ..Ask::default()
    };
    model
        .answer(&ask, &Cancel::default(), |piece| text.push_str(piece))
        .map(|_| text)
}

#[test]
fn all_storage_types_run() {
    for kind in [F32, F16, Q8_0] {
        let model = Model::parse(&endless(b'z', kind).bytes()).unwrap();
        assert_eq!(written(&model, 5).unwrap(), "zzzzz");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let file = endless(b'z', Q8_0).bytes();
    // The last tensor's padding may be missing.
    for length in (0..file.len() - 32).rev().step_by(7).chain(0..400) {
        assert!(
            Model::parse(&file[..length]).is_err(),
            "cut at {length} of {}",
            file.len()
        );
    }
    let file = embedded_gguf();
    for length in (0..file.len() - 32).step_by(40_009) {
        assert!(
            Model::parse(&file[..length]).is_err(),
            "cut at {length} of {}",
            file.len()
        );
    }
}

#[test]
fn a_damaged_byte_anywhere_in_the_directory_does_no_harm() {
    let small = endless(b'z', Q8_0);
    let end = small.header().len();
    let mut file = small.bytes();
    for at in 0..end {
        for change in [0x01, 0x80, 0xff] {
            file[at] ^= change;
            if let Ok(model) = Model::parse(&file) {
                let _ = written(&model, 2);
                let _ = model.chat_prompt(&[Message {
                    role: "user".to_owned(),
                    content: "hi".to_owned(),
                }]);
            }
            file[at] ^= change;
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let refused: [(&str, Damage, &str); 29] = [
        ("version", |f| f.version = 1, "version 1"),
        (
            "metadata count",
            |f| f.counts = Some((1, u64::MAX)),
            "metadata entries",
        ),
        (
            "tensor count",
            |f| f.counts = Some((u64::MAX / 2, 1)),
            "tensors",
        ),
        (
            "architecture",
            |f| void(f.set("general.architecture", Value::Text("mamba".into()))),
            "`mamba`",
        ),
        (
            "no architecture",
            |f| void(f.without("general.architecture")),
            "general.architecture",
        ),
        (
            "text as number",
            |f| void(f.set("llama.block_count", Value::Text("one".into()))),
            "llama.block_count",
        ),
        (
            "experts",
            |f| void(f.set("llama.expert_count", Value::U32(8))),
            "experts",
        ),
        (
            "rope scaling",
            |f| void(f.set("llama.rope.scaling.type", Value::Text("yarn".into()))),
            "RoPE",
        ),
        (
            "no heads",
            |f| void(f.set("llama.attention.head_count", Value::U32(0))),
            "heads",
        ),
        (
            "odd heads",
            |f| void(f.set("llama.attention.head_count_kv", Value::U32(3))),
            "heads",
        ),
        (
            "zero width",
            |f| void(f.set("llama.embedding_length", Value::U32(0))),
            "even",
        ),
        (
            "no context",
            |f| void(f.set("llama.context_length", Value::U32(0))),
            "context_length",
        ),
        (
            "epsilon",
            |f| {
                void(f.set(
                    "llama.attention.layer_norm_rms_epsilon",
                    Value::F32(f32::NAN),
                ));
            },
            "epsilon",
        ),
        (
            "a billion layers",
            |f| void(f.set("llama.block_count", Value::U32(1_000_000_000))),
            "blk.1.",
        ),
        (
            "alignment",
            |f| void(f.set("general.alignment", Value::U32(24))),
            "general.alignment",
        ),
        (
            "tokenizer",
            |f| void(f.set("tokenizer.ggml.model", Value::Text("llama".into()))),
            "`llama`",
        ),
        (
            "pre",
            |f| void(f.set("tokenizer.ggml.pre", Value::Text("qwen2".into()))),
            "`qwen2`",
        ),
        (
            "eos",
            |f| void(f.set("tokenizer.ggml.eos_token_id", Value::U32(257))),
            "eos_token_id",
        ),
        (
            "merge",
            |f| void(f.set("tokenizer.ggml.merges", Value::Texts(vec!["a b".into()]))),
            "merge 0",
        ),
        (
            "types",
            |f| void(f.set("tokenizer.ggml.token_type", Value::I32s(vec![1]))),
            "token_type",
        ),
        (
            "template",
            |f| void(f.set("tokenizer.chat_template", Value::Text("{% if %}".into()))),
            "template",
        ),
        (
            "list of lists",
            |f| {
                void(f.set(
                    "x",
                    Value::Raw(9, [&9_u32.to_le_bytes()[..], &[0; 8]].concat()),
                ));
            },
            "type 9",
        ),
        (
            "long list",
            |f| {
                void(f.set(
                    "x",
                    Value::Raw(9, [&0_u32.to_le_bytes()[..], &[0xff; 8]].concat()),
                ));
            },
            "announces",
        ),
        (
            "missing tensor",
            |f| f.tensors.retain(|t| t.name != "blk.0.ffn_up.weight"),
            "blk.0.ffn_up.weight",
        ),
        (
            "extra tensor",
            |f| {
                f.tensors
                    .push(tensor("blk.0.attn_q.bias", 32, 1, F32, &[0.0; 32]));
            },
            "attn_q.bias",
        ),
        (
            "shape",
            |f| f.tensor("blk.0.attn_k.weight").dimensions = vec![16, 32],
            "blk.0.attn_k.weight",
        ),
        (
            "huge shape",
            |f| f.tensor("blk.0.attn_k.weight").dimensions = vec![u64::MAX, u64::MAX, 2],
            "too large",
        ),
        (
            "storage type",
            |f| f.tensor("blk.0.attn_k.weight").kind = 12,
            "storage type 12",
        ),
        (
            "overlap",
            |f| f.tensor("blk.0.attn_k.weight").offset = Some(0),
            "on top of another tensor",
        ),
    ];
    for (name, damage, expected) in refused {
        let mut file = endless(b'z', F32);
        damage(&mut file);
        let error = Model::parse(&file.bytes()).expect_err(name).to_string();
        assert!(
            error.contains(expected),
            "{name}: {error:?} does not name {expected:?}"
        );
    }
}

/// What is done to a good file.
type Damage = fn(&mut File);

fn void(_: &mut File) {}

#[test]
fn weights_that_are_no_numbers_are_an_error_not_an_answer() {
    let mut file = endless(b'z', F32);
    file.tensor("blk.0.ffn_down.weight").data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let model = Model::parse(&file.bytes()).unwrap();
    assert!(matches!(written(&model, 1), Err(RunError::NotANumber)));
}

#[test]
fn a_template_without_end_is_stopped() {
    let mut file = endless(b'z', F32);
    let template =
        "{% for a in range(10000) %}{% for b in range(10000) %}{{ a }}{% endfor %}{% endfor %}";
    file.set("tokenizer.chat_template", Value::Text(template.into()));
    let model = Model::parse(&file.bytes()).unwrap();
    let began = Instant::now();
    let message = Message {
        role: "user".to_owned(),
        content: "hi".to_owned(),
    };
    assert!(matches!(model.chat_prompt(&[message]), Err(Error::Chat(_))));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_prompt_that_is_too_long_or_empty_is_refused() {
    let model = Model::parse(embedded_gguf()).unwrap();
    let ask = |prompt| {
        model.answer(
            &Ask {
                prompt,
                ..Ask::default()
            },
            &Cancel::default(),
            |_| (),
        )
    };
    let long = model.prompt(&"word ".repeat(5000));
    assert!(
        matches!(ask(long), Err(RunError::PromptTooLong { tokens, limit }) if tokens >= 5000 && limit == model.context_length() - 1)
    );
    assert!(matches!(ask(Vec::new()), Err(RunError::EmptyPrompt)));
    assert!(matches!(
        ask(vec![1_000_000]),
        Err(RunError::UnknownToken(1_000_000))
    ));
}

#[test]
fn cancelling_stops_the_prefill() {
    let model = Model::parse(&endless(b'z', F32).bytes()).unwrap();
    // Many seconds of work, since attention grows with the square.
    let ask = Ask {
        prompt: model.prompt(&"word ".repeat(5_000)),
        ..Ask::default()
    };
    let cancel = Cancel::default();
    let guard = cancel.on_drop();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            model.answer(&ask, &cancel, |_| {
                panic!("nothing is written in the prefill")
            })
        });
        std::thread::sleep(Duration::from_millis(50));
        let began = Instant::now();
        drop(guard);
        assert!(matches!(run.join().unwrap(), Err(RunError::Cancelled)));
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "took {:?}",
            began.elapsed()
        );
    });
}

#[test]
fn cancelling_stops_the_decoding() {
    let model = Model::parse(&endless(b'z', F32).bytes()).unwrap();
    let cancel = Cancel::default();
    let mut pieces = 0;
    let ask = Ask {
        prompt: model.prompt("hi"),
        max_tokens: Some(1_000),
        ..Ask::default()
    };
    let outcome = model.answer(&ask, &cancel, |_| {
        pieces += 1;
        if pieces == 10 {
            cancel.cancel();
        }
    });
    assert!(matches!(outcome, Err(RunError::Cancelled)));
    assert_eq!(pieces, 10);
}
