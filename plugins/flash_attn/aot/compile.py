# SPDX-License-Identifier: Apache-2.0
"""Compiles the units of units.py ahead of time and writes the table that the plugin is linked with.

Each unit is kept in the cache under the hash of all that decides it: the kernel's source and what it includes, the
constants and options, the compiler's version. So a change to one kernel compiles that one anew, and trees and presets
share what they have in common. Needs nvcc and ptxas, no GPU, driver or header of CUDA's runtime beyond what nvcc brings.
"""
import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import units

KERNELS = pathlib.Path(__file__).resolve().parent.parent / "kernels"
OPTIONS = ("-std=c++17", "--Werror", "all-warnings")
ASSEMBLER_OPTIONS = ("-v", "-warn-spills")
DTYPES = {"fp16": "ATTNRT_FP16", "bf16": "ATTNRT_BF16", "e4m3": "ATTNRT_FP8_E4M3"}
LETTERS = {"P": "p", "F": "f", "I": "i", "L": "l"}


def sources(name, seen=None):
    """The text of a file in kernels/ and of all that it includes."""
    seen = {} if seen is None else seen
    if name not in seen:
        seen[name] = (KERNELS / name).read_text()
        for included in re.findall(r'^#include "([^"]+)"', seen[name], re.MULTILINE):
            sources(included, seen)
    return seen


def parameters(kernel):
    """[(name, type)] of a kernel, by its list in arguments.cuh."""
    text = sources("arguments.cuh")["arguments.cuh"].replace("\\\n", " ")
    kernel = {"attention_wgmma": "attention", "latent_wgmma": "attention"}.get(kernel, kernel)
    body = re.search(rf"#define ATTNRT_FLASH_{kernel.upper()}\(P, F, I, L\)(.*)", text)[1]
    return [(name, LETTERS[letter]) for letter, name in re.findall(r"([PFIL])\((\w+)\)", body)]


def architecture(unit):
    """"90a" where instructions belong to one architecture alone."""
    return f"{unit.arch}{'a' if 'WGMMA' in dict(unit.defines) else ''}"


class Compiler:
    def __init__(self, nvcc):
        self.nvcc, self.ptxas = nvcc, str(pathlib.Path(nvcc).with_name("ptxas"))
        self.version = subprocess.check_output([nvcc, "--version"], text=True)

    def hash(self, unit):
        """Comments, spaces and line breaks do not count."""
        digest = hashlib.sha256()
        for name, text in sorted(sources(f"{unit.kernel}.cu").items()):
            digest.update(f"{name}\0{''.join(re.sub('//.*', '', text).split())}\0".encode())
        digest.update(repr((self.version, OPTIONS, ASSEMBLER_OPTIONS, dataclasses.astuple(unit))).encode())
        return digest.hexdigest()

    def compile(self, unit, folder):
        """One unit as folder/<hash>.cubin, .ptx and .json, unless it is there."""
        key = self.hash(unit)
        report = folder / f"{key}.json"
        if report.exists():
            return unit, key, False
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text, image = pathlib.Path(scratch) / "ptx", pathlib.Path(scratch) / "cubin"
            arch = architecture(unit)
            defines = [f"-D{name}={value}" for name, value in unit.defines]
            run([self.nvcc, "-ptx", f"-arch=compute_{arch}", *OPTIONS, *defines, "-o", text, KERNELS / f"{unit.kernel}.cu"])
            told = run([self.ptxas, f"-arch=sm_{arch}", *ASSEMBLER_OPTIONS, "-o", image, text])
            number = lambda pattern: int(re.search(pattern, told)[1])  # noqa: E731
            ptx = text.read_text()
            facts = {"registers": number(r"Used (\d+) registers"), "stack": number(r"(\d+) bytes stack frame"),
                     "spills": number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
                     "matrix": sorted(set(re.findall(r"\b(mma\.sync|wgmma\.mma_async)\b", ptx)))}
            image.rename(folder / f"{key}.cubin")
            text.rename(folder / f"{key}.ptx")
            done = pathlib.Path(scratch) / "json"
            done.write_text(json.dumps(facts))
            done.rename(report)  # last: what has a report is whole
        return unit, key, True


def run(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout.strip())
    return done.stdout


