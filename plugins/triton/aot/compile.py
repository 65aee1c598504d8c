# SPDX-License-Identifier: Apache-2.0
"""Compiles the units of a plugin ahead of time and writes the table that the plugin is linked with.

Each unit is kept in the cache under the hash of all that decides it: the kernel's source and what it imports, the
signature, constants and options, the version of Triton. So a change to one kernel compiles that one anew, and trees
and presets share what they have in common. Needs no GPU, no driver and no torch.
"""
import argparse
import ast
import concurrent.futures
import dataclasses
import hashlib
import importlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KERNELS = HERE.parent / "kernels"
# Set before Triton is imported: small images, and bits that do not hang on what a compiler finds worth fusing.
ENVIRONMENT = {"TRITON_DISABLE_LINE_INFO": "1", "TRITON_DEFAULT_FP_FUSION": "0"}
TRITON = "3.9.0"
APPENDED_BYTES = 16  # of the two pointers that Triton adds to a kernel's parameters: global scratch, profile scratch

sys.path[:0] = [str(HERE), str(KERNELS)]
import cuda  # noqa: E402
import families  # noqa: E402
import signature  # noqa: E402
from unit import arch_of  # noqa: E402

PLATFORMS = {"cuda": cuda}


def sources(module, seen=None):
    """The files of a kernel module and of the modules beside it that it imports."""
    seen = {} if seen is None else seen
    path = KERNELS / f"{module}.py"
    if path.exists() and module not in seen:
        seen[module] = path.read_bytes()
        for node in ast.walk(ast.parse(seen[module])):
            if isinstance(node, ast.ImportFrom):
                sources(node.module, seen)
    return seen


def unit_hash(unit, platform):
    digest = hashlib.sha256()
    for module, text in sorted(sources(unit.kernel).items()):
        digest.update(module.encode() + b"\0" + text + b"\0")
    types, hints = signature.of(parameters(unit.kernel), unit)
    digest.update(repr((TRITON, *platform.IDENTITY, dataclasses.astuple(unit), types, hints)).encode())
    return digest.hexdigest()


def parameters(kernel):
    """The names of a kernel's parameters, by its source alone: asking Triton takes a second."""
    tree = ast.parse((KERNELS / f"{kernel}.py").read_bytes())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == kernel)
    return [argument.arg for argument in function.args.args]


def compile_unit(unit, platform_name, folder):
    """Compiles one unit into folder/<hash>.<image>, .<text> and .json, unless it is there."""
    platform = PLATFORMS[platform_name]
    key = unit_hash(unit, platform)
    report = folder / f"{key}.json"
    if report.exists() and (folder / f"{key}.{platform.TEXT}").exists():
        return unit, key, False
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        os.environ.update(ENVIRONMENT, TRITON_CACHE_DIR=scratch)
        platform.prepare()
        import triton
        from triton.compiler import ASTSource

        if triton.__version__ != TRITON:
            raise RuntimeError(f"Triton is {triton.__version__}, wanted {TRITON}")
        kernel = getattr(importlib.import_module(unit.kernel), unit.kernel)
        types, hints = signature.of(kernel.arg_names, unit)
        place = {name: (index,) for index, name in enumerate(kernel.arg_names)}
        source = ASTSource(fn=kernel, signature=types, constexprs={place[n]: v for n, v in unit.constants},
                           attrs={place[name]: [["tt.divisibility", multiple]] for name, multiple in hints.items()})
        options = dict(platform.OPTIONS, num_warps=unit.warps, num_stages=unit.stages)
        built = triton.compile(source, target=platform.target(unit.arch), options=options)
        image = pathlib.Path(scratch) / "image"
        image.write_bytes(built.asm[platform.IMAGE])
        parameters = [[name, signature.letter(types[name])] for name in kernel.arg_names if types[name] != "constexpr"]
        facts = {"symbol": built.metadata.name, "shared": built.metadata.shared, "parameters": parameters,
                 "global_scratch": built.metadata.global_scratch_size, **platform.costs(built, image)}
        # What launches take for granted.
        taken = {"num_warps": unit.warps, "num_ctas": 1, "profile_scratch_size": 0}
        if wrong := {name: value for name in taken if (value := getattr(built.metadata, name)) != taken[name]}:
            raise RuntimeError(f"{unit.name} has {wrong}, wanted {taken}")
        image.rename(folder / f"{key}.{platform.IMAGE}")
        assembly = pathlib.Path(scratch) / "assembly"
        assembly.write_text(built.asm[platform.TEXT])
        assembly.rename(folder / f"{key}.{platform.TEXT}")
        text = pathlib.Path(scratch) / "json"
        text.write_text(json.dumps(facts))
        text.rename(report)  # last: what has a report is whole
    return unit, key, True


