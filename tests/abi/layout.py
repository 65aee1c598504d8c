# SPDX-License-Identifier: Apache-2.0
"""The layout of plugin.h as a table: every struct with its size, alignment and fields, every enum and macro value, every
type that is a plain word for another.

layout.py print HEADER               writes the table
layout.py check HEADER FROZEN        compares it with the one recorded in FROZEN/<major>.<minor>/
layout.py record HEADER FROZEN       records header and table there

HEADER is <folder>/attnrt/plugin.h; CC names the compiler. A table is made by a C program that this script writes from the
preprocessed header, so what the header declares cannot be left out: the fields of a struct must cover it without a gap.
A recorded table is frozen: a new minor may only append fields to structs that carry struct_size, and add structs, types
and values.
"""
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Not values: the include guard, an attribute, what the build is sanitized with, and macros with arguments.
NO_VALUE = {"ATTNRT_PLUGIN_H", "ATTNRT_EXPORT", "ATTNRT_SANITIZERS", "ATTNRT_HAS", "ATTNRT_END_", "ATTNRT_PLUGIN_NOTE"}
FROZEN_NAMES = re.compile(r"ATTNRT_(?!ABI_MINOR$).*[^_]$")  # ALL_ and COUNT_ grow with what they count


class Fault(Exception):
    pass


def compiler():
    return os.environ.get("CC", "cc")


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise Fault(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def own_text(header):
    """The preprocessed header without what it includes."""
    lines, mine = [], False
    for line in run(compiler(), "-std=c99", "-E", header).splitlines():
        if mark := re.match(r'# \d+ "([^"]*)"', line):
            mine = os.path.samefile(mark[1], header) if os.path.exists(mark[1]) else False
        elif mine:
            lines.append(line)
    return re.sub(r"\s+", " ", " ".join(lines))


def split_fields(body):
    """(declaration, name) of each field; arrays and function pointers included."""
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        if pointer := re.match(r"[^(]*\(\*\s*(\w+)\)", declaration):
            yield declaration, pointer[1]
            continue
        first, *more = [part.strip() for part in declaration.split(",")]
        name = re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*$", first)[1]
        yield first, name
        word = first[: first.rindex(name)].strip()
        for other in more:
            yield f"{word} {other}", re.match(r"\w+", other)[0]


def declared(header):
    """Structs with their fields, enum names, and typedefs, as the header declares them."""
    text = own_text(header)
    structs, enums, words = [], [], []

    def struct(match):
        structs.append((match[1], list(split_fields(match[2]))))
        return ""

    def enum(match):
        enums.extend(re.match(r"\w+", part.strip())[0] for part in match[1].split(",") if part.strip())
        return ""

    def word(match):
        words.append(match[0].rstrip(" ;"))
        return ""

    text = re.sub(r"(?:typedef )?struct (\w+) \{([^{}]*)\} ?\w* ?;", struct, text)
    text = re.sub(r"enum \{([^{}]*)\} ?;", enum, text)
    text = re.sub(r"typedef [^{};]*;", word, text)
    if rest := text.replace("struct", " struct").strip():
        raise Fault(f"{header}: '{rest[:200]}' is not understood, wanted structs, enums and typedefs")
    announced = {f"typedef struct {name} {name}" for name, _ in structs}
    return structs, enums, [w for w in words if w not in announced]


def macros(header):
    """Names of the header's object-like macros."""
    def names(source):
        return set(re.findall(r"#define (ATTNRT_\w+)", run(compiler(), "-std=c99", "-dM", "-E", "-x", "c", "-", text=source)))
    return sorted(names(f'#include "{header}"\n') - NO_VALUE)


def tidy(declaration):
    """One spelling, however the header is laid out."""
    text = re.sub(r" ?([(),*]) ?", r"\1", declaration).replace(",", ", ")
    return re.sub(r"\*(?=\w)", "* ", text).replace("(* ", "(*").strip()


def table(header):
    header = pathlib.Path(header).resolve()
    structs, enums, words = declared(header)
    out = ["#include <inttypes.h>", "#include <stdio.h>", f'#include "{header}"',
           "#define ALIGNMENT(type) offsetof(struct { char c; type t; }, t)",
           "static void value(const char* name, uint64_t v) { printf(\"%s 0x%\" PRIx64 \"\\n\", name, v); }",
           "int main(void) {"]
    for name, fields in structs:
        out.append(f'  printf("struct {name} size %zu align %zu\\n", sizeof({name}), ALIGNMENT({name}));')
        for declaration, field in fields:
            out.append(f'  printf("  %3zu %3zu %s\\n", offsetof({name}, {field}), sizeof((({name}*)0)->{field}), "{tidy(declaration)}");')
    for word in words:
        name = (re.search(r"\(\*\s*(\w+)\)", word) or re.search(r"(\w+)$", word))[1]
        if re.match(r"typedef struct \w+ \w+$", word):
            out.append(f'  puts("{tidy(word)} opaque");')
        else:
            out.append(f'  printf("{tidy(word)} size %zu\\n", sizeof({name}));')
    for name in enums:
        out.append(f'  value("{name}", (uint64_t){name});')
    text_names = set(re.findall(r'#define (ATTNRT_\w+) "', header.read_text()))
    for name in macros(header):
        if name in text_names:
            out.append(f'  printf("{name} \\"%s\\"\\n", {name});')
        else:
            out.append(f'  value("{name}", (uint64_t)({name}));')
    out += ["  return 0;", "}"]
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "layout.c")
        source.write_text("\n".join(out) + "\n")
        run(compiler(), "-std=c99", "-o", f"{folder}/layout", source)
        lines = run(f"{folder}/layout").splitlines()
    gaps(lines)
    return lines


