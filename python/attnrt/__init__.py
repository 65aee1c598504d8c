# SPDX-License-Identifier: Apache-2.0
"""attnrt: attention kernels for inference, chosen with reasons and run on tensors of numpy and torch.

attention(q, k, v) computes one call without a cache. An engine takes Runtime -> Problem -> Choice -> Op, a KvCache a
layer, a Plan and a Batch a step.
"""

from attnrt._attnrt import (
    Batch,
    Choice,
    Executor,
    KvCache,
    Limits,
    Op,
    Plan,
    Problem,
    Program,
    Runtime,
    Tensor,
    __version__,
    view,
)
from attnrt._installation import get_cmake_dir, get_include, get_plugin_path
from attnrt.attention import attention
from attnrt.errors import (
    Error,
    FailedError,
    InvalidError,
    NoBackendError,
    OutOfMemoryError,
    Reason,
    UnavailableError,
    UnsupportedError,
)

__all__ = [
    "Batch",
    "Choice",
    "Error",
    "Executor",
    "FailedError",
    "InvalidError",
    "KvCache",
    "Limits",
    "NoBackendError",
    "Op",
    "OutOfMemoryError",
    "Plan",
    "Problem",
    "Program",
    "Reason",
    "Runtime",
    "Tensor",
    "UnavailableError",
    "UnsupportedError",
    "__version__",
    "attention",
    "get_cmake_dir",
    "get_include",
    "get_plugin_path",
    "view",
]
