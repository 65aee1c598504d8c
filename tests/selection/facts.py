# SPDX-License-Identifier: Apache-2.0
"""The rows of the fact files as plain capability sheets: one dict for each variant, in the author's order.

sheets.py turns them into the tables of the fixture plugins, oracle.py into expectations. Nothing here or there reads the C++
code or configs/priority.json.
"""
import json
import pathlib
import re

DATA = pathlib.Path(__file__).parent / "data"
TOP = 0xFFFFFFFF
DTYPES = ["fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e4m3fnuz", "fp8_e5m2", "int8"]
KV_WORDS = {"float16": ["fp16"], "bfloat16": ["bf16"], "fp8": ["fp8_e4m3"], "fp8_e4m3": ["fp8_e4m3"], "fp8_e5m2": ["fp8_e5m2"],
            "fp8_ds_mla": ["fp8_e4m3"], "int8_per_token_head": ["int8"], "fp8_per_token_head": ["fp8_e4m3"]}
ANY = {"list": [], "multiple": 1, "min": 1, "max": 0}
GFX9, CDNA3 = [0x900, 0x9FF], [0x940, 0x95F]


def load(name):
    return json.loads((DATA / name).read_text())


EXTRAS = load("extras.json")


def sizes(text):
    """'any', '%16' or '16,32'; a list may mix numbers and '%N'."""
    if text == "any" or text == []:
        return dict(ANY)
    out = {"list": [], "multiple": 0, "min": 0, "max": 0}
    for part in str(text).split(",") if isinstance(text, str) else text:
        part = str(part).strip()
        if part.startswith("%"):
            out["multiple"] = out["min"] = int(part[1:])
        else:
            out["list"].append(int(part))
    return out


def arch_ranges(text):
    """Compute capabilities in the words of either file; None = any."""
    if text in ("any", "n/a"):
        return None
    if m := re.fullmatch(r">=(\d+)\.(\d)", text):
        return [[int(m[1]) * 10 + int(m[2]), TOP]]
    if m := re.fullmatch(r"(\d+)\.x(?:-(\d+)\.x)?", text):
        return [[int(m[1]) * 10, int(m[2] or m[1]) * 10 + 9]]
    if m := re.fullmatch(r"(\d+)\.(\d)\.\.(\d+)\.(\d)", text):
        return [[int(m[1]) * 10 + int(m[2]), int(m[3]) * 10 + int(m[4])]]
    if m := re.fullmatch(r"==(\d+)\.(\d)", text):
        return [[int(m[1]) * 10 + int(m[2])] * 2]
    if m := re.fullmatch(r"major==(\d+)", text):
        return [[int(m[1]) * 10, int(m[1]) * 10 + 9]]
    if m := re.fullmatch(r"major in \{(\d+),(\d+)\}", text):
        return [[int(n) * 10, int(n) * 10 + 9] for n in m.groups()]
    if "gfx942/950" in text or "mi3xx" in text:
        return [CDNA3]
    raise ValueError(text)


def sheet(backend, variant, device, family, **known):
    """A sheet from what the row says, completed by extras.json."""
    s = {"backend": backend, "variant": variant, "device": device, "family": family, "arch": None, "isa": [], "needs": [],
         "phases": ["prefill", "decode", "mixed"], "gqa_group_max": 0, "decode_query_max": 0, "heads_v": None, "dims": None,
         "prefill_only": False, "rules": []}
    s.update(known)
    extra = [EXTRAS["defaults"][family]] + [EXTRAS["backends"].get(key, {}) for key in (backend, f"{backend}/{variant}")]
    features = set(s["features"]) | {"causal"}
    for e in extra:
        features = (features | set(e.get("features", []))) - set(e.get("without", []))
        for key in ("layouts", "graph", "needs", "gqa_group_max", "decode_query_max"):
            if key in e and key not in known:
                s[key] = e[key]
    encoder = {"encoder", "encoder_only"} & set(s["attn"])
    if (encoder or any(e.get("contiguous") for e in extra)) and "contiguous" not in s["layouts"]:
        s["layouts"] = ["contiguous"] + s["layouts"]
    if any(k.startswith("fp8") or k == "int8" for k in s["kv_explicit"]):
        features.add("kv_scales")
    s["features"] = sorted(features)
    s["kv"] = sorted(set(s["kv_explicit"]) | (set(s["q"]) if s["kv_auto"] else set()), key=DTYPES.index)
    if s["family"] == "mla" and s["heads_v"] is None and s["heads"]["list"]:
        # The latent is the row less its 64 rope columns.
        s["heads_v"] = {"list": [n - 64 for n in s["heads"]["list"]], "multiple": 0, "min": 0, "max": 0}
    return s