def parse(lines):
    """{struct: (size, [(offset, size, declaration)])}, {other name: line}."""
    structs, others = {}, {}
    for line in lines:
        if found := re.match(r"struct (\w+) size (\d+) align (\d+)", line):
            fields = []
            structs[found[1]] = (int(found[2]), int(found[3]), fields)
        elif found := re.match(r" +(\d+) +(\d+) (.*)", line):
            fields.append((int(found[1]), int(found[2]), found[3]))
        else:
            name = re.search(r"\(\*(\w+)\)|^(ATTNRT_\w+)|(\w+) (?:size \d+|opaque)$", line)
            others[next(filter(None, name.groups()))] = line
    return structs, others


def gaps(lines):
    for name, (size, _, fields) in parse(lines)[0].items():
        end = 0
        for offset, length, declaration in fields:
            if offset != end:
                raise Fault(f"{name}: byte {end} belongs to no field that was found, '{declaration}' stands at {offset}")
            end += length
        if end != size:
            raise Fault(f"{name}: the fields end at byte {end}, the struct at {size}; wanted no padding and no field left out")


def grows(old_lines, new_lines):
    """Sentences about what of the old table the new one does not keep."""
    old_structs, old_others = parse(old_lines)
    new_structs, new_others = parse(new_lines)
    faults = []
    for name, (size, align, fields) in old_structs.items():
        if name not in new_structs:
            faults.append(f"struct {name} is gone")
            continue
        new_size, new_align, new_fields = new_structs[name]
        for i, field in enumerate(fields):
            if i >= len(new_fields) or new_fields[i] != field:
                now = "is gone" if i >= len(new_fields) else f"is now '{new_fields[i][2]}' at {new_fields[i][0]}, {new_fields[i][1]} bytes"
                faults.append(f"{name}: '{field[2]}' at {field[0]}, {field[1]} bytes, {now}")
                break
        if new_size != size and not any(re.search(r"\bstruct_size$", d) for _, _, d in fields):
            faults.append(f"{name} has no struct_size and grew from {size} to {new_size} bytes")
        if new_align != align:
            faults.append(f"{name} is aligned to {new_align} bytes, was to {align}")
    for name, line in old_others.items():
        if new_others.get(name) != line and (name.startswith("attnrt") or FROZEN_NAMES.match(name)):
            faults.append(f"'{line}' is now '{new_others.get(name, 'gone')}'")
    return faults


def version(lines):
    others = parse(lines)[1]
    return tuple(int(others[f"ATTNRT_ABI_{part}"].split()[1], 16) for part in ("MAJOR", "MINOR"))


def recorded(frozen):
    """(major, minor) of every folder, in order."""
    found = [re.fullmatch(r"(\d+)\.(\d+)", entry.name) for entry in pathlib.Path(frozen).iterdir()]
    return sorted((int(m[1]), int(m[2])) for m in found if m)


def read_table(frozen, at):
    return pathlib.Path(frozen, "%d.%d" % at, "layout.txt").read_text().splitlines()


def keeps_its_major(lines, frozen):
    """Does this table keep what every earlier minor of its major recorded?"""
    now = version(lines)
    for at in recorded(frozen):
        if at[0] == now[0] and at[1] < now[1] and (faults := grows(read_table(frozen, at), lines)):
            raise Fault("\n".join([f"ABI %d.%d does not keep the layout of %d.%d, which is frozen: only fields appended to structs "
                                   f"with struct_size are allowed, and new names" % (*now, *at), *faults]))


def check(header, frozen):
    lines = table(header)
    now = version(lines)
    name = "%d.%d" % now
    again = f"python3 {pathlib.Path(__file__).name} record {header} {frozen}"
    if now not in recorded(frozen):
        keeps_its_major(lines, frozen)
        raise Fault(f"ABI {name} has no recorded layout; when it is as it should be: {again}")
    want = read_table(frozen, now)
    if lines != want:
        raise Fault("\n".join([f"the layout of ABI {name} is frozen and differs now. Append fields behind struct_size only, and raise "
                               f"ATTNRT_ABI_MINOR for them; anything else needs a new ATTNRT_ABI_MAJOR",
                               *difference(want, lines)]))
    keeps_its_major(lines, frozen)
    snapshot = pathlib.Path(frozen, name, "attnrt", "plugin.h")
    if table(snapshot) != want:
        raise Fault(f"{snapshot} does not have the layout recorded beside it")
    fields = sum(len(f) for _, _, f in parse(lines)[0].values())
    print(f"ABI {name}: {len(parse(lines)[0])} structs with {fields} fields and {len(parse(lines)[1])} other names as recorded")


def difference(want, got):
    return [line for line in difflib.ndiff(want, got) if line[0] in "-+"]


def record(header, frozen):
    lines = table(header)
    now = version(lines)
    keeps_its_major(lines, frozen)
    folder = pathlib.Path(frozen, "%d.%d" % now)
    if folder.exists():
        raise Fault(f"{folder} is frozen: raise ATTNRT_ABI_MINOR or ATTNRT_ABI_MAJOR")
    (folder / "attnrt").mkdir(parents=True, exist_ok=True)
    (folder / "layout.txt").write_text("\n".join(lines) + "\n")
    shutil.copyfile(header, folder / "attnrt" / "plugin.h")
    print(f"recorded {folder}")


def main(arguments):
    try:
        match arguments:
            case ["print", header]:
                print("\n".join(table(header)))
            case ["check", header, frozen]:
                check(header, frozen)
            case ["record", header, frozen]:
                record(header, frozen)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
