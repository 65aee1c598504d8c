# SPDX-License-Identifier: Apache-2.0
"""Kernels in Triton's interpreter against the float64 reference (numerics.md), without a GPU.

    interpret.py KERNELS [--all] [--every N] [--jobs N] [--only TEXT] [--stop]

KERNELS is the folder of the kernels' sources. Exit status 1 where a case fails, with what it was.
"""
import argparse
import concurrent.futures
import importlib
import os
import pathlib
import sys
import time
import types

import numpy as np

os.environ["TRITON_INTERPRET"] = "1"
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "plugins" / "triton" / "aot"))


def kernels_of(folder):
    if folder not in sys.path:
        sys.path.insert(0, folder)
    names = ("attention", "merge_splits", "merge_states", "mla_decode", "mla_sparse", "write_kv")
    return types.SimpleNamespace(**{name: getattr(importlib.import_module(name), name) for name in names})


def judge(case, out, lse):
    """The first thing that is wrong with a result, or nothing; by the bounds of numerics.md."""
    import reference

    unit = {"fp32": 64 * 2.0 ** -24, "fp16": 2.0 ** -11}[case.dtype]
    errors, plain = [], []
    start = 0
    for request, length in enumerate(case.query_lens):
        for head in range(case.num_heads):
            want, want_lse, bound = reference.attend(case, request, head, np.float64)
            rounded = reference.attend(case, request, head, np.float32)[0].astype(case.number)
            got, got_lse = out[start:start + length, head], lse[start:start + length, head]
            error = np.abs(got.astype(np.float64) - want)
            if not (error <= 4 * unit * bound + 1e-30).all():
                worst = np.argmax(np.where(np.isnan(error), np.inf, error - 4 * unit * bound))
                i, d = np.unravel_index(worst, error.shape)
                return (f"request {request} query {i} head {head} column {d}: {got[i, d]}, "
                        f"wanted {want[i, d]} within {4 * unit * bound[i, d]}")
            if case.wants_lse:
                near = np.isclose(got_lse, want_lse, atol=1e-4, rtol=1e-5)
                if not near.all():
                    i = int(np.argmin(near))
                    return f"request {request} query {i} head {head}: lse {got_lse[i]}, wanted {want_lse[i]}"
            errors.append(error.ravel())
            plain.append(np.abs(rounded.astype(np.float64) - want).ravel())
        start += length
    size = sum(map(len, errors))
    if size >= 2000:  # fewer are no statistics
        rms, limit = (np.sqrt((np.concatenate(e) ** 2).mean()) for e in (errors, plain))
        if rms > (3 if case.dtype == "fp32" else 1.75) * limit + 1e-9:
            return f"rms error {rms}, that of plain fp32 attention is {limit}"
    return None


def wrong_with(kernels, options):
    """What is wrong with the result of one case, or nothing."""
    import invariance
    import latent_rows
    import rows
    from case import Case
    from launch import run

    others = {"mla_decode": latent_rows.check, "mla_sparse": latent_rows.check, "write_kv": rows.check_write,
              "merge_states": rows.check_states, "invariance": invariance.check}
    if options.get("kernel") in others:
        return others[options["kernel"]](kernels, options)
    case = Case(**options)
    out, lse, untouched = run(case, kernels)
    return judge(case, out, lse) or (None if untouched else "rows past the batch or an unwanted lse were written")


def check(folder, options):
    """One case: (what it was, what is wrong or nothing, seconds)."""
    started = time.time()
    try:
        wrong = wrong_with(kernels_of(folder), options)
    except Exception as error:  # the interpreter's own
        wrong = f"{type(error).__name__}: {error}"
    return options, wrong, time.time() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="one case in so many")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="cases whose text has this")
    parser.add_argument("--stop", action="store_true", help="at the first case that fails")
    arguments = parser.parse_args()
    import grid
    import invariance
    import latent_rows
    import rows

    cases = [options for source in (grid, latent_rows, rows, invariance) for options in source.cases(arguments.all)]
    cases = [options for options in cases if arguments.only in str(options)][::arguments.every]
    failed, slowest = 0, (0, None)
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        for options, wrong, seconds in pool.map(check, [arguments.kernels] * len(cases), cases, chunksize=4):
            slowest = max(slowest, (seconds, str(options)))
            if wrong:
                failed += 1
                print(f"FAILED {options}\n       {wrong}", flush=True)
                if arguments.stop:
                    pool.shutdown(cancel_futures=True)
                    break
    print(f"{len(cases)} cases, {failed} failed; the slowest took {slowest[0]:.1f} s: {slowest[1]}")
    sys.exit(1 if failed or not cases else 0)


if __name__ == "__main__":
    main()
