# SPDX-License-Identifier: Apache-2.0
"""Removes the barriers of compiled kernels, and their waits for copies, one at a time and asks the HIP emulator what it finds.

    barriers.py EMULATOR CACHE [--arch gfx942] [--kinds prefill,decode] [--size 64] [--stages 2]

EMULATOR is attnrt_hip_emulator.so, CACHE the folder of compiled units (plugins/triton/aot/compile.py). Each kernel runs a
small ragged batch, which is compared with float64 first. Then each barrier and each wait is taken out of its IR, and the run must be told as
a fault or give another result, in one of three orders of waves and lanes. Those that are not found are told apart: the batch
does not get there, or what it orders is ordered by another one too. Fails where a kernel is wrong, or where more of the
second kind are left than EXCUSED says. --stages has the kernels compiled with as many stages, which no kernel of rocm_aiter
is: with two or more, gfx950's copy keys and values to LDS in the background.
"""
import argparse
import ctypes
import dataclasses
import hashlib
import importlib.util
import os
import pathlib
import re
import struct
import sys
import tempfile

import numpy as np

PROJECT = pathlib.Path(__file__).resolve().parents[2]
AOT = PROJECT / "plugins" / "triton" / "aot"
sys.dont_write_bytecode = True
sys.path[:0] = [str(AOT)]
import compile as aot  # noqa: E402
import families  # noqa: E402

ORDERS = {"barriers": re.compile(r"tail call void @llvm\.amdgcn\.s\.barrier\(\)"),
          "waits": re.compile(r"(?:tail )?call void @llvm\.amdgcn\.wait\.asyncmark\(i16 \d+\)")}
TRAP = "%reached.{} = load i32, ptr addrspace(3) getelementptr (i8, ptr addrspace(3) @global_smem, i32 -4), align 4"
SEEDS = (0, 1, 2)
# Barriers that are run and not found: what they order, another one orders as well.
EXCUSED = {}
HEADS, KV_HEADS, BLOCK = 4, 2, 16
QUERIES, KEYS = (37, 0, 1, 20), (100, 5, 77, 20)


