# SPDX-License-Identifier: Apache-2.0
"""Types of kernel parameters, told by their names, so that kernels and table cannot disagree."""

POINTERS = {
    "query_start_loc_ptr": "i32", "seq_lens_ptr": "i32", "kv_lens_ptr": "i32", "kv_start_loc_ptr": "i32",
    "block_table_ptr": "i32", "num_seqs_ptr": "i32", "prefix_ranges_ptr": "i32", "causal_ptr": "u8",
    "slot_mapping_ptr": "i64",
}
OF_Q = {"out_ptr", "q_ptr", "q_rope_ptr", "sinks_q_ptr"}
FLOATS = {"softmax_scale", "softcap"}
ATTNRT = {"fp32": "ATTNRT_FP32", "fp16": "ATTNRT_FP16", "bf16": "ATTNRT_BF16", "e4m3": "ATTNRT_FP8_E4M3",
          "e5m2": "ATTNRT_FP8_E5M2"}


def element(dtype):
    """A dtype as Triton's pointers know it; fp8 is read and written as bytes."""
    return "u8" if dtype in ("e4m3", "e5m2") else dtype


def pointer(name, unit):
    if name in POINTERS:
        return "*" + POINTERS[name]
    if name in OF_Q:
        return "*" + element(unit.q)
    if unit.kernel == "write_kv":
        if name in ("k_ptr", "v_ptr"):
            return "*" + element(unit.q)
        if name in ("k_cache_ptr", "v_cache_ptr"):
            return "*" + element(unit.kv)
    if unit.kernel == "merge_states" and name.startswith("out_"):
        return "*" + element(unit.kv)
    if name in ("k_ptr", "v_ptr", "kv_ptr"):
        return "*" + element(unit.kv)
    return "*fp32"


def of(names, unit):
    """({parameter: type}, {parameter: what its value is a multiple of}).

    Partial results lie in memory of the plugin's own, at multiples of 16 bytes. The operands of even units do too, and
    their strides and sizes keep every row at such a place: multiples of 8, of a cache of bytes 16.
    """
    types, hints = {}, {}
    of_cache = 16 if unit.kv in ("e4m3", "e5m2") else 8
    for name in names:
        if name in unit.constant:
            types[name] = "constexpr"
        elif name.endswith("_ptr"):
            types[name] = pointer(name, unit)
        elif "_stride" in name:
            types[name] = "i64"
        elif name in FLOATS:
            types[name] = "fp32"
        else:
            types[name] = "i32"
        operand = name.removesuffix("_ptr").split("_stride")[0]
        rows, cached = operand in ("q", "q_rope", "out"), operand in ("k", "v", "kv")
        if name == "partial_ptr" or (unit.even and name.endswith("_ptr") and (rows or cached)):
            hints[name] = 16
        elif unit.even and rows:
            hints[name] = 8
        elif unit.even and (cached or name in ("head_size_qk", "head_size_v")):
            hints[name] = of_cache
    return types, hints


def letter(triton_type):
    """A type as the generated table writes it."""
    return "p" if triton_type.startswith("*") else {"i32": "i", "i64": "l", "fp32": "f"}[triton_type]


def attnrt_dtype(name):
    return ATTNRT[name]
