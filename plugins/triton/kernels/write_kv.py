# SPDX-License-Identifier: Apache-2.0
"""Writes rows of K and V into a paged cache (attnrt_write_args): reshape and cache, to fp8 on the way where it is so.

Grid      x: num_tokens, y: num_kv_heads. Row i goes to block slot_mapping[i] / block_size, slot slot_mapping[i] %
          block_size; a negative slot is skipped.
Dtypes    rows fp16, bf16, fp32 into a cache of the same dtype, bits unchanged (KV_FP8 0, also for rows of fp8 given
          as bytes), or into e4m3 (1), e5m2 (2) or e4m3fnuz (4): the fp32 quotient value / scale rounded to nearest even, what is too
          large becomes the largest finite number, NaN stays NaN. Scales fp32, one or one a head, 1 without the flag.
X         0: rows lie whole. Else blocks are K [head, Dqk/X, slot, X] and V [head, Dv, slot], dense within a head.
Latent    rows of MLA: k is the latent part, v the rope part, v_cache the same cache behind the latent columns.

Rounding by bits rather than by instruction, since 8.0 has none: alike on every architecture, and bit for bit testable.
"""
import triton
import triton.language as tl

from shared import K_SCALE, V_SCALE, scale_of


@triton.jit
def to_fp8(x, MANTISSA: tl.constexpr, BIAS: tl.constexpr, LARGEST: tl.constexpr, FNUZ: tl.constexpr):
    """fp32 to the bits of a float of 8 bits with MANTISSA bits of fraction; FNUZ: without -0, whose bits are NaN."""
    size = tl.abs(x)
    is_nan = x != x
    size = tl.where(is_nan, 0.0, tl.minimum(size, LARGEST))
    DROPPED: tl.constexpr = 23 - MANTISSA
    bits = size.to(tl.int32, bitcast=True)
    normal = ((bits + ((1 << (DROPPED - 1)) - 1) + ((bits >> DROPPED) & 1)) >> DROPPED) - ((127 - BIAS) << MANTISSA)
    # Below the smallest normal number steps are even: a sum with 2^23 steps rounds to them.
    STEPS: tl.constexpr = float(2 ** (23 - (BIAS - 1 + MANTISSA)))
    small = (size + STEPS).to(tl.int32, bitcast=True) & 0x7F
    code = tl.where(size < 2.0 ** (1 - BIAS), small, normal)
    code = tl.where(is_nan, 0x80 if FNUZ else 0x7F, code)
    sign = (x.to(tl.int32, bitcast=True) >> 24) & 0x80
    if FNUZ:
        sign = tl.where(code == 0, 0, sign)
    return (code | sign).to(tl.uint8)


@triton.jit
def stored(x, scale, KV_FP8: tl.constexpr):
    """A row as the cache holds it."""
    if KV_FP8 == 1:
        return to_fp8(tl.div_rn(x.to(tl.float32), scale), 3, 7, 448.0, False)
    elif KV_FP8 == 2:
        return to_fp8(tl.div_rn(x.to(tl.float32), scale), 2, 15, 57344.0, False)
    elif KV_FP8 == 4:
        return to_fp8(tl.div_rn(x.to(tl.float32), scale), 3, 8, 240.0, True)
    else:
        return x


@triton.jit
def write_kv(k_ptr, v_ptr, slot_mapping_ptr, k_cache_ptr, v_cache_ptr, k_scale_ptr, v_scale_ptr, flags, num_tokens,
             head_size_qk, head_size_v, block_size,  #
             k_stride_token, k_stride_head, v_stride_token, v_stride_head,  #
             k_cache_stride_block, k_cache_stride_slot, k_cache_stride_head,  #
             v_cache_stride_block, v_cache_stride_slot, v_cache_stride_head,  #
             slot_stride, k_scale_stride_head, v_scale_stride_head,  #
             HEAD_QK: tl.constexpr, HEAD_V: tl.constexpr, KV_FP8: tl.constexpr, X: tl.constexpr = 0):
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1).to(tl.int64)
    if token >= num_tokens:
        return
    place = tl.load(slot_mapping_ptr + token * slot_stride)
    if place < 0:
        return
    block = place // block_size
    slot = place % block_size
    columns = tl.arange(0, HEAD_QK)
    k = tl.load(k_ptr + token * k_stride_token + head * k_stride_head + columns, mask=columns < head_size_qk, other=0)
    scale = scale_of(k_scale_ptr, (flags & K_SCALE) != 0, 0, head, 0, k_scale_stride_head)
    places = columns
    if X > 0:
        k_cache_stride_slot = X
        v_cache_stride_slot = 1
        places = (columns // X) * (block_size * X) + columns % X
    tl.store(k_cache_ptr + block * k_cache_stride_block + slot * k_cache_stride_slot + head * k_cache_stride_head +
             places, stored(k, scale, KV_FP8), mask=columns < head_size_qk)
    columns = tl.arange(0, HEAD_V)
    v = tl.load(v_ptr + token * v_stride_token + head * v_stride_head + columns, mask=columns < head_size_v, other=0)
    scale = scale_of(v_scale_ptr, (flags & V_SCALE) != 0, 0, head, 0, v_scale_stride_head)
    places = columns
    if X > 0:
        places = columns * block_size
    tl.store(v_cache_ptr + block * v_cache_stride_block + slot * v_cache_stride_slot + head * v_cache_stride_head +
             places, stored(v, scale, KV_FP8), mask=columns < head_size_v)
