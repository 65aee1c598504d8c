# SPDX-License-Identifier: Apache-2.0
"""What selection has to answer, from the fact files and the design's words alone: checks, ranking, sentences.

Written against the design of selection, not against the core's code; cases/*.json are its output, reviewed by reading.
"""
import facts

CHECK = facts.load("checks.json")  # code -> the design's words, in the order of the checks
FEATURE_CHECKS = [("MM_PREFIX", {"mm_prefix"}), ("SINKS", {"sinks"}),
                  ("PER_HEAD_SCALES", {"per_head_scales", "per_token_head_scales"}),
                  ("SLIDING_WINDOW", {"sliding_window", "window_prefix"}), ("NON_CAUSAL", {"non_causal", "causal_per_request"}),
                  ("CONTEXT_PARALLEL", {"context_parallel"}), ("SOFTCAP", {"softcap"}), ("ALIBI", {"alibi", "alibi_sqrt"}),
                  ("LSE", {"lse"}), ("DENSE_MASK", {"dense_mask"}), ("TREE_MASK", {"tree_mask"}), ("BLOCK_SPARSE", {"block_sparse"}),
                  ("DIFF_KV", {"diff_kv"}), ("OUTPUT_QUANT", {"output_quant"}), ("FEATURE", {"flex", "split_q"})]
