# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the CUDA sources of flash_attn, one at a time, and wants each to be found by what it breaks.

    faults.py --nvcc NVCC --trial flash_attn_trial [--sound] [--only TEXT]

A fault changes one place of a file of plugins/flash_attn/kernels. nvcc makes PTX of a kernel with it, flash_attn_trial
(trial.cpp) runs that against float64 in four modes of the machine, and what it says first must hold the words that stand
behind the fault: a race where a barrier is gone, another number where a mask is. Those that no run can find are listed
too, each with the reason, and must be found right. --sound: the kernels as they are, and no fault but that each has its
place in the sources.
"""
import argparse
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import tempfile

AOT = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "flash_attn" / "aot"
sys.dont_write_bytecode = True
sys.path[:0] = [str(AOT)]
import compile as aot  # noqa: E402
import units  # noqa: E402

# What the machine or the comparison says.
NUMBER = ", wanted "  # "out is 0.5, wanted 0.25 within 0.001"
RACE, FLIGHT, UNWRITTEN, WAITS = "race: ", "a copy of warp", "which nobody wrote", "waits for ever"
OUTSIDE, STORED_OUTSIDE = "a read of 16 bytes at", "a write of 4 bytes at"
PRODUCT = "accumulators of a wgmma in flight were written"
PROXY = "without fence.proxy.async"


def wgmma(q, kv, heads):
    return next(u for u in units.wgmma_units(90) if (u.q, u.kv, u.head_qk, u.head_v, u.features) == (q, kv, *heads, 1))


# The kernel of each kind of trial.cpp.
KINDS = {
    "few": units.attention(80, "fp16", "fp16", (64, 64), units.FEW[64, 64], 1),
    "many": units.attention(80, "bf16", "bf16", (64, 64), units.MANY[64, 64], 1),
    "wgmma": wgmma("bf16", "bf16", (128, 128)),
    "e4m3": wgmma("fp16", "e4m3", (64, 64)),
    "latent": next(u for u in units.latent_units(90) if u.q == "bf16"),
}

# (name, kind, file, what it says, what a mistake makes of it, words of the finding; "": cannot be found, and why)
FAULTS = [
    # where rows lie
    ("swizzle of rows by half of their number", "many", "layout.cuh", "row & 7", "row & 3", "bank conflicts"),
    ("no swizzle", "few", "layout.cuh", "(piece ^ swap)", "piece", "bank conflicts"),
    ("panels swizzled by half of a row's number", "wgmma", "wgmma.cuh", "piece % 8 ^ row % 8", "piece % 8 ^ row % 4", NUMBER),
    ("groups of 8 rows taken for half as far apart", "wgmma", "wgmma.cuh", "| 64ull << 32", "| 32ull << 32", NUMBER),
    ("panels of q taken for those of keys", "wgmma", "wgmma.cuh", "d / 4 * kQPanelBytes", "d / 4 * kKPanelBytes", NUMBER),
    ("values not transposed", "many", "mma.cuh", "x4.trans.shared", "x4.shared", NUMBER),
    ("values not transposed for a warpgroup", "latent", "wgmma.cuh", "%68, 1, 1, 1, 1;", "%68, 1, 1, 1, 0;", NUMBER),
    # copies
    ("what is not there is copied", "many", "copy.cuh", "(there ? 16 : 0)", "(16)", NUMBER),
    ("a tile is read one group too early", "many", "attention.cuh", "wait_copies<Shape::kStages - 2>();", "wait_copies<Shape::kStages - 1>();", FLIGHT),
    ("queries are read before they are there", "few", "attention.cuh", "wait_copies<Shape::kStages - 1>();", "wait_copies<Shape::kStages>();", FLIGHT),
    ("groups of the loop have no end", "many", "attention.cuh", "}\n      commit_copies();\n    };", "}\n    };", FLIGHT),
    ("a stage too few in the ring", "many", "attention.cuh", "turn : t) % Shape::kStages;", "turn : t) % (Shape::kStages - 1);", FLIGHT),
    ("one key too many is fetched", "few", "attention.cuh", "key >= begin && key < end;", "key >= begin && key <= end;", NUMBER),
    ("copies are not waited for at the end", "few", "attention.cuh", "wait_copies<0>();\n    softmax", "softmax", "",
     "the last groups are empty: all tiles were waited for in the loop"),
    # barriers
    ("no barrier between tiles", "many", "attention.cuh", "wait_copies<Shape::kStages - 2>();\n      __syncthreads();", "wait_copies<Shape::kStages - 2>();", FLIGHT),
    ("no barrier behind the queries", "many", "attention.cuh", "wait_copies<Shape::kStages - 1>();\n    __syncthreads();", "wait_copies<Shape::kStages - 1>();", UNWRITTEN),
    ("no barrier before warps leave results where keys were", "few", "attention.cuh", "__syncthreads();\n      join(", "join(", RACE),
    ("no barrier before the first warp takes them over", "few", "attention.cuh", "__syncthreads();\n    if (key_warp_ > 0) return;", "if (key_warp_ > 0) return;", RACE),
    ("a barrier that only some warps reach", "many", "attention.cuh", "if (!works) continue;", "if (!works) break;", NUMBER),
    # masks and scores
    ("causality one key too far", "many", "mask.cuh", "if (causal) ahead_ = 0;", "if (causal) ahead_ = 1;", NUMBER),
    ("the window one key too short", "many", "mask.cuh", "token - left_)", "token - left_ + 1)", NUMBER),
    ("the window's right side ignored", "wgmma", "mask.cuh", "g.window_right >= 0 ?", "g.window_right >= 1000 ?", NUMBER),
    ("keys behind the last one are seen", "many", "mask.cuh", "+ ahead_ + 1), keys_.count)", "+ ahead_ + 1), keys_.count + 1)", OUTSIDE),
    ("another rank's keys", "many", "mask.cuh", "- g_.cp_rank * g_.cp_interleave", "", NUMBER),
    ("the diagonal's tile taken for unmasked", "many", "attention.cuh", "(t + 1) * kTile > full_end", "t * kTile > full_end", NUMBER),
    ("the window's first tile taken for unmasked", "many", "attention.cuh", "t * kTile < full_begin ||", "", NUMBER),
    ("the diagonal's tile taken for unmasked by a warpgroup", "wgmma", "attention_wgmma.cuh", "key + kTile > full_end", "key > full_end", NUMBER),
    ("warps forget which keys of a tile are theirs", "few", "attention.cuh", "t * kTile + key_warp_ * kSpan + lane_", "t * kTile + lane_", NUMBER),
    ("tanh to base 2", "many", "mask.cuh", "(-2 * kLog2e)", "-2", NUMBER),
    ("ALiBi counts from the first query", "many", "mask.cuh", "key + column - rows[half].position", "key + column", "lse is"),
    ("ALiBi by the lane's first column", "many", "mask.cuh", "key + column - rows[half].position", "key - rows[half].position", NUMBER),
    # softmax
    ("a row's maximum over two lanes of four", "many", "softmax.cuh", "fmaxf(x, __shfl_xor_sync(~0u, x, 2))", "fmaxf(x, __shfl_xor_sync(~0u, x, 1))", NUMBER),
    ("a row's sum over two lanes of four", "many", "softmax.cuh", "x + __shfl_xor_sync(~0u, x, 2)", "x + __shfl_xor_sync(~0u, x, 1)", NUMBER),
    ("the denominator is not rescaled", "many", "softmax.cuh", "total[half] *= fade[half];", "", NUMBER),
    ("sums are not rescaled", "many", "attention.cuh", "if (softmax.rise(scores, fade)) Softmax::scale(sums, fade);", "softmax.rise(scores, fade);", NUMBER),
    ("a warpgroup's sums are not rescaled", "wgmma", "attention_wgmma.cuh", "if (rises) Softmax::scale(sums, fade);", "", NUMBER),
    ("a latent row's sums are not rescaled", "latent", "latent_wgmma.cuh", "if (softmax.rise(scores, fade)) Softmax::scale(sums, fade);", "softmax.rise(scores, fade);", NUMBER),
    ("the level lags behind the maximum", "few", "softmax.cuh", "next[half] = fmaxf(top, level[half]);", "next[half] = top > level[half] + 8 ? top : level[half];", "decisive"),
    ("the level lags behind the maximum in bf16", "many", "softmax.cuh", "next[half] = fmaxf(top, level[half]);", "next[half] = top > level[half] + 8 ? top : level[half];", "decisive"),
    ("rows that saw nothing yet", "many", "softmax.cuh", "const float from = level[half] == -kInfinity ? 0 : level[half];\n#pragma", "const float from = level[half];\n#pragma", NUMBER),
    ("the sink does not fade the rest", "many", "softmax.cuh", "    return fade;", "    return 1;", NUMBER),
    ("probabilities in another order", "few", "mma.cuh", "\"=r\"(both) : \"f\"(high), \"f\"(low));\n    return both;\n  }\n  static __device__ float widen(unsigned short bits) {\n    float wide;", "\"=r\"(both) : \"f\"(low), \"f\"(high));\n    return both;\n  }\n  static __device__ float widen(unsigned short bits) {\n    float wide;", NUMBER),
    ("the denominator to base e", "many", "softmax.cuh", "log2f(total[half])", "logf(total[half])", "lse is"),
    # whose rows, whose keys
    ("heads of a group interleaved", "many", "request.cuh", "head = kv_head * g.group + in_group;", "head = in_group * (g.num_heads / g.group) + kv_head;", NUMBER),
    ("tokens of a tile by another divisor", "few", "request.cuh", "token = first_token + row / heads_a_tile;", "token = first_token + row / g.group / 2;", NUMBER),
    ("tiles given to the request before", "many", "request.cuh", "+ middle <= block;", "+ middle < block;", NUMBER),
    ("a tile's last token belongs to the next", "many", "request.cuh", "query_len) - 1;", "query_len);", OUTSIDE),
    ("sixteen keys an entry of the table", "many", "request.cuh", "block = table[index];", "block = table[sixteen];", OUTSIDE),
    ("the first slot of a block taken for one of the block before", "few", "request.cuh", "static_cast<unsigned>(g.sixteens) + 1 : 0;", "static_cast<unsigned>(g.sixteens) : 0;", NUMBER),
    ("slots counted from the first block", "many", "request.cuh", "slot = key - index * g.sixteens * 16;", "slot = key;", OUTSIDE),
    ("blocks of one request for all", "wgmma", "request.cuh", "+ tile.request * g.block_table_stride;", ";", NUMBER),
    # splits
    ("a split takes the rest as well", "few", "request.cuh", "max(min(count - static_cast<int>(blockIdx.z) * part, part), 0)", "max(count - static_cast<int>(blockIdx.z) * part, 0)", NUMBER),
    ("splits by a quotient rounded down", "few", "request.cuh", "(count + g.num_splits - 1) / g.num_splits", "count / g.num_splits", NUMBER),
    ("all splits leave their results in one place", "few", "epilogue.cuh", "* g.num_splits + blockIdx.z;", "* g.num_splits;", UNWRITTEN),
    ("another split's denominator is forgotten", "few", "attention.cuh", "softmax.total[half] * mine[half] + totals[half] * theirs[half]", "softmax.total[half] * mine[half] + totals[half]", NUMBER),
    ("joined splits are not faded", "few", "merge.cuh", "values[i] * fade + row[i] * weight", "values[i] + row[i] * weight", NUMBER),
    ("the sink joined twice", "few", "epilogue.cuh", "if (g.num_splits == 1 && (g.flags & kSinks))", "if (g.flags & kSinks)", NUMBER),
    # results
    ("columns behind the head's end are stored", "many", "epilogue.cuh", "if (first_column + n * 8 >= g.head_size_v) break;", "", STORED_OUTSIDE),
    ("a cache's value scale is left out", "e4m3", "attention_wgmma.cuh", "lane_ % 4, softmax, sums, v_scale);", "lane_ % 4, softmax, sums, 1.f);", NUMBER),
    ("a cache's key scale is left out", "e4m3", "attention_wgmma.cuh", "scale_of(g_, kKScale, g_.k_scale_ptr", "1.f; scale_of(g_, kKScale, g_.k_scale_ptr", NUMBER),
    ("the first request's scales for all", "e4m3", "epilogue.cuh", "[tile.request * stride_request + tile.kv_head * stride_head]", "[tile.kv_head * stride_head]", NUMBER),
    ("the first head's scales for all", "e4m3", "epilogue.cuh", "[tile.request * stride_request + tile.kv_head * stride_head]", "[tile.request * stride_request]", NUMBER),
    ("halves of eight bytes exchanged", "e4m3", "copy.cuh", "\"r\"(Element::of_e4m3(pairs[1])), \"r\"(Element::of_e4m3(pairs[2]))", "\"r\"(Element::of_e4m3(pairs[2])), \"r\"(Element::of_e4m3(pairs[1]))", NUMBER),
    # products of warpgroups
    ("no fence before a product", "wgmma", "wgmma.cuh", "asm volatile(\"wgmma.fence.sync.aligned;\" ::: \"memory\");", "", "wgmma.fence"),
    ("scores read while their product is under way", "wgmma", "attention_wgmma.cuh", "wait_products<1>();", "wait_products<2>();", PRODUCT),
    ("sums rescaled while their product is under way", "wgmma", "attention_wgmma.cuh", "const bool rises = weigh(t);\n        wait_products<0>();", "const bool rises = weigh(t);", PRODUCT),
    ("a place given back while its product is under way", "wgmma", "attention_wgmma.cuh", "wait_products<1>();\n        settle(scores);\n        release(key_ring_.empty(t));", "release(key_ring_.empty(t));\n        wait_products<1>();\n        settle(scores);", RACE),
    ("what was copied is not fenced for the tensor cores", "wgmma", "attention_wgmma.cuh", "fence_async_proxy();\n    arrive(ring.full(tile));", "arrive(ring.full(tile));", PROXY),
    ("queries are not fenced for the tensor cores", "wgmma", "attention_wgmma.cuh", "fetch_queries(tile);\n    fence_async_proxy();", "fetch_queries(tile);", "",
     "the fence of those that fetch stands behind the barrier that ends the copies of queries, and before the first product: it orders these too"),
    ("no barrier behind the ring's first state", "wgmma", "attention_wgmma.cuh", "fence_async_proxy();\n    __syncthreads();", "fence_async_proxy();", RACE),
    ("one warpgroup gives a place back for both", "wgmma", "attention_wgmma.cuh", "key_ring_.init(Shape::kGroupThreads, 4 * readers);", "key_ring_.init(Shape::kGroupThreads, 4);", WAITS),
    ("a place is waited for that never comes free", "wgmma", "attention_wgmma.cuh", "value_ring_.init(Shape::kGroupThreads, 4 * readers);", "value_ring_.init(Shape::kGroupThreads, 8);", WAITS),
    ("the first turn waits for empty places", "wgmma", "ring.cuh", "(tile / kPlaces & 1) ^ 1", "(tile / kPlaces & 1)", WAITS),
    ("full places by the parity of the turn before", "wgmma", "ring.cuh", "wait_barrier(full(tile), tile / kPlaces & 1)", "wait_barrier(full(tile), 0)", WAITS),
    ("a tile told as full while it is copied", "wgmma", "attention_wgmma.cuh", "told<1>(key_ring_, t, t > 0)", "told<2>(key_ring_, t, t > 0)", RACE),
    ("the second warpgroup reads the first one's queries", "wgmma", "attention_wgmma.cuh", "q_tile_ + reader * 64 * 128;", "q_tile_;", NUMBER),
    ("both warpgroups serve the same columns", "latent", "latent_wgmma.cuh", "tile_at(t) + reader * (Shape::kColumns / 64) * Layout::kPanelBytes", "tile_at(t)", NUMBER),
    ("the rotary part from the latent one", "latent", "latent_wgmma.cuh", "rope = piece - Shape::kLatent / 8;", "rope = piece - Shape::kLatent / 8 - 1;", NUMBER),
    ("latent rows given back before their values are read", "latent", "latent_wgmma.cuh", "multiply_values(sums, p, t, reader);\n      commit_products();\n      wait_products<0>();\n      settle(sums);\n      release(ring_.empty(t));", "multiply_values(sums, p, t, reader);\n      commit_products();\n      release(ring_.empty(t));\n      wait_products<0>();\n      settle(sums);", RACE),
    ("latent rows told one group too early", "latent", "latent_wgmma.cuh", "wait_copies<1>();", "wait_copies<2>();", RACE),
]


def compile_ptx(nvcc, unit, kernels, to):
    defines = [f"-D{name}={value}" for name, value in unit.defines]
    aot.run([nvcc, "-ptx", f"-arch=compute_{aot.architecture(unit)}", "-std=c++17", *defines, "-o", to, kernels / f"{unit.kernel}.cu"])


def misplaced(fault, kernels):
    """That the place of a fault is not there, or there twice; None: it is there."""
    name, _, file, right, *_ = fault
    times = (kernels / file).read_text().count(right)
    return None if times == 1 else f"{name}: {file} says '{right}' {times} times, wanted once"


class Bench:
    """What a trial needs, and where its PTX goes."""

    def __init__(self, nvcc, trial, folder):
        self.nvcc, self.trial, self.folder = nvcc, trial, folder

    def say(self, kind, kernels, folder):
        """What the trial of a kernel said of these sources."""
        unit, attend, merge = KINDS[kind], folder / "attend.ptx", folder / "merge.ptx"
        compile_ptx(self.nvcc, unit, kernels, attend)
        compile_ptx(self.nvcc, next(u for u in units.row_units(unit.arch) if u.kernel == "merge_splits" and u.q == unit.q), kernels, merge)
        words = [self.trial, kind, unit.arch, unit.rows, 32 * unit.warps, unit.shared, unit.head_v, attend, merge]
        run = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return run.returncode, run.stdout.strip()

    def sound(self, kind):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        return self.say(kind, aot.KERNELS, folder)

    def plant(self, fault):
        """What is wrong with how a fault was met; None: nothing."""
        name, kind, file, right, wrong, words, *why = fault
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        kernels = folder / "kernels"
        shutil.copytree(aot.KERNELS, kernels)
        if lost := misplaced(fault, kernels):
            return lost, ""
        (kernels / file).write_text((kernels / file).read_text().replace(right, wrong))
        status, said = self.say(kind, kernels, folder)
        shutil.rmtree(folder)
        if why:
            return (None if status == 0 else f"{name}: found, though {why[0]}"), said
        if status == 1 and words in said:
            return None, said
        return f"{name}: wanted a finding with '{words}'", said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--trial", required=True)
    parser.add_argument("--sound", action="store_true")
    parser.add_argument("--only", default="", help="faults whose name or kind has this")
    arguments = parser.parse_args()
    failed = found = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        bench = Bench(arguments.nvcc, arguments.trial, folder)
        if arguments.sound:
            for kind, (status, said) in zip(KINDS, pool.map(bench.sound, KINDS)):
                print(f"{kind}: {said}", flush=True)
                failed += status != 0
            lost = list(filter(None, (misplaced(fault, aot.KERNELS) for fault in FAULTS)))
            print(*lost, f"{len(FAULTS)} faults, {len(lost)} without a place", sep="\n")
            sys.exit(1 if failed or lost else 0)
        faults = [f for f in FAULTS if arguments.only in f[0] or arguments.only == f[1]]
        for fault, (wrong, said) in zip(faults, pool.map(bench.plant, faults)):
            print(f"{'WRONG' if wrong else 'left' if len(fault) > 6 else 'found':<6} {fault[1]:<7} {wrong or fault[0]}\n"
                  f"               {said[:200]}", flush=True)
            failed += wrong is not None
            found += wrong is None and len(fault) == 6
    print(f"{len(faults)} faults planted, {found} found, {len(faults) - found - failed} that no run can find, {failed} wrong")
    sys.exit(1 if failed or not faults else 0)


if __name__ == "__main__":
    main()
