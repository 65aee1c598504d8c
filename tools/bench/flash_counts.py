# SPDX-License-Identifier: Apache-2.0
"""Instructions of the main loop of flash_attn's prefill kernel beside those of FlashAttention 2.8's own.

    flash_counts.py --cubin FILE --nvcc NVCC --tools FOLDER [--work FOLDER]

FILE is a cubin of flash_attn (build/<preset>/plugins/flash_attn/kernels has the table, the cache the files); FOLDER holds
cuobjdump and nvdisasm, as Triton's wheel brings them. The source distribution of flash-attn 2.8.3 is fetched by pip and one
kernel of it is compiled: head size 128, fp16, 8.0, no mask. Only its counts are told. A loop is the backward branch with
the most matrix instructions between its target and itself, its count what lies there, a matrix instruction being 16 x 8 x
16 products of a warp.
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

SDIST = "flash-attn==2.8.3"

# What setup.py asks of torch before pip hands the archive out, and what the kernel's headers ask of ATen.
TORCH = {
    "torch/__init__.py": '__version__ = "2.8.0"\n\n\nclass version:\n    cuda, hip = "13.0", None\n\n\n'
                         "class _C:\n    _GLIBCXX_USE_CXX11_ABI = True\n",
    "torch/utils/__init__.py": "",
    "torch/utils/cpp_extension.py": "from setuptools import Extension as CppExtension, Extension as CUDAExtension\n"
                                    "from setuptools.command.build_ext import build_ext as BuildExtension\n"
                                    "CUDA_HOME = ROCM_HOME = None\nIS_HIP_EXTENSION = False\n",
}
HEADERS = {
    "ATen/cuda/CUDAGeneratorImpl.h": "#pragma once\n#include <cstdint>\nnamespace at { struct PhiloxCudaState { uint64_t "
                                     "seed_, offset_; }; namespace cuda::philox { __host__ __device__ inline "
                                     "std::tuple<uint64_t, uint64_t> unpack(PhiloxCudaState s) { return {s.seed_, s.offset_}; } } }\n",
    "ATen/cuda/detail/UnpackRaw.cuh": "#pragma once\n#include <ATen/cuda/CUDAGeneratorImpl.h>\n",
    "c10/cuda/CUDAException.h": "#pragma once\n#define C10_CUDA_CHECK(x) (x)\n#define C10_CUDA_KERNEL_LAUNCH_CHECK()\n",
}
SOURCE = """
#include <cuda.h>
#include <tuple>
#include "flash_fwd_kernel.h"
using Traits = Flash_fwd_kernel_traits<128, 128, 64, 4, false, false, cutlass::half_t>;
extern "C" __global__ void peer(const __grid_constant__ FLASH_NAMESPACE::Flash_fwd_params params) {
  FLASH_NAMESPACE::compute_attn<Traits, false, false, false, false, true, true, false, false>(params);
}
"""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def peer(work, nvcc):
    """The cubin of FlashAttention's kernel."""
    cubin = work / "peer.cubin"
    if cubin.exists():
        return cubin
    write(work / "torch_stub", TORCH)
    write(work / "include", HEADERS)
    if not list(work.glob("flash_attn-*.tar.gz")):
        python = work / "venv" / "bin" / "python"
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        subprocess.run([*pip, "install", "packaging", "psutil", "setuptools", "wheel"], check=True)
        subprocess.run([*pip, "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "-d", work, SDIST],
                       check=True, env=os.environ | {"PYTHONPATH": str(work / "torch_stub"),
                                                     "FLASH_ATTENTION_SKIP_CUDA_BUILD": "TRUE"})
    with tarfile.open(next(work.glob("flash_attn-*.tar.gz"))) as archive:
        archive.extractall(work, filter="data")
    root = next(path for path in work.glob("flash_attn-*") if path.is_dir())
    (work / "peer.cu").write_text(SOURCE)
    subprocess.run([nvcc, "-cubin", "-arch=sm_80", "-O3", "-std=c++17", "--use_fast_math", "--expt-relaxed-constexpr",
                    "--expt-extended-lambda", "-I", work / "include", "-I", root / "csrc/flash_attn/src", "-I",
                    root / "csrc/cutlass/include", "-o", cubin, work / "peer.cu"], check=True)
    return cubin


def main_loop(cubin, tools):
    """Counter of the opcodes of the loop with the most matrix instructions."""
    text = subprocess.check_output([tools / "nvdisasm", "-c", cubin], text=True)
    lines, labels = [], {}
    for line in text.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", line):
            labels[label[1]] = len(lines)
        elif code := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(@!?U?P\w+\s+)?([A-Z][\w.]*)(.*?);", line):
            lines.append((code[2], code[3]))
    best = []
    for at, (opcode, operands) in enumerate(lines):
        target = re.search(r"(\.L_x_\d+)", operands)
        if opcode.startswith("BRA") and target and labels.get(target[1], at + 1) <= at:
            body = [opcode for opcode, _ in lines[labels[target[1]]:at + 1]]
            if sum(op.startswith("HMMA") for op in body) > sum(op.startswith("HMMA") for op in best):
                best = body
    return collections.Counter(op.split(".")[0] for op in best)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cubin", type=pathlib.Path, required=True)
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = (arguments.work or pathlib.Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        rows = {"flash_attn": main_loop(arguments.cubin, arguments.tools),
                "FlashAttention 2.8.3": main_loop(peer(work, arguments.nvcc), arguments.tools)}
    kinds = ("HMMA", "LDSM", "LDGSTS", "MUFU", "FMUL", "FADD", "FFMA", "FMNMX", "F2FP", "F2F")
    print(f"{'a matrix instruction':22}" + "".join(f"{kind:>8}" for kind in ("all", *kinds[1:])))
    for name, counts in rows.items():
        products = counts["HMMA"]
        print(f"{name:22}" + "".join(f"{value / products:8.2f}" for value in (sum(counts.values()), *(counts[k] for k in kinds[1:])))
              + f"   of {products} HMMA a turn")


if __name__ == "__main__":
    main()
