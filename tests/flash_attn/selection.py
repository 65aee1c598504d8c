# SPDX-License-Identifier: Apache-2.0
"""Selection with the sheets of the built flash_attn: which variant a problem gets, and each reason of those that do not.

    selection.py ATTNRT PLUGINS

PLUGINS is the folder that flash_attn.so lies in; what else lies there may only come behind it.
"""
import json
import os
import subprocess
import sys

FA, DIFF, MLA = "FLASH_ATTN", "FLASH_ATTN_DIFFKV", "FLASH_ATTN_MLA"
E4M3 = "--kv-cache-dtype fp8_e4m3"
ELSEWHERE = "no kernel {} was compiled for q bf16, cache {}, head sizes {} on compute capability {}"
ONE_WIDTH = "head sizes of K and V are both 128, wanted different ones; FLASH_ATTN serves equal ones"
RANK = "ALiBi is asked for on a context-parallel rank, wanted one of the two"

# (flags, "backend/variant" that is chosen)
CHOSEN = [
    ("--device cuda:8.0", f"{FA}/FA2"),
    ("--device cuda:8.6", f"{FA}/FA2"),
    ("--device cuda:8.9", f"{FA}/FA2"),
    ("--device cuda:9.0", f"{FA}/FA3"),
    ("--device cuda:9.0 --dtype fp16 --head-size 256 --softcap 30 --sink", f"{FA}/FA3"),
    ("--device cuda:9.0 -ac.flash_attn_version 2", f"{FA}/FA2"),
    ("--device cuda:9.0 -ac.flash_attn_version 3", f"{FA}/FA3"),
    (f"--device cuda:9.0 {E4M3}", f"{FA}/FA3"),
    ("--device cuda:9.0 --batch-invariant", f"{FA}/FA3"),
    ("--device cuda:9.0 --head-size 128 --head-size-v 64 -ac.backend FLASH_ATTN_DIFFKV", f"{DIFF}/FA3"),
    ("--device cuda:8.0 --head-size 128 --head-size-v 64 -ac.backend FLASH_ATTN_DIFFKV", f"{DIFF}/FA2"),
    ("--device cuda:9.0 --mla --phase prefill --dtype fp16", f"{FA}/FA3"),
    ("--device cuda:8.0 --mla --phase prefill", f"{FA}/FA2"),
    ("--device cuda:9.0 --mla --phase decode", f"{MLA}/FA3"),
]

# (flags, backend, {variant: reasons, all of them})
REFUSED = [
    ("--device cuda:8.0", FA, {"FA3": ["compute capability not supported", ELSEWHERE.format("attention_wgmma", "bf16", "128 and 128", "8.0")]}),
    ("--device cuda:8.0 -ac.flash_attn_version 3", FA, {"FA2": ["disabled by flash_attn_version=3"]}),
    ("--device cuda:9.0 -ac.flash_attn_version 2", FA, {"FA3": ["disabled by flash_attn_version=2"]}),
    ("--device cuda:7.5", FA, {v: ["compute capability not supported", ELSEWHERE.format("attention", "bf16", "128 and 128", "7.5")] for v in ("FA2", "FA3")}),
    (f"--device cuda:8.0 {E4M3}", FA, {"FA2": ["kv_cache_dtype not supported", ELSEWHERE.format("attention", "fp8_e4m3", "128 and 128", "8.0")]}),
    (f"--device cuda:9.0 {E4M3}", FA, {"FA2": ["kv_cache_dtype not supported"]}),
    ("--device cuda:9.0 --kv-cache-dtype fp8_e5m2", FA,
     {v: ["kv_cache_dtype not supported", ELSEWHERE.format("attention", "fp8_e5m2", "128 and 128", "9.0")] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --kv-cache-dtype fp16", FA,
     {v: ["kv_dtype is fp16, wanted the q_dtype bf16 where a number has 16 bits or more"] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --head-size 264", FA,
     {v: ["head_size not supported", ELSEWHERE.format("attention", "bf16", "264 and 264", "9.0")] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --head-size 20", FA, {v: ["head_size not supported"] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --block-size 24", FA, {v: ["block_size not supported"] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --mm-prefix", FA, {v: ["partial multimodal token full attention not supported"] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --dense-mask", FA, {v: ["dense mask not supported"] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --sparse", FA, {v: ["sparse not supported"] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0 --dcp-size 2 --alibi", FA, {v: [RANK] for v in ("FA2", "FA3")}),
    ("--device cuda:9.0", DIFF, {v: [ONE_WIDTH] for v in ("FA2", "FA3")}),
    ("--device cuda:8.0 --mla --phase decode", MLA,
     {"FA3": ["compute capability not supported", ELSEWHERE.format("latent_wgmma", "bf16", "576 and 512", "8.0")]}),
    (f"--device cuda:9.0 --mla --phase decode {E4M3}", MLA,
     {"FA3": ["kv_cache_dtype not supported", ELSEWHERE.format("latent_wgmma", "fp8_e4m3", "576 and 512", "9.0")]}),
    ("--device cuda:9.0 --mla --phase decode --sliding-window 100", MLA, {"FA3": ["sliding window not supported"]}),
]


def select(attnrt, plugins, flags):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VLLM_", "ATTNRT_"))}
    run = subprocess.run([attnrt, "--plugin-path", plugins, "select", "--json", *flags.split()], capture_output=True, text=True, env=clean)
    return json.loads(run.stdout)


def main():
    attnrt, plugins = sys.argv[1:]
    wrong = 0

    def compare(flags, what, got, wanted):
        nonlocal wrong
        if got != wanted:
            wrong += 1
            print(f"select {flags}: {what} {got}, wanted {wanted}")

    for flags, wanted in CHOSEN:
        answer = select(attnrt, plugins, flags)
        compare(flags, "chose", f"{answer['backend']}/{answer['variant']}", wanted)
    for flags, backend, wanted in REFUSED:
        told = {}
        for candidate in select(attnrt, plugins, flags)["candidates"]:
            if candidate["backend"] == backend:
                told = {v["name"]: [reason["text"] for reason in v["reasons"]] for v in candidate["variants"] if not v["valid"]}
        for variant, reasons in wanted.items():
            compare(flags, f"{backend}/{variant} was refused for", told.get(variant), reasons)
    print(f"{len(CHOSEN) + len(REFUSED)} questions, {wrong} wrong answers")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
