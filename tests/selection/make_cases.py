# SPDX-License-Identifier: Apache-2.0
"""make_cases.py [--check]: writes cases/lists.json and cases/reasons.json from the fact files by oracle.py.

--check writes nothing: it fails where the committed rows differ, and where the rows of all cases leave a reason uncovered that
a backend can give.
"""
import json
import pathlib
import sys

import facts
import oracle

CASES = pathlib.Path(__file__).parent / "cases"
ARCHS = ["cuda:8.0", "cuda:9.0", "cuda:10.0", "cuda:12.0", "rocm:gfx90a", "rocm:gfx942", "rocm:gfx950", "rocm:gfx1100",
         "cpu:avx2", "cpu:avx512", "cpu:amx"]

# One field of an ordinary problem changed: together they bring out every reason.
STANDARD = {
    "plain": {}, "head 80": {"head_size": 80}, "head 20": {"head_size": 20}, "head 192": {"head_size": 192},
    "head 512": {"head_size": 512}, "head 1000": {"head_size": 1000},
    "fp32": {"dtype": "fp32"}, "fp8 query": {"dtype": "fp8_e4m3"}, "fp8 output": {"out_dtype": "fp8_e4m3"},
    "kv fp8": {"kv_cache_dtype": "fp8_e4m3"}, "kv fp8 with scales": {"kv_cache_dtype": "fp8_e4m3", "features": ["kv_scales"]},
    "kv e5m2": {"kv_cache_dtype": "fp8_e5m2"}, "kv int8": {"kv_cache_dtype": "int8"},
    "kv e4m3fnuz": {"kv_cache_dtype": "fp8_e4m3fnuz"},
    "kv int8 a token": {"kv_cache_dtype": "int8", "features": ["per_token_head_scales"]},
    "kv fp16 beside bf16": {"kv_cache_dtype": "fp16"}, "kv bf16 beside fp16": {"dtype": "fp16", "kv_cache_dtype": "bf16"},
    "block 8": {"block_size": 8}, "block 24": {"block_size": 24}, "block 128": {"block_size": 128}, "block 544": {"block_size": 544},
    "multimodal prefix": {"features": ["mm_prefix"]}, "MLA": {"family": "mla"}, "sinks": {"features": ["sinks"]},
    "sparse": {"sparse_topk": 2048}, "scales a head": {"features": ["per_head_scales"]},
    "encoder": {"attn_type": "encoder", "causal": "never"}, "encoder only": {"attn_type": "encoder_only", "causal": "never"},
    "cross": {"attn_type": "encoder_decoder", "causal": "never"},
    "window": {"window_left": 1023}, "window with prefix": {"window_left": 1023, "features": ["window_prefix"]},
    "non-causal": {"causal": "never"}, "causal a request": {"causal": "per request"},
    "batch-invariant": {"determinism": "batch-invariant"}, "schedule-invariant": {"determinism": "schedule-invariant"},
    "context parallel": {"cp_size": 2}, "softcap": {"softcap": 30}, "ALiBi": {"features": ["alibi"]},
    "ALiBi sqrt": {"features": ["alibi_sqrt"]}, "LSE": {"features": ["lse"]}, "dense mask": {"features": ["dense_mask"]},
    "tree mask": {"features": ["tree_mask"]}, "block-sparse": {"features": ["block_sparse"]},
    "different K and V": {"head_size": 192, "head_size_v": 128}, "quantised output": {"features": ["output_quant"]},
    "prefill": {"phase": "prefill"}, "decode": {"phase": "decode"}, "speculative": {"decode_query_len": 4},
    "layout packed": {"kv_layouts": ["packed"]}, "layout native": {"kv_layouts": ["native"]}, "layout nhd": {"kv_layouts": ["nhd"]},
    "group of 64": {"num_heads": 64, "num_kv_heads": 1}, "graph uniform batch": {"graph_level": "uniform batch"},
    "graph always": {"graph_level": "always"}, "graph uniform decode": {"graph_level": "uniform decode"},
    "no host lengths": {"provides": []}, "flex": {"features": ["flex"]}, "split q": {"features": ["split_q"]},
    "non-causal with DCP": {"causal": "never", "cp_size": 2}, "head 72 fp8": {"head_size": 80, "kv_cache_dtype": "fp8_e4m3"},
}
MLA = {
    "plain": {}, "head 640": {"head_size": 640}, "head 512": {"head_size": 512}, "fp32": {"dtype": "fp32"}, "fp16": {"dtype": "fp16"},
    "kv fp8": {"kv_cache_dtype": "fp8_e4m3"}, "kv e5m2": {"kv_cache_dtype": "fp8_e5m2"}, "kv fp16 beside bf16": {"kv_cache_dtype": "fp16"},
    "block 8": {"block_size": 8}, "block 24": {"block_size": 24}, "block 64": {"block_size": 64}, "block 128": {"block_size": 128},
    "block 256": {"block_size": 256}, "multimodal prefix": {"features": ["mm_prefix"]}, "sinks": {"features": ["sinks"]},
    "sparse": {"sparse_topk": 2048}, "sparse 512": {"sparse_topk": 512},
    "sparse fp8": {"sparse_topk": 2048, "kv_cache_dtype": "fp8_e4m3"},
    "sparse fp8_ds_mla": {"sparse_topk": 2048, "kv_cache_dtype": "fp8_e4m3", "kv_layouts": ["fp8_ds_mla"]},
    "sparse with DCP": {"sparse_topk": 2048, "cp_size": 2}, "scales a head": {"features": ["per_head_scales"]},
    "encoder": {"attn_type": "encoder"}, "window": {"window_left": 1023}, "non-causal": {"causal": "never"},
    "causal a request": {"causal": "per request"}, "fp8 query": {"dtype": "fp8_e4m3"},
    "batch-invariant": {"determinism": "batch-invariant"}, "schedule-invariant": {"determinism": "schedule-invariant"},
    "context parallel": {"cp_size": 2}, "softcap": {"softcap": 30}, "ALiBi": {"features": ["alibi"]}, "LSE": {"features": ["lse"]},
    "dense mask": {"features": ["dense_mask"]},
    "tree mask": {"features": ["tree_mask"]}, "block-sparse": {"features": ["block_sparse"]},
    "K and V of different width": {"features": ["diff_kv"]}, "quantised output": {"features": ["output_quant"]},
    "speculative": {"decode_query_len": 4}, "layout native": {"kv_layouts": ["native"]}, "graph always": {"graph_level": "always"},
    "graph uniform batch": {"graph_level": "uniform batch"}, "graph uniform decode": {"graph_level": "uniform decode"},
    "split q": {"features": ["split_q"]}, "nope 96": {"nope": 96}, "sparse nope 96": {"nope": 96, "sparse_topk": 2048},
}
ON_EVERY_ARCH = ["plain", "batch-invariant", "kv fp8", "sinks", "tree mask", "different K and V"]
MLA_ON_EVERY_ARCH = ["plain", "kv fp8", "sparse"]


