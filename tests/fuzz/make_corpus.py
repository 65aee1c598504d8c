# SPDX-License-Identifier: Apache-2.0
"""make_corpus.py: writes the seeds under corpus/ from the shipped tables, the test tensors and ELF files made by hand.

Seeds that a fuzzer found stand beside these, named by their digest; this script leaves them alone."""
import json
import pathlib
import random
import struct

here = pathlib.Path(__file__).parent
root = here.parent.parent


def put(target, name, data):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# ---- priority tables
for file in [root / "configs" / "priority.json", *sorted((root / "configs" / "examples").glob("*.json"))]:
    put("priority", file.name, json.dumps(json.loads(file.read_text()), separators=(",", ":")))
rule = {"name": "a", "order": ["A_ATTN", "B_ATTN"]}
whens = {"arch": {"device": "cuda", "arch": "8.0-9.9"}, "gfx": {"device": "rocm", "arch": "gfx942"}, "family": {"family": "mla_prefill"},
         "phase": {"phase": "decode", "causal": True}, "heads": {"num_heads": {"min": 8, "max": 64}},
         "cache": {"kv_cache_dtype": ["fp8_e4m3", "bf16"]}, "features": {"features": ["sinks", "tree_mask"]}}
for name, when in whens.items():
    put("priority", f"when_{name}.json", json.dumps({"version": 1, "rules": [{**rule, "when": when}]}))
switches = {"exclude": {"env": "A", "is": "0", "exclude": ["A_*_B", "*"]}, "before": {"config": "a", "is": 1, "before": ["A", "B"]},
            "only": {"env": "A", "config": "a", "default": True, "is": True, "only": {"A": ["v1", "v2"], "B": ["v3"]}}}
for name, switch in switches.items():
    put("priority", f"switch_{name}.json", json.dumps({"version": 1, "rules": [rule], "switches": [switch]}))
put("priority", "twice.json", json.dumps({"version": 1, "rules": [rule, rule]}))
put("priority", "unknown_key.json", json.dumps({"version": 1, "rules": [], "more": None}))
put("priority", "cut.json", '{"version": 1,\n "rules": [{"name"')

# ---- attention-config
configs = {"backend": {"backend": "FLASH_ATTN/FA2"}, "prefill": {"mla_prefill_backend": "CUDNN"}, "pin": {"pin": {"flash_attn": "sha256:" + "0a" * 32}},
           "pin_short": {"pin": {"flash_attn": "sha256:0a"}}, "version": {"flash_attn_version": 3, "use_trtllm_attention": False},
           "text": {"use_cudnn_prefill": "1"}, "unknown": {"flash": 1}, "empty": {}, "list": [], "float": {"flash_attn_version": 2.5}}
for name, config in configs.items():
    put("attention_config", f"{name}.json", json.dumps(config))

# ---- safetensors: the real headers over one row of each tensor, and small ones of every dtype
def safetensors(tensors, metadata=None, pad=b" "):
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, shape, body) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    text = json.dumps(header, separators=(",", ":")).encode()
    text += pad * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4,
         "U64": 8, "I64": 8, "F64": 8}
