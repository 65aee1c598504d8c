# SPDX-License-Identifier: Apache-2.0
"""Runs a case through the kernels as the plugin does: same operands, flags, grids and order of launches."""
import numpy as np
import signature
from array_view import Array

FP8 = {"e4m3": 1, "e5m2": 2, "e4m3fnuz": 4}
DTYPE = {"fp32": np.float32, "fp16": np.float16}
# What an operand that is not given points at, by the type of its parameter.
NOTHING = {"fp32": np.full(64, np.nan, np.float32), "i32": np.full(64, 0x3FFFFFFF, np.int32),
           "i64": np.full(64, 1 << 40, np.int64), "u8": np.full(64, 255, np.uint8)}


def strides(name, array, axes):
    steps = Array(array).stride()
    return {f"{name}_stride_{axis}": steps[i] for i, axis in enumerate(axes) if axis}


def launch(kernel, grid, arguments, constants):
    """Arguments the kernel does not name are left out, those it names and nobody gave are dummies."""
    given = {}
    for name in kernel.arg_names:
        if name in constants:
            given[name] = constants[name]
        elif name in arguments:
            value = arguments[name]
            given[name] = Array(value) if isinstance(value, np.ndarray) else value
        else:
            dummy = NOTHING[signature.POINTERS.get(name, "fp32")]
            given[name] = Array(dummy) if name.endswith("_ptr") else 0.0 if name in signature.FLOATS else 0
    kernel[grid](**given)


def run(case, kernels, batch=None):
    """(out [T, Hq, Dv], lse [T, Hq], guard rows untouched) of the whole batch."""
    dtype = DTYPE[case.dtype]
    tokens = sum(case.query_lens)
    padding = 3  # rows past the real tokens, which must be left alone
    loc = np.concatenate([[0], np.cumsum(case.query_lens)]).astype(np.int32)
    q = np.full((tokens + padding, case.num_heads, case.head_qk), np.nan, dtype)
    if tokens:
        q[:tokens] = np.concatenate(case.q)
    out = np.full((tokens + padding, case.num_heads, case.head_v), 77, dtype)
    lse = np.full((case.num_heads, tokens + padding), 77, np.float32).T if case.turned_lse else np.full(
        (tokens + padding, case.num_heads), 77, np.float32)
    splits = case.splits
    partial = np.full((tokens + padding, case.num_heads, splits, case.class_v), np.nan, np.float32)
    partial_lse = np.full((tokens + padding, case.num_heads, splits), np.nan, np.float32)
    num_seqs = np.array([len(case.query_lens)], np.int32)
    sinks_q = case.sinks is not None and case.sinks_q_dtype
    arguments = {
        "out_ptr": out, "partial_ptr": partial, "partial_lse_ptr": partial_lse, "lse_ptr": lse, "q_ptr": q,
        "query_start_loc_ptr": loc, "seq_lens_ptr": np.array(case.seq_lens, np.int32), "num_seqs_ptr": num_seqs,
        "softmax_scale": float(case.scale), "softcap": float(case.softcap), "window_left": case.window_left,
        "window_right": case.window_right, "num_heads": case.num_heads, "num_kv_heads": case.num_kv_heads,
        "head_size_qk": case.head_qk, "head_size_v": case.head_v, "num_splits": splits, "flags": case.flags(),
        **strides("q", q, ("token", "head")), **strides("out", out, ("token", "head")),
        **strides("lse", lse, ("token", "head")), **case.cache(),
    }
    if case.kv_lens is not None:
        arguments["kv_lens_ptr"] = np.array(case.kv_lens, np.int32)
    if case.causal == "per request":
        arguments["causal_ptr"] = np.array([case.causal_of(r) for r in range(len(case.query_lens))], np.uint8)
    if case.sinks is not None:
        arguments["sinks_q_ptr" if sinks_q else "sinks_ptr"] = case.sinks.astype(dtype if sinks_q else np.float32)
    if sinks_q is False:
        arguments["sinks_q_ptr"] = np.full(case.num_heads, np.nan, dtype)
    if case.alibi is not None:
        arguments["alibi_slopes_ptr"] = case.alibi.astype(np.float32)
    if case.tree is not None:
        widest = max(case.query_lens)
        tree = np.full((len(case.query_lens), widest, widest), np.nan, np.float32)
        for request, mask in enumerate(case.tree):
            tree[request, :len(mask), :len(mask)] = mask
        tree = tree.transpose(0, 2, 1).copy().transpose(0, 2, 1) if case.turned_lse else tree
        arguments |= {"tree_mask_ptr": tree, **strides("tree", tree, ("request", "row", "key"))}
    if case.prefix is not None:
        arguments["prefix_ranges_ptr"] = np.concatenate(case.prefix).astype(np.int32)
    for name in "qkv":
        scales = case.scales.get(name)
        if scales is not None:
            arguments[f"{name}_scale_ptr"] = scales
            steps = Array(scales).stride()
            arguments[f"{name}_scale_stride_request"] = steps[0] if scales.shape[0] > 1 else 0
            arguments[f"{name}_scale_stride_head"] = steps[1] if scales.shape[1] > 1 else 0
    group = case.num_heads // case.num_kv_heads
    heads_a_tile = min(group, case.block_m)
    grid = (tokens // (case.block_m // heads_a_tile) + len(case.query_lens) + case.spare_programs,
            case.num_kv_heads * -(-group // heads_a_tile), splits)
    constants = {"HEAD_QK": case.class_qk, "HEAD_V": case.class_v, "BLOCK_M": case.block_m, "TILE": case.tile,
                 "KV_FP8": FP8.get(case.kv_dtype, 0), "FEATURES": case.features, "X": case.x}
    launch(kernels.attention, grid, arguments, constants)
    if splits > 1:
        launch(kernels.merge_splits, (tokens + padding, case.num_heads), arguments,
               {"HEAD_V": case.class_v, "UNROLL": 4})
    untouched = bool((out[tokens:] == 77).all() and (lse[tokens:] == 77).all())
    if not case.wants_lse:
        untouched = untouched and bool((lse == 77).all())
    return out[:tokens], lse[:tokens], untouched
