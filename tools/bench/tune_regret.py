#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How good and how steady `attnrt tune` is on this machine: tune_regret.py ATTNRT [--times N] [--seconds S]
[--exhaustive S] [TUNE FLAGS...]

Tunes N times, each time cold, with a cache folder of its own, and once measures for much longer. The regret of a tuning
in a class is the time of the variant that it chose over that of the fastest one, less 1, both of the long measurement. A
class flips where the N tunings do not all choose the same variant. Prints one line a backend and class that has regret
or flips, and a summary.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile


def tune(program, flags, cache):
    run = subprocess.run([program, "-q", "tune", "--json", *flags], env={**os.environ, "XDG_CACHE_HOME": cache},
                         stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def times_of(report):
    """"BACKEND, CLASS" -> variant -> ms, as a tuning names what it chose."""
    times = {}
    for of in report["classes"]:
        for v in of["variants"]:
            times.setdefault(f"{v['backend']}, {of['class']}", {})[v["variant"]] = v["ms_median"]
    return times


def chosen_in(report):
    return {c["class"]: c["variant"] for c in report["chosen"]}


def judge(exhaustive, tunings):
    """For each key: the variants chosen, in the order of tunings, and their regrets."""
    times = times_of(exhaustive)
    rows = {}
    for tuning in map(chosen_in, tunings):
        for key, variant in tuning.items():
            ms = times[key]
            chosen, regrets = rows.setdefault(key, ([], []))
            chosen.append(variant)
            regrets.append(ms[variant] / min(ms.values()) - 1)
    return rows


def summary(rows):
    out = []
    regrets = [r for _, each in rows.values() for r in each]
    flips = [key for key, (chosen, _) in rows.items() if len(set(chosen)) > 1]
    for key, (chosen, each) in sorted(rows.items()):
        if max(each) > 0 or key in flips:
            counts = ", ".join(f"{v} {chosen.count(v)}" for v in dict.fromkeys(chosen))
            out.append(f"{key}: {counts}; regret at most {100 * max(each):.1f} %")
    out.append(f"{len(rows)} rankings: mean regret {100 * sum(regrets) / max(1, len(regrets)):.2f} %, at most "
               f"{100 * max(regrets, default=0):.1f} %; {len(flips)} flip")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--exhaustive", type=float, default=900)
    options, flags = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        exhaustive = tune(options.program, [*flags, "--dry-run", "--seconds", str(options.exhaustive)], folder)
        tunings = []
        for i in range(options.times):
            tunings.append(tune(options.program, [*flags, "--seconds", str(options.seconds)], os.path.join(folder, str(i))))
            print(f"tuning {i + 1} of {options.times}: {tunings[-1]['seconds']:.0f} s, other processes had "
                  f"{tunings[-1]['other_cpus']:.2f} CPUs", file=sys.stderr, flush=True)
    print("\n".join(summary(judge(exhaustive, tunings))))


if __name__ == "__main__":
    main()
