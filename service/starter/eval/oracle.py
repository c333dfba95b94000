"""Greedy output of the starter engine against llama.cpp's on the same file: prompts, token for token, and answers."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import xllamacpp

EVAL = Path(__file__).parent
LIMIT = 120
END = 2
# What is no chat leads the model out of all that it has learned: it rambles, two tokens are equally good, and which one wins
# hangs on the order of additions, which the rounding of the activations to eight bits makes larger. There, and only there, a
# difference below this margin ends the comparison of that one text.
TIE = 0.05
# What a tokenizer may stumble over; llama.cpp reads these as whole prompts.
RAW = [
    "Hello",
    "Hello ",
    "  two  blanks   three",
    "line\nline\n\nline\t\ttab \n end",
    "I'm, you're, it's, we'll, they'd, I've 'S 'RE",
    "port 8080, 10B, 3.14159 and 1,000,000",
    "http://thox.local:8080/v1",
    "Ünïcödé naïve façade ½ ² № ①",
    "привет мир 你好 世界 こんにちは 안녕하세요 مرحبا שלום",
    "emoji 😀👍🏽 family 👨‍👩‍👧 flag 🇩🇪",
    "non\u00a0breaking\u2003space\u3000wide",
    "e\u0301 combining a\u0308",
    "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHow do I make a key?<|im_end|>\n<|im_start|>assistant\n",
    "text with <|im_end|> inside and <|im_sta",
    "def f(x):\n    return x + 1\n",
    "{\"a\": [1, 2, {\"b\": null}]}",
    "!!!???...,,,;;;---___***",
    "a" * 300,
    "The quick brown fox jumps over the lazy dog. " * 12,
]


def questions():
    for name in ("heldout.tsv", "dev.tsv"):
        for line in (EVAL / name).read_text().splitlines():
            if line and not line.startswith("#"):
                yield line.split("\t")[1]


def ours(program, model, prompts, *options):
    lines = "".join(json.dumps(p) + "\n" for p in prompts)
    run = subprocess.run([program, model, "--tokens", str(LIMIT), *options], input=lines, capture_output=True, text=True, timeout=600)
    if run.returncode:
        sys.exit(f"the starter failed: {run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def main():
    program, model = sys.argv[1:3]
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_parallel = 1
    params.n_ctx = 1024
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # The starter keeps keys and values in full precision; with llama.cpp's default of half precision two tokens that are
    # equally good may change places.
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    # Each prompt from nothing, so that a comparison never depends on the one before.
    params.cache_prompt = False
    server = xllamacpp.Server(params)

    def ask(path, body):
        request = urllib.request.Request(server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)

    chats = list(questions())
    prompts = [ask("/apply-template", {"messages": [{"role": "user", "content": q}]})["prompt"] for q in chats] + RAW
    mine = ours(program, model, chats) + ours(program, model, RAW, "--raw")
    margin, tokens, ties = float("inf"), 0, 0
    for number, (prompt, answer) in enumerate(zip(prompts, mine, strict=True)):
        theirs = ask("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        if theirs != answer["prompt"]:
            sys.exit(f"the prompt {prompt!r} has the tokens {theirs} for llama.cpp, {answer['prompt']} for the starter")
        body = {"prompt": prompt, "temperature": 0.0, "n_predict": LIMIT, "return_tokens": True, "cache_prompt": False, "samplers": ["temperature"]}
        reply = ask("/completion", body)
        # llama.cpp leaves the end token out.
        written = [t for t in answer["tokens"] if t != END]
        theirs = [t for t in reply["tokens"] if t != END]
        if written != theirs:
            at = next((i for i, (a, b) in enumerate(zip(written, theirs)) if a != b), min(len(written), len(theirs)))
            if number >= len(chats) and answer["margins"][at] < TIE:
                ties += 1
                tokens += at
                continue
            sys.exit(f"after {prompt!r} the answers differ at token {at}: {reply['content']!r} by llama.cpp, {answer['text']!r} by the starter (margin {answer['margins'][at]:.5f})")
        if reply["content"].strip() != answer["text"].strip():
            sys.exit(f"after {prompt!r} the same tokens read {reply['content']!r} by llama.cpp, {answer['text']!r} by the starter")
        margin = min([margin, *answer["margins"]])
        tokens += len(written)
    print(f"{len(prompts)} prompts, {tokens} tokens: the starter's greedy output is llama.cpp's, token for token; smallest margin between the best two tokens {margin:.5f}, {ties} texts left at a tie")


main()
