# SPDX-License-Identifier: Apache-2.0
"""Joins up to four partial results over disjoint keys (attnrt_merge_args).

Grid      x: num_tokens, y: num_heads.
Result    out = sum_i exp(lse_i - lse) out_i in ascending i, in fp32, then in out's dtype; with the flag LSE lse. +inf
          in a partial LSE counts as -inf; where all are, out is 0 and lse -inf. NaN in one makes both NaN. Tokens from
          num_merged_tokens on take the last partial alone, its bits unchanged.
Dtypes    out fp16, bf16, fp32; the partial results the same or fp32; lse fp32, natural log.
"""
import triton
import triton.language as tl

from shared import LSE


@triton.jit
def fold(state, out_ptr, lse_ptr, out_stride_token, out_stride_head, lse_stride_token, lse_stride_head, wanted,
         head_size_v, columns):
    """One partial more: (acc, total, top) with it, where it is wanted."""
    acc, total, top = state
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1).to(tl.int64)
    lse = tl.load(lse_ptr + token * lse_stride_token + head * lse_stride_head, mask=wanted, other=float("-inf"))
    lse = tl.where(lse == float("inf"), float("-inf"), lse)
    row = tl.load(out_ptr + token * out_stride_token + head * out_stride_head + columns,
                  mask=(lse > float("-inf")) & (columns < head_size_v), other=0.0).to(tl.float32)
    new_top = tl.maximum(top, lse)
    level = tl.where(new_top == float("-inf"), 0.0, new_top)
    weight = tl.exp(lse - level)
    fade = tl.exp(top - level)
    # What stands alone stays as it is: a sum with 0 would lose the sign of -0.
    both = acc * fade + row * weight
    acc = tl.where(top == float("-inf"), row * weight, tl.where(lse == float("-inf"), acc, both))
    return acc, total * fade + weight, new_top


@triton.jit
def merge_states(out_ptr, lse_ptr, out_0_ptr, out_1_ptr, out_2_ptr, out_3_ptr, lse_0_ptr, lse_1_ptr, lse_2_ptr,
                 lse_3_ptr, flags, num_partials, num_merged_tokens, head_size_v,  #
                 out_stride_token, out_stride_head, lse_stride_token, lse_stride_head,  #
                 out_0_stride_token, out_0_stride_head, lse_0_stride_token, lse_0_stride_head,  #
                 out_1_stride_token, out_1_stride_head, lse_1_stride_token, lse_1_stride_head,  #
                 out_2_stride_token, out_2_stride_head, lse_2_stride_token, lse_2_stride_head,  #
                 out_3_stride_token, out_3_stride_head, lse_3_stride_token, lse_3_stride_head,  #
                 HEAD_V: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1).to(tl.int64)
    columns = tl.arange(0, HEAD_V)
    first = tl.where(token >= num_merged_tokens, num_partials - 1, 0)
    state = (tl.zeros([HEAD_V], tl.float32), 0.0, float("-inf"))
    state = fold(state, out_0_ptr, lse_0_ptr, out_0_stride_token, out_0_stride_head, lse_0_stride_token,
                 lse_0_stride_head, first <= 0, head_size_v, columns)
    state = fold(state, out_1_ptr, lse_1_ptr, out_1_stride_token, out_1_stride_head, lse_1_stride_token,
                 lse_1_stride_head, (first <= 1) & (num_partials > 1), head_size_v, columns)
    state = fold(state, out_2_ptr, lse_2_ptr, out_2_stride_token, out_2_stride_head, lse_2_stride_token,
                 lse_2_stride_head, (first <= 2) & (num_partials > 2), head_size_v, columns)
    state = fold(state, out_3_ptr, lse_3_ptr, out_3_stride_token, out_3_stride_head, lse_3_stride_token,
                 lse_3_stride_head, (first <= 3) & (num_partials > 3), head_size_v, columns)
    acc, total, top = state
    seen = total != 0  # NaN too, whatever became of it in a maximum
    acc = acc / tl.where(seen, total, 1.0)
    if (flags & LSE) != 0:
        lse = tl.where(seen, top + tl.log(tl.where(seen, total, 1.0)), float("-inf"))
        tl.store(lse_ptr + token * lse_stride_token + head * lse_stride_head, lse)
    tl.store(out_ptr + token * out_stride_token + head * out_stride_head + columns, acc.to(out_ptr.dtype.element_ty),
             mask=columns < head_size_v)
