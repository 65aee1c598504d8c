# SPDX-License-Identifier: Apache-2.0
"""Holds compiled kernels to what budgets.txt allows them.

    check_budgets.py TABLE [--write]

TABLE is the table.json that compile.py wrote. Each kernel needs a line in the budget file and may use at most its
registers and shared memory; no kernel may spill or keep a stack, none may ask for more shared memory than its
architecture has, and those that attend must use the matrix instructions of their kind. Kernels that are meant to share a
multiprocessor must leave it room for as many blocks as they are launched for. --write makes the budgets what the table
says, for the kernels in it.
"""
import argparse
import json
import pathlib
import sys

import units

BUDGETS = pathlib.Path(__file__).with_name("budgets.txt")
HEADER = "# kernel/architecture/dtypes/constants registers shared_bytes; written by check_budgets.py --write\n"
MATRIX = {"attention": "mma.sync", "attention_wgmma": "wgmma.mma_async", "latent_wgmma": "wgmma.mma_async"}
REGISTERS = 64 * 1024  # of a multiprocessor


def read(path):
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: (int(registers), int(shared)) for name, registers, shared in lines}


def faults(row, budgets, blocks):
    """What a kernel does that it may not; `blocks`: that its launch bounds promise to a multiprocessor of 8.0."""
    name, registers, shared = row["name"], row["registers"], row["shared"]
    if row["stack"] or row["spills"]:
        yield f"{name}: {row['stack']} bytes of stack and {row['spills']} of spills, wanted none"
    if shared > units.SHARED_LIMIT[row["arch"]]:
        yield f"{name}: {shared} bytes of shared memory, the architecture has {units.SHARED_LIMIT[row['arch']]}"
    kernel = name.split("/")[0]
    if kernel in MATRIX and MATRIX[kernel] not in row["matrix"]:
        yield f"{name}: matrix instructions are {row['matrix']}, wanted {MATRIX[kernel]}"
    if blocks * -(-registers // 8) * 8 * 32 * row["warps"] > REGISTERS:
        yield f"{name}: {registers} registers leave no room for {blocks} blocks of {row['warps']} warps"
    if name not in budgets:
        yield f"{name}: no budget, wanted a line in {BUDGETS.name}"
        return
    for what, used, allowed in (("registers", registers, budgets[name][0]), ("bytes shared", shared, budgets[name][1])):
        if used > allowed:
            yield f"{name}: {used} {what}, wanted at most {allowed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--budgets", type=pathlib.Path, default=BUDGETS)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    table = json.loads(arguments.table.read_text())
    budgets = read(arguments.budgets) if arguments.budgets.exists() else {}
    known = {unit.name: unit for unit in units.select(units.ARCHS, "all")}
    if arguments.write:
        budgets |= {row["name"]: (row["registers"], row["shared"]) for row in table}
        lines = (f"{name} {registers} {shared}\n" for name, (registers, shared) in sorted(budgets.items()) if name in known)
        arguments.budgets.write_text(HEADER + "".join(lines))
        return
    blocks = {name: dict(unit.defines).get("BLOCKS", 1) for name, unit in known.items()}
    found = [fault for row in table for fault in faults(row, budgets, blocks.get(row["name"], 1))]
    print(*found, f"{len(table)} kernels, {len(found)} faults", sep="\n")
    sys.exit(1 if found or not table else 0)


if __name__ == "__main__":
    main()
