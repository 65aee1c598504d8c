# SPDX-License-Identifier: Apache-2.0
"""Attention over the latent rows of multi-head latent attention (DeepSeek-V2, arXiv:2405.04434), queries absorbed.

Grid      x: num_tokens * ceil(num_heads / BLOCK_M), y: 1, z: num_splits, for a slice of num_tokens tokens that starts at
          first_token. Programs without work return at once.
Tile      BLOCK_M heads of one token: all heads share the one latent row a key, 512 numbers and 64 of rotary position.
          V is the first 512 of the same row, read once.
Keys      in tiles at absolute multiples of TILE; program z takes the z-th part of the tiles that the token sees, at
          least one, and writes partial [T, Hq, num_splits, 512] and partial_lse [T, Hq, num_splits] (natural log, -inf
          = nothing seen), T counted within the slice. merge_splits always follows. The parts depend on the request and
          its token alone.
Dtypes    q fp16, bf16, fp32; the cache the same or bytes of fp8 with one scale; scores and partials in fp32.
Limits    max_seq_len * block_size < 2^32; any block_size.
"""
import triton
import triton.language as tl

from latent import add_tile, store_part, visible_keys
from shared import K_SCALE, LOG2E, block_of, reciprocal_of, scale_of


@triton.jit
def mla_decode(partial_ptr, partial_lse_ptr, q_ptr, q_rope_ptr, kv_ptr, query_start_loc_ptr, seq_lens_ptr,
               kv_lens_ptr, causal_ptr, block_table_ptr, k_scale_ptr, num_seqs_ptr, softmax_scale, flags, num_heads,
               block_size, num_splits, first_token,  #
               q_stride_token, q_stride_head, q_rope_stride_token, q_rope_stride_head, kv_stride_block, kv_stride_slot,
               block_table_stride, k_scale_stride_request,  #
               HEAD_V: tl.constexpr, ROPE: tl.constexpr, BLOCK_M: tl.constexpr, TILE: tl.constexpr,
               KV_FP8: tl.constexpr):
    num_seqs = tl.load(num_seqs_ptr)
    head_tiles = (num_heads + BLOCK_M - 1) // BLOCK_M
    place = tl.program_id(0) // head_tiles  # within the slice
    token = first_token + place
    if num_seqs <= 0:
        return
    if token >= tl.load(query_start_loc_ptr + num_seqs):
        return
    request, num_keys = visible_keys(query_start_loc_ptr, seq_lens_ptr, kv_lens_ptr, causal_ptr, num_seqs, flags, token)
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
    reciprocal = reciprocal_of(block_size)
    table = block_table_ptr + request * block_table_stride

    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, HEAD_V], tl.float32)
    for tile in range(first_tile, last_tile):
        key = tile * TILE + tl.arange(0, TILE)
        there = key < num_keys
        index = block_of(key, reciprocal)
        number = tl.load(table + index, mask=there, other=0).to(tl.int64)
        line = kv_ptr + number * kv_stride_block + (key - index * block_size).to(tl.int64) * kv_stride_slot
        # Every tile has a key, so that no top is infinite.
        top, total, acc = add_tile(line, there, q, q_rope, scale, (top, total, acc), HEAD_V, ROPE, KV_FP8, False)
    store_part(partial_ptr, partial_lse_ptr, num_seqs_ptr, place.to(tl.int64), head, num_heads, num_splits, part,
               kv_scale, (top, total, acc), HEAD_V)