def kv_words(words):
    explicit = []
    for word in words:
        for dtype in KV_WORDS.get(word, []):
            if dtype not in explicit:
                explicit.append(dtype)
    return {"kv_auto": "auto" in words, "kv_explicit": sorted(explicit, key=DTYPES.index)}


def flags(row, names):
    return {word for key, word in names.items() if row[key] is True or str(row[key]).startswith("yes")}


def feature_support():
    out = []
    platforms = EXTRAS["platforms"]
    for row in load("feature_support.json")["rows"]:
        name = row["backend"]
        devices = platforms.get(name, ["rocm"] if name.startswith("ROCM_") else ["cuda"])
        features = flags(row, {"sink": "sinks", "sparse": "sparse_topk", "mm_prefix": "mm_prefix", "non_causal": "non_causal",
                               "sliding_window": "sliding_window"})
        if row["dcp"]:
            features |= {"context_parallel", "lse"}
        for device in devices:
            arch = arch_ranges(row["compute_capability"])
            if name == "ROCM_AITER_FA":
                arch = [CDNA3]  # the table says n/a; the later file says which
            out.append(sheet(
                name, row["variant"] or (device if len(devices) > 1 else "sheet"), device,
                "standard" if row["family"] == "standard" else "mla", arch=arch if device == "cuda" or name == "ROCM_AITER_FA" else None,
                q=row["dtypes"], blocks=sizes(row["block_sizes"]), heads=sizes(row["head_sizes"]),
                attn=[a.strip() for a in row["attention_types"].split(",")], features=features,
                determinism="batch-invariant" if row["batch_invariant"] else "none", **kv_words(row["kv_dtypes"])))
    for row in load("feature_support.json")["mla_prefill"]:
        if row["backend"] != "FLASH_ATTN":  # whose variants serve it too
            dims = [[128, 64, 128]] if "R1" in row["notes"] else None
            out.append(ragged(row["backend"], "cuda", arch_ranges(row["compute_capability"]), ["fp16", "bf16"], dims))
    return out


def ragged(name, device, arch, dtypes, dims, variant="ragged"):
    """The MLA prefill of a backend: K and V without a cache, heads of nope + rope and v."""
    return sheet(name, variant, device, "standard", arch=arch, q=dtypes, kv_auto=True, kv_explicit=[], blocks=dict(ANY),
                 heads=dict(ANY), attn=["decoder"], features={"non_causal", "lse", "diff_kv"}, determinism="none",
                 layouts=["contiguous"], phases=["prefill"], graph="never", needs=[], gqa_group_max=0, decode_query_max=0,
                 dims=dims, prefill_only=True)


FA = [("FA4", [[100, 109]], {"multiple": 8, "min": 8, "max": 512}), ("FA3", [[90, 99]], {"multiple": 8, "min": 8, "max": 256}),
      ("FA2", [[80, TOP]], {"multiple": 8, "min": 8, "max": 256})]
HEAD_RULES = {"head>=32": {"list": [], "multiple": 1, "min": 32, "max": 0}, "head>0": dict(ANY)}


