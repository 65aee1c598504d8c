#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up what ATTNRT_EMULATOR_COVERAGE wrote: instructions that no run executed, and bank conflicts.

    coverage.py FILE... [--missed] [--conflicts] [--kernel TEXT]

A process adds a line for each kernel of each module that it unloads; lines of one kernel are put together here. Columns,
separated by tabs: where the PTX was found, kernel, instructions executed, instructions, lines never executed, wavefronts
of shared memory needed/ideal, and line:needed/ideal for each instruction that needed more. --missed and --conflicts list
the instructions with their text, where the PTX is a file that is still there.
"""
import argparse
import collections
import pathlib


class Kernel:
    def __init__(self):
        self.instructions = 0
        self.missed = None  # by all runs; lines
        self.needed = self.ideal = 0
        self.conflicts = collections.defaultdict(lambda: [0, 0])

    def add(self, instructions, missed, wavefronts, conflicts):
        self.instructions = int(instructions)
        lines = collections.Counter(missed.split(",")) if missed else collections.Counter()
        self.missed = lines if self.missed is None else self.missed & lines
        needed, ideal = map(int, wavefronts.split("/"))
        self.needed += needed
        self.ideal += ideal
        for entry in filter(None, conflicts.split(",")):
            line, counts = entry.split(":")
            for i, count in enumerate(counts.split("/")):
                self.conflicts[int(line)][i] += int(count)


def read(paths, wanted=""):
    """{(source, name): Kernel} of these files."""
    kernels = collections.defaultdict(Kernel)
    for path in paths:
        for line in pathlib.Path(path).read_text().splitlines():
            source, name, _, *rest = line.split("\t")
            if wanted in name or wanted in source:
                kernels[source, name].add(*rest)
    return kernels


def text_of(source):
    """The lines of a PTX file, from 1."""
    path = pathlib.Path(source)
    return [""] + path.read_text().splitlines() if path.is_file() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--missed", action="store_true", help="list the instructions that no run executed")
    parser.add_argument("--conflicts", action="store_true", help="list the instructions with bank conflicts")
    parser.add_argument("--kernel", default="", help="kernels whose name or source has this")
    arguments = parser.parse_args()
    for (source, name), kernel in sorted(read(arguments.files, arguments.kernel).items()):
        missed = sum(kernel.missed.values())
        print(f"{name} ({pathlib.Path(source).name}): {kernel.instructions - missed} of {kernel.instructions} "
              f"instructions executed, {kernel.needed} wavefronts of shared memory, {kernel.ideal} at best")
        text = text_of(source)
        say = lambda line: f"line {line}" + (f": {text[int(line)].strip()}" if text else "")  # noqa: E731
        if arguments.missed:
            for line in sorted(kernel.missed, key=int):
                print(f"    not executed, {say(line)}")
        if arguments.conflicts:
            for line, (needed, ideal) in sorted(kernel.conflicts.items(), key=lambda item: item[1][1] - item[1][0]):
                print(f"    {needed} wavefronts, {ideal} at best, {say(line)}")


if __name__ == "__main__":
    main()
