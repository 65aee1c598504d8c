# SPDX-License-Identifier: Apache-2.0
"""The compiled kernels keep their budgets, and the check finds what does not.

    budgets_test.py PLUGIN TABLE
"""
import json
import pathlib
import subprocess
import sys
import tempfile

AOT = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "triton" / "aot"


def check(table, *options):
    run = subprocess.run([sys.executable, "-B", AOT / "check_budgets.py", sys.argv[1], table, *options],
                         capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def plant(row):
    """Rows that a check must find, made of one that it does not: {what is wrong: row}."""
    planted = {
        "one register more": dict(row, registers=row["registers"] + 1),
        "a little shared memory more": dict(row, shared=row["shared"] + 16),
        "no matrix instructions": dict(row, matrix=[]),
        "a kernel nobody budgeted": dict(row, name=row["name"].replace("head_v", "head_w")),
    }
    if "hidden" not in row:
        return planted | {"a spill": dict(row, local=2), "a stack": dict(row, stack=8)}
    return planted | {
        "a spill": dict(row, spills=1),
        "private memory": dict(row, private=16),
        "a service in host memory": dict(row, hidden=[*row["hidden"], "hidden_hostcall_buffer"]),
        "shared memory that nobody asked for": dict(row, fixed_shared=160 * 1024),
        "waves of another size": dict(row, wave_size=32),
        "more threads than were compiled for": dict(row, warps=2 * row["warps"]),
    }


def main():
    status, text = check(sys.argv[2])
    print(text)
    if status:
        sys.exit(status)
    rows = json.loads(pathlib.Path(sys.argv[2]).read_text())
    wide = next(row for row in rows if row["matrix"] and "block_m128" in row["name"])
    planted = plant(wide)
    with tempfile.TemporaryDirectory() as folder:
        for what, row in planted.items():
            table = pathlib.Path(folder) / "table.json"
            table.write_text(json.dumps([row]))
            if check(table)[0] != 1:
                sys.exit(f"{what} was not found")
        tight = pathlib.Path(folder) / "budgets.txt"
        tight.write_text(f"{wide['name']} {wide['registers'] - 1} {wide['shared']}\n")
        table.write_text(json.dumps([wide]))
        if check(table, "--budgets", tight)[0] != 1:
            sys.exit("a budget below what the kernel uses was not found")
    print(f"{len(planted) + 1} planted faults were found")


if __name__ == "__main__":
    main()