def c_row(unit, key, facts, offset, size, parameters):
    numbers = {"q_dtype": signature.attnrt_dtype(unit.q), "kv_dtype": signature.attnrt_dtype(unit.kv),
               "out_dtype": signature.attnrt_dtype(unit.q)}
    constant = unit.constant
    return (f'    {{.kernel = "{unit.kernel}", .symbol = "{facts["symbol"]}", .arch = {unit.arch},\n'
            f"     .image = attnrt_triton_images + {offset}, .image_size = {size}, "
            + ", ".join(f".{name} = {value}" for name, value in numbers.items()) + ",\n"
            f"     .head_size_qk = {constant.get('HEAD_QK', 0)}, .head_size_v = {constant.get('HEAD_V', 0)}, "
            f".block_m = {constant.get('BLOCK_M', 0)}, .tile = {constant.get('TILE', 0)}, .even = {unit.even}, "
            f".features = {constant.get('FEATURES', 0)},\n"
            f"     .warps = {unit.warps}, .stages = {unit.stages}, .shared_bytes = {facts['shared']}, "
            f".registers = {facts['registers']}, .global_scratch_bytes = {facts['global_scratch']},\n"
            f'     .parameters = {parameters}, .num_parameters = {len(facts["parameters"])},\n'
            f'     .appended_bytes = {APPENDED_BYTES}, .hash = "{key[:16]}"}},\n')


def write_table(rows, platform, cache, out):
    """images.cpp with the images beside it in images.bin, and table.json for people and tests."""
    lists, text, images, table = {}, [], bytearray(), []
    for unit, key in rows:
        facts = json.loads((cache / f"{key}.json").read_text())
        image = (cache / f"{key}.{platform.IMAGE}").read_bytes()
        images.extend(b"\0" * (-len(images) % 64))
        parameters = lists.setdefault(json.dumps(facts["parameters"]), f"parameters_{len(lists)}")
        text.append(c_row(unit, key, facts, len(images), len(image), parameters))
        table.append({"name": unit.name, "hash": key[:16], "arch": unit.arch, "warps": unit.warps,
                      "stages": unit.stages, "image_bytes": len(image),
                      **{name: fact for name, fact in facts.items() if name != "parameters"}})
        images.extend(image)
    arrays = "".join(
        f"constexpr gpu::Parameter {name}[] = {{\n"
        + "".join(f"    {{\"{p}\", '{t}'}},\n" for p, t in json.loads(parameters)) + "};\n"
        for parameters, name in lists.items())
    (out / "images.bin").write_bytes(images)
    (out / "images.cpp").write_text(
        "// Written by aot/compile.py.\n#include \"attnrt/plugin.h\"\n#include \"images.hpp\"\n\n"
        '__asm__(".section .rodata\\n.balign 64\\n"\n'
        '        ".globl attnrt_triton_images\\n.hidden attnrt_triton_images\\n"\n'
        f'        "attnrt_triton_images:\\n.incbin \\"{out / "images.bin"}\\"\\n.previous\\n");\n'
        'extern "C" __attribute__((visibility("hidden"))) const unsigned char attnrt_triton_images[];\n\n'
        "namespace attnrt::triton {\nnamespace {\n" + arrays + "}  // namespace\n\nconst gpu::KernelImage images[] = {\n"
        + "".join(text) + f"}};\nconst unsigned num_images = {len(rows)};\n\n}}  // namespace attnrt::triton\n")
    (out / "table.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n")


def write_texts(rows, platform, cache, folder):
    """What each image was made of, under the image's SHA-256: what the SDK's emulators run. The plugin does not need it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {}
    for _, key in rows:
        name = hashlib.sha256((cache / f"{key}.{platform.IMAGE}").read_bytes()).hexdigest()
        wanted[f"{name}.{platform.TEXT_SUFFIX}"] = cache / f"{key}.{platform.TEXT}"
    for old in folder.glob(f"*.{platform.TEXT_SUFFIX}"):
        if old.name not in wanted:
            old.unlink()
    for name, source in wanted.items():
        shutil.copyfile(source, folder / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugin", type=pathlib.Path, required=True, help="the plugin's folder, with its units.py")
    parser.add_argument("--archs", help="separated by commas: 80,90 or gfx942; all unless given")
    parser.add_argument("--set", choices=("all", "few"), default="all")
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--texts", type=pathlib.Path, help="folder for what every image was made of")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.plugin))
    units = importlib.import_module("units")
    name, platform = arguments.plugin.name, PLATFORMS[units.PLATFORM]
    archs = [arch_of(arch) for arch in arguments.archs.split(",")] if arguments.archs else units.ARCHS
    wanted = families.select(units, archs, arguments.set)
    for folder in (arguments.cache, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    rows, compiled = [], 0
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(compile_unit, unit, units.PLATFORM, arguments.cache) for unit in wanted]
        for job, unit in zip(jobs, wanted):
            try:
                unit, key, fresh = job.result()
            except Exception as error:  # the compiler's own, of any type
                pool.shutdown(cancel_futures=True)
                sys.exit(f"{name}: {unit.name}: {error}")
            rows.append((unit, key))
            compiled += fresh
    write_table(rows, platform, arguments.cache, arguments.out)
    if arguments.texts:
        write_texts(rows, platform, arguments.cache, arguments.texts)
    print(f"{name}: {len(rows)} kernels, {compiled} compiled now, {len(rows) - compiled} from {arguments.cache}")


if __name__ == "__main__":
    main()
