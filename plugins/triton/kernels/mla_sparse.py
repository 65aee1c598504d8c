# SPDX-License-Identifier: Apache-2.0
"""Attention of absorbed queries over chosen latent rows: DeepSeek's sparse attention, whose indexer picks the keys of each
token (DeepSeek-V3.2-Exp, 2025).

Grid      x: num_tokens * ceil(num_heads / BLOCK_M), y: 1, z: num_splits, a slice of tokens as mla_decode.
Indices   sparse_indices [T, topk]: positions in the token's own request, in any order, none twice; -1 = none. One behind
          what the token sees (causality, kv_lens) counts as none. Only chosen keys are read.
Keys      in tiles of TILE columns of the indices; program z takes the z-th part of the tiles and writes partial
          [T, Hq, num_splits, 512] and partial_lse [T, Hq, num_splits] (natural log, -inf = nothing seen). merge_splits
          always follows and adds the sink. The parts depend on topk alone.
Dtypes    as mla_decode.
Limits    max_seq_len * block_size < 2^32; any block_size.
"""
import triton
import triton.language as tl

from latent import add_tile, store_part, visible_keys
from shared import K_SCALE, LOG2E, block_of, reciprocal_of, scale_of


@triton.jit
def mla_sparse(partial_ptr, partial_lse_ptr, q_ptr, q_rope_ptr, kv_ptr, query_start_loc_ptr, seq_lens_ptr,
               kv_lens_ptr, causal_ptr, block_table_ptr, sparse_indices_ptr, k_scale_ptr, num_seqs_ptr, softmax_scale,
               flags, num_heads, block_size, num_splits, sparse_topk, first_token,  #
               q_stride_token, q_stride_head, q_rope_stride_token, q_rope_stride_head, kv_stride_block, kv_stride_slot,
               block_table_stride, sparse_stride_token, k_scale_stride_request,  #
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
    num_tiles = (sparse_topk + TILE - 1) // TILE
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
    indices = sparse_indices_ptr + row * sparse_stride_token
    table = block_table_ptr + request * block_table_stride

    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, HEAD_V], tl.float32)
    for tile in range(first_tile, last_tile):
        column = tile * TILE + tl.arange(0, TILE)
        key = tl.load(indices + column, mask=column < sparse_topk, other=-1)
        there = (key >= 0) & (key < num_keys)
        key = tl.where(there, key, 0)
        index = block_of(key, reciprocal)
        number = tl.load(table + index, mask=there, other=0).to(tl.int64)
        line = kv_ptr + number * kv_stride_block + (key - index * block_size).to(tl.int64) * kv_stride_slot
        top, total, acc = add_tile(line, there, q, q_rope, scale, (top, total, acc), HEAD_V, ROPE, KV_FP8, True)
    store_part(partial_ptr, partial_lse_ptr, num_seqs_ptr, place.to(tl.int64), head, num_heads, num_splits, part,
               kv_scale, (top, total, acc), HEAD_V)
