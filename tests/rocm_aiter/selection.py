# SPDX-License-Identifier: Apache-2.0
"""Selection for an AMD device with the sheets of the built plugin: what the priority table chooses, what each of its
switches changes, and that a cache of 8 bits has the format that the device multiplies.

    selection.py ATTNRT PLUGIN ARCH
"""
import json
import os
import subprocess
import sys

FA, ATTN, UNIFIED = "ROCM_AITER_FA", "ROCM_ATTN", "ROCM_AITER_UNIFIED_ATTN"
MLA, SPARSE, TRITON_MLA = "ROCM_AITER_MLA", "ROCM_AITER_MLA_SPARSE", "ROCM_AITER_TRITON_MLA"

# (flags, environment, what is chosen, or None)
CASES = [
    ("", {}, FA),
    ("--head-size 72", {}, UNIFIED),  # in neither list of the two before it
    ("--head-size 96", {}, ATTN),
    ("--dtype fp32", {}, ATTN),
    ("--sink", {}, FA),
    ("--head-size 96 --sink", {}, UNIFIED),  # ROCM_ATTN has none
    ("--mm-prefix", {}, ATTN),
    ("--tree-mask", {}, None),
    ("--block-size 544", {}, FA),  # 17 of its blocks
    ("--kv-cache-dtype fp8", {}, FA),  # whichever the device multiplies
    ("--attn-type encoder_only", {}, ATTN),
    ("--attn-type encoder_decoder", {}, UNIFIED),
    ("--mla", {}, MLA),
    ("--mla --block-size 1", {}, MLA),
    ("--mla --sparse", {}, SPARSE),
    ("--mla --sparse --sink", {}, SPARSE),
    ("--mla --sink", {}, None),
    ("--mla --phase prefill", {}, FA),
    ("", {"VLLM_ROCM_USE_AITER": "0"}, ATTN),
    ("--mla", {"VLLM_ROCM_USE_AITER": "0"}, None),
    ("--mla --sparse", {"VLLM_ROCM_USE_AITER": "0"}, None),
    ("", {"VLLM_ROCM_USE_AITER_MHA": "0"}, ATTN),
    ("--mla", {"VLLM_ROCM_USE_AITER_MHA": "0"}, MLA),
    ("--mla", {"VLLM_ROCM_USE_AITER_MLA": "0"}, None),
    ("--mla --sparse", {"VLLM_ROCM_USE_AITER_MLA": "0"}, None),
    ("", {"VLLM_ROCM_USE_AITER_MLA": "0"}, FA),
    ("", {"VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION": "1"}, UNIFIED),
    ("--head-size 72", {"VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION": "0"}, None),
    ("", {"VLLM_V1_USE_PREFILL_DECODE_ATTENTION": "1"}, FA),  # before the unified one, which FA is anyway
    ("", {"VLLM_V1_USE_PREFILL_DECODE_ATTENTION": "1", "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION": "1"}, ATTN),
    ("", {"VLLM_ATTENTION_BACKEND": UNIFIED}, UNIFIED),
    ("--mla", {"VLLM_ATTENTION_BACKEND": TRITON_MLA}, TRITON_MLA),
]

# Whose formats of 8 bits the device multiplies.
STORED = {"gfx942": ("fp8_e4m3fnuz",), "gfx950": ("fp8_e4m3", "fp8_e5m2")}


def cases_of_bytes(arch):
    """Of the formats that some device multiplies, those of this one are served by every backend, and the others by none."""
    for dtype in sorted({dtype for formats in STORED.values() for dtype in formats}):
        for flags, backend in ("", FA), ("--head-size 72", UNIFIED), ("--head-size 96", ATTN), ("--mla", MLA), ("--mla --sparse", SPARSE):
            yield f"{flags} --kv-cache-dtype {dtype}".strip(), {}, backend if dtype in STORED[arch] else None


def chosen(attnrt, plugin, arch, flags, environment):
    """(the backend, or None, what was told)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VLLM_", "ATTNRT_"))}
    run = subprocess.run([attnrt, "--plugin-path", plugin, "select", "--device", f"rocm:{arch}", "--json", *flags.split()],
                         capture_output=True, text=True, env=clean | environment)
    return json.loads(run.stdout)["backend"], run.stdout + run.stderr


def main():
    attnrt, plugin, arch = sys.argv[1:]
    cases, wrong = [*CASES, *cases_of_bytes(arch)], 0
    for flags, environment, wanted in cases:
        got, text = chosen(attnrt, plugin, arch, flags, environment)
        if got != wanted or (got and f'"variant": "{arch}' not in text):
            wrong += 1
            print(f"select {flags} with {environment} chose {got}, wanted {wanted} of {arch}\n{text[:1200]}")
    print(f"{len(cases)} questions, {wrong} wrong answers")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