def row(set_name, device, name, fields, wide):
    """`wide` adds reasons: "all" those of each variant for the device, "changed" where they are not those of the plain row."""
    p = oracle.problem(device, fields)
    candidates = oracle.judge(set_name, p)
    expect = oracle.expect(set_name, p, candidates)
    if wide:
        here = {(n, v["variant"]) for n, vs in facts.backends(set_name).items() for v in vs if v["device"] == p["device"]}
        own = "mla" if p["family"] == "mla" else "standard"
        families = {(v["backend"], v["variant"]): v["family"] for v in facts.SETS[set_name]}
        # A family mismatch tells little more than itself, so it is spelt out on the plain rows alone.
        expect["reasons"] = {f"{n}/{k}": r for n, vs in candidates for k, r in (vs or {}).items()
                             if (n, k) in here and (families[n, k] == own or wide == "all")}
        expect["reasons"].update({n: ["not installed"] for n, vs in candidates if vs is None})
        if wide == "changed":
            plain = dict(oracle.judge(set_name, oracle.problem(device, {k: fields[k] for k in ("family", "phase") if own == "mla"})))
            expect["reasons"] = {key: r for key, r in expect["reasons"].items()
                                 if "/" not in key or (plain.get(key.partition("/")[0]) or {}).get(key.partition("/")[2]) != r}
    if p["family"] == "mla" and p["phase"] != "decode" and expect["backend"]:
        half = oracle.prefill_half(p)
        judged = oracle.judge(set_name, half, disabled=presets)
        told = oracle.expect(set_name, half, judged)
        expect["prefill"] = {"backend": told["backend"], "potential": told["potential"]}
        if told["backend"]:
            expect["prefill"]["variant"] = told["variant"]
        else:
            expect["error"] = ["MLA prefill: No valid attention backend found for "] + told["error"]
            expect["backend"] = None  # decode alone does not serve a model
    out = {"name": f"{set_name} {device} {name}", "set": set_name, "device": device}
    if fields:
        out["problem"] = fields
    out["expect"] = expect
    return out


def presets(v):
    """What the shipped table switches off where nobody said anything."""
    return {"CUDNN": "use_cudnn_prefill=0", "FLASHINFER_CUTLASS": "disable_flashinfer_prefill=1"}.get(v["backend"])


# CUDNN and FLASHINFER_CUTLASS are candidates of no standard problem that matters, but are refused with one reason more.
_reasons = oracle.reasons
oracle.reasons = lambda set_name, v, p, disabled=None: _reasons(set_name, v, p, disabled or presets(v))


