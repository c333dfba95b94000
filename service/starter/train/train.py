"""Trains the starter model from nothing and writes it as a GGUF file: python train.py [--out ../model/thox-starter.gguf]"""

import argparse
import os
import queue
import threading
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

import export
import tokens
from model import Shape, create, forward
from samples import Samples

# Rows are padded to the next of these lengths; a batch has about TOKENS tokens.
LENGTHS = [26, 34, 56, 112, 320]
TOKENS = 2048
MATRICES = ("q", "k", "v", "o", "gate", "up", "down")


def batches(samples, steps, declined, declined_late):
    """Batches of (ids, targets, weights); a row's weights mark the answer's tokens."""
    waiting = {n: [] for n in LENGTHS}
    made = 0
    while True:
        # Towards the end more is declined than is asked in truth: in doubt the model shall decline.
        samples.declined_share = declined_late if made > 0.8 * steps else declined
        ids, start = samples.one()
        length = next((n for n in LENGTHS if len(ids) <= n + 1), None)
        if length is None:
            continue
        rows = waiting[length]
        rows.append((ids, start))
        if len(rows) < max(6, TOKENS // length):
            continue
        waiting[length] = []
        made += 1
        x = np.zeros((len(rows), length), np.int32)
        y = np.zeros((len(rows), length), np.int32)
        w = np.zeros((len(rows), length), np.float32)
        for r, (ids, start) in enumerate(rows):
            x[r, : len(ids) - 1] = ids[:-1]
            y[r, : len(ids) - 1] = ids[1:]
            # The first tokens decide which answer is recited.
            w[r, start - 1 : len(ids) - 1] = 1.0
            w[r, start - 1 : start + 3] *= 3.0
        yield x, y, w


def prefetched(stream, depth=8):
    ready = queue.Queue(depth)

    def fill():
        for batch in stream:
            ready.put(batch)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ready.get()


def orthogonal(g):
    """Newton-Schulz iteration: the direction of the update with all its singular values near one (Muon)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    flip = g.shape[-2] > g.shape[-1]
    x = jnp.swapaxes(g, -1, -2) if flip else g
    x = x / (jnp.linalg.norm(x, axis=(-2, -1), keepdims=True) + 1e-7)
    for _ in range(5):
        s = x @ jnp.swapaxes(x, -1, -2)
        x = a * x + (b * s + c * (s @ s)) @ x
    return jnp.swapaxes(x, -1, -2) if flip else x


def make_step(shape):
    def loss_of(p, x, y, w):
        hidden = forward(p, x, shape)
        # Only the answers' positions need logits: they are a part of all, so gather them first.
        flat = jnp.nonzero(w.reshape(-1) > 0, size=keep(x.shape), fill_value=0)[0]
        weight = jnp.where(jnp.arange(flat.size) < (w > 0).sum(), w.reshape(-1)[flat], 0.0)
        logits = hidden[flat] @ p["embed"].T
        target = y.reshape(-1)[flat]
        nll = jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, target[:, None], 1)[:, 0]
        right = (logits.argmax(-1) == target) & (weight > 2)
        return (nll * weight).sum() / weight.sum(), right.sum() / (weight > 2).sum()

    def keep(size):
        # More positions than the answers of a batch ever have together.
        rows, length = size
        return rows * {26: 10, 34: 20, 56: 44, 112: 60, 320: 60}[length]

    @jax.jit
    def step(p, m, v, average, t, rate, x, y, w):
        (loss, right), g = jax.value_and_grad(loss_of, has_aux=True)(p, x, y, w)
        total = jnp.sqrt(sum((a * a).sum() for a in jax.tree.leaves(g)))
        g = jax.tree.map(lambda a: a * jnp.minimum(1.0, 1.0 / (total + 1e-6)), g)
        new_p, new_m, new_v = {}, {}, {}
        for name in p:
            if name in MATRICES:
                new_m[name] = 0.95 * m[name] + g[name]
                update = orthogonal(g[name] + 0.95 * new_m[name])
                size = max(1.0, p[name].shape[-1] / p[name].shape[-2]) ** 0.5
                new_p[name] = p[name] * (1 - 0.1 * 0.02 * rate) - 0.02 * rate * size * update
                new_v[name] = v[name]
            else:
                new_m[name] = 0.9 * m[name] + 0.1 * g[name]
                new_v[name] = 0.98 * v[name] + 0.02 * g[name] ** 2
                update = (new_m[name] / (1 - 0.9**t)) / (jnp.sqrt(new_v[name] / (1 - 0.98**t)) + 1e-8)
                new_p[name] = p[name] - 0.004 * rate * update
        average = jax.tree.map(lambda a, b: 0.995 * a + 0.005 * b, average, new_p)
        return new_p, new_m, new_v, average, loss, right

    return step


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=2600)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--begin", type=Path, help="go on from the weights of this file")
    options.add_argument("--rate", type=float, default=1.0, help="the highest learning rate, relative to a first run's")
    options.add_argument("--out", type=Path, default=Path("../model/thox-starter.gguf"))
    options.add_argument("--width", type=int, default=128)
    options.add_argument("--layers", type=int, default=3)
    options.add_argument("--declined", type=float, default=0.47, help="the share of questions that are to be declined")
    options.add_argument("--declined-late", type=float, default=0.62, help="the same in the last fifth")
    options.add_argument("--whole", type=float, default=0.12, help="the share of answers that are learned to their end")
    options = options.parse_args()

    shape = Shape(width=options.width, layers=options.layers, heads=options.width // 32, hidden=options.width * 2)
    tokenizer = export.read_tokenizer(options.begin) if options.begin else tokens.train(shape.vocabulary, options.seed)
    samples = Samples(tokenizer, options.seed, shape.context)
    samples.whole_share = options.whole
    p = create(shape, options.seed)
    if options.begin:
        p = jax.tree.map(jnp.asarray, export.read(options.begin, shape))
    count = sum(a.size for a in jax.tree.leaves(p))
    print(f"{count} parameters, {len(samples.grammar.intents)} intents", flush=True)
    m, v = jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)
    average = p
    step = make_step(shape)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    part = options.out.with_suffix(".part.gguf")
    stream = prefetched(batches(samples, options.steps, options.declined, options.declined_late))
    began = time.monotonic()
    losses, rights, seen = [], [], 0
    for t in range(1, options.steps + 1):
        x, y, w = next(stream)
        rate = options.rate * min(1.0, t / 100) * max(0.02, min(1.0, (options.steps - t) / (0.7 * options.steps)))
        p, m, v, average, loss, right = step(p, m, v, average, t, rate, x, y, w)
        losses.append(loss)
        rights.append(right)
        seen += len(x)
        if t % 100 == 0:
            print(f"step {t} loss {np.mean(jax.device_get(losses)):.4f} first tokens {np.mean(jax.device_get(rights)):.4f} samples {seen} {time.monotonic() - began:.0f} s", flush=True)
            losses, rights = [], []
        if t % 250 == 0:
            export.write(part, shape, jax.device_get(average), tokenizer)
    part.unlink(missing_ok=True)
    export.write(options.out, shape, jax.device_get(average), tokenizer)
    print(f"wrote {options.out} after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
