# SPDX-License-Identifier: Apache-2.0
"""What a decode call costs from Python beside the same call in a loop in C: Plan.run with arrays of numpy and tensors
of torch, and a binding by ctypes. One thread, by its time on the processor; the median of rounds in which all take
turns.

    python python/bench/overhead.py       # compiles c_calls.cpp against the package or its build tree; c++ is needed
"""

import ctypes
import os
import statistics
import subprocess
import tempfile
import time

import attnrt
import numpy as np

HEADS, SIZE, CALLS, ROUNDS = 1, 64, 1000, 9


def c_library(folder):
    library = os.path.join(folder, "c_calls.so")
    package, here = os.path.dirname(attnrt.__file__), os.path.dirname(os.path.abspath(__file__))
    includes, lib = [attnrt.get_include()], os.path.join(package, "lib")
    if not os.path.isdir(lib):  # the package of a build tree
        includes = [os.path.join(here, "..", "..", folder, "include") for folder in ("core", "plugin-sdk")]
        lib = os.path.join(package, "..", "..", "lib")
    options = ["-std=c++17", "-O2", "-fPIC", "-shared", *(f"-I{folder}" for folder in includes), f"-L{lib}"]
    source = os.path.join(here, "c_calls.cpp")
    subprocess.run(["c++", *options, f"-Wl,-rpath,{lib}", source, "-o", library, "-lattnrt"], check=True)
    return ctypes.CDLL(library)


def in_turn(kinds):
    """Microseconds a call of each kind: the median over rounds."""
    times = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, calls in kinds.items():
            begin = time.thread_time()
            calls(CALLS)
            times[name].append((time.thread_time() - begin) / CALLS * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(c, keys):
    c.setup(HEADS, SIZE, keys)
    runtime = attnrt.Runtime()
    op = runtime.op(runtime.select(runtime.decoder(HEADS, HEADS, SIZE, "fp32")))
    cache = op.make_cache(keys // 16 + 2)
    limits = attnrt.Limits(1, 1, keys, cache=cache)
    plan, batch = op.plan(limits), op.make_batch(limits)
    np.asarray(cache.k)[:] = 0
    batch.add(1, keys, list(range(cache.blocks_for(keys))))
    plan.update(batch)
    q = np.ones((1, HEADS, SIZE), dtype=np.float32)
    out = np.empty_like(q)

    def loop_in_c(count):
        c.loop(ctypes.c_void_p(q.ctypes.data), ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(count))

    def by_ctypes(count):
        call, sizes, pointer = c.call, ctypes.c_int64 * 3, ctypes.c_void_p
        for _ in range(count):
            call(
                pointer(q.ctypes.data),
                sizes(*q.shape),
                sizes(*q.strides),
                pointer(out.ctypes.data),
                sizes(*out.shape),
                sizes(*out.strides),
            )

    def plan_run(query, output):
        def calls(count):
            run = plan.run
            for _ in range(count):
                run(query, cache, output)

        return calls

    kinds = {"a loop in C": loop_in_c, "attnrt, numpy": plan_run(q, out), "ctypes, numpy": by_ctypes}
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
        kinds["attnrt, torch"] = plan_run(torch.ones((1, HEADS, SIZE)), torch.empty((1, HEADS, SIZE)))
    return in_turn(kinds)


def main():
    with tempfile.TemporaryDirectory() as folder:
        c = c_library(folder)
        print("| keys | call | us a call | us above C |\n| ---: | --- | ---: | ---: |")
        for keys in (16, 1024):
            times = measure(c, keys)
            for name, value in times.items():
                print(f"| {keys} | {name} | {value:.2f} | {value - times['a loop in C']:.2f} |")


if __name__ == "__main__":
    main()
