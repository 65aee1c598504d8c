# SPDX-License-Identifier: Apache-2.0
"""write_kv and merge_states: each row by itself."""
import numpy as np

from array_view import Array
from case import FLAG, numbers_of_bytes
from launch import DTYPE, FP8, launch


def quantised(x, kind):
    """fp32 numbers as bytes of an fp8 format: nearest, ties to even, too large to the largest, by search."""
    table = numbers_of_bytes(kind)
    positive = np.array([code for code in range(0x80) if np.isfinite(table[code])])
    size = np.abs(x).astype(np.float64)
    right = np.clip(np.searchsorted(table[positive], size), 1, len(positive) - 1)
    below, above = size - table[positive[right - 1]], table[positive[right]] - size
    up = (above < below) | ((above == below) & (positive[right] % 2 == 0))
    code = np.where(up, positive[right], positive[right - 1])
    if kind == "e4m3fnuz":  # where the others have -0 it has its only NaN
        return np.where(np.isnan(x), 0x80, code | np.where(np.signbit(x) & (code > 0), 0x80, 0)).astype(np.uint8)
    return (np.where(np.isnan(x), 0x7F, code) | np.where(np.signbit(x), 0x80, 0)).astype(np.uint8)


def check_write(kernels, options):
    random = np.random.default_rng(options["seed"])
    dtype, kind, heads, block = DTYPE[options["dtype"]], options["kv_dtype"], options["heads"], options["block_size"]
    head_k, head_v, tokens, blocks = options["head_k"], options["head_v"], 9, 5
    element = np.uint8 if kind else dtype
    latent = options.get("latent", False)
    x = 16 // np.dtype(element).itemsize if options.get("xpacked") else 0
    pitch = head_k + head_v if latent else max(head_k, head_v)
    shape = (blocks, heads, block, pitch) if options["hnd"] else (blocks, block, heads, pitch)
    caches = [np.full(shape, 77, element)] * 2 if latent else [np.full(shape, 77, element) for _ in "kv"]
    before = [cache.copy() for cache in caches]
    slots = random.permutation(blocks * block)[:tokens].astype(np.int64)
    slots[[2, 5]] = -1
    per_head = options.get("per_head", False)
    arguments = {"slot_mapping_ptr": slots, "slot_stride": 1, "num_tokens": tokens, "head_size_qk": head_k,
                 "head_size_v": head_v, "block_size": block, "flags": 0}
    wanted = []
    for index, (name, size) in enumerate((("k", head_k), ("v", head_v))):
        rows = (random.normal(0, 1, (tokens, heads, size)) * np.exp2(random.integers(-14, 12, (tokens, heads, size))))
        rows.flat[:8] = [np.inf, -np.inf, 0.0, -0.0, 2.0 ** -10, 1.5 * 2.0 ** -9, 17.0, 448.0]
        rows = rows.astype(dtype)
        scale = np.exp2(random.uniform(-2, 2, heads if per_head else 1)).astype(np.float32)
        if not kind or options.get("no_scale"):
            scale[:] = 1
        else:
            arguments |= {"flags": arguments["flags"] | FLAG[f"{name}_scale"], f"{name}_scale_ptr": scale,
                          f"{name}_scale_stride_head": int(per_head)}
        steps = [step // before[index].itemsize for step in before[index].strides]
        offset = head_k if latent and name == "v" else 0
        arguments |= {f"{name}_ptr": rows, f"{name}_cache_ptr": Array(caches[index], offset),
                      f"{name}_stride_token": heads * size, f"{name}_stride_head": size,
                      f"{name}_cache_stride_block": steps[0],
                      f"{name}_cache_stride_slot": steps[2 if options["hnd"] else 1],
                      f"{name}_cache_stride_head": steps[1 if options["hnd"] else 2]}
        stored = quantised(rows.astype(np.float32) / scale[None, :, None], kind) if kind else rows
        target = before[0] if latent else before[index]
        view = target.transpose(0, 2, 1, 3) if options["hnd"] else target
        for token, place in enumerate(slots):
            if place >= 0:
                view[place // block, place % block, :, offset:offset + size] = stored[token]
        if x:
            run = x if name == "k" else 1
            pieces = lambda cache: np.ascontiguousarray(cache[..., :size].transpose(0, 2, 1, 3).reshape(  # noqa: E731
                blocks, heads, block, size // run, run).transpose(0, 1, 3, 2, 4))
            target, caches[index] = pieces(target), np.full_like(pieces(target), 77)
            arguments |= {f"{name}_cache_ptr": caches[index], f"{name}_cache_stride_block": heads * size * block,
                          f"{name}_cache_stride_slot": 0x3FFFFF, f"{name}_cache_stride_head": size * block}
        wanted.append(target)
    launch(kernels.write_kv, (tokens + 2, heads), arguments,
           {"HEAD_QK": 1 << (head_k - 1).bit_length(), "HEAD_V": 1 << (head_v - 1).bit_length(),
            "KV_FP8": FP8.get(kind, 0), "X": x})
    for cache, want in zip(caches, wanted):
        got, want = (array.ravel().view(np.uint8) for array in (cache, want))
        if (got != want).any():
            at = np.argmax(got != want)
            return f"the cache has {got[at]} at byte {at}, wanted {want[at]}"
    return None


def check_states(kernels, options):
    random = np.random.default_rng(options["seed"])
    dtype, partial = DTYPE[options["dtype"]], DTYPE[options["partial"]]
    tokens, heads, size, count, merged = 7, 3, options["head_v"], options["partials"], options["merged"]
    outs = [random.normal(0, 1, (tokens, heads, size)).astype(partial) for _ in range(count)]
    lses = [random.normal(0, 4, (tokens, heads)).astype(np.float32) for _ in range(count)]
    for index, lse in enumerate(lses):
        outs[index][..., 0] = -0.0
        lse[index % tokens] = [np.nan, np.inf, -np.inf]  # one a head
        outs[index][index % tokens] = np.nan
        lse[5] = -np.inf
    out, got = np.full((tokens + 1, heads, size), 77, dtype), np.full((tokens + 1, heads), 77, np.float32)
    arguments = {"out_ptr": out, "lse_ptr": got, "flags": FLAG["lse"], "num_partials": count,
                 "num_merged_tokens": merged, "head_size_v": size,
                 "out_stride_token": heads * size, "out_stride_head": size,
                 "lse_stride_token": heads, "lse_stride_head": 1}
    for index in range(count):
        arguments |= {f"out_{index}_ptr": outs[index], f"lse_{index}_ptr": lses[index],
                      f"out_{index}_stride_token": heads * size, f"out_{index}_stride_head": size,
                      f"lse_{index}_stride_token": heads, f"lse_{index}_stride_head": 1}
    launch(kernels.merge_states, (tokens, heads), arguments, {"HEAD_V": 1 << (size - 1).bit_length()})
    for token in range(tokens):
        chosen = range(count) if token < merged else range(count - 1, count)
        weights = np.array([np.where(lses[i][token] == np.inf, -np.inf, lses[i][token]) for i in chosen], np.float64)
        spoilt = np.isnan(weights).any(0)
        if not (np.isnan(out[token][spoilt]).all() and np.isnan(got[token][spoilt]).all()):
            return f"token {token}: {out[token, :, 0]}, wanted NaN where a partial has it"
        weights[:, spoilt] = -np.inf
        top = np.where(np.isfinite(weights.max(0)), weights.max(0), 0)
        p = np.exp(weights - top)
        total = np.where(p.sum(0) > 0, p.sum(0), 1)
        want = sum(p[n][:, None] * np.where(p[n][:, None] > 0, outs[i][token].astype(np.float64), 0)
                   for n, i in enumerate(chosen)) / total[:, None]
        want_lse = np.where(p.sum(0) > 0, top + np.log(total), -np.inf)
        out[token][spoilt], got[token][spoilt] = 0, -np.inf
        copied = np.where(p[-1][:, None] > 0, outs[-1][token], 0).astype(dtype)
        if len(chosen) == 1 and out[token].tobytes() != copied.tobytes():
            return f"token {token}: {out[token, 0, 0]} was not copied as it is, wanted {want[0, 0]}"
        if not (np.abs(out[token].astype(np.float64) - want) <= 4e-3 * np.abs(want) + 2e-3).all():
            return f"token {token}: {out[token, :, 0]}, wanted {want[:, 0]}"
        if not np.isclose(got[token], want_lse, atol=1e-5, rtol=0).all():
            return f"token {token}: lse {got[token]}, wanted {want_lse}"
    return None if (out[tokens:] == 77).all() and (got[tokens:] == 77).all() else "rows past the batch were written"


def cases(dense):
    seed = 0
    for kind in (None, "e4m3", "e5m2"):
        for dtype in ("fp32", "fp16"):
            for head_k, head_v, block, hnd, latent in ((64, 40, 16, False, False), (72, 72, 48, True, False),
                                                       (192, 128, 16, True, False), (512, 64, 16, False, True)):
                for per_head in (False, True):
                    seed += 1
                    yield {"kernel": "write_kv", "dtype": dtype, "kv_dtype": kind, "heads": 1 if latent else 3,
                           "head_k": head_k, "head_v": head_v, "block_size": block, "hnd": hnd, "latent": latent,
                           "per_head": per_head, "no_scale": seed % 5 == 0, "seed": seed}
    for kind in (None, "e4m3fnuz"):
        for dtype in ("fp32", "fp16"):
            seed += 1
            yield {"kernel": "write_kv", "dtype": dtype, "kv_dtype": kind, "heads": 3, "head_k": 96, "head_v": 80,
                   "block_size": 32, "hnd": False, "xpacked": True, "per_head": seed % 2 == 0, "seed": seed}
    for dtype, partial in (("fp32", "fp32"), ("fp16", "fp16"), ("fp16", "fp32")):
        for partials in (1, 2, 3, 4):
            for merged in (7, 4, 0):
                seed += 1
                yield {"kernel": "merge_states", "dtype": dtype, "partial": partial, "partials": partials,
                       "merged": merged, "head_v": (64, 40, 512)[seed % 3], "seed": seed}