for file in sorted((root / "tests" / "data").glob("*.safetensors")):
    with file.open("rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    metadata = header.pop("__metadata__", None)
    small = {name: (t["dtype"], [1] * len(t["shape"]), bytes(range(SIZES[t["dtype"]]))) for name, t in header.items()}
    put("safetensors", file.name, safetensors(small, metadata))
put("safetensors", "dtypes", safetensors({d: (d, [2, 1], bytes(2 * n)) for d, n in sorted(SIZES.items(), key=lambda x: -x[1])}))
qkv = {name: ("F32", [1, 2, 1, 1], bytes(8)) for name in ("query", "key", "value")}
put("safetensors", "sdpa", safetensors({**qkv, "attn_mask": ("BF16", [2, 1, 1], bytes(4)), "s_aux": ("F16", [2], bytes(4))},
                                       {"is_causal": "True", "sm_scale": "0.5", "enable_gqa": "None"}))
put("safetensors", "flash_attn", safetensors({**qkv, "alibi_slopes": ("F32", [1], bytes(4))},
                                             {"layout": "bshd", "causal": "True", "window_size": "(1, -1)", "softcap": "0.0"}))
put("safetensors", "nothing", safetensors({}))
put("safetensors", "empty_tensor", safetensors({"a": ("F32", [0, 3], b""), "b": ("U8", [], b"x")}))
put("safetensors", "hole", safetensors({"a": ("U8", [4], b"abcd")}) + b"more")
put("safetensors", "cut", safetensors({"a": ("U8", [4], b"abcd")})[:-1])
put("safetensors", "overflow", safetensors({"a": ("F64", [2**61, 2**61, 0], b"")}))
put("safetensors", "long_header", struct.pack("<Q", 2**62) + b"{}")
put("safetensors", "twice", struct.pack("<Q", 120) + b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'.ljust(120))


# ---- ELF files
def note(owner, kind, body, align=4):
    owner += b"\0"
    pad = lambda b: b + b"\0" * (-len(b) % align)
    return struct.pack("<III", len(owner), len(body), kind) + pad(owner) + pad(body)


def attnrt_note(name=b"made", version=b"1.0", major=0, minor=1, sanitizers=0):
    body = struct.pack("<IIII32s16s", 64, major, minor, sanitizers, name, version)
    return struct.pack("<III8s", 7, 64, 0x41545431, b"attnrt") + body


def elf(notes, exports=(b"attnrt_plugin_query",), machine=62, kind=3, sections=True):
    names = b"\0" + b"".join(e + b"\0" for e in exports)
    symbols = bytes(24)
    for e in exports:
        symbols += struct.pack("<IBBHQQ", names.index(e), 0x12, 0, 1, 0x1000, 8)
    at_notes = 64 + 3 * 56
    at_symbols = at_notes + len(notes)
    at_names = at_symbols + len(symbols)
    at_sections = at_names + len(names)
    out = b"\x7fELF\2\1\1" + bytes(9)
    out += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, at_sections if sections else 0, 0, 64, 56, 3, 64, 3 if sections else 0, 0)
    phdr = lambda t, offset, size, align: struct.pack("<IIQQQQQQ", t, 5, offset, offset, offset, size, size, align)
    out += phdr(1, 0, at_sections, 4096) + phdr(2, at_names, len(names), 8) + phdr(4, at_notes, len(notes), 4)
    out += notes + symbols + names
    if sections:
        shdr = lambda t, offset, size, link: struct.pack("<IIQQQQIIQQ", 0, t, 2, 0, offset, size, link, 0, 8, 24)
        out += bytes(64) + shdr(11, at_symbols, len(symbols), 2) + shdr(3, at_names, len(names), 0)
    return out


identity = note(b"GNU", 3, bytes(range(20)))
good = elf(identity + attnrt_note())
put("inspect", "good", good)
put("inspect", "no_sections", elf(attnrt_note(), sections=False))
put("inspect", "two_exports", elf(attnrt_note(), (b"attnrt_plugin_query", b"more")))
put("inspect", "no_note", elf(identity))
put("inspect", "other_abi", elf(attnrt_note(major=7)))
put("inspect", "sanitized", elf(attnrt_note(sanitizers=3)))
put("inspect", "long_name", elf(attnrt_note(name=b"n" * 32, version=b"v" * 16)))
put("inspect", "other_machine", elf(attnrt_note(), machine=183))
put("inspect", "program", elf(attnrt_note(), kind=2))
put("inspect", "cut", good[:-100])
put("inspect", "headers_cut", good[:100])
put("inspect", "text", b"no plugin at all")

# ---- sheets, problems and batches: bytes as they come, and ones that make small numbers
random.seed(1)
for i in range(12):
    put("match", f"any_{i}", random.randbytes(160))
    put("match", f"small_{i}", bytes(random.choice((0, 0, 1, 2, 3, 7, 255)) for _ in range(160)))
    put("batch", f"any_{i}", random.randbytes(240))
    put("batch", f"small_{i}", bytes(random.choice((1, 1, 2, 3, 5, 9, 17)) for _ in range(240)))

# ---- programs of FLEX_ATTENTION: those of docs/flex.md, canonical forms, errors; bytes that become programs
examples = (root / "docs" / "flex.md").read_text().split("```flex\n")[1:]
for i, example in enumerate(examples):
    put("flex_text", f"example_{i}", example.split("```")[0])
nodes = '["q_idx"],["kv_idx"],["sub",0,1],["i32",[-3]],["lt",2,3],["f32",["-inf"]],["score"],["where",4,5,6]'
put("flex_text", "canonical", '{"flex":1,"buffers":[],"nodes":[' + nodes + '],"mask":4,"score":7}')
put("flex_text", "canonical_cut", '{"flex":1,"buffers":[{"name":"a","dtype":"i32","extents":[3,"n"]}],"nodes":[["load",0')
put("flex_text", "deep", "mask: " + "!" * 62 + "true")
put("flex_text", "control", "mask: \x01\n\xff")
put("flex_text", "long", "mask: " + "a" * 4000)
put("flex_text", "casts", "buffer t0: bool[3, n, 4, 5]\nscore: f32(bool(i32(-7 // 2) >> 1)) - -inf * nan + 0x1F % .5")
for i in range(8):
    put("flex_ranges", f"any_{i}", random.randbytes(700))
    put("flex_ranges", f"ordered_{i}", bytes([i % 3, *(random.choice((0, 5, 9, 40, 201)) for _ in range(36)), 7]) + random.randbytes(400))
