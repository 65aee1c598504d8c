#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the machine instructions of a main loop: flash_attn's kernels beside FlashAttention 2's for the same shape.

    flash_counts.py [--cache DIR] [--heads 64,128] [--nvcc NVCC] [--nvdisasm NVDISASM]

Downloads the source distribution of FlashAttention 2.8.3 from PyPI once (its hash is written below), compiles its causal
forward kernel of one head size in bf16 for 8.0 and prints how many instructions of each kind its main loop has, and the same
of flash_attn's kernel of many rows. Nothing of it is used but these counts. A loop is what lies between a backward
jump and its target; the main loop is the smallest one that has the most matrix products. The two serve other numbers
of rows a warp and so have other numbers of products a tile: counts are given for 128 products, a tile of 16 rows and 64 keys
at head size 128. Code that only some launches run counts too: flash_attn's loop has a copy for rows at multiples of 16
bytes and one for others, for pages and for contiguous rows, and masks; FlashAttention has other kernels for these.

Counts are no times. Needs nvcc of CUDA 13 with its headers, and nvdisasm (Triton's wheel has one).
"""
import argparse
import collections
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(PROJECT / "plugins" / "flash_attn" / "aot")]
import compile as aot  # noqa: E402
import units  # noqa: E402

SDIST = "flash_attn-2.8.3.tar.gz"
SDIST_SHA256 = "1e71dd64a9e0280e0447b8a0c2541bad4bf6ac65bdeaa2f90e51a9e57de0370d"
# What its kernels include of PyTorch, and do not use where nothing is dropped out.
HEADERS = {
    "ATen/cuda/CUDAGeneratorImpl.h": "#pragma once\n#include <cstdint>\n#include <tuple>\nnamespace at {\nstruct PhiloxCudaState {};\n"
    "namespace cuda::philox {\n__host__ __device__ inline std::tuple<uint64_t, uint64_t> unpack(PhiloxCudaState) { return {0, 0}; }\n}\n}\n",
    "ATen/cuda/detail/UnpackRaw.cuh": "#pragma once\n",
    "c10/cuda/CUDAException.h": "#pragma once\n#define C10_CUDA_CHECK(call) (call)\n#define C10_CUDA_KERNEL_LAUNCH_CHECK()\n",
}
# Rows and keys of a tile, warps: what its launch code takes on 8.0.
TRAITS = {64: (128, 128, 4), 128: (128, 64, 4)}
INSTANCE = """#include "flash_fwd_launch_template.h"
namespace FLASH_NAMESPACE {{
template __global__ void flash_fwd_kernel<Flash_fwd_kernel_traits<{head}, {rows}, {keys}, {warps}, false, false, cutlass::bfloat16_t>, false,
  true, false, false, false, true, false, false>(const __grid_constant__ Flash_fwd_params);
}}
"""
KINDS = {
    "products": ("HMMA",),
    "loads of fragments": ("LDSM",),
    "exponentials": ("MUFU",),
    "fp32": ("FADD", "FMUL", "FFMA", "FMNMX", "FSEL", "FSETP", "F2F", "F2FP"),
    "copies": ("LDGSTS", "LDGDEPBAR", "DEPBAR", "LDG", "STS", "BAR"),
}


def sdist(cache):
    """The folder of the sources, downloaded once."""
    cache.mkdir(parents=True, exist_ok=True)
    folder, archive = cache / SDIST.removesuffix(".tar.gz"), cache / SDIST
    if folder.is_dir():
        return folder
    if not archive.exists():
        page = urllib.request.urlopen("https://pypi.org/simple/flash-attn/").read().decode()
        url = next(link for link in re.findall(r'href="([^"#]+)', page) if link.endswith("/" + SDIST))
        archive.write_bytes(urllib.request.urlopen(url).read())
    if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != SDIST_SHA256:
        sys.exit(f"{archive} has the SHA-256 {found}, wanted {SDIST_SHA256}")
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=cache) as scratch:
        wanted = [m for m in tar.getmembers() if re.search(r"/csrc/(flash_attn/src|cutlass/include)/", m.name)]
        tar.extractall(scratch, wanted, filter="data")
        (pathlib.Path(scratch) / folder.name).rename(folder)
    return folder


def theirs(nvcc, cache, head):
    """The cubin of their kernel for a head size."""
    source = sdist(cache) / "csrc"
    cubin = cache / f"flash_attn_{head}.cubin"
    if cubin.exists():
        return cubin
    for name, text in HEADERS.items():
        (cache / "headers" / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / "headers" / name).write_text(text)
    rows, keys, warps = TRAITS[head]
    instance = cache / f"flash_attn_{head}.cu"
    instance.write_text(INSTANCE.format(head=head, rows=rows, keys=keys, warps=warps))
    aot.run([nvcc, "-cubin", "-arch=sm_80", "-O3", "-std=c++17", "--use_fast_math", "--expt-relaxed-constexpr",
             "--expt-extended-lambda", "-w", f"-I{cache / 'headers'}", f"-I{source / 'flash_attn' / 'src'}",
             f"-I{source / 'cutlass' / 'include'}", "-o", cubin, instance])
    return cubin


def ours(nvcc, cache, head, bent):
    """The cubin of flash_attn's kernel of many rows."""
    unit = units.attention(80, "bf16", "bf16", (head, head), units.MANY[head, head], bent)
    _, key, _ = aot.Compiler(nvcc).compile(unit, cache)
    return cache / f"{key}.cubin"


def registers(nvdisasm, cubin):
    told = subprocess.run([nvdisasm, cubin], stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(re.search(r'SHI_REGISTERS=(\d+)', told)[1])


def main_loop(nvdisasm, cubin):
    """The opcodes of a kernel's main loop."""
    told = subprocess.run([nvdisasm, "-c", cubin], stdout=subprocess.PIPE, text=True, check=True).stdout
    opcodes, labels, jumps = [], {}, []
    for line in told.splitlines():
        if label := re.match(r"\s*(\.L_[\w.]+):", line):
            labels[label[1]] = len(opcodes)
        elif code := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w]*)(.*)", line):
            if code[1] == "BRA" and (target := re.search(r"`\((\.L_[\w.]+)\)", code[2])):
                jumps.append((len(opcodes), target[1]))
            opcodes.append(code[1])
    loops = [opcodes[labels[target] : at + 1] for at, target in jumps if labels.get(target, at + 1) <= at]
    return max(loops, key=lambda loop: (loop.count("HMMA"), -len(loop)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache" / "attnrt" / "flash_counts")
    parser.add_argument("--heads", default="64,128")
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    found = list((pathlib.Path.home() / ".cache" / "attnrt" / "triton").glob("python-*/lib/python3*/site-packages/triton/backends/nvidia/bin/nvdisasm"))
    parser.add_argument("--nvdisasm", default=shutil.which("nvdisasm") or (found[0] if found else None))
    arguments = parser.parse_args()
    if not arguments.nvdisasm:
        sys.exit("nvdisasm is neither in PATH nor in a Triton that this project installed, wanted --nvdisasm")
    rows = []
    for head in map(int, arguments.heads.split(",")):
        for name, cubin in (("FlashAttention 2.8.3", theirs(arguments.nvcc, arguments.cache, head)),
                            ("flash_attn", ours(arguments.nvcc, arguments.cache, head, 0)),
                            ("flash_attn, softcap and ALiBi", ours(arguments.nvcc, arguments.cache, head, 1))):
            loop = main_loop(arguments.nvdisasm, cubin)
            counts, products = collections.Counter(), loop.count("HMMA")
            for opcode in loop:
                counts[next((kind for kind, opcodes in KINDS.items() if opcode in opcodes), "others")] += 1
            rows.append((head, name, registers(arguments.nvdisasm, cubin), len(loop), products,
                         *(round(128 * counts[kind] / products) for kind in (*KINDS, "others") if kind != "products")))
    print("| head size | kernel | registers | loop | products | " + " | ".join((*KINDS, "others")[1:]) + " |")
    print("|" + " --- |" * (5 + len(KINDS)))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