def tiles():
    spec = importlib.util.spec_from_file_location("rocm_units", PROJECT / "plugins" / "rocm_aiter" / "units.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def wide(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


class Emulator:
    """The driver, in a process of its own."""

    def __init__(self, library):
        self.api = ctypes.CDLL(library)
        self.api.hipGetErrorName.restype = ctypes.c_char_p

    def want(self, error):
        if error:
            raise RuntimeError(self.api.hipGetErrorName(error).decode())

    def put(self, array):
        data = ctypes.c_void_p()
        self.want(self.api.hipMalloc(ctypes.byref(data), ctypes.c_size_t(array.nbytes)))
        source = array.ctypes.data_as(ctypes.c_void_p)
        self.want(self.api.hipMemcpy(data, source, ctypes.c_size_t(array.nbytes), 1))
        return data.value

    def get(self, address, like):
        out = np.empty_like(like)
        target = out.ctypes.data_as(ctypes.c_void_p)
        self.want(self.api.hipMemcpy(target, ctypes.c_void_p(address), ctypes.c_size_t(out.nbytes), 2))
        return out

    def launch(self, image, facts, warps, grid, values):
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.want(self.api.hipModuleLoadData(ctypes.byref(module), image))
        self.want(self.api.hipModuleGetFunction(ctypes.byref(function), module, facts["symbol"].encode()))
        block = b""
        for name, letter in facts["parameters"]:
            form = {"p": "Q", "i": "i", "l": "q", "f": "f"}[letter]
            block += b"\0" * (-len(block) % struct.calcsize(form)) + struct.pack(form, values.get(name, 0))
        block += b"\0" * (-len(block) % 8 + aot.APPENDED_BYTES)
        data, size = ctypes.create_string_buffer(block, len(block)), ctypes.c_size_t(len(block))
        extra = (ctypes.c_void_p * 5)(1, ctypes.addressof(data), 2, ctypes.addressof(size), 3)
        self.want(self.api.hipModuleLaunchKernel(function, *grid, 64 * warps, 1, 1, facts["shared"], None, None, extra))
        self.want(self.api.hipDeviceSynchronize())


class Batch:
    """Causal attention over a paged bf16 cache, whose unused slots are NaN."""

    def __init__(self, size):
        random = np.random.default_rng(1)
        self.size = size
        self.q = bf16(random.standard_normal((sum(QUERIES), HEADS, size)))
        self.cache = [np.full((40, BLOCK, KV_HEADS, size), 0x7FC0, np.uint16) for _ in range(2)]
        self.rows, self.table = [], np.full((len(KEYS), 8), 12345678, np.int32)
        free = list(random.permutation(40))
        for request, count in enumerate(KEYS):
            rows = [bf16(random.standard_normal((count, KV_HEADS, size))) for _ in range(2)]
            self.rows.append(rows)
            for first in range(0, count, BLOCK):
                self.table[request, first // BLOCK] = block = free.pop()
                for cache, row in zip(self.cache, rows):
                    cache[block, : len(row[first : first + BLOCK])] = row[first : first + BLOCK]
        self.starts = np.concatenate([[0], np.cumsum(QUERIES)]).astype(np.int32)

    def run(self, library, image, facts, unit):
        """out, as bits."""
        emulator, size = Emulator(library), self.size
        out = np.zeros_like(self.q)
        pitch = {"token": HEADS * size, "head": size, "block": BLOCK * KV_HEADS * size, "slot": KV_HEADS * size}
        values = {"out_ptr": emulator.put(out), "lse_ptr": emulator.put(np.zeros(self.q.shape[:2], np.float32)),
                  "q_ptr": emulator.put(self.q), "k_ptr": emulator.put(self.cache[0]), "v_ptr": emulator.put(self.cache[1]),
                  "query_start_loc_ptr": emulator.put(self.starts), "seq_lens_ptr": emulator.put(np.array(KEYS, np.int32)),
                  "block_table_ptr": emulator.put(self.table), "num_seqs_ptr": emulator.put(np.array([len(KEYS)], np.int32)),
                  "softmax_scale": size**-0.5, "window_left": -1, "window_right": -1, "flags": 1 | 4 | 512, "num_heads": HEADS,
                  "num_kv_heads": KV_HEADS, "head_size_qk": size, "head_size_v": size, "block_size": BLOCK, "num_splits": 1,
                  "lse_stride_token": HEADS, "lse_stride_head": 1, "block_table_stride": self.table.shape[1]}
        for operand in ("q", "out", "k", "v"):
            values |= {f"{operand}_stride_{name}": pitch[name] for name in ("token", "head", "block", "slot")}
        for operand in ("k", "v"):
            values[f"{operand}_stride_head"] = size
        heads_a_tile = min(HEADS // KV_HEADS, unit.constant["BLOCK_M"])
        tokens_a_tile = unit.constant["BLOCK_M"] // heads_a_tile
        grid = (len(self.q) // tokens_a_tile + len(KEYS), KV_HEADS * (HEADS // KV_HEADS // heads_a_tile), 1)
        emulator.launch(image, facts, unit.warps, grid, values)
        return emulator.get(values["out_ptr"], out)

    def error(self, out):
        """The largest difference to float64."""
        worst = 0.0
        for request, (keys, values) in enumerate(self.rows):
            for i in range(QUERIES[request]):
                token, last = self.starts[request] + i, KEYS[request] - QUERIES[request] + i
                for head in range(HEADS):
                    k, v = (wide(rows[: last + 1, head * KV_HEADS // HEADS]) for rows in (keys, values))
                    score = k @ wide(self.q[token, head]) * self.size**-0.5
                    weight = np.exp(score - score.max())
                    error = np.abs(weight @ v / weight.sum() - wide(out[token, head])).max()
                    worst = max(worst, error if error == error else np.inf)
        return worst


def in_child(task):
    """What a function gives, as bytes, or its error: in a process of its own, for a fault stays as long as one."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        try:
            answer = b"\0" + task()
        except Exception as error:  # noqa: BLE001
            answer = b"\1" + str(error).encode()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        return None, "the process died"
    return (answer[1:], "") if answer[0] == 0 else (None, answer[1:].decode())


class Trial:
    """A kernel, its batch, and a folder for its IR."""

    def __init__(self, library, cache, unit, folder):
        _, key, _ = aot.compile_unit(unit, "hip", cache)
        self.library, self.unit = library, unit
        self.image = (cache / f"{key}.hsaco").read_bytes()
        self.text = (cache / f"{key}.llir").read_text()
        self.facts = aot.json.loads((cache / f"{key}.json").read_text())
        self.batch = Batch(unit.constant["HEAD_QK"])
        self.file = folder / (hashlib.sha256(self.image).hexdigest() + ".ll")

    def run(self, text, seed):
        self.file.write_text(text)
        os.environ["ATTNRT_EMULATOR_MODE"] = f"seed={seed}"
        return in_child(lambda: self.batch.run(self.library, self.image, self.facts, self.unit).tobytes())

    def without(self, place, instead=""):
        return self.text[: place.start()] + instead + self.text[place.end() :]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emulator")
    parser.add_argument("cache", type=pathlib.Path)
    parser.add_argument("--arch", default="gfx942")
    parser.add_argument("--kinds", default="prefill,decode,full,any")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--stages", type=int)
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    os.environ |= {"ATTNRT_EMULATOR_DEVICE": f"rocm:{arguments.arch}", "ATTNRT_EMULATOR_LLIR": str(folder)}
    failed = False
    for kind in arguments.kinds.split(","):
        unit = families.attention(tiles(), int(arguments.arch[3:], 16), "bf16", "bf16", kind, arguments.size, arguments.size)
        unit = dataclasses.replace(unit, stages=arguments.stages or unit.stages)
        trial = Trial(arguments.emulator, arguments.cache, unit, folder)
        good, why = trial.run(trial.text, 0)
        error = trial.batch.error(np.frombuffer(good, np.uint16).reshape(trial.batch.q.shape)) if good else np.inf
        if error > 2e-2:
            print(f"{unit.name}: wrong by {error}: {why}")
            failed = True
            continue
        for what, order in ORDERS.items():
            found, unreached, left = [], [], []
            for index, place in enumerate(order.finditer(trial.text)):
                if any(trial.run(trial.without(place), seed)[0] != good for seed in SEEDS):
                    found.append(index)
                elif trial.run(trial.without(place, TRAP.format(index)), 0)[1]:
                    left.append(index)
                else:
                    unreached.append(index)
            print(f"{unit.name}: off by {error:.1e}; {what}: found {found}, not reached {unreached}, not found {left}", flush=True)
            failed |= len(left) > EXCUSED.get((arguments.arch, unit.stages, kind, what), 0)
    sys.exit(failed)


if __name__ == "__main__":
    main()
