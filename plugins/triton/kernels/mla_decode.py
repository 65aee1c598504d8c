# SPDX-License-Identifier: Apache-2.0
"""Attention over the latent rows of multi-head latent attention (DeepSeek-V2, arXiv:2405.04434), queries absorbed.

Grid      x: num_tokens * ceil(num_heads / BLOCK_M), y: 1, z: num_splits. Programs without work return at once.
Tile      BLOCK_M heads of one token: all heads share the one latent row a key, 512 numbers and 64 of rotary position.
          V is the first 512 of the same row, read once.
Keys      in tiles at absolute multiples of TILE; program z takes the z-th part of the tiles that the token sees, at
          least one, and writes partial [T, Hq, num_splits, 512] and partial_lse [T, Hq, num_splits] (natural log, -inf
          = nothing seen). merge_splits always follows. The parts depend on the request and its token alone.
Dtypes    q fp16, bf16, fp32; the cache the same or bytes of fp8 with one scale; scores and partials in fp32.
Limits    max_seq_len * block_size < 2^32.
"""
import triton
import triton.language as tl

from shared import CAUSAL, K_SCALE, KV_LENS, LN2, LOG2E, PER_REQUEST, find_request, scale_of, widen


@triton.jit
def mla_decode(partial_ptr, partial_lse_ptr, q_ptr, q_rope_ptr, kv_ptr, query_start_loc_ptr, seq_lens_ptr,
               kv_lens_ptr, causal_ptr, block_table_ptr, k_scale_ptr, num_seqs_ptr, softmax_scale, flags, num_heads,
               block_size, num_splits,  #
               q_stride_token, q_stride_head, q_rope_stride_token, q_rope_stride_head, kv_stride_block, kv_stride_slot,
               block_table_stride, k_scale_stride_request,  #
               HEAD_V: tl.constexpr, ROPE: tl.constexpr, BLOCK_M: tl.constexpr, TILE: tl.constexpr,
               KV_FP8: tl.constexpr):
    num_seqs = tl.load(num_seqs_ptr)
    head_tiles = (num_heads + BLOCK_M - 1) // BLOCK_M
    token = tl.program_id(0) // head_tiles
    if num_seqs <= 0:
        return
    if token >= tl.load(query_start_loc_ptr + num_seqs):
        return
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
    num_keys = tl.where(causal, tl.minimum(num_keys, position + 1), num_keys)
    num_tiles = (num_keys + TILE - 1) // TILE
    part = tl.program_id(2)
    part_tiles = (num_tiles + num_splits - 1) // num_splits
    first_tile = part * part_tiles
    last_tile = tl.minimum(first_tile + part_tiles, num_tiles)

    head = (tl.program_id(0) % head_tiles) * BLOCK_M + tl.arange(0, BLOCK_M)
    live = head < num_heads
    latent = tl.arange(0, HEAD_V)
    rope = tl.arange(0, ROPE)
    row = token.to(tl.int64)
    q = tl.load(q_ptr + row * q_stride_token + head.to(tl.int64)[:, None] * q_stride_head + latent[None, :],
                mask=live[:, None], other=0.0)
    q_rope = tl.load(q_rope_ptr + row * q_rope_stride_token + head.to(tl.int64)[:, None] * q_rope_stride_head +
                     rope[None, :], mask=live[:, None], other=0.0)
    kv_scale = scale_of(k_scale_ptr, (flags & K_SCALE) != 0, request, 0, k_scale_stride_request, 0)
    scale = softmax_scale * kv_scale * LOG2E
    reciprocal = (((1 << 32) + block_size.to(tl.int64) - 1) // block_size).to(tl.uint32)
    table = block_table_ptr + request * block_table_stride

    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, HEAD_V], tl.float32)
    for tile in range(first_tile, last_tile):
        key = tile * TILE + tl.arange(0, TILE)
        there = key < num_keys
        index = tl.umulhi(key.to(tl.uint32), reciprocal).to(tl.int32)
        number = tl.load(table + index, mask=there, other=0).to(tl.int64)
        line = kv_ptr + number * kv_stride_block + (key - index * block_size).to(tl.int64) * kv_stride_slot
        kv = widen(tl.load(line[:, None] + latent[None, :], mask=there[:, None], other=0), KV_FP8, q.dtype)
        k_rope = widen(tl.load(line[:, None] + (HEAD_V + rope)[None, :], mask=there[:, None], other=0), KV_FP8, q.dtype)
        score = tl.dot(q, kv.T, input_precision="ieee")
        score = tl.dot(q_rope, k_rope.T, score, input_precision="ieee") * scale
        score = tl.where(there[None, :], score, float("-inf"))
        new_top = tl.maximum(top, tl.max(score, 1))  # every tile has a key, so that no top is infinite
        p = tl.exp2(score - new_top[:, None])
        fade = tl.exp2(top - new_top)
        total = total * fade + tl.sum(p, 1)
        acc = acc * fade[:, None]
        acc = tl.dot(p.to(q.dtype), kv, acc, input_precision="ieee")
        top = new_top

    acc *= (kv_scale / tl.where(total > 0, total, 1.0))[:, None]
    lse = tl.where(total > 0, (top + tl.log2(tl.where(total > 0, total, 1.0))) * LN2, float("-inf"))
    # Places anew from here: kept through the loop they would cost it the registers it needs.
    head += tl.minimum(tl.load(num_seqs_ptr, volatile=True), 0)
    live = head < num_heads
    place = (row * num_heads + head) * num_splits + part
    tl.store(partial_lse_ptr + place, lse, mask=live)
    tl.store(partial_ptr + place[:, None] * HEAD_V + latent[None, :], acc, mask=live[:, None])
