#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one fault at a time in the language, the analysis of tiles, the rows and the op of FLEX_ATTENTION: the tests
beside this file must find each.

    mutants.py BUILD_FOLDER [--jobs 2] [--only WORDS]

BUILD_FOLDER: one where flex_language and flex_attention are built; its compile commands and objects serve for what a
fault does not touch. A fault counts as found where everything compiles and a test fails; a mutant that hangs or dies
counts too, for a test run that does so fails.

What is not planted, and why: the room that range.hpp leaves for functions of other evaluators (only a value at the very
edge of a comparison shows that; the fuzz target flex_ranges searches for one), and the place of score and mask inside
the panel kernels, which take minutes to compile (their tests are those of flex_attention, fault by fault in the op).
"""
import argparse
import concurrent.futures
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RANGE, BOXES = "plugin-sdk/include/attnrt/flex/range.hpp", "plugin-sdk/include/attnrt/flex/buffer_ranges.hpp"
REGION, BLOCKS = "plugin-sdk/include/attnrt/flex/region.hpp", "plugin-sdk/include/attnrt/flex/block_mask.hpp"
MEANING, LOAD = "plugin-sdk/include/attnrt/flex/meaning.hpp", "plugin-sdk/include/attnrt/flex/evaluate.hpp"
BUILDER = "plugin-sdk/include/attnrt/flex/builder.hpp"
PARSER, PRINT = "core/src/flex/parser.cpp", "core/src/flex/print.cpp"
CODE, ROWS = "plugins/flex/cpu/row_code.cpp", "plugins/flex/cpu/row_evaluator.hpp"
PORTABLE = "plugins/flex/cpu/rows_portable.cpp"
OP, PROGRAM, BUILTINS = "plugins/flex/cpu/flex_op.cpp", "plugins/flex/cpu/flex_program.cpp", "plugins/flex/builtins.cpp"

# (what, file, what it says, what a mistake would make of it, sources that are compiled again)
FAULTS = [
    # ---- the interval analysis
    ("a difference takes the wrong ends", RANGE, "Range::integers(a.low - b.high, a.high - b.low)",
     "Range::integers(a.low - b.low, a.high - b.high)", ["ranges"]),
    ("a product of two signs", RANGE, "corners({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high})",
     "corners({a.low * b.low, a.high * b.high})", ["ranges"]),
    ("quotients rounded toward zero", RANGE, "return x / y - (x % y != 0 && (x < 0) != (y < 0));", "return x / y;",
     ["ranges"]),
    ("a remainder that wraps taken for one that does not", RANGE,
     "if (b_low == b_high && quotient(a.low, b_low) == quotient(a.high, b_low)) {", "if (b_low == b_high) {",
     ["ranges"]),
    ("a quotient by a range that holds zero", RANGE,
     "if (b.low <= 0 && b.high >= 0) join(Range::integers(0, 0));", "", ["ranges"]),
    ("less where it may be equal", RANGE, "always = a_high < b_low, never", "always = a_high <= b_low, never",
     ["ranges"]),
    ("never where it may be equal", RANGE, "never = a_low > b_high;", "never = a_low >= b_high;", ["ranges"]),
    ("NaN is not compared", RANGE, "return Range::truth(!always || nan, !never);",
     "return Range::truth(!always, !never);", ["ranges"]),
    ("a choice has one side", RANGE, "Range::either(b, c)", "b", ["ranges"]),
    ("bits that either operand has", RANGE, "while (ones < std::max(a.high, b.high))",
     "while (ones < std::min(a.high, b.high))", ["ranges"]),
    ("the size of numbers of both signs", RANGE, "Range::integers(a.low <= 0 && a.high >= 0 ? 0 : std::min(",
     "Range::integers(std::min(", ["ranges"]),
    ("integers that leave 32 bits", RANGE, "const bool wrapped = low < least || high > most;",
     "const bool wrapped = false;", ["ranges"]),
    ("either side of an or", RANGE,
     "return Range::truth(a.can_be_false && b.can_be_false, a.can_be_true || b.can_be_true);",
     "return Range::truth(a.can_be_false || b.can_be_false, a.can_be_true && b.can_be_true);", ["ranges"]),
    # ---- ranges of buffers, regions, blocks
    ("a box one element short", BOXES, "std::clamp<int64_t>(indices[d].high, 0,",
     "std::clamp<int64_t>(indices[d].high - 1, 0,", ["ranges"]),
    ("a group of chunks is its last one", BOXES, "group = chunk % kGroup ? Range::either(group, range) : range;",
     "group = range;", ["ranges"]),
    ("rows of a box beyond the first", BOXES, "out = i ? Range::either(out, part) : part;", "out = part;", ["ranges"]),
    ("full taken for partial", REGION, ": !mask.can_be_false ? Visibility::full : Visibility::unknown",
     ": Visibility::unknown", ["ranges"]),
    ("partial taken for full", REGION, ": !mask.can_be_false ? Visibility::full : Visibility::unknown",
     ": Visibility::full", ["ranges"]),
    ("the first query of a grid", BLOCKS, "region.q_first = grid.first_query + part.row",
     "region.q_first = part.row", ["blocks"]),
    ("a quarter of blocks left out", BLOCKS, "for (const int32_t right_half : {0, 1}) {",
     "for (const int32_t right_half : {0}) {", ["blocks"]),
    # ---- the meaning of a pair
    ("the remainder of C", MEANING, "inline int32_t floor_mod(int32_t a, int32_t b) {",
     "inline int32_t floor_mod(int32_t a, int32_t b) {\n  if (b != 0 && b != -1) return a % b;", ["meaning"]),
    ("a load one behind the end", LOAD, "std::clamp<int64_t>(indices[d], 0, view.shape[d] - 1)",
     "std::clamp<int64_t>(indices[d], 0, view.shape[d])", ["text"]),
    ("min that loses NaN", MEANING, "return b != b ? b : smaller(a, b);", "return smaller(a, b);", ["meaning"]),
    # ---- text
    ("more is less", PARSER, "const bool turned = at.is(\">\") || at.is(\">=\");", "const bool turned = false;", [PARSER]),
    ("operands printed without parentheses", PRINT, "return word && text[0] != '-' ? text : say(\"(\", text, \")\");",
     "return text;", [PRINT]),
    ("the right operand printed first", PRINT, "operand(node, 0), \" \", about.symbol, \" \", operand(node, 1)",
     "operand(node, 1), \" \", about.symbol, \" \", operand(node, 0)", [PRINT]),
    ("a negated constant printed as a constant", PRINT, "return say(\"-(\", texts_[node.operands[0]], \")\");",
     "return say(\"-\", texts_[node.operands[0]]);", [PRINT]),
    ("a unary operator printed with a level of its own", PRINT, "unary ? texts_[node.operands[0]] : operand(node, 0)",
     "operand(node, 0)", [PRINT]),
    # ---- rows of keys
    ("a quotient that is one off", ROWS, "const int32_t more = left < 0 ? -1 : left >= by ? 1 : 0;",
     "const int32_t more = 0;", [PORTABLE]),
    ("division by zero", ROWS, "return b == 0 ? 0 : whole;", "return whole;", [PORTABLE]),
    ("a buffer read backwards in order", ROWS, "to[lane] = bits(data[-lane]);", "to[lane] = bits(data[lane]);",
     [PORTABLE]),
    ("a run of elements past the end", ROWS, "(first < last ? last : first) < view.shape[rank - 1])",
     "(first < last ? first : last) < view.shape[rank - 1])", [PORTABLE]),
    ("indices clamped one off", ROWS, "const int64_t most = view.shape[d] - 1;",
     "const int64_t most = view.shape[d] > 1 ? view.shape[d] - 2 : 0;", [PORTABLE]),
    ("the choice turned round", ROWS, "to[lane] = a[lane] ? b[lane] : c[lane];",
     "to[lane] = a[lane] ? c[lane] : b[lane];", [PORTABLE]),
    ("a mask that shows what was hidden", ROWS, "bias[first + i] = seen[i] ? bias[first + i] : hidden;",
     "bias[first + i] = seen[i] ? 0.0f : hidden;", [PORTABLE]),
    ("a slot given away too early", CODE, "if (!again && varies[operand] && last[operand] == i &&",
     "if (!again && varies[operand] &&", [CODE]),
    ("a score that is the same for all keys", CODE, "varies[i] = node.op == Op::kv_idx || node.op == Op::score;",
     "varies[i] = node.op == Op::kv_idx;", [CODE]),
    ("a descending index taken for an ascending one", CODE, "!varies[a] ? turned(b) : int8_t{0}",
     "!varies[a] ? step_of(program, varies, b) : int8_t{0}", [CODE]),
    ("a row of a table that changes with the key", CODE, "if (varies[node.operands[k]]) next.step = 0;", "", [CODE]),
    # ---- the op, on the kernels
    ("a window one key wider", BUILTINS, "(match.is(term, Op::lt) ? 1 : 0)", "0", [BUILTINS]),
    ("a softcap of two numbers", BUILTINS, " || match.operand(quotient, 1) != cap ||", " ||", [BUILTINS]),
    ("the sign of ALiBi", BUILTINS, "distance.q != (plus ? -1 : 1)", "distance.q != (plus ? 1 : -1)", [BUILTINS]),
    ("the wider of two windows", PROGRAM, "window < 0 ? by : std::min(window, by)",
     "window < 0 ? by : std::max(window, by)", [PROGRAM]),
    ("heads that have one mask", PROGRAM, "by_head_ = dependences(program_)[static_cast<std::size_t>(program_.mask)] & kOnH;",
     "by_head_ = false;", [PROGRAM]),
    ("a partial tile taken for a full one", OP, "return cpu::PairProgram::Seen::kSome;",
     "return cpu::PairProgram::Seen::kAll;", [OP]),
    ("a score skipped where nothing is hidden", OP, "if (!call.has_mask && !call.has_score)", "if (!call.has_mask)",
     [OP]),
    ("the buffers of the first update used again", OP,
     "ranges_[i].fill(program.program().buffers[i], views[i]);",
     "if (!slopes_.capacity()) ranges_[i].fill(program.program().buffers[i], views[i]), slopes_.reserve(1);", [OP]),
]


class Build:
    """What is the same for all faults: how things are compiled and linked, and the objects of what has no fault."""

    def __init__(self, folder, own):
        self.folder, self.own = folder, own
        commands = json.loads((folder / "compile_commands.json").read_text())
        self.commands = {(entry["file"], self.target(entry["command"])): shlex.split(entry["command"])
                         for entry in commands}
        self.links = {name: self.link_of(name) for name in ("bin/flex_language", "lib/attnrt/plugins/flex.so",
                                                            "bin/flex_attention")}

    @staticmethod
    def target(command):
        return command.partition("CMakeFiles/")[2].partition(".dir/")[0]

    def link_of(self, name):
        text = subprocess.run(["ninja", "-C", self.folder, "-t", "commands", name], check=True, capture_output=True,
                              text=True).stdout
        return shlex.split(next(part for part in reversed(text.splitlines()[-1].split(" && ")) if f"-o {name}" in part))

    def object(self, source, target):
        words = self.commands[str(ROOT / source), target]
        return words[words.index("-o") + 1]

    def compile(self, tree, source, target, out):
        """A source of a tree as `target` compiles it, with the tree's headers first."""
        words = [str(tree / source) if word == str(ROOT / source) else word
                 for word in self.commands[str(ROOT / source), target] if word not in ("-Werror", "-O3")]
        words[words.index("-o") + 1] = str(out)
        words = ['-DATTNRT_TEST_PLUGINS="."' if word.startswith("-DATTNRT_TEST_PLUGINS") else word for word in words]
        words[1:1] = [f"-I{tree / include}" for include in ("core/src", "plugin-sdk/include")]
        run(words, self.folder)

    def link(self, name, out, replaced):
        """replaced: an object of the build, the mutant's in its place; one of a library stands before that."""
        words = list(self.links[name])
        words[words.index("-o") + 1] = str(out)
        for old, new in replaced.items():
            if old in words:
                words[words.index(old)] = str(new)
            else:
                words.insert(words.index("-o"), str(new))
        run(words, self.folder)


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])


