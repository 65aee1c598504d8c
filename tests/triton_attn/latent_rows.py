# SPDX-License-Identifier: Apache-2.0
"""mla_decode and mla_sparse with merge_splits: latent rows of 512 and 64 numbers, shared by all heads, V the first 512 of
K. Sparse cases choose columns of indices, with holes, positions that are not seen, and rows without any key."""
import numpy as np

from array_view import Array
from case import FLAG, numbers_of_bytes
from launch import DTYPE, FP8, launch
from rows import quantised

LATENT, ROPE = 512, 64


def check(kernels, options):
    """What is wrong with one batch, or nothing."""
    random = np.random.default_rng(options["seed"])
    dtype = DTYPE[options["dtype"]]
    heads, block, splits, lengths = (options[name] for name in ("heads", "block_size", "splits", "lengths"))
    kv_dtype = options.get("kv_dtype")
    tokens = sum(q for q, _ in lengths)
    loc = np.concatenate([[0], np.cumsum([q for q, _ in lengths])]).astype(np.int32)
    q = random.normal(0, 1, (tokens + 2, heads, LATENT + ROPE)).astype(dtype)
    q[tokens:] = np.nan
    keys = options.get("kv_lens") or [n for _, n in lengths]
    blocks = sum(-(-n // block) for n in keys) + 2
    ids = random.permutation(blocks)
    table = np.full((len(lengths), max(keys, default=0) // block + 3), 0x3FFFFFF, np.int32)
    wild = 0x7E if kv_dtype else np.nan  # e4m3fnuz: 224, a loud number
    cache = np.full((blocks, block, LATENT + ROPE), wild, np.uint8 if kv_dtype else dtype)
    values, used = [], 0
    for request, n in enumerate(keys):
        given = random.normal(0, 1, (n, LATENT + ROPE)).astype(dtype)
        if kv_dtype:
            given = quantised(given.astype(np.float32), kv_dtype)
        values.append(numbers_of_bytes(kv_dtype)[given] if kv_dtype else given.astype(np.float64))
        for start in range(0, n, block):
            table[request, start // block] = ids[used]
            part = given[start:start + block]
            cache[ids[used], :len(part)] = part
            used += 1
    kv_scale = np.array([[1.375 if kv_dtype else 1.0]], np.float32)
    scale = np.float32(192 ** -0.5)
    causal = options.get("causal", True)
    flags = FLAG["causal"] * causal + FLAG["lse"] + FLAG["k_scale"] * bool(kv_dtype)
    out, lse = np.full((tokens + 2, heads, LATENT), 77, dtype), np.full((tokens + 2, heads), 77, np.float32)
    together = options.get("slice", tokens + 2)
    arguments = {
        "out_ptr": out, "lse_ptr": lse, "q_ptr": q,
        "query_start_loc_ptr": loc, "seq_lens_ptr": np.array([n for _, n in lengths], np.int32),
        "num_seqs_ptr": np.array([len(lengths)], np.int32), "kv_ptr": cache, "block_table_ptr": table,
        "k_scale_ptr": kv_scale, "softmax_scale": float(scale), "num_heads": heads, "head_size_v": LATENT,
        "block_size": block, "num_splits": splits, "q_stride_token": heads * (LATENT + ROPE),
        "q_stride_head": LATENT + ROPE, "q_rope_stride_token": heads * (LATENT + ROPE),
        "q_rope_stride_head": LATENT + ROPE, "kv_stride_block": block * (LATENT + ROPE),
        "kv_stride_slot": LATENT + ROPE, "block_table_stride": table.shape[1],
        "out_stride_token": heads * LATENT, "out_stride_head": LATENT,
        "lse_stride_token": heads, "lse_stride_head": 1,
    }
    if options.get("kv_lens"):
        arguments["kv_lens_ptr"] = np.array(keys, np.int32)
        flags |= FLAG["kv_lens"]
    chosen, sinks = None, np.zeros(0)
    if topk := options.get("topk"):
        chosen = np.full((tokens + 2, topk + 3), 0x3FFFFFFF, np.int32)
        for token in range(tokens):
            row = random.permutation(max(keys) + 4)[:topk] - 2
            chosen[token, :topk] = -1
            chosen[token, :len(row)] = np.where(random.random(len(row)) < 0.8, np.maximum(row, -1), -1)
        chosen[0, :topk] = -1
        sinks = random.normal(1, 1, heads).astype(np.float32)
        arguments |= {"sparse_indices_ptr": chosen, "sparse_stride_token": topk + 3, "sparse_topk": topk,
                      "sinks_ptr": sinks}
        flags |= FLAG["sinks"]
    arguments["flags"] = flags
    arguments["q_rope_ptr"] = Array(q, LATENT)
    for first in range(0, tokens + 2, together):  # slices of tokens, whose partial results share one place
        count = min(together, tokens + 2 - first)
        arguments |= {"first_token": first, "partial_ptr": np.full((together, heads, splits, LATENT), np.nan, np.float32),
                      "partial_lse_ptr": np.full((together, heads, splits), np.nan, np.float32)}
        launch(getattr(kernels, options["kernel"]), (count * -(-heads // 16), 1, splits), arguments,
               {"HEAD_V": LATENT, "ROPE": ROPE, "BLOCK_M": 16, "TILE": 16, "KV_FP8": FP8.get(kv_dtype, 0)})
        launch(kernels.merge_splits, (count, heads), arguments, {"HEAD_V": LATENT, "UNROLL": 4})
    if not ((out[tokens:] == 77).all() and (lse[tokens:] == 77).all()):
        return "rows past the batch were written"
    unit = {"fp32": 64 * 2.0 ** -24, "fp16": 2.0 ** -11}[options["dtype"]]
    for request, (length, n) in enumerate(lengths):
        k = values[request]
        for i in range(length):
            token = loc[request] + i
            last = min(len(k), n - length + i + 1) if causal else len(k)
            seen = np.arange(max(last, 0))
            if chosen is not None:
                seen = np.intersect1d(seen, chosen[token, :topk])
            score = q[token].astype(np.float64) @ k[seen].T * float(scale) * float(kv_scale[0, 0])
            top = score.max(1, initial=-1e30)
            if chosen is not None:
                top = np.maximum(top, sinks)
            p = np.exp(score - top[:, None])
            total = p.sum(1) + (np.exp(sinks - top) if chosen is not None else 0)
            total = np.where(total > 0, total, 1)[:, None]
            want, bound = (p @ x[seen, :LATENT] / total * float(kv_scale[0, 0]) for x in (k, np.abs(k)))
            error = np.abs(out[token].astype(np.float64) - want)
            if not (error <= 4 * unit * bound + 1e-30).all():
                return f"request {request} query {i}: off by {np.nanmax(error)}, wanted {want.ravel()[:2]}"
            want_lse = top + np.log(total[:, 0]) if len(seen) or len(sinks) else np.full(heads, -np.inf)
            if not np.isclose(lse[token], want_lse, atol=1e-4, rtol=1e-5).all():
                return f"request {request} query {i}: lse {lse[token][:2]}, wanted {want_lse[:2]}"
    return None


def cases(dense):
    lengths = [((1, 1), (1, 40), (1, 17)), ((0, 0), (2, 33), (0, 9), (1, 5)), ((1, 260),), ((3, 3),)]
    shapes = [(16, 16), (5, 48), (20, 16), (128, 32)] if dense else [(16, 16), (5, 48), (20, 16)]
    for index, (heads, block) in enumerate(shapes):
        for turn, batch in enumerate(lengths):
            for dtype, kv_dtype in (("fp32", None), ("fp16", None), ("fp16", "e4m3"), ("fp16", "e5m2")):
                yield {"kernel": "mla_decode", "dtype": dtype, "kv_dtype": kv_dtype, "heads": heads,
                       "block_size": block, "lengths": batch, "splits": (1, 4)[(index + turn) % 2],
                       "seed": index * 10 + turn}
    # Blocks of one slot, of which a reciprocal of 32 bits was 0 once rounded up; any other size; 8 bits without -0.
    for block, kv_dtype in ((1, None), (17, None), (1, "e4m3fnuz")):
        yield {"kernel": "mla_decode", "dtype": "fp16", "kv_dtype": kv_dtype, "heads": 16, "block_size": block,
               "lengths": lengths[1], "splits": 2, "seed": 80 + block}
    for index, (topk, block, batch, kv_dtype) in enumerate(((40, 1, lengths[0], None), (33, 17, lengths[1], None),
                                                            (64, 64, lengths[2], "e4m3fnuz"))):
        yield {"kernel": "mla_sparse", "dtype": "fp16", "kv_dtype": kv_dtype, "heads": (16, 5, 20)[index],
               "block_size": block, "lengths": batch, "splits": index + 1, "topk": topk, "seed": 90 + index}
    for kernel, topk in (("mla_decode", 0), ("mla_sparse", 40)):  # slices of two tokens, the last one of rows past the batch
        yield {"kernel": kernel, "dtype": "fp16", "heads": 20, "block_size": 16, "lengths": ((2, 33), (3, 9), (1, 5)),
               "splits": 3, "topk": topk, "slice": 2, "seed": 95}
    yield {"kernel": "mla_decode", "dtype": "fp32", "heads": 4, "block_size": 16, "lengths": ((2, 9), (1, 4)),
           "kv_lens": (30, 0), "causal": False, "splits": 2, "seed": 99}
