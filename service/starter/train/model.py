"""The llama architecture in JAX, small enough for a CPU, laid out as llama.cpp lays it out."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Shape:
    vocabulary: int = 4096
    width: int = 128
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 256
    context: int = 1024
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self):
        return self.width // self.heads


def create(shape, seed):
    rng = np.random.default_rng(seed)

    def matrix(*size):
        return jnp.asarray(rng.normal(0, size[-2] ** -0.5, size), jnp.float32)

    s, n = shape, shape.layers
    return {
        "embed": jnp.asarray(rng.normal(0, 0.05, (s.vocabulary, s.width)), jnp.float32),
        "final_norm": jnp.ones((s.width,)),
        "attn_norm": jnp.ones((n, s.width)),
        "ffn_norm": jnp.ones((n, s.width)),
        "q": matrix(n, s.width, s.heads * s.head),
        "k": matrix(n, s.width, s.kv_heads * s.head),
        "v": matrix(n, s.width, s.kv_heads * s.head),
        "o": matrix(n, s.heads * s.head, s.width) * 0.1,
        "gate": matrix(n, s.width, s.hidden),
        "up": matrix(n, s.width, s.hidden),
        "down": matrix(n, s.hidden, s.width) * 0.1,
    }


def norm(x, weight, epsilon):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + epsilon) * weight


def rotate(x, cos, sin):
    """RoPE on neighbouring pairs, as llama.cpp's llama architecture has it."""
    a, b = x[..., 0::2], x[..., 1::2]
    return jnp.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)


def forward(p, ids, s):
    """Final hidden states of all positions of a batch of rows, one after the other; logits are hidden @ embed.T."""
    batch, length = ids.shape
    positions = np.arange(length)[:, None]
    angles = positions * s.rope_base ** (-np.arange(0, s.head, 2)[None, :] / s.head)
    cos = jnp.asarray(np.cos(angles), jnp.float32)[None, :, None, :]
    sin = jnp.asarray(np.sin(angles), jnp.float32)[None, :, None, :]
    mask = jnp.asarray(np.tril(np.ones((length, length), bool)))
    # Rows and positions are one dimension wherever it goes: XLA's CPU backend multiplies matrices much faster than stacks.
    x = p["embed"][ids.reshape(-1)]
    group = s.heads // s.kv_heads
    for i in range(s.layers):
        h = norm(x, p["attn_norm"][i], s.epsilon)
        q = rotate((h @ p["q"][i]).reshape(batch, length, s.heads, s.head), cos, sin)
        k = rotate((h @ p["k"][i]).reshape(batch, length, s.kv_heads, s.head), cos, sin)
        v = (h @ p["v"][i]).reshape(batch, length, s.kv_heads, s.head)
        q = q.reshape(batch, length, s.kv_heads, group, s.head)
        scores = jnp.einsum("blkgd,bmkd->bkglm", q, k) * s.head**-0.5
        scores = jax.nn.softmax(jnp.where(mask, scores, -1e9), -1)
        h = jnp.einsum("bkglm,bmkd->blkgd", scores, v).reshape(batch * length, s.heads * s.head)
        x = x + h @ p["o"][i]
        h = norm(x, p["ffn_norm"][i], s.epsilon)
        x = x + (jax.nn.silu(h @ p["gate"][i]) * (h @ p["up"][i])) @ p["down"][i]
    return norm(x, p["final_norm"], s.epsilon)
