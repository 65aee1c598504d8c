# SPDX-License-Identifier: Apache-2.0
"""With which tiles kernels are compiled for NVIDIA's architectures (plugins/triton/aot/families.py)."""

PLATFORM = "cuda"
ARCHS = (80, 90, 100, 120)
KV_FP8 = {"e4m3": 1, "e5m2": 2}

# (BLOCK_M, TILE, warps, stages) by kind and class of head size, for elements of 16 bits: the largest tried that neither
# spills nor asks for more shared memory than there is.
BIG = {
    ("prefill", 64): (128, 64, 8, 3), ("prefill", 128): (128, 64, 8, 3), ("prefill", 256): (64, 64, 8, 2),
    ("decode", 64): (16, 64, 4, 3), ("decode", 128): (16, 64, 4, 3), ("decode", 256): (16, 32, 4, 3),
    ("full", 64): (64, 64, 4, 3), ("full", 128): (64, 32, 8, 2), ("full", 256): (64, 32, 8, 2),
    ("any", 64): (32, 32, 8, 2), ("any", 128): (16, 32, 8, 2), ("any", 256): (16, 16, 8, 2),
}  # fmt: skip
# Where shared memory is short, 99 KiB, and the tensor cores read registers.
SMALL = BIG | {
    ("prefill", 128): (128, 32, 8, 2), ("prefill", 256): (64, 32, 8, 2),
    ("full", 64): (64, 32, 8, 2), ("full", 128): (32, 32, 8, 2), ("full", 256): (16, 32, 8, 2),
}  # fmt: skip
# Bytes pass through registers on their way to the tensor cores.
FP8 = {("decode", 256): (16, 32, 4, 2)}
SPECIAL = {(90, "e5m2", "full", 256): (64, 16, 8, 2), (100, "e5m2", "full", 128): (64, 32, 4, 2),
           (100, "e4m3", "prefill", 64): (128, 32, 8, 2), (100, "e4m3", "full", 128): (64, 32, 4, 2),
           (100, "fp32", "full", 256): (16, 8, 8, 1), (120, "fp32", "full", 256): (16, 8, 8, 1)}
# fp32 is multiplied without tensor cores.
FP32 = {
    ("full", 64): (16, 16, 8, 2), ("full", 128): (16, 16, 8, 1), ("full", 256): (16, 16, 8, 1),
    ("any", 64): (16, 16, 8, 2), ("any", 128): (16, 16, 8, 2), ("any", 256): (16, 16, 8, 1),
}  # fmt: skip


def shape(kind, arch, q, kv, head):
    shapes = FP32 if q == "fp32" else SMALL if arch in (80, 120) else BIG
    if kv in KV_FP8:
        shapes = shapes | FP8
    return SPECIAL.get((arch, kv, kind, head), shapes[kind, head])


def kv_fp8(arch, kv):
    """By instructions where there are some (widen in kernels/shared.py)."""
    return 3 if kv == "e4m3" and arch >= 89 else KV_FP8.get(kv, 0)


def latent_shape(arch, q, kv, even):
    if q == "fp32":
        return 16, 16, 8, 1
    if kv == q and even:
        return 16, 32, 4, 2
    return (16, 32, 8, 2) if kv == q or even else (16, 16, 8, 2)


def stored(arch):
    """The dtypes of 8 bits that a cache may have."""
    return tuple(KV_FP8)


def is_few(unit):
    """Of the smaller set: each kernel, dtype and feature at least once."""
    constant = unit.constant
    if (unit.q, unit.kv) in (("fp16", "e4m3"), ("fp16", "e5m2"), ("bf16", "e5m2"), ("e5m2", "e5m2")):
        return False
    if unit.kernel == "attention":
        return constant["HEAD_V"] == 128 or (constant["HEAD_V"] == 256 and not unit.even)
    return True
