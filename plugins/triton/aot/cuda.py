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
TENSOR_COLUMNS = 512  # of 10.0, a block
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
    if wrong := [*metadata_faults(built.metadata), *launch_faults(launch_facts(image_path), built.metadata.num_warps)]:
        raise RuntimeError("; ".join(wrong))
    return {
        "registers": int(re.search(r"REG:(\d+)", usage)[1]),
        "stack": int(re.search(r"STACK:(\d+)", usage)[1]),
        "local": len(re.findall(r"\b(?:LDL|STL)\b", code)),
        "matrix": sorted(set(re.findall(r"\b(HGMMA|QGMMA|HMMA|UTCHMMA|UTCQMMA)\b", code))),
    }


def metadata_faults(metadata):
    """What Triton may ask of a launch that the host does not give."""
    for name in ("launch_pdl", "launch_cooperative_grid"):
        if getattr(metadata, name, False):
            yield f"{name} is set, wanted a plain launch"
    if getattr(metadata, "tmem_size", 0) > TENSOR_COLUMNS:
        yield f"{metadata.tmem_size} columns of tensor memory, the architecture has {TENSOR_COLUMNS}"


def launch_facts(image_path):
    """What a cubin says of its launch: threads a block, and (offset, size) of each parameter in order."""
    elf = subprocess.check_output([tool("cuobjdump"), "-elf", image_path], text=True, stderr=subprocess.DEVNULL)
    block = re.search(r"EIATTR_REQNTID\s+Format:\s+\S+\s+Value:\s+(0x\w+) (0x\w+) (0x\w+)", elf)
    rows = re.findall(r"Ordinal : (0x\w+)\s+Offset  : (0x\w+)\s+Size    : (0x\w+)", elf)
    parameters = sorted(tuple(int(number, 16) for number in row) for row in rows)
    return [int(number, 16) for number in block.groups()] if block else [], [row[1:] for row in parameters]


def launch_faults(facts, warps):
    """Where a launch by the host's rule (plugins/gpu/launcher.hpp) would not fit: blocks of whole warps in a row, parameters
    each aligned to its own size, two pointers of Triton's last."""
    block, parameters = facts
    if block != [32 * warps, 1, 1]:
        yield f"blocks are {block}, wanted {[32 * warps, 1, 1]}"
    end = 0
    for index, (offset, size) in enumerate(parameters):
        place = (end + size - 1) // size * size
        if offset != place or size not in (4, 8):
            yield f"parameter {index} of {size} bytes lies at {offset}, wanted {place}"
        end = offset + size
    if [size for _, size in parameters[-2:]] != [8, 8]:
        yield f"the last parameters are of {parameters[-2:]}, wanted two pointers"


def faults(row):
    """What no kernel may do, whatever its budget; `wants_matrix` is added by check_budgets.py."""
    if row["stack"] or row["local"]:
        yield f"{row['stack']} bytes of stack and {row['local']} local loads and stores, wanted none"
    if row["shared"] > SHARED_LIMIT[row["arch"]]:
        yield f"{row['shared']} bytes of shared memory, the architecture has {SHARED_LIMIT[row['arch']]}"
    if row["wants_matrix"] and MATRIX[row["arch"]] not in row["matrix"]:
        yield f"matrix instructions are {row['matrix']}, wanted {MATRIX[row['arch']]}"
