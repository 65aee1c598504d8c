# SPDX-License-Identifier: Apache-2.0
"""What several kernels need: flags, the request of a row, and stored bytes as numbers.

The flag bits are those of `flags` in the parameter lists; the host sets them (plugins/triton_attn/binary.hpp).
"""
import triton
import triton.language as tl

CAUSAL = tl.constexpr(1)  # all requests; with PER_REQUEST those whose byte in `causal` is set
PER_REQUEST = tl.constexpr(2)
PAGED = tl.constexpr(4)  # else k and v lie contiguous, rows at kv_start_loc
KV_LENS = tl.constexpr(8)  # keys a request; else seq_lens (paged) or the span of kv_start_loc
SINKS = tl.constexpr(16)
ALIBI = tl.constexpr(32)
ALIBI_SQRT = tl.constexpr(64)  # with ALIBI
TREE = tl.constexpr(128)
PREFIX = tl.constexpr(256)
LSE = tl.constexpr(512)  # lse is wanted
Q_SCALE = tl.constexpr(1024)
K_SCALE = tl.constexpr(2048)
V_SCALE = tl.constexpr(4096)
SINKS_Q_DTYPE = tl.constexpr(8192)  # with SINKS: read sinks_q, not sinks

# Values of KV_FP8: 0 the cache has q's dtype, 1 e4m3, 2 e5m2, both by their bits; 3 e4m3 by the instructions of 8.9 and
# later.

LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def find_request(query_start_loc_ptr, num_seqs, target, TOKENS: tl.constexpr, tokens_a_tile):
    """The last request whose first tile (TOKENS false) or first token (TOKENS true) is at or before `target`.

    Request r's tiles start at query_start_loc[r] // tokens_a_tile + r: room for every tile of every request without any
    sum over them (the idea is that of vLLM's unified attention). num_seqs >= 1.
    """
    low = 0
    high = num_seqs
    while high - low > 1:
        middle = (low + high) // 2
        start = tl.load(query_start_loc_ptr + middle)
        if not TOKENS:
            start = start // tokens_a_tile + middle
        if start <= target:
            low = middle
        else:
            high = middle
    return low


@triton.jit
def widen(x, KV_FP8: tl.constexpr, dtype: tl.constexpr):
    """Cache elements as numbers of q's dtype, exactly.

    Both fp8 formats keep their bits' order in fp16: e5m2 is its upper byte, e4m3 needs an exponent's bias of 15, not 7.
    """
    if KV_FP8 == 1:
        wide = x.to(tl.int16)
        bits = ((wide & 0x80) << 8) | ((wide & 0x7F) << 7)
        return (bits.to(tl.float16, bitcast=True) * 256.0).to(dtype)
    elif KV_FP8 == 3:
        return x.to(tl.float8e4nv, bitcast=True).to(tl.float16).to(dtype)
    elif KV_FP8 == 2:
        return (x.to(tl.int16) << 8).to(tl.float16, bitcast=True).to(dtype)
    else:
        return x


@triton.jit
def power(x, NATURAL: tl.constexpr):
    """e^x or 2^x."""
    if NATURAL:
        return tl.exp(x)
    else:
        return tl.exp2(x)


@triton.jit
def scale_of(ptr, present, request, head, stride_request, stride_head):
    """One operand's scale, 1 where it is absent."""
    scale = tl.load(ptr + request * stride_request + head * stride_head, mask=present, other=1.0)
    return tl.where(present, scale, 1.0)
