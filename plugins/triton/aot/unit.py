# SPDX-License-Identifier: Apache-2.0
"""One kernel, compiled with one set of constants for one architecture: it becomes one image and one row of the table."""
import dataclasses

FP8 = ("e4m3", "e4m3fnuz", "e5m2")  # stored in bytes; which of them a device knows says its plugin's units.py


@dataclasses.dataclass(frozen=True)
class Unit:
    kernel: str  # module and function
    arch: int  # as in attnrt_problem: 90 = sm_90, 0x942 = gfx942
    q: str  # fp16 bf16 fp32: of q and out; write_kv: of the rows
    kv: str  # of K and V as stored, or of partial results: also FP8
    constants: tuple  # of (name, value)
    warps: int
    stages: int
    even: int  # 1: pointers, strides and head sizes are promised to keep rows at multiples of 16 bytes

    @property
    def constant(self):
        return dict(self.constants)

    @property
    def name(self):
        values = "_".join(f"{name.lower()}{value}" for name, value in self.constants)
        return f"{self.kernel}/{target(self.arch)}/{self.q}_{self.kv}/{values}{'_even' if self.even else ''}"


def target(arch):
    """The compiler's name of an architecture."""
    return f"gfx{arch:x}" if arch >= 0x600 else f"sm_{arch}"


def arch_of(name):
    """90 of "90" and "sm_90", 0x942 of "gfx942"."""
    return int(name[3:], 16) if name.startswith("gfx") else int(name.removeprefix("sm_"))
