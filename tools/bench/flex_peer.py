#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""FLEX_ATTENTION beside PyTorch's torch.compile(flex_attention) on the CPU, program by program in turn in one run:

    flex_peer.py [--plugins FOLDER] [--cost FILE] [--dtypes fp32,bf16] [--threads 1,2] [--tokens 2048,4096]
                 [--head-sizes 64,128] [--rounds 3] [--programs all] > table.md

Wants torch and a C++ compiler; flex_cost of the build (tools/bench). One row a program and shape: a ratio is torch's
time over attnrt's, above 1 where attnrt is faster. With one thread it is of CPU time, which other programs on the
machine disturb less than the clock on the wall; with more it is of that clock. "built-in" is attnrt's time over that of
CPU_ATTN with the feature that the program equals; "ready" what comes before the first call, in ms, beside torch's
compilation and block mask.
"""
import argparse
import json
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADS, KV_HEADS = 32, 8
NAMES = ["causal", "window_256", "prefix_lm_512", "documents_8", "softcap_causal", "alibi_causal",
         "relative_bias_causal", "dilated_4"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--plugins", default=str(ROOT / "build/release/lib/attnrt/plugins"))
    parser.add_argument("--cost", default=str(ROOT / "build/release/bin/flex_cost"))
    parser.add_argument("--dtypes", default="fp32,bf16")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--tokens", default="2048,4096")
    parser.add_argument("--head-sizes", default="64,128")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", default="all")
    return parser.parse_args()


def programs(torch, tokens):
    """name: (mask_mod, score_mod or None), as flex_cost has them."""
    doc = torch.arange(tokens) * 8 // tokens
    rel = 0.1 * torch.sin(torch.arange(2 * tokens).float())
    slope = 2.0 ** (-8.0 * (torch.arange(HEADS) + 1) / HEADS)

    def causal(b, h, q, kv):
        return q >= kv
    masks = [causal, lambda b, h, q, kv: (q >= kv) & (q - kv < 256), lambda b, h, q, kv: (kv < 512) | (q >= kv),
             lambda b, h, q, kv: (doc[q] == doc[kv]) & (q >= kv), causal, causal, causal,
             lambda b, h, q, kv: (q >= kv) & ((q - kv) % 4 == 0)]
    scores = [None, None, None, None, lambda s, b, h, q, kv: 20.0 * torch.tanh(s / 20.0),
              lambda s, b, h, q, kv: s + slope[h] * (kv - q), lambda s, b, h, q, kv: s + rel[q - kv + tokens], None]
    return dict(zip(NAMES, zip(masks, scores)))


def measure_torch(torch, name, dtype, threads, tokens, head_size, rounds):
    """A dictionary with the keys of flex_cost's lines."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    torch.set_num_threads(threads)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    mask, score = programs(torch, tokens)[name]
    q, k, v = (torch.randn(1, heads, tokens, head_size).to(kind) for heads in (HEADS, KV_HEADS, KV_HEADS))
    torch._dynamo.reset()
    compiled = torch.compile(flex_attention)
    start = time.perf_counter()
    blocks = create_block_mask(mask, 1, None, tokens, tokens, device="cpu")
    compiled(q, k, v, score_mod=score, block_mask=blocks, enable_gqa=True)
    first = time.perf_counter() - start
    wall, cpu = [], []
    for _ in range(rounds):
        start, cpu_start = time.perf_counter(), time.process_time()
        compiled(q, k, v, score_mod=score, block_mask=blocks, enable_gqa=True)
        cpu.append((time.process_time() - cpu_start) * 1e3)
        wall.append((time.perf_counter() - start) * 1e3)
    middle = rounds // 2
    return {"ms_median": sorted(wall)[middle], "cpu_ms": sorted(cpu)[middle],
            "ready_ms": first * 1e3 - sorted(wall)[middle]}


def measure_attnrt(a, name, dtype, threads, tokens, head_size):
    run = subprocess.run([a.cost, a.plugins, dtype, str(threads), str(tokens), str(head_size), name, str(a.rounds)],
                         check=True, capture_output=True, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def main():
    a = arguments()
    import torch
    torch.set_grad_enabled(False)
    print(f"PyTorch {torch.__version__}\n")
    print("| program | dtype | threads | tokens | head size | attnrt ms | torch ms | ratio | built-in | ready | torch's |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    grid = [(dtype, int(threads), int(tokens), int(head_size))
            for dtype in a.dtypes.split(",") for threads in a.threads.split(",")
            for tokens in a.tokens.split(",") for head_size in a.head_sizes.split(",")]
    blocks = None
    for shape in grid:
        for name in NAMES if a.programs == "all" else a.programs.split(","):
            theirs = measure_torch(torch, name, *shape, a.rounds)
            blocks, ours = measure_attnrt(a, name, *shape)
            clock = "cpu_ms" if shape[1] == 1 else "ms_median"
            builtin = f"{ours['of_builtin']:.2f}" if "of_builtin" in ours else "-"
            print(f"| {name} | {' | '.join(map(str, shape))} | {ours[clock]:.0f} | {theirs[clock]:.0f} | "
                  f"{theirs[clock] / ours[clock]:.2f} | {builtin} | {ours['prepare_ms']:.1f} | "
                  f"{theirs['ready_ms']:.0f} |", flush=True)
    print(f"\nblock mask of {blocks['seq']} tokens, {blocks['block_mask']}: {blocks['cpu_ms']:.2f} ms of CPU time")


if __name__ == "__main__":
    main()
