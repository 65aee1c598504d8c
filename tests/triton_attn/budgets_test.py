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


def main():
    status, text = check(sys.argv[2])
    print(text)
    if status:
        sys.exit(status)
    rows = json.loads(pathlib.Path(sys.argv[2]).read_text())
    wide = next(row for row in rows if "HGMMA" in row["matrix"] or "UTCHMMA" in row["matrix"])
    planted = {
        "one register more": dict(wide, registers=wide["registers"] + 1),
        "a little shared memory more": dict(wide, shared=wide["shared"] + 16),
        "a spill": dict(wide, local=2),
        "a stack": dict(wide, stack=8),
        "no tensor cores": dict(wide, matrix=[]),
        "a kernel nobody budgeted": dict(wide, name=wide["name"].replace("head_v", "head_w")),
    }
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
