# SPDX-License-Identifier: Apache-2.0
"""Which instructions of the compiled kernels does no case of the conformance kit execute? Holds them to a list with a reason
for each.

    coverage_test.py ATTNRT PLUGIN TABLE UNITS COVERAGE_PY LIST ARCH [--from FILE...]

Runs the kit at quick depth on the emulated ARCH (9.0), and its numerics twice more with other cases, with
ATTNRT_EMULATOR_COVERAGE, or reads what such runs left in FILE.
TABLE is the plugin's table.json, UNITS the folder of compiled kernels. An instruction is an opcode with its modifiers, of all
units of one kernel together: what one unit executes counts for the others, whose text differs by constants. A unit that is
never launched is told by its name. LIST has a line for each of both, its fields separated by two spaces or more:

    attention/sm_90  sqrt.approx.ftz.f32  reason
    attention/sm_90/fp16_fp16/...  never launched  reason

Fails where something is not executed that is not in the list, and where the list has what is executed. `any` in
the place of an architecture stands for each.
"""
import argparse
import collections
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

INSTRUCTION = re.compile(r"\s*(?:@!?%\w+\s+)?([a-z][\w.:]*)\b[^:]*;")

# The two seeds draw the prompts of fp16 with head sizes 192 and 128 and of bf16 with 128, which the kit's own does not.
RUNS = (["--quick"], *(["--quick", "--check", "numerics", "--seed", seed] for seed in ("7", "11")))


def coverage_module(path):
    spec = importlib.util.spec_from_file_location("coverage_lines", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opcodes(path):
    """{line: opcode with its modifiers} of a PTX file."""
    lines = pathlib.Path(path).read_text().splitlines()
    return {number: found[1] for number, line in enumerate(lines, 1) if (found := INSTRUCTION.match(line))}


def images(table, units, arch):
    """{SHA-256 of a cubin: name of the unit} of an architecture."""
    out = {}
    for row in json.loads(pathlib.Path(table).read_text()):
        if row["arch"] == arch:
            [cubin] = pathlib.Path(units).glob(row["hash"] + "*.cubin")
            out[hashlib.sha256(cubin.read_bytes()).hexdigest()] = row["name"]
    return out


def not_executed(kernels, names, folder):
    """Instructions by kernel, and units, that nobody executed: {(where, what)}."""
    all_of, run_of, launched = collections.defaultdict(set), collections.defaultdict(set), set()
    missed = {pathlib.Path(source).stem: set(map(int, kernel.missed)) for (source, _), kernel in kernels.items()}
    for image, name in names.items():
        found = opcodes(folder / f"{image}.ptx")
        left = missed.get(image, set(found))
        family = "/".join(name.split("/")[:2])
        run = {opcode for line, opcode in found.items() if line not in left}
        all_of[family] |= set(found.values())
        run_of[family] |= run
        if run:
            launched.add(name)
    out = {(family, opcode) for family, every in all_of.items() if run_of[family] for opcode in every - run_of[family]}
    return out | {(name, "never launched") for name in names.values() if name not in launched}


def listed(path, arch):
    """{(where, what): reason} of an architecture."""
    out = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line and not line.startswith("#"):
            where, what, reason = re.split(r"\s{2,}", line, maxsplit=2)
            where = where.replace("/any", f"/sm_{arch}")
            if f"/sm_{arch}" in where:
                out[where, what] = reason
    return out


def main():
    parser = argparse.ArgumentParser()
    for name in ("attnrt", "plugin", "table", "units", "coverage", "list", "arch"):
        parser.add_argument(name)
    parser.add_argument("--from", dest="given", nargs="+")
    arguments = parser.parse_args()
    arch = int(arguments.arch.replace(".", ""))
    folder = pathlib.Path(arguments.plugin).with_suffix(".ptx")
    with tempfile.TemporaryDirectory() as scratch:
        files = arguments.given or [os.path.join(scratch, "coverage")]
        for options in [] if arguments.given else RUNS:
            run = subprocess.run([arguments.attnrt, "verify", "--emulate", f"cuda:{arguments.arch}", arguments.plugin, *options],
                                 env=os.environ | {"ATTNRT_EMULATOR_COVERAGE": files[0]})
            if run.returncode:
                sys.exit("the kit failed")
        kernels = coverage_module(arguments.coverage).read(files)
    found = not_executed(kernels, images(arguments.table, arguments.units, arch), folder)
    reasons = listed(arguments.list, arch)
    wrong = [f"{where}  {what}  is not executed and not in the list" for where, what in sorted(found - set(reasons))]
    wrong += [f"{where}  {what}  is in the list and is executed, or is not there" for where, what in sorted(set(reasons) - found)]
    print("\n".join(wrong))
    print(f"{len(found)} instructions and units are not executed, {len(wrong)} differ from the list")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
