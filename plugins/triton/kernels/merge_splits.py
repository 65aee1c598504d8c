# SPDX-License-Identifier: Apache-2.0
"""Joins the parts that attention and mla_decode leave of each row, and adds the sink.

Grid      x: num_tokens of a slice that starts at first_token (an upper bound: tokens past query_start_loc[num_seqs]
          return at once), y: num_heads.
Reads     partial [T, Hq, num_splits, HEAD_V], each divided by its own denominator, and partial_lse [T, Hq, num_splits],
          natural log, -inf = that part saw nothing; T counted within the slice.
Writes    out = sum_i exp(lse_i - lse) partial_i in ascending i, in fp32, then in out's dtype; with the flag LSE lse.
          A row that saw nothing: out 0, lse the sink or -inf.
Dtypes    partials fp32; out and sinks_q fp16, bf16, fp32.
"""
import triton
import triton.language as tl

from shared import LSE, SINKS, SINKS_Q_DTYPE


@triton.jit
def merge_splits(out_ptr, lse_ptr, partial_ptr, partial_lse_ptr, query_start_loc_ptr, num_seqs_ptr, sinks_ptr,
                 sinks_q_ptr, flags, num_heads, head_size_v, num_splits, first_token,  #
                 out_stride_token, out_stride_head, lse_stride_token, lse_stride_head,  #
                 HEAD_V: tl.constexpr, UNROLL: tl.constexpr):
    token = first_token + tl.program_id(0)
    head = tl.program_id(1)
    if token >= tl.load(query_start_loc_ptr + tl.load(num_seqs_ptr)):
        return
    columns = tl.arange(0, HEAD_V)
    place = (tl.program_id(0).to(tl.int64) * num_heads + head) * num_splits
    top = float("-inf")
    total = 0.0
    if (flags & SINKS) != 0:
        if (flags & SINKS_Q_DTYPE) != 0:
            top = tl.load(sinks_q_ptr + head).to(tl.float32)
        else:
            top = tl.load(sinks_ptr + head)
        total = 1.0
    acc = tl.zeros([HEAD_V], tl.float32)
    for first in range(0, num_splits, UNROLL):
        for i in tl.static_range(UNROLL):  # reads of one group go out together
            part = first + i
            there = part < num_splits
            lse = tl.load(partial_lse_ptr + place + part, mask=there, other=float("-inf"))
            row = tl.load(partial_ptr + (place + part) * HEAD_V + columns, mask=there & (columns < head_size_v),
                          other=0.0)
            new_top = tl.maximum(top, lse)
            level = tl.where(new_top == float("-inf"), 0.0, new_top)
            weight = tl.exp(lse - level)
            fade = tl.exp(top - level)
            acc = acc * fade + row * weight
            total = total * fade + weight
            top = new_top
    seen = total > 0
    acc = acc / tl.where(seen, total, 1.0)
    if (flags & LSE) != 0:
        lse = tl.where(seen, top + tl.log(tl.where(seen, total, 1.0)), float("-inf"))
        tl.store(lse_ptr + token.to(tl.int64) * lse_stride_token + head.to(tl.int64) * lse_stride_head, lse)
    tl.store(out_ptr + token.to(tl.int64) * out_stride_token + head.to(tl.int64) * out_stride_head + columns,
             acc.to(out_ptr.dtype.element_ty), mask=columns < head_size_v)
