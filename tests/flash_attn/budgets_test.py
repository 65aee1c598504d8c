# SPDX-License-Identifier: Apache-2.0
"""The compiled kernels keep their budgets, and the check finds what does not.

    budgets_test.py TABLE
"""
import json
import pathlib
import subprocess
import sys
import tempfile

AOT = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "flash_attn" / "aot"


def check(table):
    run = subprocess.run([sys.executable, "-B", AOT / "check_budgets.py", table], capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def main():
    status, text = check(sys.argv[1])
    print(text)
    if status:
        sys.exit(status)
    rows = json.loads(pathlib.Path(sys.argv[1]).read_text())
    attends = next(row for row in rows if row["matrix"])
    planted = {
        "one register more": dict(attends, registers=attends["registers"] + 1),
        "a little shared memory more": dict(attends, shared=attends["shared"] + 16),
        "a spill": dict(attends, spills=4),
        "a stack": dict(attends, stack=8),
        "too many warps for its registers": dict(attends, warps=64),
        "a kernel nobody budgeted": dict(attends, name=attends["name"].replace("rows", "lines")),
    }
    for kernel, row in {row["name"].split("/")[0]: row for row in rows if row["matrix"]}.items():
        planted[f"no tensor cores in {kernel}"] = dict(row, matrix=[])
    with tempfile.TemporaryDirectory() as folder:
        for what, row in planted.items():
            table = pathlib.Path(folder) / "table.json"
            table.write_text(json.dumps([row]))
            if check(table)[0] != 1:
                sys.exit(f"{what} was not found")


if __name__ == "__main__":
    main()