def copy_tree(tree):
    for folder in ("plugin-sdk/include", "core/src", "tests/flex", "plugins/flex", "plugins/cpu_attn"):
        shutil.copytree(ROOT / folder, tree / folder)


def make_program(build, tree, file, sources):
    """The tests with the fault of a tree."""
    on_kernels = file in (OP, PROGRAM, BUILTINS)
    target = "flex" if on_kernels else "flex_language"
    replaced = {}
    for source in sources:
        path = source if "/" in source else f"tests/flex/{source}.cpp"
        own = target if (str(ROOT / path), target) in build.commands else "attnrt_core"
        out = tree / (pathlib.Path(path).stem + ".o")
        build.compile(tree, path, own, out)
        replaced[build.object(path, own)] = out
    if on_kernels:
        build.link("lib/attnrt/plugins/flex.so", tree / "flex.so", replaced)
        return build.own / "flex_attention"
    build.link("bin/flex_language", tree / "flex_language", replaced)
    return tree / "flex_language"


def make_attention(build):
    """The tests of the op, which load ./flex.so."""
    out = build.own / "attention.o"
    build.compile(ROOT, "tests/flex/attention.cpp", "flex_attention", out)
    build.link("bin/flex_attention", build.own / "flex_attention",
               {build.object("tests/flex/attention.cpp", "flex_attention"): out})


def try_fault(build, fault):
    """Nothing where the fault was found, else what went on instead."""
    what, file, right, wrong, sources = fault
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        text = (tree / file).read_text()
        if text.count(right) != 1:
            return f"{what}: {file} says '{right}' {text.count(right)} times, wanted once"
        (tree / file).write_text(text.replace(right, wrong))
        try:
            program = make_program(build, tree, file, sources)
            tests = subprocess.run([program, "--abort"], cwd=tree, capture_output=True, timeout=900)
        except RuntimeError as error:
            return f"{what}: does not compile\n{error}"
        except subprocess.TimeoutExpired:
            return None
    return None if tests.returncode else f"{what}: not found"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="faults whose name or file has these words")
    a = parser.parse_args()
    faults = [fault for fault in FAULTS if a.only in fault[0] or a.only in fault[1]]
    with tempfile.TemporaryDirectory() as own, concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        build = Build(a.build.resolve(), pathlib.Path(own))
        if any(fault[1] in (OP, PROGRAM, BUILTINS) for fault in faults):
            make_attention(build)
        missed = [m for m in pool.map(lambda fault: try_fault(build, fault), faults) if m]
    print(*missed, f"{len(faults)} faults planted, {len(faults) - len(missed)} found", sep="\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
