"""Writes the weights and the tokenizer as a GGUF file in Q8_0."""

import json

import gguf
import numpy as np
from tokenizers import Tokenizer, models

import tokens

PARTS = (("attn_q", "q"), ("attn_k", "k"), ("attn_v", "v"), ("attn_output", "o"), ("ffn_gate", "gate"), ("ffn_up", "up"), ("ffn_down", "down"))

# ChatML, but only the last message: the starter recites, so what came before it can only confuse it.
TEMPLATE = (
    "{% for message in messages[-1:] %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write(path, shape, p, tokenizer):
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("thox-starter")
    w.add_description("A tiny model that answers simple questions about Thox, trained from scratch on text of the project")
    w.add_license("MIT OR Apache-2.0")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    w.add_context_length(shape.context)
    w.add_embedding_length(shape.width)
    w.add_block_count(shape.layers)
    w.add_feed_forward_length(shape.hidden)
    w.add_head_count(shape.heads)
    w.add_head_count_kv(shape.kv_heads)
    w.add_rope_dimension_count(shape.head)
    w.add_rope_freq_base(shape.rope_base)
    w.add_layer_norm_rms_eps(shape.epsilon)
    w.add_vocab_size(shape.vocabulary)

    parts = json.loads(tokenizer.to_str())
    vocabulary = sorted(parts["model"]["vocab"].items(), key=lambda item: item[1])
    special = {t["id"]: t["content"] for t in parts["added_tokens"]}
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([text for text, _ in vocabulary])
    w.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for _, i in vocabulary])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in parts["model"]["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(2)
    w.add_pad_token_id(0)
    w.add_add_bos_token(False)
    w.add_add_eos_token(False)
    w.add_chat_template(TEMPLATE)

    def matrix(name, a):
        data = np.ascontiguousarray(np.asarray(a, np.float32))
        w.add_tensor(name, gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    matrix("token_embd.weight", p["embed"])
    w.add_tensor("output_norm.weight", np.asarray(p["final_norm"], np.float32))
    for i in range(shape.layers):
        w.add_tensor(f"blk.{i}.attn_norm.weight", np.asarray(p["attn_norm"][i], np.float32))
        w.add_tensor(f"blk.{i}.ffn_norm.weight", np.asarray(p["ffn_norm"][i], np.float32))
        for theirs, ours in PARTS:
            # Ours is input by output, theirs output by input.
            matrix(f"blk.{i}.{theirs}.weight", np.asarray(p[ours][i]).T)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read(path, shape):
    """The weights of a file that `write` made."""
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}

    def layers(name, turn):
        matrices = [tensors[f"blk.{i}.{name}.weight"] for i in range(shape.layers)]
        return np.stack([m.T if turn else m for m in matrices]).astype(np.float32)

    p = {"embed": tensors["token_embd.weight"], "final_norm": tensors["output_norm.weight"]}
    p |= {name: layers(name, False) for name in ("attn_norm", "ffn_norm")}
    return p | {ours: layers(theirs, True) for theirs, ours in PARTS}


def read_tokenizer(path):
    """The tokenizer of a file that `write` made."""
    fields = gguf.GGUFReader(path).fields
    texts = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({text: i for i, text in enumerate(texts)}, merges))
    tokenizer.add_special_tokens([text for text, kind in zip(texts, types) if kind == gguf.TokenType.CONTROL])
    return tokens.byte_level(tokenizer)
