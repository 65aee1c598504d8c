# SPDX-License-Identifier: Apache-2.0
"""Which units a plugin compiles of each kernel. How large their tiles are says the plugin's units.py, `tiles` here:

    shape(kind, arch, q, kv, head)  (BLOCK_M, TILE, warps, stages) of attention
    latent_shape(arch, q, kv, even) the same of mla_decode
    kv_fp8(arch, kv)                how a kernel reads the cache's bytes (widen in kernels/shared.py)
    stored(arch)                    the dtypes of 8 bits that a cache of this architecture may have
    is_few(unit)                    is it of the smaller set that tests need
"""
from unit import Unit

HEADS = (64, 128, 256)

# prefill: causal, windows, sinks and scales alone; decode: the same for few rows; full: also softcap, ALiBi and prefix
# ranges; any: also tree masks, and nothing is promised of strides.
FEATURES = {"prefill": 0, "decode": 0, "full": 1, "any": 2}

# How write_kv rounds to bytes (kernels/write_kv.py).
FP8_CODES = {"e4m3": 1, "e5m2": 2}


def attention(tiles, arch, q, kv, kind, head_qk, head_v):
    block_m, tile, warps, stages = tiles.shape(kind, arch, q, kv, head_qk)
    constants = (("HEAD_QK", head_qk), ("HEAD_V", head_v), ("BLOCK_M", block_m), ("TILE", tile),
                 ("KV_FP8", tiles.kv_fp8(arch, kv)), ("FEATURES", FEATURES[kind]))
    return Unit("attention", arch, q, kv, constants, warps, stages, int(kind != "any"))


def attention_units(tiles, arch):
    """The first dtype of 8 bits has kernels of every kind, the others those that serve all."""
    first, *others = tiles.stored(arch)
    for q in ("fp16", "bf16"):
        for head in HEADS:
            for kind in ("prefill", "decode", "full", "any"):
                for kv in (q, first):
                    yield attention(tiles, arch, q, kv, kind, head, head)
            for kind in ("full", "any"):
                for kv in others:
                    yield attention(tiles, arch, q, kv, kind, head, head)
        yield attention(tiles, arch, q, q, "prefill", 256, 128)  # multi-head latent attention's prefill, 192 and 128
    for head in HEADS:
        for kind in ("full", "any"):
            yield attention(tiles, arch, "fp32", "fp32", kind, head, head)


def latent_units(tiles, arch):
    for q in ("fp16", "bf16", "fp32"):
        for kv in (q, *tiles.stored(arch)) if q != "fp32" else (q,):
            for even in (1, 0) if q != "fp32" else (0,):
                block_m, tile, warps, stages = tiles.latent_shape(arch, q, kv, even)
                constants = (("HEAD_V", 512), ("ROPE", 64), ("BLOCK_M", block_m), ("TILE", tile),
                             ("KV_FP8", tiles.kv_fp8(arch, kv)))
                yield Unit("mla_decode", arch, q, kv, constants, warps, stages, even)


def row_units(tiles, arch):
    """Kernels that serve one row a program."""
    warps = {64: 1, 128: 1, 256: 2, 512: 4}
    for out, partial in (("fp16", "fp16"), ("bf16", "bf16"), ("fp16", "fp32"), ("bf16", "fp32"), ("fp32", "fp32")):
        for head in (256, 512):  # narrower rows leave lanes idle, which costs less than kernels more
            yield Unit("merge_states", arch, out, partial, (("HEAD_V", head),), warps[head], 1, 0)
        if partial == "fp32":
            for head in (*HEADS, 512):
                yield Unit("merge_splits", arch, out, partial, (("HEAD_V", head), ("UNROLL", 4)), warps[head], 1, 0)
    stored = tiles.stored(arch)
    caches = {"fp16": ("fp16", *stored), "bf16": ("bf16", *stored), "fp32": ("fp32",)} | {kv: (kv,) for kv in stored}
    for rows, kinds in caches.items():
        for kv in kinds:
            for head_qk, head_v in ((256, 256), (512, 64)):
                as_given = kv == rows  # bytes too are copied then
                constants = (("HEAD_QK", head_qk), ("HEAD_V", head_v), ("KV_FP8", 0 if as_given else FP8_CODES[kv]))
                yield Unit("write_kv", arch, rows, kv, constants, warps[head_qk], 1, 0)


def select(tiles, archs, which):
    """All units of these architectures, or with `which` few those that tests need."""
    return [unit for arch in archs for family in (attention_units, latent_units, row_units)
            for unit in family(tiles, arch) if which == "all" or tiles.is_few(unit)]
