# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels take their arguments where the host puts them, in blocks of the size that it launches.

    launch_rule_test.py TABLE CACHE: table.json of a build, and the folder where compile.py keeps its images
"""
import json
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "plugins" / "triton" / "aot"))
import cuda  # noqa: E402


def main():
    table, cache = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    for row in table:
        [image] = cache.glob(row["hash"] + "*.cubin")
        facts = cuda.launch_facts(image)
        if wrong := list(cuda.launch_faults(facts, row["warps"])):
            sys.exit(f"{row['name']}: {'; '.join(wrong)}")
    block, parameters = facts
    planted = {
        "a block of other threads": ([2 * block[0], 1, 1], parameters),
        "a block of two rows": ([block[0], 2, 1], parameters),
        "no block at all": ([], parameters),
        "a gap between parameters": (block, [*parameters[:-1], (parameters[-1][0] + 8, 8)]),
        "a parameter of two bytes": (block, [(0, 2), *parameters]),
        "one hidden pointer": (block, [(0, 4), (8, 8)]),
    }
    for what, wrong in planted.items():
        if not list(cuda.launch_faults(wrong, row["warps"])):
            sys.exit(f"{what} was not found")
    for name, value in (("launch_pdl", True), ("launch_cooperative_grid", True), ("tmem_size", 513)):
        if not list(cuda.metadata_faults(types.SimpleNamespace(**{name: value}))):
            sys.exit(f"{name} {value} was not found")
    if list(cuda.metadata_faults(types.SimpleNamespace(launch_pdl=False, tmem_size=512))):
        sys.exit("a plain launch was refused")
    print(f"{len(table)} kernels are launched as they were compiled, {len(planted) + 3} planted faults were found")


if __name__ == "__main__":
    main()
