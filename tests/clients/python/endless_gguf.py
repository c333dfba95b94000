"""Writes a llama of 100,000 weights that never says that it is done.

For tests of cancellation in a real engine, which need an answer that goes on. The output row of the
end-of-text token is zero: its logit is always 0, and at temperature 0 some other of the 258 tokens is
above that. The stuttering variant says the same letter for ever, which makes Ollama give up in
mid-answer.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import random
import struct
from array import array
from pathlib import Path

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 4096
ALIGNMENT = 32
# Value types of the format.
UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9
NORMAL, CONTROL = 1, 3
END = 257


def write(path: Path, *, stuttering: bool = False) -> None:
    tensors = make_tensors(random.Random(1))
    if stuttering:
        stutter(tensors)
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(METADATA)))
    for key, kind, value in METADATA:
        head += string(key) + struct.pack("<I", kind) + encode(kind, value)
    offset = 0
    for name, (shape, data) in tensors.items():
        # Dimensions stand innermost first; type 0 is F32.
        head += string(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", 0, offset)
        offset += padded(len(data) * data.itemsize)
    with path.open("wb") as file:
        file.write(head.ljust(padded(len(head)), b"\0"))
        for _, data in tensors.values():
            file.write(data.tobytes().ljust(padded(len(data) * data.itemsize), b"\0"))


def make_tensors(source: random.Random) -> dict[str, tuple[tuple[int, ...], array]]:
    def matrix(rows: int, columns: int) -> tuple[tuple[int, ...], array]:
        return (rows, columns), array("f", (source.gauss(0, 0.1) for _ in range(rows * columns)))

    def ones(length: int) -> tuple[tuple[int, ...], array]:
        return (length,), array("f", [1.0] * length)

    vocabulary = len(TOKENS)
    shape, output = matrix(vocabulary, WIDTH)
    output[END * WIDTH : (END + 1) * WIDTH] = array("f", [0.0] * WIDTH)
    tensors = {
        "token_embd.weight": matrix(vocabulary, WIDTH),
        "output_norm.weight": ones(WIDTH),
        "output.weight": (shape, output),
    }
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        tensors |= {
            prefix + "attn_norm.weight": ones(WIDTH),
            prefix + "ffn_norm.weight": ones(WIDTH),
            prefix + "attn_q.weight": matrix(WIDTH, WIDTH),
            prefix + "attn_k.weight": matrix(WIDTH, WIDTH),
            prefix + "attn_v.weight": matrix(WIDTH, WIDTH),
            prefix + "attn_output.weight": matrix(WIDTH, WIDTH),
            prefix + "ffn_gate.weight": matrix(INNER, WIDTH),
            prefix + "ffn_up.weight": matrix(INNER, WIDTH),
            prefix + "ffn_down.weight": matrix(WIDTH, INNER),
        }
    return tensors


def stutter(tensors: dict[str, tuple[tuple[int, ...], array]]) -> None:
    """Every token is embedded as ones, every layer adds nothing, one letter answers to ones."""
    for name, (shape, data) in tensors.items():
        if "norm" not in name:
            tensors[name] = shape, array("f", [1.0 if name == "token_embd.weight" else 0.0] * len(data))
    letter = ord("o")
    tensors["output.weight"][1][letter * WIDTH : (letter + 1) * WIDTH] = array("f", [1.0] * WIDTH)


def byte_alphabet() -> list[str]:
    """The 256 letters by which byte-level BPE writes bytes: printable ones stand for themselves."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def encode(kind: int, value) -> bytes:
    if kind == STRING:
        return string(value)
    if kind == ARRAY:
        item_kind, items = value
        return struct.pack("<IQ", item_kind, len(items)) + b"".join(encode(item_kind, item) for item in items)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f"}[kind], value)


def padded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT


TOKENS = [*byte_alphabet(), "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
METADATA = [
    ("general.architecture", STRING, "llama"),
    ("general.name", STRING, "endless"),
    ("general.file_type", UINT32, 0),
    ("llama.context_length", UINT32, CONTEXT),
    ("llama.embedding_length", UINT32, WIDTH),
    ("llama.block_count", UINT32, LAYERS),
    ("llama.feed_forward_length", UINT32, INNER),
    ("llama.attention.head_count", UINT32, HEADS),
    ("llama.attention.head_count_kv", UINT32, HEADS),
    ("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
    ("llama.rope.dimension_count", UINT32, WIDTH // HEADS),
    ("llama.vocab_size", UINT32, len(TOKENS)),
    ("tokenizer.ggml.model", STRING, "gpt2"),
    ("tokenizer.ggml.pre", STRING, "default"),
    ("tokenizer.ggml.tokens", ARRAY, (STRING, TOKENS)),
    ("tokenizer.ggml.token_type", ARRAY, (INT32, [NORMAL] * 256 + [CONTROL] * 2)),
    ("tokenizer.ggml.merges", ARRAY, (STRING, ["h e"])),
    ("tokenizer.ggml.bos_token_id", UINT32, 256),
    ("tokenizer.ggml.eos_token_id", UINT32, END),
    ("tokenizer.chat_template", STRING, TEMPLATE),
]
