# SPDX-License-Identifier: Apache-2.0
"""The bits of a request do not depend on its neighbours, nor on where its blocks lie, for one num_splits."""
import copy

from case import Case
from launch import run


def alone(case, request):
    """The same request with nobody beside it; its blocks are dealt anew."""
    single = copy.copy(case)
    for name in ("lengths", "query_lens", "seq_lens", "q", "k", "v", "k_bytes", "v_bytes"):
        setattr(single, name, [getattr(case, name)[request]])
    return single


def check(kernels, options):
    """What differs, or nothing. The control, another num_splits, must be able to differ."""
    case = Case(**{name: value for name, value in options.items() if name != "kernel"})
    out, lse, _ = run(case, kernels)
    start, control = 0, False
    for request, length in enumerate(case.query_lens):
        single = alone(case, request)
        got, got_lse, _ = run(single, kernels)
        if got.tobytes() != out[start:start + length].tobytes():
            return f"request {request}: out differs from that of the same request in a batch"
        if got_lse.tobytes() != lse[start:start + length].copy().tobytes():
            return f"request {request}: lse differs from that of the same request in a batch"
        single.splits = 2 if case.splits == 1 else 1
        control |= run(single, kernels)[0].tobytes() != got.tobytes()
        start += length
    return None if control else "another num_splits made the same bits: nothing is shown"


def cases(dense):
    lengths = ((1, 90), (5, 64), (1, 7), (0, 0), (33, 50), (1, 130))
    for index, options in enumerate(({}, {"splits": 3}, {"splits": 3, "window_left": 20}, {"splits": 2, "sinks": True})):
        for dtype in ("fp32", "fp16") if dense else ("fp16",):
            yield {"kernel": "invariance", "dtype": dtype, "lengths": lengths, "heads": (8, 2), "features": 0,
                   "block_size": (16, 48)[index % 2], "tile": 16, "seed": 800 + index, **options}
