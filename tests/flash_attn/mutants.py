# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the CUDA source, one at a time, and wants the conformance kit to find each.

    mutants.py ATTNRT PLUGIN NVCC ARCH[,ARCH] [NAME...]

A planted fault becomes PTX alone: the plugin is copied, and beside the copy lies the PTX of the faulty source under the
hashes of the cubins that are in it, which is what the emulator executes. ARCH is 80 or 90.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

AOT = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "flash_attn" / "aot"
KERNELS = AOT.parent / "kernels"
sys.path[:0] = [str(AOT)]
sys.dont_write_bytecode = True
import compile as aot  # noqa: E402
import units  # noqa: E402

# (name, file, text, what stands in its place, kernels that it touches)
FA2 = ("attention",)
FA3 = ("attention_wgmma",)
MLA = ("latent_wgmma",)
ALL = FA2 + FA3 + MLA
MUTANTS = (
    # mma, layout, copy
    ("swizzle of rows ignored by the reader of keys", "attention.cuh",
     "QLayout::place(row, d * 2 + lane_ / 8 % 2)",
     "row * QLayout::kRowBytes + (d * 2 + lane_ / 8 % 2) * 16", FA2),
    ("keys' halves exchanged", "attention.cuh",
     "lane_ / 16 * 8 + lane_ % 8",
     "(1 - lane_ / 16) * 8 + lane_ % 8", FA2),
    ("values not transposed", "mma.cuh", "x4.trans.shared", "x4.shared", FA2),
    ("halves of a pair exchanged", "mma.cuh", '"f"(high), "f"(low)', '"f"(low), "f"(high)', ALL),
    ("what is not there is read", "copy.cuh", '"r"(there ? 16 : 0)', '"r"(16)', ALL),
    ("copies are not waited for", "copy.cuh",
     'asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");',
     "", ALL),
    ("one group too many in flight", "attention.cuh",
     "wait_copies<Shape::kStages - 2>();",
     "wait_copies<Shape::kStages - 1>();", FA2),
    ("no barrier before a tile", "attention.cuh", "      __syncthreads();\n      if (t + ", "      if (t + ", FA2),
    ("unaligned operands read in wrong order", "copy.cuh",
     "pair[0] | static_cast<unsigned>(pair[1]) << 16",
     "pair[1] | static_cast<unsigned>(pair[0]) << 16", ALL),
    # request
    ("last request's tiles are the first's", "request.cuh",
     "low = before ? middle : low;",
     "low = before ? low : middle;", ALL),
    ("a token too many", "request.cuh",
     "min(first_token + tokens_a_tile, query_len) - 1",
     "min(first_token + tokens_a_tile, query_len)", ALL),
    ("heads of a group one further", "request.cuh",
     "kv_head * g.group + in_group",
     "kv_head * g.group + (in_group + 1) % g.group", ALL),
    ("the next entry of the block table", "request.cuh", "block = table[index]", "block = table[index + 1]", ALL),
    ("slots within a block one further", "request.cuh",
     "slot = key - index * g.sixteens * 16;",
     "slot = (key + 1) % (g.sixteens * 16);", ALL),
    ("splits overlap", "request.cuh",
     "first += static_cast<int>(blockIdx.z) * part;",
     "first += max(static_cast<int>(blockIdx.z) * part - 1, 0);", ALL),
    # mask
    ("causality one key further", "mask.cuh", "token + ahead_ + 1)", "token + ahead_ + 2)", ALL),
    ("window one key further", "mask.cuh", "token - left_)", "token - left_ - 1)", ALL),
    ("full tiles taken for masked ones' end", "attention.cuh",
     "(t + 1) * kTile > full_end",
     "(t + 1) * kTile > full_end + kTile", FA2),
    ("ALiBi with the wrong sign", "mask.cuh", "return s + rows[half].slope", "return s - rows[half].slope", ALL),
    ("softcap without its outer factor", "mask.cuh", "return g_.softcap * copysignf", "return copysignf", ALL),
    ("another rank's keys", "mask.cuh",
     "g_.cp_rank * g_.cp_interleave;",
     "(g_.cp_rank + 1) * g_.cp_interleave;", ALL),
    ("per-request causality ignored", "mask.cuh", "if (g.flags & kPerRequest)", "if (false)", ALL),
    # softmax
    ("maximum of half a row", "softmax.cuh", "return fmaxf(x, __shfl_xor_sync(~0u, x, 2));", "return x;", ALL),
    ("sum of half a row", "softmax.cuh", "return x + __shfl_xor_sync(~0u, x, 2);", "return x;", ALL),
    ("sums keep the old level", "softmax.cuh", "sums[n][e] *= fade[e / 2];", "", ALL),
    ("denominator keeps the old level", "softmax.cuh", "total[half] *= fade[half];", "", ALL),
    ("sink forgotten by the sums", "softmax.cuh", "    return fade;\n", "    return 1;\n", FA2 + FA3),
    ("LSE in powers of two", "softmax.cuh", "+ log2f(total[half])) * kLn2", "+ log2f(total[half]))", ALL),
    # epilogue, merges, writes
    ("warps of one tile joined without their levels", "attention.cuh",
     "theirs[half] = exp2_approx(levels[half] - from);",
     "theirs[half] = 1;", FA2),
    ("splits joined without their weights", "merge.cuh",
     "weight = expf(lse - level)",
     "weight = 1", ("merge_splits", "merge_states")),
    ("lse of a merge without the total", "merge.cuh", "top + logf(total)", "top", ("merge_splits", "merge_states")),
    ("rows written to the next slot", "write_kv.cu",
     "slot = place - block * g.block_size;",
     "slot = (place + 1) % g.block_size;", ("write_kv",)),
    ("skipped rows written", "write_kv.cu", "if (place < 0) return;", "", ("write_kv",)),
    # rings, products of warpgroups
    ("places told as full before they are", "attention_wgmma.cuh",
     "      wait_copies<kPending>();\n    else\n      wait_copies<0>();",
     "      ;\n    else\n      ;", FA3),
    ("places taken before they are empty", "ring.cuh",
     "wait_barrier(empty(tile), (tile / kPlaces & 1) ^ 1);",
     "", FA3 + MLA),
    ("keys not waited for", "attention_wgmma.cuh", "        key_ring_.wait_full(t);\n", "", FA3),
    ("writes not fenced from the asynchronous proxy", "ring.cuh",
     'asm volatile("fence.proxy.async.shared::cta;" ::: "memory");',
     "", FA3 + MLA),
    ("products read before they are done", "attention_wgmma.cuh",
     "        wait_products<1>();",
     "        wait_products<2>();", FA3),
    ("sums changed under their products", "attention_wgmma.cuh",
     "        wait_products<0>();\n        settle(sums);\n        release(value",
     "        settle(sums);\n        release(value", FA3),
    ("steps of q and k out of step", "wgmma.cuh",
     "first_b + (d / 4 * kKPanelBytes + d % 4 * 32) / 16",
     "first_b + (d / 4 * kKPanelBytes + (d + 1) % 4 * 32) / 16", FA3 + MLA),
    ("values of the wrong warpgroup's columns", "latent_wgmma.cuh",
     "tile_at(t) + reader * (",
     "tile_at(t) + (1 - reader) * (", MLA),
    ("rope part of q left out", "latent_wgmma.cuh",
     "there ? from : g_.q_ptr, there,",
     "there ? from : g_.q_ptr, there && rope < 0,", MLA),
    ("tile of latents given back too early", "latent_wgmma.cuh",
     "      commit_products();\n      wait_products<0>();\n      settle(sums);\n      release(",
     "      release(ring_.empty(t));\n      commit_products();\n"
     "      wait_products<0>();\n      settle(sums);\n      if (false) release(", MLA),
)
CHECKS = ("numerics", "features", "merge", "graphs")