DETERMINISM = ["none", "repeatable", "batch-invariant", "schedule-invariant"]
GRAPHS = ["never", "uniform decode", "uniform batch", "always"]
ISA = {"baseline": [], "avx2": ["avx2"], "avx512": ["avx2", "avx512"],
       "avx512_bf16": ["avx2", "avx512", "avx512_bf16", "avx512_vnni"],
       "amx": ["avx2", "avx512", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8"]}

# The design's table.
FA_FIRST = ["FLASH_ATTN", "FLASHINFER", "TRITON_ATTN", "FLEX_ATTENTION"]
MLA_OTHER = ["FLASH_ATTN_MLA", "FLASHMLA", "FLASHINFER_MLA", "TRITON_MLA", "FLASHMLA_SPARSE"]


def lists(p):
    kind, arch = p["device"], p["arch"]
    gfx9 = kind == "rocm" and 0x900 <= arch <= 0x9FF
    if p["mla_prefill"]:
        return {"cuda": ["TRTLLM_RAGGED", "FLASHINFER_CUTLASS", "CUDNN", "FLASH_ATTN"] if arch // 10 == 10 else ["FLASH_ATTN", "TRITON_ATTN"],
                "rocm": ["ROCM_AITER_FA", "TRITON_ATTN"], "cpu": ["CPU_MLA"]}[kind]
    if p["family"] == "mla":
        if kind == "cuda":
            if arch // 10 == 10:
                return ["FLASHINFER_MLA", "CUTLASS_MLA", "FLASH_ATTN_MLA", "FLASHMLA", "TRITON_MLA", "FLASHMLA_SPARSE", "FLASHINFER_MLA_SPARSE"]
            return ["TRITON_MLA"] if arch // 10 == 12 else MLA_OTHER
        if gfx9:
            return ["ROCM_AITER_MLA_SPARSE"] if p["sparse_topk"] else ["ROCM_AITER_MLA", "ROCM_AITER_TRITON_MLA", "TRITON_MLA"]
        return ["TRITON_MLA"] if kind == "rocm" else ["CPU_MLA"]
    if kind == "cuda":
        if "tree_mask" in p["features"]:
            return ["TREE_ATTN", "TRITON_ATTN", "FLEX_ATTENTION"]
        if "diff_kv" in p["features"]:
            return ["FLASH_ATTN_DIFFKV", "FLASH_ATTN", "TRITON_ATTN"]
        return ["FLASHINFER", "FLASH_ATTN", "TRITON_ATTN", "FLEX_ATTENTION"] if arch // 10 == 10 else FA_FIRST
    if kind == "rocm":
        if gfx9:
            return ["ROCM_AITER_FA", "ROCM_ATTN", "ROCM_AITER_UNIFIED_ATTN", "TRITON_ATTN", "FLEX_ATTENTION"]
        return ["ROCM_AITER_UNIFIED_ATTN", "ROCM_ATTN", "TRITON_ATTN"]
    return ["CPU_ATTN", "FLEX_ATTENTION"]


def problem(device, fields):
    """The problem that a row's fields ask for, with what follows from them."""
    kind, _, level = device.partition(":")
    p = {"device": kind, "arch": 0, "isa": [], "family": "standard", "dtype": "bf16", "attn_type": "decoder", "phase": "mixed",
         "block_size": 0, "num_heads": 32, "num_kv_heads": 8, "head_size": 128, "softcap": 0, "causal": "always", "window_left": -1,
         "determinism": "none", "graph_level": "never", "cp_size": 0, "sparse_topk": 0, "decode_query_len": 1,
         "provides": ["host_lengths", "host_lengths_upper_bound"], "features": [], "kv_layouts": [], "nope": 128,
         "mla_prefill": False}
    if kind == "cuda":
        major, minor = level.split(".")
        p["arch"] = int(major) * 10 + int(minor)
    elif kind == "rocm":
        p["arch"] = int(level.removeprefix("gfx"), 16)
    else:
        p["isa"] = ISA[level]
    p.update(fields)
    f = set(p["features"])
    if p["family"] == "mla":
        p["num_kv_heads"] = 1
        p["head_size"] = fields.get("head_size", 576)
        p["head_size_v"] = p["head_size"] - 64
    p.setdefault("head_size_v", p["head_size"])
    p.setdefault("kv_cache_dtype", p["dtype"])
    p.setdefault("out_dtype", p["dtype"])
    f |= {"always": {"causal"}, "never": {"non_causal"}, "per request": {"causal_per_request"}}[p["causal"]]
    if p["window_left"] >= 0:
        f.add("sliding_window")
    if p["softcap"]:
        f.add("softcap")
    if p["family"] == "standard" and p["head_size"] != p["head_size_v"]:
        f.add("diff_kv")
    if p["cp_size"] > 1:
        f |= {"context_parallel", "lse"}
    if p["sparse_topk"]:
        f.add("sparse_topk")
    p["features"] = f
    if not p["kv_layouts"]:
        if p["family"] == "mla":
            p["kv_layouts"] = ["mla", "fp8_ds_mla", "native"]
        elif p["attn_type"] in ("encoder", "encoder_only"):
            p["kv_layouts"] = ["contiguous"]
        else:
            p["kv_layouts"] = ["nhd", "hnd", "packed", "xpacked", "native"]
    return p


def prefill_half(p):
    """MLA's prefill: up-projected K and V without a cache, context without a mask, partial results merged."""
    h = dict(p, family="standard", phase="prefill", kv_layouts=["contiguous"], block_size=0, num_kv_heads=p["num_heads"],
             head_size=p["nope"] + 64, head_size_v=128, kv_cache_dtype=p["dtype"], sparse_topk=0, cp_size=0, mla_prefill=True)
    h["features"] = (p["features"] - {"sparse_topk", "split_q", "kv_scales", "per_head_scales", "per_token_head_scales",
                                      "context_parallel"}) | {"lse", "non_causal"}
    if h["head_size"] != h["head_size_v"]:
        h["features"].add("diff_kv")
    return h


def admits(s, n):
    return n in s["list"] or bool(s["multiple"] and n % s["multiple"] == 0 and n >= s["min"] and (not s["max"] or n <= s["max"]))


def serves_block(s, n):
    return any(admits(s, d) for d in range(1, n + 1) if n % d == 0)


def codes(v, p):
    """The checks that refuse, by the sheet."""
    out = set()
    missing = p["features"] - set(v["features"])
    if not admits(v["heads"], p["head_size"]) or not admits(v["heads_v"] or v["heads"], p["head_size_v"]):
        out.add("HEAD_SIZE")
    if p["dtype"] not in v["q"] or p["out_dtype"] not in v["q"]:
        out.add("DTYPE")
    if p["kv_cache_dtype"] not in v["kv"] or "kv_scales" in missing:
        out.add("KV_CACHE_DTYPE")
    if p["block_size"] and p["kv_layouts"] != ["contiguous"] and not serves_block(v["blocks"], p["block_size"]):
        out.add("BLOCK_SIZE")
    if v["family"] != p["family"]:
        out.add("FAMILY")
    if ("sparse_topk" in v["features"]) != ("sparse_topk" in p["features"]):
        out.add("SPARSE")
    if v["device"] != p["device"] or (v["arch"] and not any(low <= p["arch"] <= high for low, high in v["arch"])):
        out.add("ARCH")
    if v["device"] == p["device"] and set(v["isa"]) - set(p["isa"]):
        out.add("ISA")
    if p["attn_type"] not in v["attn"]:
        out.add("ATTN_TYPE")
    if DETERMINISM.index(p["determinism"]) > DETERMINISM.index(v["determinism"]):
        out.add("BATCH_INVARIANCE")
    if p["phase"] not in v["phases"]:
        out.add("PHASE")
    if p["phase"] != "prefill" and v["decode_query_max"] and p["decode_query_len"] > v["decode_query_max"]:
        out.add("DECODE_QUERY_LEN")
    if not set(v["layouts"]) & set(p["kv_layouts"]):
        out.add("KV_LAYOUT")
    if v["gqa_group_max"] and p["num_heads"] // p["num_kv_heads"] > v["gqa_group_max"]:
        out.add("GQA_GROUP")
    if GRAPHS.index(p["graph_level"]) > GRAPHS.index(v["graph"]):
        out.add("GRAPH_LEVEL")
    if set(v["needs"]) - set(p["provides"]):
        out.add("HOST_LENGTHS")
    for code, bits in FEATURE_CHECKS:
        if bits & missing:
            out.add(code)
    return out


def text(code, p):
    if code == "FAMILY" and p["family"] != "mla":
        return "non-MLA not supported"
    if code == "SPARSE" and "sparse_topk" not in p["features"]:
        return "non-sparse not supported"
    return CHECK[code].format(p["attn_type"])


def combination(set_name, v, p):
    """The plugin's own reasons."""
    out = []
    name, kv8 = v["backend"], p["kv_cache_dtype"] not in ("fp32", "fp16", "bf16")
    if v["device"] != p["device"]:
        return out  # other hardware's kernels are not asked
    if p["kv_cache_dtype"] in v["kv"] and p["kv_cache_dtype"] != p["dtype"] and p["kv_cache_dtype"] not in v["kv_explicit"]:
        out.append("kv_cache_dtype not supported")
    if v["prefill_only"] and not p["mla_prefill"]:
        out.append("serves the prefill of MLA alone")
    if p["mla_prefill"] and v["dims"] and [p["nope"], 64, 128] not in v["dims"]:
        out.append("MLA dimensions not supported")
    if set_name != "backends_2026":
        return out
    row = next((b for b in facts.load("backends_2026.json")["backends"] if b["name"] == name), {"combination": []})
    reason = {c["when"]: c["reason"] for c in row["combination"]}
    major = p["arch"] // 10
    topk, nope = p["sparse_topk"], p["nope"] if p["family"] == "mla" or p["mla_prefill"] else 0
    ds_mla = "fp8_ds_mla" in p["kv_layouts"] and "mla" not in p["kv_layouts"]
    if name == "FLASH_ATTN":
        sink, fp8, mm = row["combination"]
        if v["variant"] == "FA2" and "sinks" in p["features"] and major < 9:
            out.append(sink["reason"])
        if v["variant"] == "FA2" and kv8:
            out.append(fp8["reason"])
        if v["variant"] != "FA4" and "mm_prefix" in p["features"]:
            out.append(mm["reason"])
        if v["variant"] == "FA4" and p["head_size"] > 128 and p["head_size"] != 256 and (p["head_size"], p["head_size_v"]) != (192, 128):
            out.append("FA4 on SM10x takes head sizes above 128 only as 256 or (192, v 128)")
    elif name == "TRITON_ATTN" and v["variant"] == "cuda" and kv8 and p["arch"] < 89:
        out.append("fp8 KV below SM89")
    elif name == "FLASHINFER":
        if v["variant"] == "native" and "sliding_window" in p["features"] and major == 9:
            out.append("SM90 + any sliding-window layer")
        if p["causal"] == "never" and p["cp_size"] > 1:
            out.append("non-causal+DCP")
    elif name == "CPU_ATTN" and v["variant"] == "vec" and kv8 and p["head_size"] % 32:
        out.append("fp8 KV needs AVX-512 or AMX and head%32==0")
    elif name == "FLASHINFER_MLA" and nope not in (64, 128, 192):
        out.append(reason["qk_nope_head_dim not in [64,128,192]"].format(n=nope))
    elif name == "TOKENSPEED_MLA" and v["variant"] == "sheet" and nope != 128:
        out.append(reason["dims != (128,64,128)"].partition(", got")[0])
    elif name == "FLASH_ATTN_MLA" and major != 9:
        out.append(reason["not (FA3 available and sm90 family)"])
    elif name == "FLASHMLA":
        if not topk and major != 9:
            out.append(reason["dense and not sm90 family"])
        if topk and major not in (9, 10):
            out.append(reason["use_sparse and not sm90/sm100 family"])
    elif name == "FLASHINFER_MLA_SPARSE":
        if ds_mla:
            out.append(reason["kv==fp8_ds_mla"])
        if nope not in (128, 192):
            out.append(reason["qk_nope_head_dim not in [128,192]"].format(n=nope))
        if not topk:
            out.append(reason["no index_topk"])
    elif name == "FLASHINFER_MLA_SPARSE_SM120":
        if not topk:
            out.append(reason["no index_topk"])
        elif topk != 2048:
            out.append(reason["index_topk != 2048"].format(n=topk))
    elif name == "FLASH_ATTN_MLA_SPARSE":
        for wrong, key in ((kv8, "kv not in (None,auto,float16,bfloat16)"), (major != 9, "FA3 MLA unavailable"),
                           (p["cp_size"] > 1, "dcp>1"), (not topk, "no index_topk")):
            if wrong:
                out.append(reason[key])
    elif name == "FLASHINFER_MLA_SPARSE_DSV4":
        if major == 10 and ds_mla:
            out.append(reason["SM10x and kv fp8_ds_mla"])
        if major not in (10, 12):
            out.append(reason["other cc"])
    return out


def reasons(set_name, v, p, disabled=None):
    out = [CHECK["DISABLED"] + disabled] if disabled else []
    refused = codes(v, p)
    out += [text(code, p) for code in CHECK if code in refused]
    return out + combination(set_name, v, p)


def judge(set_name, p, plugins=None, order=None, disabled=None):
    """Candidates in rank order: (name, {variant: reasons}); None instead of reasons where the backend is not installed."""
    installed = {n: vs for n, vs in facts.backends(set_name).items() if plugins is None or facts.plugin_of(vs) in plugins}
    listed = order or lists(p)
    names = listed + sorted(n for n, vs in installed.items() if n not in listed and any(v["device"] == p["device"] for v in vs))
    off = disabled or (lambda v: None)
    return [(n, {v["variant"]: reasons(set_name, v, p, off(v)) for v in installed[n]} if n in installed else None) for n in names]


def best(variants):
    """The reasons that stand for a backend: of its variant with the fewest, the first of those."""
    return min(variants.values(), key=len) if variants is not None else [CHECK["NOT_INSTALLED"]]


def settle_block(v, p):
    """The manager's block where the user fixed none: 16, or the smallest power of two that the sheet admits."""
    if p["block_size"]:
        return p["block_size"]
    return next((n for n in (16, 32, 64, 128, 256) if admits(v["blocks"], n)), (v["blocks"]["list"] or [v["blocks"]["multiple"]])[0])


def expect(set_name, p, candidates):
    """Automatic selection."""
    potential = [n for n, vs in candidates if vs and not best(vs)]
    out = {"backend": None, "potential": potential}
    if potential:
        name = potential[0]
        variant = next(k for k, r in dict(candidates)[name].items() if not r)
        v = next(v for v in facts.backends(set_name)[name] if v["variant"] == variant)
        out.update(backend=name, variant=variant)
        paged = (set(v["layouts"]) & set(p["kv_layouts"])) != {"contiguous"}
        if paged:
            out["block_size"] = settle_block(v, p)
        if p["block_size"] and paged:
            blamed = [n for n, vs in candidates[: [c[0] for c in candidates].index(name)]
                      if vs and ["block_size not supported"] in vs.values()]
            if blamed:
                out["warnings"] = [f"--block-size {p['block_size']} is what precluded {n}" for n in blamed]
    else:
        out["error"] = ["Reasons: {" + ", ".join(f"{n}: [{', '.join(best(vs))}]" for n, vs in candidates) + "}"]
    return out
