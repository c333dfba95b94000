//! What the upstream says: the bytes of an Ollama's answers, made once and sent as they are.

use bytes::Bytes;

/// The model that the upstream offers; the proxy under test knows it by another name, so that the
/// name really has to be exchanged.
pub(crate) const MODEL: &str = "qwen2.5-coder:7b";

/// The routes that a gateway asks to learn what an Ollama offers.
pub(crate) fn discovery(path: &str) -> Option<Bytes> {
    Some(Bytes::from_static(match path {
        "/" => b"Ollama is running",
        "/api/version" => br#"{"version":"0.24.0"}"#,
        "/api/tags" => TAGS.as_bytes(),
        "/api/ps" => PS.as_bytes(),
        "/api/show" => SHOW.as_bytes(),
        "/v1/models" => {
            br#"{"object":"list","data":[{"id":"qwen2.5-coder:7b","object":"model","created":1767225600,"owned_by":"library"}]}"#
        }
        _ => return None,
    }))
}

const TAGS: &str = r#"{"models":[{"name":"qwen2.5-coder:7b","model":"qwen2.5-coder:7b","modified_at":"2026-01-01T00:00:00Z","size":4683087332,"digest":"dae161e27b0e90dd1856c8bb3209201fd6736d8eb66298e75ed87571486f4364","details":{"parent_model":"","format":"gguf","family":"qwen2","families":["qwen2"],"parameter_size":"7.6B","quantization_level":"Q4_K_M"},"capabilities":["completion","tools","insert"]}]}"#;

const PS: &str = r#"{"models":[{"name":"qwen2.5-coder:7b","model":"qwen2.5-coder:7b","size":6054672384,"digest":"dae161e27b0e90dd1856c8bb3209201fd6736d8eb66298e75ed87571486f4364","details":{"parent_model":"","format":"gguf","family":"qwen2","families":["qwen2"],"parameter_size":"7.6B","quantization_level":"Q4_K_M"},"expires_at":"2036-01-01T00:00:00Z","size_vram":6054672384,"context_length":32768}]}"#;

const SHOW: &str = r#"{"modelfile":"","template":"{{ .Prompt }}","details":{"parent_model":"","format":"gguf","family":"qwen2","families":["qwen2"],"parameter_size":"7.6B","quantization_level":"Q4_K_M"},"model_info":{"general.architecture":"qwen2","general.parameter_count":7615616512,"qwen2.context_length":32768,"qwen2.embedding_length":3584},"capabilities":["completion","tools","insert"],"modified_at":"2026-01-01T00:00:00Z"}"#;

/// A whole chat reply, as small as such replies are.
pub(crate) const CHAT: &str = r#"{"id":"chatcmpl-407","object":"chat.completion","created":1767225600,"model":"qwen2.5-coder:7b","system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{"role":"assistant","content":"A closure is a function that remembers the variables of the place where it was made."},"finish_reason":"stop"}],"usage":{"prompt_tokens":26,"completion_tokens":18,"total_tokens":44}}
"#;

/// The events of a chat stream: `chunks` tokens, then the finish, then the usage where it was asked for.
pub(crate) fn stream(chunks: usize, with_usage: bool) -> Vec<Bytes> {
    let mut events: Vec<Bytes> = (0..chunks).map(token).collect();
    events.push(event(r#""choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]"#));
    if with_usage {
        let usage = format!(
            r#""choices":[],"usage":{{"prompt_tokens":26,"completion_tokens":{chunks},"total_tokens":{}}}"#,
            chunks.saturating_add(26)
        );
        events.push(event(&usage));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

fn token(number: usize) -> Bytes {
    event(&format!(
        r#""choices":[{{"index":0,"delta":{{"role":"assistant","content":" word{number}"}},"finish_reason":null}}]"#
    ))
}

fn event(rest: &str) -> Bytes {
    Bytes::from(format!(
        "data: {{\"id\":\"chatcmpl-407\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"{MODEL}\",\"system_fingerprint\":\"fp_ollama\",{rest}}}\n\n"
    ))
}
