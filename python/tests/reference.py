# SPDX-License-Identifier: Apache-2.0
"""Attention in float64, as docs/numerics.md defines it, for one request at a time."""

import numpy as np


def attend(q, k, v, *, causal=False, scale=None, window=(-1, -1), softcap=0.0, sinks=None, slopes=None, mask=None):
    """q [Q, H, D], k [K, Hkv, D], v [K, Hkv, Dv], mask [H, Q, K] bool or added. Returns out [Q, H, Dv] and the
    log-sum-exp [Q, H]. The last query stands at the last key; a row that sees no key is 0, its log-sum-exp that of the
    sink or -inf."""
    q, k, v = (np.asarray(x, dtype=np.float64) for x in (q, k, v))
    num_queries, num_heads, head_size = q.shape
    num_keys, num_kv_heads, _ = k.shape
    k, v = (np.repeat(x, num_heads // num_kv_heads, axis=1) for x in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) * (head_size**-0.5 if scale is None else scale)
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    at_query = np.arange(num_queries)[:, None] + num_keys - num_queries
    distance = np.arange(num_keys)[None, :] - at_query
    seen = np.ones((num_queries, num_keys), dtype=bool)
    if causal:
        seen &= distance <= 0
    if window[0] >= 0:
        seen &= distance >= -window[0]
    if window[1] >= 0:
        seen &= distance <= window[1]
    if slopes is not None:
        scores = scores + np.asarray(slopes, dtype=np.float64)[:, None, None] * distance
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    scores = np.where(seen, scores, -np.inf)
    if sinks is not None:
        column = np.broadcast_to(np.asarray(sinks, dtype=np.float64)[:, None, None], scores.shape[:2] + (1,))
        scores = np.concatenate([scores, column], axis=2)
    most = scores.max(axis=2, keepdims=True, initial=-np.inf)
    most = np.where(np.isfinite(most), most, 0.0)
    weights = np.exp(scores - most)
    total = weights.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = (np.log(total) + most)[:, :, 0].T
    probabilities = (weights / np.where(total > 0, total, 1.0))[:, :, :num_keys]
    return np.einsum("hqk,khd->qhd", probabilities, v), lse
