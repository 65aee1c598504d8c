# SPDX-License-Identifier: Apache-2.0
"""One call as other people's tests make it, by the package: without a cache and over a paged one, by each variant that
this machine can execute."""

import functools

import attnrt
import numpy as np

BLOCK_SIZE = 16


@functools.lru_cache(maxsize=None)
def variants():
    """The variants of CPU_ATTN that run here."""
    runtime = attnrt.Runtime(read_environment=False)
    choice = runtime.select(runtime.decoder(4, 4, 64, "fp32"))
    for candidate in choice.details["candidates"]:
        if candidate["backend"] == "CPU_ATTN":
            return tuple(variant["name"] for variant in candidate["variants"] if variant["valid"])
    return ()


@functools.lru_cache(maxsize=None)
def runtime(variant):
    return attnrt.Runtime(read_environment=False, attention_backend=f"CPU_ATTN/{variant}")


def zeros_to(x, size):
    """The last dimension padded with zeros, which change no score and no output that is kept."""
    return np.concatenate([x, np.zeros(x.shape[:-1] + (size - x.shape[-1],), dtype=x.dtype)], axis=-1)


def at_key(first, q, k, v, mask):
    """Keys that end where the last query stands: of those behind it none is seen, and those that lack are hidden."""
    end, num_keys = first + q.shape[2], k.shape[2]
    if end <= num_keys:
        return k[:, :, :end], v[:, :, :end], None if mask is None else mask[..., :end]
    if mask is None:
        mask = np.ones((1, 1, 1, num_keys), dtype=bool)
    mask = np.broadcast_to(mask, mask.shape[:3] + (num_keys,))
    hidden = np.full(mask.shape[:3] + (end - num_keys,), False if mask.dtype == bool else -np.inf, dtype=mask.dtype)
    k, v = (np.concatenate([x, np.zeros_like(x, shape=x.shape[:2] + (end - num_keys, x.shape[3]))], 2) for x in (k, v))
    return k, v, np.concatenate([mask, hidden], axis=3)


class Case:
    """q [B, H, Q, D], k [B, Hkv, K, D], v [B, Hkv, K, Dv] of numpy, bf16 as uint16 with dtype "bf16"; kv_lens [B]; mask
    [B or 1, H or 1, Q or 1, K or 1]. The last query stands at the last key, or the first one at the key `first`."""

    def __init__(
        self,
        q,
        k,
        v,
        *,
        dtype,
        causal=False,
        scale=None,
        window=None,
        softcap=0.0,
        mask=None,
        kv_lens=None,
        first=None,
    ):
        if first is not None and (causal or window):
            k, v, mask = at_key(first, q, k, v, mask)
        mask = None if mask is None else np.ascontiguousarray(mask if mask.dtype == bool else mask.astype(np.float32))
        self.scale = q.shape[-1] ** -0.5 if scale is None else scale
        self.value_size = v.shape[-1]
        # The kernels have head sizes in steps of 8.
        q, k, v = (zeros_to(x, -(-x.shape[-1] // 8) * 8) for x in (q, k, v))
        self.q, self.k, self.v = (np.ascontiguousarray(x.transpose(0, 2, 1, 3)) for x in (q, k, v))
        self.dtype, self.causal, self.window, self.softcap, self.mask = dtype, causal, window, softcap, mask
        self.kv_lens = [k.shape[2]] * k.shape[0] if kv_lens is None else [int(n) for n in kv_lens]

    def contiguous(self, variant):
        """[B, H, Q, Dv]"""
        out = np.zeros(self.q.shape[:3] + self.v.shape[3:], dtype=self.q.dtype)
        attnrt.attention(
            *(attnrt.view(x, self.dtype) for x in (self.q, self.k, self.v)),
            out=attnrt.view(out, self.dtype),
            causal=self.causal,
            scale=self.scale,
            window=self.window,
            softcap=self.softcap,
            mask=self.mask,
            kv_lens=self.kv_lens,
            runtime=runtime(variant),
            num_threads=1,
        )
        return out.transpose(0, 2, 1, 3)[..., : self.value_size]

    def paged(self, variant):
        """The same over a cache whose blocks lie in an order of their own."""
        rt = runtime(variant)
        batch_size, queries, heads, size = self.q.shape
        kv_heads = self.k.shape[2]
        problem = rt.decoder(heads, kv_heads, size, self.dtype).with_kv_layouts("nhd").with_block_size(BLOCK_SIZE)
        problem = problem.with_causal("always" if self.causal else "never").with_head_size_v(self.v.shape[3])
        if self.window is not None:
            problem = problem.with_window(*self.window)
        if self.softcap:
            problem = problem.with_softcap(self.softcap)
        if self.mask is not None:
            problem = problem.with_dense_mask()
        op = rt.op(rt.select(problem))
        width = -(-max(self.kv_lens + [queries, 1]) // BLOCK_SIZE)
        cache = op.make_cache(batch_size * width + 1)
        blocks = np.random.default_rng(0).permutation(batch_size * width).reshape(batch_size, width) + 1
        for b, length in enumerate(self.kv_lens):
            slots = (blocks[b, np.arange(length) // BLOCK_SIZE] * BLOCK_SIZE + np.arange(length) % BLOCK_SIZE).astype(
                np.int64
            )
            keys, values = (np.ascontiguousarray(x[b, :length]) for x in (self.k, self.v))
            op.write(attnrt.view(keys, self.dtype), attnrt.view(values, self.dtype), slots, cache)
        longest = max(self.kv_lens + [queries])
        limits = attnrt.Limits(batch_size, batch_size * queries, longest, cache=cache)
        plan, batch = op.plan(limits), op.make_batch(limits)
        for b, length in enumerate(self.kv_lens):
            if length < queries:
                return None  # a cache holds the keys of all its queries
            batch.add(queries, length, blocks[b])
        plan.update(batch)
        q = self.q.reshape(batch_size * queries, heads, size)
        out = np.zeros(q.shape[:2] + self.v.shape[3:], dtype=q.dtype)
        plan.run(
            attnrt.view(q, self.dtype), cache, attnrt.view(out, self.dtype), scale=self.scale, dense_mask=self.mask
        )
        return out.reshape(batch_size, queries, heads, -1).transpose(0, 2, 1, 3)[..., : self.value_size]


def numbers(x, dtype):
    """float32 of any of the dtypes."""
    return (x.astype(np.uint32) << 16).view(np.float32) if dtype == "bf16" else x.astype(np.float32)
