# SPDX-License-Identifier: Apache-2.0
"""Which batches are tried: each feature alone and in company, over shapes that tiles, blocks, groups do not divide."""
import random

HEADS = [(4, 4), (8, 2), (9, 3), (5, 1), (32, 8)]
HEAD_SIZES = [(40, 40), (64, 64), (72, 72), (80, 80), (128, 128), (192, 128), (256, 256), (64, 96)]
BLOCK_SIZES = [16, 32, 48, 0]
# (query, keys) of the requests of a batch.
LENGTHS = [
    ((1, 1), (1, 7), (1, 33)), ((5, 5),), ((3, 16), (1, 17)), ((17, 47),), ((0, 0), (1, 31), (0, 40), (6, 64), (0, 0)),
    ((1, 130),), ((9, 100), (1, 65), (2, 2)), ((33, 33),), ((4, 15), (4, 16), (4, 17)), (),
]  # fmt: skip
FEATURES = [
    {}, {"causal": "never"}, {"causal": "per request"}, {"window_left": 7}, {"window_left": 20, "causal": "never"},
    {"window_left": 5, "window_right": 9, "causal": "never"}, {"window_right": 3, "causal": "never"}, {"softcap": 5.0},
    {"alibi": True}, {"alibi": True, "alibi_sqrt": True}, {"sinks": True}, {"sinks": True, "sinks_q_dtype": True},
    {"tree": True}, {"tree": True, "window_left": 11}, {"prefix": True}, {"prefix": True, "window_left": 4},
    {"scaled": "qkv"}, {"scaled": "qKV"}, {"wants_lse": False}, {"kv_dtype": "e4m3", "scaled": "kv"},
    {"kv_dtype": "e5m2", "scaled": "KV"}, {"kv_dtype": "e4m3"}, {"alibi": True, "softcap": 8.0, "sinks": True},
    {"turned_lse": True, "tree": True}, {"spare_programs": 5},
]  # fmt: skip
TILES = [(16, 8), (16, 16), (16, 32), (32, 16), (64, 32)]


def needs(options):
    """The FEATURES constant of the least kernel that serves."""
    if options.get("tree"):
        return 2
    return 1 if options.get("softcap") or options.get("alibi") or options.get("prefix") else 0


def cases(dense):
    """Each feature with each split and dtype at least once; the rest drawn, always the same."""
    draw = random.Random(20260101)
    chosen = []
    rounds = 12 if dense else 1
    for turn in range(rounds):
        for index, feature in enumerate(FEATURES):
            for dtype in ("fp32", "fp16"):
                for splits in (1, 3):
                    options = dict(feature, dtype=dtype, splits=splits, seed=len(chosen))
                    options["lengths"] = LENGTHS[(index + len(chosen)) % len(LENGTHS)]
                    options["heads"] = draw.choice(HEADS[:4] if not dense else HEADS)
                    options["head_qk"], options["head_v"] = HEAD_SIZES[len(chosen) % len(HEAD_SIZES)]
                    options["block_size"] = draw.choice(BLOCK_SIZES)
                    if "kv_dtype" in feature and not options["block_size"]:
                        options["block_size"] = 16
                    options["hnd"] = draw.random() < 0.3
                    options["block_m"], options["tile"] = draw.choice(TILES)
                    options["features"] = draw.choice(range(needs(options), 3))
                    chosen.append(options)
    # Keys of another length than positions: cross attention, and contiguous encoders.
    for index, (lengths, kv_lens) in enumerate([(((3, 3), (1, 9)), (20, 35)), (((4, 4), (2, 2)), (1, 0))]):
        for splits in (1, 2):
            for block_size in (16, 0):
                chosen.append({"lengths": lengths, "kv_lens": kv_lens, "causal": "never", "splits": splits,
                               "block_size": block_size, "seed": 900 + index})
    # Xpacked caches, and 8 bits without a negative zero.
    for index, options in enumerate((
            {"dtype": "fp32", "head_qk": 80, "head_v": 80}, {"dtype": "fp16", "window_left": 20, "splits": 3},
            {"dtype": "fp16", "kv_dtype": "e4m3fnuz", "scaled": "KV", "softcap": 5.0},
            {"dtype": "fp32", "alibi": True, "block_size": 544})):
        chosen.append({"lengths": LENGTHS[(2, 4, 6, 7)[index]], "block_size": 32, "features": 1, "xpacked": True,
                       "seed": 970 + index, **options})
    chosen.append({"lengths": LENGTHS[4], "kv_dtype": "e4m3fnuz", "scaled": "kv", "dtype": "fp16", "seed": 980})
    # A tile of few rows over many keys, and groups wider than a tile.
    chosen.append({"lengths": ((1, 700), (2, 513)), "splits": 5, "tile": 32, "dtype": "fp16", "features": 0,
                   "seed": 950})
    chosen.append({"lengths": ((2, 19), (1, 40)), "heads": (20, 1), "splits": 2, "seed": 951})
    chosen.append({"lengths": ((40, 90), (1, 300)), "block_m": 64, "tile": 32, "features": 0, "dtype": "fp16",
                   "seed": 952})
    if dense:
        for head in (40, 64, 128, 256):
            chosen.append({"lengths": ((134, 600), (1, 1328)), "head_qk": head, "head_v": head, "dtype": "fp16",
                           "block_m": 64, "tile": 64, "features": 1, "heads": (32, 8), "seed": 960 + head})
    return chosen