def backends_2026():
    out = []
    data = load("backends_2026.json")
    fa_dims = next(p["dims"] for p in data["mla_prefill"] if p["name"] == "FLASH_ATTN")
    for row in data["backends"]:
        name = row["name"]
        family = "mla" if row["mla"] else "standard"
        features = flags(row, {"sink": "sinks", "sparse": "sparse_topk", "mm_prefix": "mm_prefix", "non_causal": "non_causal",
                               "sliding_window": "sliding_window", "alibi_sqrt": "alibi_sqrt"})
        if row["dcp_lse"]:
            features |= {"context_parallel", "lse"}
        if "int8_per_token_head" in row["kv"]:
            features.add("per_token_head_scales")
        common = dict(q=row["dtypes"], blocks=sizes(row["kernel_blocks"]), attn=row["attn_types"],
                      determinism="batch-invariant" if row["batch_invariant"] else "none", **kv_words(row["kv"]))
        if name == "TURBOQUANT":
            common.update(kv_explicit=["int8"])  # packed bytes
        if name == "FLASH_ATTN":
            for variant, arch, heads in FA:
                more = {"FA4": {"sinks", "mm_prefix"}, "FA3": {"sinks", "mm_prefix"}, "FA2": {"mm_prefix"}}[variant]
                own = dict(common, determinism="none") if variant == "FA4" else common
                out.append(sheet(name, variant, "cuda", family, arch=arch, features=features | more, heads=dict(heads, list=[]),
                                 dims=fa_dims, **own))
            continue
        if name == "FLASHINFER":
            for variant, arch, more in (("trtllm", [[100, 109]], {"sinks"}), ("native", arch_ranges(row["cc"]), set())):
                out.append(sheet(name, variant, "cuda", family, arch=arch, features=features | more, heads=sizes(row["head"]["list"]),
                                 **common))
            continue
        if name == "CPU_ATTN":
            heads = sizes(row["head"]["list"])
            steps = {"list": [n for n in heads["list"] if n % 32 == 0], "multiple": 0, "min": 0, "max": 0}
            amx = dict(common, q=["bf16"], kv_explicit=[], blocks=sizes("%32"))
            plain = dict(common, kv_explicit=[])
            out.append(sheet(name, "amx", "cpu", family, isa=["amx_tile", "amx_bf16"], features=features, heads=steps, **amx))
            out.append(sheet(name, "vec", "cpu", family, isa=["avx512"], features=features, heads=steps, **common))
            out.append(sheet(name, "vec16", "cpu", family, features=features, heads=heads, **plain))
            continue
        if name == "FLASH_ATTN_DIFFKV":
            arch, heads = [[90, 109]], {"list": [], "multiple": 8, "min": 8, "max": 256}
        else:
            arch = arch_ranges(row["cc"])
            heads = HEAD_RULES[row["head"]["rule"]] if "rule" in row["head"] else sizes(row["head"]["list"])
        devices = [d for d in row["platforms"] if d != "xpu"]  # the ABI has no such device
        for device in devices:
            variant = device if len(devices) > 1 else "sheet"
            own = arch if device == "cuda" or name == "ROCM_AITER_FA" else None
            out.append(sheet(name, variant, device, family, arch=own, features=features, heads=dict(heads), **common))
        if name == "CPU_MLA":
            out.append(ragged(name, "cpu", None, row["dtypes"], None))
    for row in data["mla_prefill"]:
        if row["name"] != "FLASH_ATTN":
            device = "rocm" if "rocm" in row["cc"] else "cuda"
            out.append(ragged(row["name"], device, arch_ranges(row["cc"]), row["dtypes"], row["dims"] or None))
    return out


SETS = {"feature_support": feature_support(), "backends_2026": backends_2026()}


def plugin_of(variants):
    """The fixture plugin in which a backend lies: what runs on several devices, else the device."""
    devices = {v["device"] for v in variants}
    return "portable" if len(devices) > 1 else devices.pop()


def backends(set_name):
    """name -> its variants, in the author's order."""
    out = {}
    for s in SETS[set_name]:
        out.setdefault(s["backend"], []).append(s)
    return out
