# SPDX-License-Identifier: Apache-2.0
"""What is compiled: kernels x constants x architectures. A unit becomes one cubin and one row of the table."""
import dataclasses

ARCHS = (80, 90, 100, 120)

# Dynamic shared memory a block may have; code for sm_80 also runs on 8.6 and 8.9, which have less than 8.0.
SHARED_LIMIT = {80: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024, 120: 99 * 1024}


@dataclasses.dataclass(frozen=True)
class Unit:
    kernel: str  # module and function
    arch: int
    q: str  # fp16 bf16 fp32: of q and out; write_kv: of the rows
    kv: str  # of K and V as stored, or of partial results: also e4m3 e5m2
    constants: tuple  # of (name, value)
    warps: int
    stages: int
    even: int  # 1: pointers, strides and head sizes are promised to keep rows at multiples of 16 bytes

    @property
    def constant(self):
        return dict(self.constants)

    @property
    def name(self):
        values = "_".join(f"{name.lower()}{value}" for name, value in self.constants)
        return f"{self.kernel}/sm_{self.arch}/{self.q}_{self.kv}/{values}{'_even' if self.even else ''}"


KV_FP8 = {"e4m3": 1, "e5m2": 2}
HEADS = (64, 128, 256)

# prefill: causal, windows, sinks and scales alone; decode: the same for few rows; full: also softcap, ALiBi and prefix
# ranges; any: also tree masks, and nothing is promised of strides.
FEATURES = {"prefill": 0, "decode": 0, "full": 1, "any": 2}

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
    """How a kernel reads the cache's bytes (widen in kernels/shared.py)."""
    return 3 if kv == "e4m3" and arch >= 89 else KV_FP8.get(kv, 0)


def attention(arch, q, kv, kind, head_qk, head_v):
    block_m, tile, warps, stages = shape(kind, arch, q, kv, head_qk)
    constants = (("HEAD_QK", head_qk), ("HEAD_V", head_v), ("BLOCK_M", block_m), ("TILE", tile),
                 ("KV_FP8", kv_fp8(arch, kv)), ("FEATURES", FEATURES[kind]))
    return Unit("attention", arch, q, kv, constants, warps, stages, int(kind != "any"))


def attention_units(arch):
    for q in ("fp16", "bf16"):
        for head in HEADS:
            for kind in ("prefill", "decode", "full", "any"):
                for kv in (q, "e4m3"):
                    yield attention(arch, q, kv, kind, head, head)
            for kind in ("full", "any"):
                yield attention(arch, q, "e5m2", kind, head, head)
        yield attention(arch, q, q, "prefill", 256, 128)  # multi-head latent attention's prefill, 192 and 128
    for head in HEADS:
        for kind in ("full", "any"):
            yield attention(arch, "fp32", "fp32", kind, head, head)


def latent_units(arch):
    for q in ("fp16", "bf16", "fp32"):
        for kv in (q, *KV_FP8) if q != "fp32" else (q,):
            for even in (1, 0) if q != "fp32" else (0,):
                shape = (16, 32, 8, 2) if kv == q or even else (16, 16, 8, 2)  # BLOCK_M, TILE, warps, stages
                if q == "fp32":
                    shape = (16, 16, 8, 1)
                elif kv == q and even:
                    shape = (16, 32, 4, 2)
                block_m, tile, warps, stages = shape
                constants = (("HEAD_V", 512), ("ROPE", 64), ("BLOCK_M", block_m), ("TILE", tile),
                             ("KV_FP8", kv_fp8(arch, kv)))
                yield Unit("mla_decode", arch, q, kv, constants, warps, stages, even)


def row_units(arch):
    """Kernels that serve one row a program."""
    warps = {64: 1, 128: 1, 256: 2, 512: 4}
    for out, partial in (("fp16", "fp16"), ("bf16", "bf16"), ("fp16", "fp32"), ("bf16", "fp32"), ("fp32", "fp32")):
        for head in (256, 512):  # narrower rows leave lanes idle, which costs less than kernels more
            yield Unit("merge_states", arch, out, partial, (("HEAD_V", head),), warps[head], 1, 0)
        if partial == "fp32":
            for head in (*HEADS, 512):
                yield Unit("merge_splits", arch, out, partial, (("HEAD_V", head), ("UNROLL", 4)), warps[head], 1, 0)
    caches = {"fp16": ("fp16", "e4m3", "e5m2"), "bf16": ("bf16", "e4m3", "e5m2"), "fp32": ("fp32",), "e4m3": ("e4m3",),
              "e5m2": ("e5m2",)}
    for rows, stored in caches.items():
        for kv in stored:
            for head_qk, head_v in ((256, 256), (512, 64)):
                as_given = kv == rows  # bytes too are copied then
                constants = (("HEAD_QK", head_qk), ("HEAD_V", head_v), ("KV_FP8", 0 if as_given else KV_FP8[kv]))
                yield Unit("write_kv", arch, rows, kv, constants, warps[head_qk], 1, 0)


def is_few(unit):
    """Of the smaller set: each kernel, dtype and feature at least once."""
    constant = unit.constant
    if (unit.q, unit.kv) in (("fp16", "e4m3"), ("fp16", "e5m2"), ("bf16", "e5m2"), ("e5m2", "e5m2")):
        return False
    if unit.kernel == "attention":
        return constant["HEAD_V"] == 128 or (constant["HEAD_V"] == 256 and not unit.even)
    return True


def select(archs, which):
    """All units of these architectures, or the few that tests need."""
    return [unit for arch in archs for family in (attention_units, latent_units, row_units) for unit in family(arch)
            if which == "all" or is_few(unit)]
