# SPDX-License-Identifier: Apache-2.0
"""With which tiles kernels are compiled for AMD's architectures (plugins/triton/aot/families.py).

A SIMD has 512 registers for a lane on CDNA and 256 on RDNA, which the waves of a workgroup that share it divide: heavy
kernels want 4 waves. One stage everywhere: from two on gfx942 reads V by 16 bits, and gfx950 copies to LDS in the background
by instructions whose kernels ask the runtime for a service in host memory.
"""
PLATFORM = "hip"
ARCHS = (0x942, 0x950)
FAMILIES = ("attention_units", "packed_units", "latent_units", "sparse_units", "row_units")
LATENT_DTYPES = ("fp16", "bf16")

# (BLOCK_M, TILE, warps, stages) by kind and class of head size, for elements of 16 bits: the largest tried that do not spill.
GFX942 = {
    ("prefill", 64): (128, 64, 4, 1), ("prefill", 128): (128, 32, 4, 1), ("prefill", 256): (64, 64, 8, 1),
    ("decode", 64): (16, 64, 2, 1), ("decode", 128): (16, 64, 4, 1), ("decode", 256): (16, 64, 4, 1),
    ("full", 64): (64, 32, 4, 1), ("full", 128): (32, 32, 4, 1), ("full", 256): (16, 32, 4, 1),
    ("any", 64): (32, 32, 8, 1), ("any", 128): (16, 32, 8, 1), ("any", 256): (16, 16, 8, 1),
    ("packed", 64): (32, 32, 4, 1), ("packed", 128): (16, 32, 4, 1), ("packed", 256): (16, 32, 4, 1),
}  # fmt: skip
GFX950 = GFX942 | {("prefill", 128): (128, 64, 8, 1), ("prefill", 256): (64, 64, 4, 1)}
# fp32 is multiplied in fp32 by the matrix unit; its elements take twice the registers.
FP32 = {
    ("full", 64): (16, 16, 8, 1), ("full", 128): (16, 16, 8, 1), ("full", 256): (16, 16, 8, 1),
    ("any", 64): (16, 16, 8, 1), ("any", 128): (16, 16, 8, 1), ("any", 256): (16, 16, 8, 1),
    ("packed", 64): (16, 16, 8, 1), ("packed", 128): (16, 16, 8, 1), ("packed", 256): (16, 16, 8, 1),
}  # fmt: skip


def shape(kind, arch, q, kv, head):
    shapes = FP32 if q == "fp32" else GFX950 if arch == 0x950 else GFX942
    return shapes[kind, head]


def stored(arch):
    """The 8 bits that the hardware multiplies: OCP's from gfx950 on, before that those without a negative zero."""
    return ("e4m3", "e5m2") if arch == 0x950 else ("e4m3fnuz",)


def kv_fp8(arch, kv):
    """By instructions where there are some (widen in kernels/shared.py)."""
    return {"e4m3": 3, "e5m2": 2, "e4m3fnuz": 5}.get(kv, 0)


def latent_shape(arch, q, kv, even):
    return 16, 16, 4, 1


def is_few(unit):
    """Of the smaller set: each kernel, dtype and feature at least once."""
    constant = unit.constant
    if unit.q == "fp16" and unit.kv in ("e4m3", "e4m3fnuz", "e5m2"):
        return False
    if unit.kernel == "attention":
        return constant["HEAD_V"] == 128 or (constant["HEAD_V"] == 256 and not unit.even)
    return True
