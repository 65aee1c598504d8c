#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""attnrt beside the best peer, case by case, as docs/performance/ has it: ratios.py RESULTS.json...

RESULTS.json: what runner.py wrote; rounds of one case in several files are taken as those of one run, for the runner
asks slow peers for one round alone. A ratio is the median of the rounds' ratios: the faster peer's median time over
ours, above 1 where we are faster. The rate is of our median time, its share that of the best limit the runner saw: the
bf16 dot's for bf16 where the processor has one, else FMA's; memory read for decode.
"""
import json
import statistics
import sys

OURS = "attnrt"


def limit(roofs, decode, dtype, threads):
    """GB/s or GF/s, 0 where the runner did not measure it."""
    if decode:
        names = ["DRAM_1G_read_t%d_GBs", "DRAM_1G_read_pf4K_t%d_GBs"]
        return max(roofs.get(name % threads, 0) for name in names)
    names = ["bf16_amx_t%d_gflops", "bf16_vdpbf16ps_t%d_gflops"] if dtype == "bf16" else []
    names += ["fp32_avx512_fma_t%d_gflops", "fp32_avx2_fma_t%d_gflops"]
    return next((roofs[name % threads] for name in names if roofs.get(name % threads)), 0)


def joined(runs):
    """(case, dtype, threads): each peer's rounds in ms, of runs with our right answer, as many as all have there."""
    rounds = {}
    for run in runs:
        right = {}
        for r in run["results"]:
            if r.get("ms_rounds") and not r.get("wrong"):
                right.setdefault((r["case"], r["dtype"], r["threads"]), {})[r["peer"]] = r["ms_rounds"]
        for key, peers in right.items():
            count = min(map(len, peers.values()))
            for peer, ms in peers.items() if OURS in peers else ():
                rounds.setdefault(key, {}).setdefault(peer, []).extend(ms[:count])
    return rounds


def row(key, peers, case, roofs):
    """A line of the table, None where no peer answered in all rounds that we did."""
    ours = peers[OURS]
    others = {name: ms for name, ms in peers.items() if name != OURS and len(ms) == len(ours)}
    if not others:
        return None
    best = min(others, key=lambda name: statistics.median(others[name]))
    ratio = statistics.median(min(ms) / our for *ms, our in zip(*others.values(), ours))
    decode = case["kind"] == "decode"
    ms = statistics.median(ours)
    # kv_bytes1: of a cache with one byte a number.
    rate = (case["kv_bytes1"] * (4 if key[1] == "fp32" else 2) if decode else case["flops"]) / ms * 1e-6
    most = limit(roofs, decode, *key[1:])
    share = "%.0f%%" % (100 * rate / most) if most else "-"
    told = "%.1f GB/s" % rate if decode else "%.0f GF/s" % rate
    return f"| {' | '.join(map(str, key))} | {ratio:.2f} | {best} | {told} | {share} |"


def table(runs):
    """Lines: the limits, best of all runs, and a row for each case, dtype and number of threads."""
    roofs, cases = {}, {}
    for run in runs:
        cases.update(run["cases"])
        for name, value in run["roofline_best"].items():
            roofs[name] = max(value, roofs.get(name, 0))
    kept = sorted(name for name in roofs if name.startswith(("bf16", "fp32", "DRAM")))
    lines = ["limits: " + ", ".join(f"{name} {roofs[name]}" for name in kept), "",
             "| case | dtype | threads | ratio | best peer | attnrt | of the limit |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    rounds = joined(runs)
    dtypes = ["bf16", "fp32", "fp16"]
    for key in sorted(rounds, key=lambda k: dtypes.index(k[1])):  # else as they were asked for
        lines.append(row(key, rounds[key], cases[key[0]], roofs))
    return [line for line in lines if line is not None]


def main():
    if len(sys.argv) < 2:
        sys.exit("ratios.py: no file, wanted RESULTS.json...")
    runs = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            runs.append(json.load(file))
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
