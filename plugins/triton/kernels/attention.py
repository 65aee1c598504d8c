# SPDX-License-Identifier: Apache-2.0
"""Attention over a ragged batch: prefill, decode and mixed; paged or contiguous keys; whole or split among programs.

Grid      x: num_tokens // tokens_a_tile + num_seqs, y: num_kv_heads * head_tiles, z: num_splits, with
          heads_a_tile = min(num_heads / num_kv_heads, BLOCK_M), tokens_a_tile = BLOCK_M / heads_a_tile rounded down,
          head_tiles = (num_heads / num_kv_heads) / heads_a_tile rounded up. Programs without work return at once.
Tile      a program serves one KV head of one request: rows are (token, head) pairs, row = token * heads_a_tile + head.
Keys      in tiles at absolute multiples of TILE, from the first to the last key that a row of the tile sees. With
          num_splits > 1 program z takes the z-th part of these tiles (at least two) and writes its part of the result
          to partial [T, Hq, num_splits, HEAD_V] and partial_lse [T, Hq, num_splits] (natural log, -inf = nothing seen;
          without sinks); merge_splits reduces them. The parts depend on the request and its tile alone, never on its
          neighbours.
Result    out = sum p v / sum p in q's dtype, lse the natural log of the denominator, sink included.
Dtypes    q, out fp16, bf16, fp32; k, v the same or bytes of fp8 (KV_FP8); accumulation, scores and partials in fp32;
          p is rounded to q's dtype before it meets v. fp32 is multiplied in fp32.
FEATURES  0: no softcap, ALiBi, prefix ranges or tree mask is asked for; 1: no tree mask is; 2: whatever the flags say.
Limits    max_seq_len * block_size < 2^32.
Even      variants demand pointers of q, k, v, out at multiples of 16 bytes, their strides and head sizes multiples of
          8, where the cache is fp8 of 16.

Online softmax after Milakov and Gimelshein (arXiv:1805.02867), tiling after FlashAttention-2 (arXiv:2307.08691), parts
of the keys after Flash-Decoding; rows of several heads as in vLLM's unified attention.
"""
import triton
import triton.language as tl

from shared import (ALIBI, ALIBI_SQRT, CAUSAL, K_SCALE, KV_LENS, LOG2E, LSE, PAGED, PER_REQUEST, PREFIX, Q_SCALE,
                    SINKS, SINKS_Q_DTYPE, TREE, V_SCALE, find_request, power, scale_of, widen)


