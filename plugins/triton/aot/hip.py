# SPDX-License-Identifier: Apache-2.0
"""AMD's part of compile.py: code objects (hsaco), with the LLVM IR that each was compiled from."""
import re

import code_object

IMAGE, TEXT = "hsaco", "llir"  # in Triton's words; the text goes where the SDK's emulator looks for it
TEXT_SUFFIX = "ll"
OPTIONS = {"enable_fp_fusion": False}
IDENTITY = ("hip", OPTIONS)  # what decides an image beside its unit and its source

# Memory that a workgroup may share.
LDS_BYTES = {0x90A: 64 * 1024, 0x942: 64 * 1024, 0x950: 160 * 1024, 0x1100: 64 * 1024, 0x1201: 64 * 1024}
# Vector registers that a lane has where one wave runs on a SIMD; CDNA counts those of the matrix unit too.
REGISTERS = {0x90A: 512, 0x942: 512, 0x950: 512, 0x1100: 256, 0x1201: 256}
MATRIX = {0x90A: "v_mfma", 0x942: "v_mfma", 0x950: "v_mfma", 0x1100: "v_wmma", 0x1201: "v_wmma"}
# Arguments behind the explicit ones that the runtime fills without any cost. Others make it set up services in host memory:
# hidden_hostcall_buffer, hidden_heap_v1, hidden_default_queue, hidden_completion_action.
HARMLESS = ("hidden_block_count_", "hidden_group_size_", "hidden_remainder_", "hidden_global_offset_", "hidden_grid_dims",
            "hidden_dynamic_lds_size", "hidden_none")


def wave_size(arch):
    return 64 if arch < 0x1000 else 32


def prepare():
    """Before Triton is imported."""


def target(arch):
    from triton.backends.compiler import GPUTarget
    return GPUTarget("hip", f"gfx{arch:x}", wave_size(arch))


def costs(built, image_path):
    """What a code object says of itself, and the instructions that a budget may ask for."""
    e_flags, kernel = code_object.read(image_path.read_bytes())
    hidden = [a[".value_kind"] for a in kernel[".args"] if a[".value_kind"].startswith("hidden_")]
    return {
        "registers": kernel[".vgpr_count"],  # on CDNA with those of the matrix unit
        "matrix_registers": kernel.get(".agpr_count", 0),
        "scalar_registers": kernel[".sgpr_count"],
        "spills": kernel[".vgpr_spill_count"],
        "private": kernel[".private_segment_fixed_size"],
        "fixed_shared": kernel[".group_segment_fixed_size"],
        "argument_bytes": kernel[".kernarg_segment_size"],
        "threads": kernel[".max_flat_workgroup_size"],
        "wave_size": kernel[".wavefront_size"],
        "machine": e_flags & 0xFF,
        "hidden": sorted(set(hidden)),
        "matrix": sorted(set(re.findall(r"\b(v_mfma|v_smfmac|v_wmma)", built.asm["amdgcn"]))),
    }


def faults(row):
    """What no kernel may do, whatever its budget; `wants_matrix` is added by check_budgets.py."""
    arch = row["arch"]
    if row["spills"] or row["private"]:
        yield f"{row['spills']} spilled registers and {row['private']} bytes of private memory, wanted none"
    if costly := [name for name in row["hidden"] if not name.startswith(HARMLESS)]:
        yield f"hidden arguments are {costly}, wanted none that the runtime must set up a service for"
    if row["shared"] + row["fixed_shared"] > LDS_BYTES[arch]:
        yield f"{row['shared']} + {row['fixed_shared']} bytes of shared memory, the architecture has {LDS_BYTES[arch]}"
    # Waves of a workgroup share out a SIMD's registers; each compute unit has 4 SIMDs.
    waves = (row["warps"] + 3) // 4
    if row["registers"] * waves > REGISTERS[arch]:
        yield f"{row['registers']} registers in {waves} waves a SIMD, wanted at most {REGISTERS[arch]} together"
    if row["wave_size"] != wave_size(arch) or row["threads"] != row["warps"] * wave_size(arch):
        yield (f"{row['threads']} threads in waves of {row['wave_size']}, wanted {row['warps'] * wave_size(arch)} in waves of "
               f"{wave_size(arch)}")
    if row["wants_matrix"] and MATRIX[arch] not in row["matrix"]:
        yield f"matrix instructions are {row['matrix']}, wanted {MATRIX[arch]}"
