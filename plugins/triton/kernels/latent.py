# SPDX-License-Identifier: Apache-2.0
"""The parts of attention over latent rows that mla_decode and mla_sparse share."""
import triton
import triton.language as tl

from shared import CAUSAL, KV_LENS, LN2, PER_REQUEST, find_request, widen


@triton.jit
def visible_keys(query_start_loc_ptr, seq_lens_ptr, kv_lens_ptr, causal_ptr, num_seqs, flags, token):
    """(request of a token, how many of its first keys the token sees)."""
    request = find_request(query_start_loc_ptr, num_seqs, token, True, 1)
    query_start = tl.load(query_start_loc_ptr + request)
    query_len = tl.load(query_start_loc_ptr + request + 1) - query_start
    num_keys = tl.load(seq_lens_ptr + request)
    position = num_keys - query_len + token - query_start
    if (flags & KV_LENS) != 0:
        num_keys = tl.load(kv_lens_ptr + request)
    causal = (flags & CAUSAL) != 0
    if (flags & PER_REQUEST) != 0:
        causal = tl.load(causal_ptr + request) != 0
    return request, tl.where(causal, tl.minimum(num_keys, position + 1), num_keys)


@triton.jit
def add_tile(line, there, q, q_rope, scale, state, HEAD_V: tl.constexpr, ROPE: tl.constexpr, KV_FP8: tl.constexpr,
             HOLES: tl.constexpr):
    """(top, total, acc) with one tile of keys more, whose rows start at `line`. HOLES: a tile may be without any key."""
    top, total, acc = state
    latent = tl.arange(0, HEAD_V)
    rope = tl.arange(0, ROPE)
    kv = widen(tl.load(line[:, None] + latent[None, :], mask=there[:, None], other=0), KV_FP8, q.dtype)
    k_rope = widen(tl.load(line[:, None] + (HEAD_V + rope)[None, :], mask=there[:, None], other=0), KV_FP8, q.dtype)
    score = tl.dot(q, kv.T, input_precision="ieee")
    score = tl.dot(q_rope, k_rope.T, score, input_precision="ieee") * scale
    score = tl.where(there[None, :], score, float("-inf"))
    new_top = tl.maximum(top, tl.max(score, 1))
    level = new_top
    if HOLES:
        level = tl.where(new_top == float("-inf"), 0.0, new_top)
    p = tl.exp2(score - level[:, None])
    fade = tl.exp2(top - level)
    total = total * fade + tl.sum(p, 1)
    acc = acc * fade[:, None]
    acc = tl.dot(p.to(q.dtype), kv, acc, input_precision="ieee")
    return new_top, total, acc


@triton.jit
def store_part(partial_ptr, partial_lse_ptr, num_seqs_ptr, row, head, num_heads, num_splits, part, kv_scale, state,
               HEAD_V: tl.constexpr):
    """One part of the result of each head, and its natural log-sum-exp."""
    top, total, acc = state
    latent = tl.arange(0, HEAD_V)
    acc *= (kv_scale / tl.where(total > 0, total, 1.0))[:, None]
    lse = tl.where(total > 0, (top + tl.log2(tl.where(total > 0, total, 1.0))) * LN2, float("-inf"))
    # Places anew from here: kept through the loop they would cost it the registers it needs.
    head += tl.minimum(tl.load(num_seqs_ptr, volatile=True), 0)
    live = head < num_heads
    place = (row * num_heads + head) * num_splits + part
    tl.store(partial_lse_ptr + place, lse, mask=live)
    tl.store(partial_ptr + place[:, None] * HEAD_V + latent[None, :], acc, mask=live[:, None])
