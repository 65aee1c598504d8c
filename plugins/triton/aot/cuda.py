# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's part of compile.py: cubins, with the PTX that each was assembled from."""
import importlib.util
import os
import pathlib
import re
import subprocess

IMAGE, TEXT = "cubin", "ptx"  # in Triton's words; the text goes where the SDK's emulator looks for it
TEXT_SUFFIX = "ptx"
# Triton brings two. This one is of CUDA 12, whose drivers know what it writes; the other, which Triton would take from 9.0
# on, is of CUDA 13 and writes a later version of the ELF format.
ASSEMBLER = "ptxas"
OPTIONS = {"enable_fp_fusion": False}
IDENTITY = (ASSEMBLER, OPTIONS)  # what decides an image beside its unit and its source

# Dynamic shared memory a block may have; code for sm_80 also runs on 8.6 and 8.9, which have less than 8.0.
SHARED_LIMIT = {80: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024, 120: 99 * 1024}
MATRIX = {90: "HGMMA", 100: "UTCHMMA", 80: "HMMA", 120: "HMMA"}


def prepare():
    """Before Triton is imported."""
    os.environ["TRITON_PTXAS_BLACKWELL_PATH"] = tool(ASSEMBLER)


def target(arch):
    from triton.backends.compiler import GPUTarget
    return GPUTarget("cuda", arch, 32)


def tool(name):
    triton = pathlib.Path(importlib.util.find_spec("triton").origin).parent
    return str(triton / "backends" / "nvidia" / "bin" / name)


def costs(built, image_path):
    """What a cubin says of itself: registers, stack, spills, and the instructions that a budget may ask for."""
    usage = subprocess.check_output([tool("cuobjdump"), "-res-usage", image_path], text=True)
    code = subprocess.check_output([tool("nvdisasm"), image_path], text=True, stderr=subprocess.DEVNULL)
    return {
        "registers": int(re.search(r"REG:(\d+)", usage)[1]),
        "stack": int(re.search(r"STACK:(\d+)", usage)[1]),
        "local": len(re.findall(r"\b(?:LDL|STL)\b", code)),
        "matrix": sorted(set(re.findall(r"\b(HGMMA|QGMMA|HMMA|UTCHMMA|UTCQMMA)\b", code))),
    }


def faults(row):
    """What no kernel may do, whatever its budget; `wants_matrix` is added by check_budgets.py."""
    if row["stack"] or row["local"]:
        yield f"{row['stack']} bytes of stack and {row['local']} local loads and stores, wanted none"
    if row["shared"] > SHARED_LIMIT[row["arch"]]:
        yield f"{row['shared']} bytes of shared memory, the architecture has {SHARED_LIMIT[row['arch']]}"
    if row["wants_matrix"] and MATRIX[row["arch"]] not in row["matrix"]:
        yield f"matrix instructions are {row['matrix']}, wanted {MATRIX[row['arch']]}"
