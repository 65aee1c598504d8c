# SPDX-License-Identifier: Apache-2.0
"""Holds compiled kernels to what a plugin's budgets.txt allows them.

    check_budgets.py PLUGIN TABLE [--write]

PLUGIN is the plugin's folder, TABLE the table.json that compile.py wrote. Each kernel needs a line in the budget file and may
use at most its registers and shared memory; what none may do, such as spill or keep a stack, says cuda.py. Kernels
of 16 bits that serve many rows must use the architecture's own matrix instructions. --write makes the budgets what the table
says, for the kernels in it.
"""
import argparse
import importlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import cuda  # noqa: E402
import families  # noqa: E402

PLATFORMS = {"cuda": cuda}
HEADER = "# kernel/architecture/dtypes/constants registers shared_bytes; written by check_budgets.py --write\n"


def read(path):
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: (int(registers), int(shared)) for name, registers, shared in lines}


def faults(row, platform, budgets):
    """What a kernel does that it may not."""
    name, registers, shared = row["name"], row["registers"], row["shared"]
    yield from (f"{name}: {fault}" for fault in platform.faults(row | {"wants_matrix": wants_matrix(name)}))
    if name not in budgets:
        yield f"{name}: no budget, wanted a line in budgets.txt"
        return
    for what, used, allowed in (("registers", registers, budgets[name][0]), ("bytes shared", shared, budgets[name][1])):
        if used > allowed:
            yield f"{name}: {used} {what}, wanted at most {allowed}"


def wants_matrix(name):
    kernel, _, dtypes, constants = name.split("/")
    return kernel == "attention" and not dtypes.startswith("fp32") and "block_m16_" not in constants and (
        "block_m32_" not in constants)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plugin", type=pathlib.Path)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--budgets", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.plugin))
    units = importlib.import_module("units")
    path = arguments.budgets or arguments.plugin / "budgets.txt"
    table = json.loads(arguments.table.read_text())
    budgets = read(path) if path.exists() else {}
    if arguments.write:
        budgets |= {row["name"]: (row["registers"], row["shared"]) for row in table}
        known = {unit.name for unit in families.select(units, units.ARCHS, "all")}
        lines = (f"{name} {registers} {shared}\n" for name, (registers, shared) in sorted(budgets.items()) if name in known)
        path.write_text(HEADER + "".join(lines))
        return
    found = [fault for row in table for fault in faults(row, PLATFORMS[units.PLATFORM], budgets)]
    print(*found, f"{len(table)} kernels, {len(found)} faults", sep="\n")
    sys.exit(1 if found or not table else 0)


if __name__ == "__main__":
    main()
