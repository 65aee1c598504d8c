# SPDX-License-Identifier: Apache-2.0
"""Attention as plugin.h defines it, one request and one head at a time, in float64 or, for comparison, in float32."""
import numpy as np


def visible(case, request, n):
    """[q, n]: does query i see key j?"""
    q = case.query_lens[request]
    position = (case.seq_lens[request] - q + np.arange(q))[:, None]
    key = np.arange(n)[None, :]
    seen = np.ones((q, n), bool)
    if case.causal_of(request):
        seen = key <= position
    if case.tree is not None:
        seen = seen | (key >= n - q)
    if case.window_left >= 0:
        seen = seen & (key >= position - case.window_left)
    if case.window_right >= 0:
        seen = seen & (key <= position + case.window_right)
    if case.prefix is not None:
        low, high = (side[:, None] for side in case.prefix[request].T)
        seen = seen | ((low >= 0) & (key >= low) & (key <= high))
    return seen


def scores(q, k):
    """q . k; in float32 in four chains, one product at a time: numpy's own way differs from machine to machine."""
    if q.dtype == np.float64:
        return q @ k.T
    chains = [np.zeros((len(q), len(k)), np.float32) for _ in range(4)]
    for d in range(q.shape[1]):
        chains[d % 4] += q[:, d, None] * k[None, :, d]
    return (chains[0] + chains[1]) + (chains[2] + chains[3])


def weighted(p, v):
    """p v; in float32 key after key."""
    if p.dtype == np.float64:
        return p @ v
    total = np.zeros((len(p), v.shape[1]), np.float32)
    for j in range(len(v)):
        total += p[:, j, None] * v[j]
    return total


def attend(case, request, head, real):
    """(out [q, Dv], lse [q], bound [q, Dv]) with bound = sum p |v|; real: np.float64 or np.float32."""
    kv_head = head // (case.num_heads // case.num_kv_heads)
    q = case.q[request][:, head].astype(real)
    k, v = (x[request][:, kv_head].astype(real) for x in (case.k, case.v))
    length, n = len(q), len(k)
    scale = real(case.scale) * real(case.scale_of("q", request, kv_head)) * real(case.scale_of("k", request, kv_head))
    score = scores(q, k) * scale
    if case.softcap > 0:
        score = real(case.softcap) * np.tanh(score / real(case.softcap))
    if case.alibi is not None:
        distance = (np.arange(n)[None, :] - (case.seq_lens[request] - length + np.arange(length))[:, None]).astype(real)
        score = score + real(case.alibi[head]) * (-np.sqrt(np.maximum(-distance, 0)) if case.alibi_sqrt else distance)
    if case.tree is not None and length:
        score[:, n - length:] += case.tree[request].astype(real)
    score = np.where(visible(case, request, n), score, real(-np.inf))
    top = score.max(1, initial=-np.inf)
    if case.sinks is not None:
        top = np.maximum(top, real(case.sinks[head]))
    level = np.where(np.isinf(top), real(0), top)
    p = np.exp(score - level[:, None])
    total = p.sum(1) + (np.exp(real(case.sinks[head]) - level) if case.sinks is not None else 0)
    total = total.astype(real)
    share = 1 / np.where(total > 0, total, 1)[:, None]
    v_scale = real(case.scale_of("v", request, kv_head))
    with np.errstate(divide="ignore"):
        lse = np.where(total > 0, level + np.log(total), -np.inf)
    return weighted(p, v) * share * v_scale, lse, (p @ np.abs(v)) * share * v_scale
