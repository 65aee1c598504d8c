# SPDX-License-Identifier: Apache-2.0
"""What is compiled: kernels x constants x architectures. A unit becomes one cubin and one row of the table."""
import dataclasses
import itertools

ARCHS = (80, 89, 90, 100, 120)

# Dynamic shared memory a block may have; code for 8.0 also runs on 8.6 and 8.9, which have less than 8.0.
SHARED_LIMIT = {80: 99 * 1024, 89: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024, 120: 99 * 1024}

ELEMENT = {"fp16": "Half", "bf16": "Bfloat"}
STORED = {True: "kAsIs", False: "kE4m3"}  # is the cache of q's dtype?


@dataclasses.dataclass(frozen=True)
class Unit:
    kernel: str  # the function, and its source kernels/<kernel>.cu
    arch: int
    q: str  # fp16 bf16: of q and out
    kv: str  # of K and V as stored
    head_qk: int  # the largest that it is padded for; 0 where the kernel has none
    head_v: int
    rows: int  # of a block, token and head of the group taken together
    tile: int  # keys a step
    features: int  # attention: 0 masks, sinks, scales; 1 also softcap, ALiBi
    warps: int
    stages: int
    shared: int  # bytes
    defines: tuple  # of (name, value)

    @property
    def name(self):
        shape = f"{self.head_qk}x{self.head_v}_rows{self.rows}_tile{self.tile}_features{self.features}"
        return f"{self.kernel}/sm_{self.arch}/{self.q}_{self.kv}/{shape}"


# (warps along rows, warps along keys, keys a tile, stages, blocks a multiprocessor) by kind and heads. One block of the
# widest heads fits 99 KiB; its registers leave room for no second one.
FEW = {(64, 64): (1, 4, 64, 3, 3), (128, 128): (1, 4, 64, 2, 2), (192, 128): (1, 4, 64, 2, 2), (256, 256): (1, 2, 32, 2, 2)}
MANY = {(64, 64): (4, 1, 64, 3, 2), (128, 128): (4, 1, 64, 2, 2), (192, 128): (4, 1, 32, 2, 2), (256, 256): (4, 1, 32, 2, 1)}
HEADS = tuple(MANY)


def attention(arch, q, kv, heads, shape, features):
    row_warps, key_warps, tile, stages, blocks = shape
    rows, (qk, v) = 16 * row_warps, heads
    shared = 2 * (rows * qk + stages * tile * (qk + v))
    constants = {"ELEMENT": ELEMENT[q], "STORED": STORED[kv == q], "BENT": "true" if features else "false", "HEAD_QK": qk, "HEAD_V": v,
                 "ROW_WARPS": row_warps, "KEY_WARPS": key_warps, "TILE": tile, "STAGES": stages, "SHARED_BYTES": shared,
                 "BLOCKS": blocks}
    return Unit("attention", arch, q, kv, qk, v, rows, tile, features, row_warps * key_warps, stages, shared,
                tuple(constants.items()))


def attention_units(arch):
    """Kernels for few rows serve decodes, whose time is that of reading keys: one that knows all features will do."""
    for q in ELEMENT:
        for heads in HEADS:
            for kv in (q, "e4m3") if arch == 90 else (q,):  # FA3 alone reads caches of 8 bits
                yield attention(arch, q, kv, heads, FEW[heads], 1)
            for features in (0, 1):
                yield attention(arch, q, q, heads, MANY[heads], features)


# Keys a tile by heads, where nothing is bent and where something may be.
WGMMA = {(64, 64): (128, 64), (128, 128): (128, 64), (192, 128): (64, 64), (256, 256): (64, 64)}


def wgmma_units(arch):
    """Kernels for many rows by the products of a warpgroup, which only 9.0 has."""
    if arch != 90:
        return
    stages, rows, threads = 2, 128, 384
    for q in ELEMENT:
        for kv, (qk, v), features in itertools.product((q, "e4m3"), WGMMA, (0, 1)):
            tile = WGMMA[qk, v][features]
            shared = 2 * (rows * qk + stages * tile * (qk + v)) + 1024
            constants = {"ELEMENT": ELEMENT[q], "STORED": STORED[kv == q], "BENT": "true" if features else "false",
                         "HEAD_QK": qk, "HEAD_V": v, "TILE": tile, "STAGES": stages, "SHARED_BYTES": shared, "WGMMA": 1}
            yield Unit("attention_wgmma", arch, q, kv, qk, v, rows, tile, features, threads // 32, stages, shared,
                       tuple(constants.items()))


def latent_units(arch):
    """Kernels for rows of latent 512 and rope 64."""
    if arch != 90:
        return
    qk, v, rows, tile, stages = 576, 512, 64, 64, 2
    shared = 2 * (rows * qk + stages * tile * qk) + 1024
    for q, element in ELEMENT.items():
        yield Unit("latent_wgmma", arch, q, q, qk, v, rows, tile, 0, 12, stages, shared,
                   (("ELEMENT", element), ("SHARED_BYTES", shared), ("WGMMA", 1)))


def row_units(arch):
    """Kernels that serve one row a block."""
    for q, element in ELEMENT.items():
        for kernel in ("merge_splits", "merge_states"):
            yield Unit(kernel, arch, q, q, 0, 256, 0, 0, 0, 2, 0, 0, (("ELEMENT", element),))
    yield Unit("write_kv", arch, "fp16", "fp16", 256, 256, 0, 0, 0, 1, 0, 0, ())


def is_few(unit):
    """Of the smaller set: each kernel, dtype and feature at least once, every head size by some kernel of each
    architecture. What 9.0 has in common with 8.0 is left to that but for the kernels of few rows."""
    heads = (unit.head_qk, unit.head_v)
    if not unit.kernel.startswith("attention"):
        return unit.kernel != "latent_wgmma" or unit.q == "bf16"
    if unit.arch != 90:
        return heads == (128, 128) or (heads == (256, 256) and unit.features == 1)
    if unit.kernel == "attention" and unit.rows > 16:
        return False
    if unit.q == "fp16":
        return heads == (256, 256) and unit.features == 1 and unit.kv == "fp16"
    return heads == (128, 128) and (unit.kv == "bf16" or unit.features == 1)


def select(archs, which):
    """All units of these architectures, or the few that tests need."""
    return [unit for arch in archs for family in (attention_units, wgmma_units, latent_units, row_units) for unit in family(arch)
            if which == "all" or is_few(unit)]
