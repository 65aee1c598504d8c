# SPDX-License-Identifier: Apache-2.0
"""One attention call without a cache."""

from __future__ import annotations

import os
import threading
from typing import Any, Dict, Optional, Tuple, Union

from attnrt._attnrt import Op, PackedPlan, Problem, Program, Runtime, describe
from attnrt.errors import InvalidError

_lock = threading.Lock()
_runtime: Optional[Runtime] = None
_ops: Dict[tuple, Op] = {}
_local = threading.local()
_MOST_PLANS = 64


def _forget() -> None:
    """In the child of a fork: ops and plans are the parent's, and a lock may have been held there."""
    global _lock, _local
    _lock = threading.Lock()
    _local = threading.local()
    _ops.clear()


os.register_at_fork(after_in_child=_forget)


def default_runtime() -> Runtime:
    """The runtime of calls that are given none; made when the first one asks."""
    global _runtime
    with _lock:
        if _runtime is None:
            _runtime = Runtime()
        return _runtime


def _problem(runtime: Runtime, key: tuple) -> Problem:
    num_heads, num_kv_heads, head_size, head_size_v, dtype, kv_dtype, causal, window, softcap, features, program = key
    problem = runtime.decoder(num_heads, num_kv_heads, head_size, dtype).with_kv_layouts("contiguous")
    problem = problem.with_causal("always" if causal else "never")
    if head_size_v != head_size:
        problem = problem.with_head_size_v(head_size_v)
    if kv_dtype != dtype:
        problem = problem.with_kv_dtype(kv_dtype)
    if window is not None:
        problem = problem.with_window(*window) if isinstance(window, tuple) else problem.with_window(window)
    if softcap:
        problem = problem.with_softcap(softcap)
    if program:
        problem = problem.with_program(Program(program))
    return problem.with_features(features) if features else problem


def _plan(runtime: Runtime, key: tuple, num_threads: int) -> PackedPlan:
    """This thread's plan for the problem."""
    plans = getattr(_local, "plans", None)
    if plans is None:
        plans = _local.plans = {}
    plan_key = (runtime, key, num_threads)
    plan = plans.get(plan_key)
    if plan is None:
        op_key = (runtime, key)
        op = _ops.get(op_key)
        if op is None:
            op = runtime.op(runtime.select(_problem(runtime, key)))
            with _lock:
                while len(_ops) >= _MOST_PLANS:
                    del _ops[next(iter(_ops))]  # plans keep theirs
                _ops[op_key] = op
        while len(plans) >= _MOST_PLANS:
            del plans[next(iter(plans))]
        executor = None if num_threads == 1 else runtime.executor(num_threads)
        plan = plans[plan_key] = PackedPlan(op, executor)
    return plan


def _empty(like: Any, shape: Tuple[int, ...], dtype: Optional[str] = None) -> Any:
    """An array of the kind of `like`: torch's or numpy's."""
    if hasattr(like, "new_empty"):
        if dtype is None:
            return like.new_empty(shape)
        import torch

        return like.new_empty(shape, dtype=getattr(torch, dtype))
    if hasattr(like, "__array_interface__"):
        import numpy

        return numpy.empty(shape, dtype or like.dtype)
    raise InvalidError(
        f"q is of type {type(like).__name__}, wanted a tensor of numpy or torch where out or lse is not given"
    )


def attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    causal: bool = False,
    scale: Optional[float] = None,
    window: Union[None, int, Tuple[int, int]] = None,
    softcap: float = 0.0,
    sinks: Any = None,
    alibi_slopes: Any = None,
    mask: Any = None,
    flex: Any = None,
    query_start_loc: Any = None,
    kv_start_loc: Any = None,
    kv_starts: Any = None,
    kv_lens: Any = None,
    out: Any = None,
    return_lse: bool = False,
    runtime: Optional[Runtime] = None,
    num_threads: int = 0,
) -> Any:
    """softmax(scale * q @ k^T + mask) @ v, for queries that see all of their request's keys or, causal, those up to
    their own position. The last query stands at the last key.

    q: [batch, query_len, num_heads, head_size], k and v: [batch, kv_len, num_kv_heads, head_size]; num_heads is a
        multiple of num_kv_heads. Or, for requests of different lengths, [tokens, heads, head_size] with
        query_start_loc and kv_start_loc (None: the same), offsets of the requests' first rows and the end. fp32, fp16
        or bf16; tensors of numpy or torch, or anything with DLPack, in host memory and by strides: nothing is copied.
        Requests of k and v may lie apart, those of q and out follow each other without gaps: [batch, heads, length,
        size] in memory serves as k and v transposed, as q with a batch of 1 alone.
    scale: None is 1 / sqrt(head_size).
    window: an int: a query sees its own key and window - 1 before it (not causal: as many behind it); or keys
        (left, right) of it, -1 = no limit.
    softcap: scores become softcap * tanh(score / softcap).
    sinks: [num_heads] one more logit in the denominator.
    alibi_slopes: [num_heads] fp32.
    mask: [batch or 1, num_heads or 1, query_len or 1, kv_len or 1] bool (true is seen) or a number that is added.
    flex: a mask and a score of your own, an attnrt.flex.Flex.
    kv_starts, kv_lens: [batch] the keys of each request that exist, [kv_starts, kv_starts + kv_lens): padding on
        either side. Positions begin at kv_starts.
    out: what is written, as q with v's head_size; None makes one.
    return_lse: also the log-sum-exp of each row, fp32 [batch, query_len, num_heads] or [tokens, num_heads].
    runtime: None is one that the package makes. num_threads: 0 is as many as the process may use, 1 the calling one.

    A row that sees no key is 0. Raises NoBackendError, with every reason, where no kernel can serve the call, and
    InvalidError for operands that do not fit each other. Threads may call it at once.
    """
    if num_threads < 0:
        raise InvalidError(f"num_threads is {num_threads}, wanted at least 0")
    shape, dtype = describe(q, "q")
    k_shape, kv_dtype = describe(k, "k")
    v_shape, _ = describe(v, "v")
    if len(shape) not in (3, 4) or len(k_shape) != len(shape) or len(v_shape) != len(shape):
        raise InvalidError(
            f"q, k and v have {len(shape)}, {len(k_shape)} and {len(v_shape)} dimensions, "
            "wanted 4 each, or 3 where requests are packed"
        )
    features = tuple(
        name
        for name, given in (
            ("sinks", sinks is not None),
            ("alibi", alibi_slopes is not None),
            ("dense_mask", mask is not None),
            ("lse", return_lse),
        )
        if given
    )
    program = flex.text if flex is not None else ""
    key = (shape[-2], k_shape[-2], shape[-1], v_shape[-1], dtype, kv_dtype, causal, window, softcap, features, program)
    plan = _plan(runtime or default_runtime(), key, num_threads)
    if out is None:
        out = _empty(q, shape[:-1] + (v_shape[-1],))
    lse = _empty(q, shape[:-1], "float32") if return_lse else None
    buffers = None if flex is None else flex.buffers
    plan.run(
        q, k, v, out, lse, sinks, alibi_slopes, mask, query_start_loc, kv_start_loc, kv_starts, kv_lens, scale, buffers
    )
    return (out, lse) if return_lse else out