class Bench:
    def __init__(self, attnrt, plugin, nvcc, folder):
        self.attnrt, self.plugin, self.folder = attnrt, pathlib.Path(plugin), pathlib.Path(folder)
        self.compiler = aot.Compiler(nvcc)
        ptx = self.plugin.with_suffix(".ptx")
        # Which PTX of the plugin's folder belongs to which unit: by their text, which the cache keeps under another name.
        self.names = {path.read_text(): path.name for path in ptx.glob("*.ptx")}
        self.copy = self.folder / self.plugin.name
        shutil.copyfile(self.plugin, self.copy)
        self.beside = self.folder / ptx.name
        shutil.copytree(ptx, self.beside)
        self.original = ptx

    def text(self, unit, kernels):
        out = self.folder / "unit.ptx"
        defines = [f"-D{name}={value}" for name, value in unit.defines]
        aot.run([self.compiler.nvcc, "-ptx", f"-arch=compute_{aot.architecture(unit)}", *aot.OPTIONS, *defines, "-o", out,
                 kernels / f"{unit.kernel}.cu"])
        return out.read_text()

    def plant(self, mutant, wanted):
        """Puts the faulty PTX into the place of the right one; how many units became other code."""
        _, file, old, new, kernels = mutant
        source = self.folder / "kernels"
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(KERNELS, source)
        text = (source / file).read_text()
        if text.count(old) < 1:
            raise RuntimeError(f"{file} does not have the text '{old}'")
        (source / file).write_text(text.replace(old, new))
        changed = 0
        for unit, right in wanted.items():
            name = self.names[right]
            shutil.copyfile(self.original / name, self.beside / name)
            if unit.kernel in kernels:
                faulty = self.text(unit, source)
                changed += faulty != right
                (self.beside / name).write_text(faulty)
        return changed

    def verify(self, arch):
        """The checks that failed."""
        checks = [word for check in CHECKS for word in ("--check", check)]
        run = subprocess.run([self.attnrt, "verify", "--emulate", f"cuda:{arch // 10}.{arch % 10}", self.copy, "--quick", "--jobs", "2",
                              *checks], capture_output=True, text=True)
        return sorted(set(re.findall(r"^\s+(\w+)\s+FAILED", run.stdout, re.MULTILINE))), run.stdout + run.stderr


def main():
    attnrt, plugin, nvcc, archs, *names = sys.argv[1:]
    missed = []
    for arch in map(int, archs.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(attnrt, plugin, nvcc, folder)
            right = {unit: bench.text(unit, KERNELS) for unit in units.select([arch], "all") if units.is_few(unit)}
            if failed := bench.verify(arch)[0]:
                sys.exit(f"{arch}: without a fault {failed} fail")
            for mutant in MUTANTS:
                if names and mutant[0] not in names:
                    continue
                if not any(unit.kernel in mutant[4] for unit in right):
                    continue
                changed = bench.plant(mutant, right)
                found = bench.verify(arch)[0] if changed else []
                print(f"{arch}  {mutant[0]}: {', '.join(found) if found else 'NOT FOUND' if changed else 'NO OTHER CODE'}", flush=True)
                if not found:
                    missed.append(f"{arch}: {mutant[0]}")
    print(f"{len(missed)} faults were not found", *missed, sep="\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