@triton.jit
def attention(out_ptr, partial_ptr, partial_lse_ptr, lse_ptr, q_ptr, k_ptr, v_ptr,  #
              query_start_loc_ptr, seq_lens_ptr, kv_lens_ptr, kv_start_loc_ptr, causal_ptr, block_table_ptr,
              num_seqs_ptr, q_scale_ptr, k_scale_ptr, v_scale_ptr, sinks_ptr, sinks_q_ptr, alibi_slopes_ptr,
              tree_mask_ptr, prefix_ranges_ptr, softmax_scale, softcap, window_left, window_right, flags, num_heads,
              num_kv_heads, head_size_qk, head_size_v, block_size, num_splits,  #
              q_stride_token, q_stride_head, k_stride_block, k_stride_slot, k_stride_head,  #
              v_stride_block, v_stride_slot, v_stride_head, out_stride_token, out_stride_head,  #
              lse_stride_token, lse_stride_head, block_table_stride, q_scale_stride_request, q_scale_stride_head,
              k_scale_stride_request, k_scale_stride_head, v_scale_stride_request, v_scale_stride_head,
              tree_stride_request, tree_stride_row, tree_stride_key,  #
              HEAD_QK: tl.constexpr, HEAD_V: tl.constexpr, BLOCK_M: tl.constexpr, TILE: tl.constexpr,
              KV_FP8: tl.constexpr, FEATURES: tl.constexpr):
    num_seqs = tl.load(num_seqs_ptr)
    if num_seqs <= 0:
        return
    group = num_heads // num_kv_heads
    heads_a_tile = tl.minimum(group, BLOCK_M)
    tokens_a_tile = BLOCK_M // heads_a_tile
    head_tiles = (group + heads_a_tile - 1) // heads_a_tile

    # Late tiles first: where the mask is causal they have the most keys.
    block = tl.num_programs(0) - 1 - tl.program_id(0)
    request = find_request(query_start_loc_ptr, num_seqs, block, False, tokens_a_tile)
    query_start = tl.load(query_start_loc_ptr + request)
    query_len = tl.load(query_start_loc_ptr + request + 1) - query_start
    first_token = (block - (query_start // tokens_a_tile + request)) * tokens_a_tile
    if first_token >= query_len:
        return
    last_token = tl.minimum(first_token + tokens_a_tile, query_len) - 1
    kv_head = tl.program_id(1) // head_tiles
    first_head = (tl.program_id(1) % head_tiles) * heads_a_tile
    part = tl.program_id(2)

    paged = (flags & PAGED) != 0
    contiguous = (flags & PAGED) == 0
    first_position = tl.load(seq_lens_ptr + request) - query_len
    kv_start = tl.load(kv_start_loc_ptr + request, mask=contiguous, other=0)
    kv_end = tl.load(kv_start_loc_ptr + request + 1, mask=contiguous, other=0)
    num_keys = tl.where(paged, first_position + query_len, kv_end - kv_start)
    if (flags & KV_LENS) != 0:
        num_keys = tl.load(kv_lens_ptr + request)
    causal = (flags & CAUSAL) != 0
    if (flags & PER_REQUEST) != 0:
        causal = tl.load(causal_ptr + request) != 0
    if FEATURES < 2:
        flags &= -1 - TREE  # known to be off: nothing is compiled for it
    if FEATURES < 1:
        flags &= -1 - ALIBI - PREFIX
    has_alibi = (flags & ALIBI) != 0
    has_prefix = (flags & PREFIX) != 0
    has_tree = (flags & TREE) != 0

    rows = tl.arange(0, BLOCK_M)
    token = first_token + rows // heads_a_tile
    head_in_group = first_head + rows % heads_a_tile
    head = kv_head * group + head_in_group
    live = (rows < tokens_a_tile * heads_a_tile) & (token <= last_token) & (head_in_group < group)
    position = first_position + token
    row = query_start + token

    # Which keys any row sees, [reach_begin, reach_end), and which all rows see, [full_begin, full_end).
    far = 0x3FFFFFFF
    left = tl.where(window_left >= 0, tl.minimum(window_left, far), far)
    right = tl.where(window_right >= 0, tl.minimum(window_right, far), far)
    ahead = tl.where(causal, tl.minimum(right, 0), right)
    reach_begin = tl.maximum(first_position + first_token - left, 0)
    reach_end = tl.minimum(first_position + last_token + tl.where(has_tree, right, ahead) + 1, num_keys)
    full_begin = first_position + last_token - left
    full_end = tl.minimum(first_position + first_token + ahead + 1, num_keys)
    tree_begin = tl.where(has_tree, num_keys - query_len, far)
    full_end = tl.minimum(full_end, tree_begin)
    if FEATURES >= 1:
        range_low = tl.load(prefix_ranges_ptr + row * 2, mask=live & has_prefix, other=-1)
        range_high = tl.load(prefix_ranges_ptr + row * 2 + 1, mask=live & has_prefix, other=-1)
        reach_begin = tl.minimum(reach_begin, tl.min(tl.where(range_low >= 0, range_low, far)))
        reach_end = tl.maximum(reach_end, tl.minimum(tl.max(tl.where(range_low >= 0, range_high, -1)) + 1, num_keys))
    first_tile = reach_begin // TILE
    num_tiles = tl.maximum((reach_end + TILE - 1) // TILE - first_tile, 0)
    if num_splits > 1:
        part_tiles = tl.maximum((num_tiles + num_splits - 1) // num_splits, 2)
        first_tile += part * part_tiles
        num_tiles = tl.minimum(num_tiles - part * part_tiles, part_tiles)

    columns_qk = tl.arange(0, HEAD_QK)
    columns_v = tl.arange(0, HEAD_V)
    q = tl.load(q_ptr + row.to(tl.int64)[:, None] * q_stride_token + head.to(tl.int64)[:, None] * q_stride_head +
                columns_qk[None, :], mask=live[:, None] & (columns_qk < head_size_qk)[None, :], other=0.0)

    scale = softmax_scale * scale_of(q_scale_ptr, (flags & Q_SCALE) != 0, request, kv_head, q_scale_stride_request,
                                     q_scale_stride_head)
    scale *= scale_of(k_scale_ptr, (flags & K_SCALE) != 0, request, kv_head, k_scale_stride_request,
                      k_scale_stride_head)
    # Scores count in powers of two, in fp32 of e: there the product with log2(e) would cost a bit of them. Where
    # nothing bends a score its factor is one product.
    NATURAL: tl.constexpr = q.dtype == tl.float32
    UNIT: tl.constexpr = 1.0 if q.dtype == tl.float32 else 1.4426950408889634
    if FEATURES >= 1:
        bent = (softcap > 0) | has_alibi
        scale = tl.where(bent, scale, scale * UNIT)
        cap = tl.where(softcap > 0, softcap, 1.0)
        slope = tl.load(alibi_slopes_ptr + head, mask=live & has_alibi, other=0.0)
    else:
        scale *= UNIT

    # One block is read for each key: key / block_size by the upper half of a product. Contiguous keys are one block.
    reciprocal = tl.where(paged, ((1 << 32) + block_size.to(tl.int64) - 1) // block_size, 0).to(tl.uint32)
    table = block_table_ptr + request * block_table_stride
    k_base = k_ptr + kv_head.to(tl.int64) * k_stride_head + kv_start.to(tl.int64) * k_stride_slot
    v_base = v_ptr + kv_head.to(tl.int64) * v_stride_head + kv_start.to(tl.int64) * v_stride_slot

    top = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, HEAD_V], tl.float32)

    for tile in range(first_tile, first_tile + num_tiles):
        start = tile * TILE
        key = start + tl.arange(0, TILE)
        there = (key >= reach_begin) & (key < reach_end)
        index = tl.umulhi(key.to(tl.uint32), reciprocal).to(tl.int32)
        slot = (key - index * block_size).to(tl.int64)
        number = tl.load(table + index, mask=there & paged, other=0).to(tl.int64)
        k = tl.load(k_base + (number * k_stride_block + slot * k_stride_slot)[:, None] + columns_qk[None, :],
                    mask=there[:, None] & (columns_qk < head_size_qk)[None, :], other=0)
        score = tl.dot(q, widen(k, KV_FP8, q.dtype).T, input_precision="ieee") * scale
        v = tl.load(v_base + (number * v_stride_block + slot * v_stride_slot)[:, None] + columns_v[None, :],
                    mask=there[:, None] & (columns_v < head_size_v)[None, :], other=0)
        if FEATURES >= 1:
            if bent:
                if softcap > 0:
                    x = score / cap
                    e = tl.exp2(tl.abs(x) * (-2.0 * LOG2E))
                    score = cap * tl.where(x < 0, e - 1.0, 1.0 - e) / (1.0 + e)
                if has_alibi:
                    distance = key[None, :] - position[:, None]
                    if (flags & ALIBI_SQRT) != 0:
                        bias = -tl.sqrt(tl.maximum(-distance, 0).to(tl.float32))
                    else:
                        bias = distance.to(tl.float32)
                    score += slope[:, None] * bias
                score *= UNIT
        if (start < full_begin) | (start + TILE > full_end):
            distance = key[None, :] - position[:, None]
            not_ahead = distance <= ahead
            if FEATURES >= 2:
                in_tree = key >= tree_begin
                not_ahead |= in_tree[None, :]
                if has_tree:
                    # Keys before rows: a thread then holds few rows, and their numbers few registers.
                    again = first_token + (rows + tl.minimum(tl.load(num_seqs_ptr, volatile=True), 0)) // heads_a_tile
                    bias = tl.load(tree_mask_ptr + request * tree_stride_request + again[None, :] * tree_stride_row +
                                   (key - tree_begin)[:, None] * tree_stride_key,
                                   mask=(again <= last_token)[None, :] & (in_tree & there)[:, None], other=0.0).T
                    score += bias * UNIT
            seen = (distance >= -left) & (distance <= right) & not_ahead
            if FEATURES >= 1:
                in_range = (key[None, :] >= range_low[:, None]) & (key[None, :] <= range_high[:, None])
                seen |= in_range & (range_low >= 0)[:, None]
            score = tl.where(seen & there[None, :], score, float("-inf"))
        new_top = tl.maximum(top, tl.max(score, 1))
        level = tl.where(new_top == float("-inf"), 0.0, new_top)
        p = power(score - level[:, None], NATURAL)
        fade = power(top - level, NATURAL)
        total = total * fade + tl.sum(p, 1)
        acc = acc * fade[:, None]
        acc = tl.dot(p.to(q.dtype), widen(v, KV_FP8, q.dtype), acc, input_precision="ieee")
        top = new_top

    # Places anew from here: kept through the loop they would cost it the registers it needs.
    rows += tl.minimum(tl.load(num_seqs_ptr, volatile=True), 0)
    token = first_token + rows // heads_a_tile
    head_in_group = first_head + rows % heads_a_tile
    head = kv_head * group + head_in_group
    live = (rows < tokens_a_tile * heads_a_tile) & (token <= last_token) & (head_in_group < group)
    # The sink comes last: under one far above all scores probabilities would be subnormal numbers of q's dtype.
    rest = tl.full([BLOCK_M], 1.0, tl.float32)
    if (num_splits == 1) & ((flags & SINKS) != 0):
        if (flags & SINKS_Q_DTYPE) != 0:
            sink = tl.load(sinks_q_ptr + head, mask=live, other=0.0).to(tl.float32) * UNIT
        else:
            sink = tl.load(sinks_ptr + head, mask=live, other=0.0) * UNIT
        new_top = tl.maximum(top, sink)
        level = tl.where(new_top == float("-inf"), 0.0, new_top)
        rest = power(top - level, NATURAL)
        total = total * rest + tl.where(sink == level, 1.0, power(sink - level, NATURAL))
        top = new_top
    v_scale = scale_of(v_scale_ptr, (flags & V_SCALE) != 0, request, kv_head, v_scale_stride_request,
                       v_scale_stride_head)
    acc *= (rest * v_scale / tl.where(total > 0, total, 1.0))[:, None]
    # An infinite top has the total 0, which log may not see.
    lse = tl.where(total > 0, top / UNIT + tl.log(tl.where(total > 0, total, 1.0)), float("-inf"))
    row = query_start + token
    mask_v = live[:, None] & (columns_v < head_size_v)[None, :]
    if num_splits > 1:
        place = (row.to(tl.int64) * num_heads + head) * num_splits + part
        tl.store(partial_lse_ptr + place, lse, mask=live)
        tl.store(partial_ptr + place[:, None] * HEAD_V + columns_v[None, :], acc, mask=mask_v)
    else:
        if (flags & LSE) != 0:
            tl.store(lse_ptr + row.to(tl.int64) * lse_stride_token + head.to(tl.int64) * lse_stride_head, lse,
                     mask=live)
        tl.store(out_ptr + row.to(tl.int64)[:, None] * out_stride_token + head.to(tl.int64)[:, None] * out_stride_head +
                 columns_v[None, :], acc.to(out_ptr.dtype.element_ty), mask=mask_v)