def c_row(unit, key, facts, offset, size, listed, ptx):
    return (f'    {{.kernel = "{unit.kernel}", .symbol = "{unit.kernel}", .arch = {unit.arch},\n'
            f"     .image = attnrt_flash_images + {offset}, .image_size = {size}, .q_dtype = {DTYPES[unit.q]}, "
            f".kv_dtype = {DTYPES[unit.kv]}, .out_dtype = {DTYPES[unit.q]},\n"
            f"     .head_size_qk = {unit.head_qk}, .head_size_v = {unit.head_v}, .block_m = {unit.rows}, "
            f".tile = {unit.tile}, .even = 0, .features = {unit.features},\n"
            f"     .warps = {unit.warps}, .stages = {unit.stages}, .shared_bytes = {unit.shared}, "
            f".registers = {facts['registers']}, .global_scratch_bytes = 0,\n"
            f"     .parameters = {listed}, .num_parameters = sizeof {listed} / sizeof *{listed},\n"
            f'     .appended_bytes = 0, .hash = "{key[:16]}", .ptx = {ptx}}},\n')


def write_table(rows, cache, out):
    """images.cpp with the images beside it in images.bin, and table.json for people and tests.

    Behind the cubins stands the PTX of the newest architecture, for devices that are newer than all of them.
    """
    text, images, table = [], bytearray(), []
    newest = max(unit.arch for unit, _ in rows)

    def add(unit, key, facts, image, ptx):
        images.extend(b"\0" * (-len(images) % 64))
        text.append(c_row(unit, key, facts, len(images), len(image), f"{unit.kernel}_parameters", ptx))
        images.extend(image)

    for unit, key in rows:
        facts = json.loads((cache / f"{key}.json").read_text())
        image = (cache / f"{key}.cubin").read_bytes()
        add(unit, key, facts, image, 0)
        table.append({"name": unit.name, "hash": key[:16], "arch": unit.arch, "warps": unit.warps, "shared": unit.shared,
                      "image_bytes": len(image), **facts})
    for unit, key in rows:
        if unit.arch == newest and architecture(unit) == str(newest):
            facts = json.loads((cache / f"{key}.json").read_text())
            add(unit, key, facts, (cache / f"{key}.ptx").read_bytes() + b"\0", 1)
    lists = "".join(
        f"constexpr gpu::Parameter {kernel}_parameters[] = {{\n"
        + "".join(f"    {{\"{name}\", '{letter}'}},\n" for name, letter in parameters(kernel)) + "};\n"
        for kernel in dict.fromkeys(unit.kernel for unit, _ in rows))
    (out / "images.bin").write_bytes(images)
    (out / "images.cpp").write_text(
        "// Written by aot/compile.py.\n#include \"attnrt/plugin.h\"\n#include \"images.hpp\"\n\n"
        '__asm__(".section .rodata\\n.balign 64\\n"\n'
        '        ".globl attnrt_flash_images\\n.hidden attnrt_flash_images\\n"\n'
        f'        "attnrt_flash_images:\\n.incbin \\"{out / "images.bin"}\\"\\n.previous\\n");\n'
        'extern "C" __attribute__((visibility("hidden"))) const unsigned char attnrt_flash_images[];\n\n'
        "namespace attnrt::flash {\nnamespace {\n" + lists + "}  // namespace\n\nconst gpu::KernelImage images[] = {\n"
        + "".join(text) + f"}};\nconst unsigned num_images = {len(text)};\n\n}}  // namespace attnrt::flash\n")
    (out / "table.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n")


def write_ptx(rows, cache, folder):
    """The PTX of each image under the image's SHA-256: what the SDK's emulator runs. The plugin does not need it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {hashlib.sha256((cache / f"{key}.cubin").read_bytes()).hexdigest() + ".ptx": cache / f"{key}.ptx"
              for _, key in rows}
    for old in folder.glob("*.ptx"):
        if old.name not in wanted:
            old.unlink()
    for name, source in wanted.items():
        shutil.copyfile(source, folder / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--archs", default=",".join(map(str, units.ARCHS)))
    parser.add_argument("--set", choices=("all", "few"), default="all")
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--ptx", type=pathlib.Path, help="folder for the PTX of every image")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    wanted = units.select([int(arch) for arch in arguments.archs.split(",")], arguments.set)
    for folder in (arguments.cache, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    compiler = Compiler(arguments.nvcc)
    rows, compiled = [], 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(compiler.compile, unit, arguments.cache) for unit in wanted]
        for job, unit in zip(jobs, wanted):
            try:
                unit, key, fresh = job.result()
            except RuntimeError as error:
                pool.shutdown(cancel_futures=True)
                sys.exit(f"flash_attn: {unit.name}: {error}")
            rows.append((unit, key))
            compiled += fresh
    write_table(rows, arguments.cache, arguments.out)
    if arguments.ptx:
        write_ptx(rows, arguments.cache, arguments.ptx)
    print(f"flash_attn: {len(rows)} kernels, {compiled} compiled now, {len(rows) - compiled} from {arguments.cache}")


if __name__ == "__main__":
    main()