def make():
    lists, reasons = [], []
    for set_name in facts.SETS:
        for device in ARCHS:
            for name in ON_EVERY_ARCH:
                lists.append(row(set_name, device, name, STANDARD[name], wide=None))
            for name in MLA_ON_EVERY_ARCH:
                lists.append(row(set_name, device, f"MLA decode {name}", dict(MLA[name], family="mla", phase="decode"), wide=None))
            lists.append(row(set_name, device, "MLA both phases", {"family": "mla"}, wide=None))
            lists.append(row(set_name, device, "MLA both phases batch-invariant", {"family": "mla", "determinism": "batch-invariant"}, wide=None))
        for device in ["cuda:9.0", "rocm:gfx942", "cpu:avx2"]:
            for name, fields in STANDARD.items():
                reasons.append(row(set_name, device, name, fields, wide="all" if name in ("plain", "MLA", "sparse") else "changed"))
        for device in ["cuda:10.0", "rocm:gfx942", "cpu:avx2"]:
            for name, fields in MLA.items():
                reasons.append(row(set_name, device, f"MLA {name}", dict(fields, family="mla", phase="decode"), wide="all" if name == "plain" else "changed"))
        for device, name in [("cuda:7.5", "plain"), ("cuda:6.1", "plain"), ("cuda:8.0", "plain"), ("cuda:8.0", "sinks"), ("cuda:8.0", "kv fp8"), ("cuda:10.0", "head 192"), ("cuda:10.0", "non-causal with DCP"),
                             ("rocm:gfx1100", "plain"), ("cpu:amx", "plain"), ("cpu:avx512", "head 72 fp8")]:
            reasons.append(row(set_name, device, f"{name}, all told", STANDARD[name], wide="all"))
        for device in ["cuda:9.0", "cuda:12.0", "rocm:gfx1100"]:
            for name in ["plain", "sparse", "sparse 512", "sparse with DCP"]:
                reasons.append(row(set_name, device, f"MLA {name}, all told", dict(MLA[name], family="mla", phase="decode"), wide="all"))
    return {"lists.json": lists, "reasons.json": reasons}


def dump(rows):
    return "[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n"


def possible(v):
    """The checks that some problem can fail on this variant, told from the sheet one by one."""
    any_size = facts.ANY
    features = set(v["features"])
    out = {"DTYPE", "KV_CACHE_DTYPE", "FAMILY", "SPARSE", "ATTN_TYPE"}
    tests = {
        "HEAD_SIZE": v["heads"] != any_size, "BLOCK_SIZE": v["blocks"] != any_size and v["blocks"]["multiple"] != 1 and 1 not in v["blocks"]["list"],
        "ARCH": bool(v["arch"]), "ISA": bool(v["isa"]), "BATCH_INVARIANCE": True,
        "PHASE": len(v["phases"]) < 3, "DECODE_QUERY_LEN": bool(v["decode_query_max"]), "KV_LAYOUT": True,
        "GQA_GROUP": bool(v["gqa_group_max"]), "GRAPH_LEVEL": v["graph"] != "always", "HOST_LENGTHS": bool(v["needs"])}
    out |= {code for code, can in tests.items() if can}
    out |= {code for code, bits in oracle.FEATURE_CHECKS if bits - features}
    if len(v["attn"]) == 4:
        out.discard("ATTN_TYPE")
    if v["prefill_only"]:  # judged for MLA prefill, its other limits are those of any sheet
        out &= {"FAMILY", "PHASE"}
    return out


def uncovered(rows):
    given = {}
    for r in rows:
        for key, texts in r["expect"].get("reasons", {}).items():
            backend, _, variant = key.partition("/")
            given.setdefault((r["set"], backend, variant), set()).update(texts)
    words = {code: {oracle.CHECK[code].format(a) for a in ("decoder", "encoder", "encoder_only", "encoder_decoder")} for code in oracle.CHECK}
    words["FAMILY"].add("non-MLA not supported")
    words["SPARSE"].add("non-sparse not supported")
    missing = []
    pairs = 0
    for set_name, variants in facts.SETS.items():
        for v in variants:
            told = given.get((set_name, v["backend"], v["variant"]), set())
            for code in sorted(possible(v)):
                pairs += 1
                if not told & words[code]:
                    missing.append(f"{set_name} {v['backend']}/{v['variant']}: {words[code]}")
    for b in facts.load("backends_2026.json")["backends"]:
        told = set().union(*(t for (s, n, _), t in given.items() if s == "backends_2026" and n == b["name"]), set())
        for c in b["combination"]:
            pairs += 1
            # Whether a package is there is `available`'s to say, and a sheet has no packages.
            if c["when"] in ("package missing", "FlashInfer sparse MLA API missing", "SM12x API missing"):
                continue
            head = c["reason"].partition("{")[0].partition(" (")[0]
            if not any(head in t for t in told):
                missing.append(f"backends_2026 {b['name']}: combination '{c['reason']}'")
    return pairs, missing


def main():
    files = make()
    if "--check" not in sys.argv:
        for name, rows in files.items():
            (CASES / name).write_text(dump(rows))
        return 0
    stale = [name for name, rows in files.items() if (CASES / name).read_text() != dump(rows)]
    everything = [r for f in sorted(CASES.glob("*.json")) for r in json.loads(f.read_text())]
    pairs, missing = uncovered(everything)
    for name in stale:
        print(f"cases/{name} is not what make_cases.py makes of the facts, wanted: python3 tests/selection/make_cases.py")
    for line in missing:
        print(f"no row shows {line}")
    print(f"{len(everything)} rows, {pairs} reasons that a variant can give, {len(missing)} of them uncovered")
    return 1 if stale or missing else 0


sys.exit(main())
