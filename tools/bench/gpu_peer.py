#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cases of gpu_cases.json by PyTorch's SDPA and FlashAttention, where those are installed: gpu_peer.py

Prints a JSON object a line with the engine's name. A time is that of one of 20 calls in a captured graph that is replayed between
two events, as `attnrt bench` measures: events around one call measure how fast the host launches it. SDPA has no paged cache: its
keys lie contiguous, and its decode is of one length, which favours it. Without a CUDA build of torch one line says so."""
import json
import statistics

CASES = {  # name: requests, query, keys, heads, kv_heads
    "prefill_1x8192": (1, 8192, 8192, 32, 8),
    "prefill_4x2048": (4, 2048, 2048, 32, 8),
    "prefill_1x16384_64h": (1, 16384, 16384, 64, 8),
    "decode_1x32768": (1, 1, 32768, 32, 8),
    "decode_16x8192": (16, 1, 8192, 32, 8),
    "decode_64x4096": (64, 1, 4096, 32, 8),
    "decode_256x1024": (256, 1, 1024, 32, 8),
}
HEAD, REPEAT, RUNS = 128, 20, 20


def milliseconds(torch, run):
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is loaded and tuned at first must not be captured
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(RUNS):
            run()
    times = []
    graph.replay()
    for _ in range(REPEAT):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / RUNS)
    return statistics.median(times)


def tell(engine, case, ms):
    requests, query, keys, heads, kv_heads = CASES[case]
    pairs = requests * (query * keys - query * (query - 1) / 2)
    print(json.dumps({"case": case, "engine": engine, "ms": round(ms, 4), "tflops": round(4 * heads * HEAD * pairs / ms * 1e-9, 1),
                      "gbytes": round(requests * keys * kv_heads * 2 * HEAD * 2 / ms * 1e-6, 1)}), flush=True)


def main():
    try:
        import torch
    except ImportError:
        return print(json.dumps({"engine": "torch", "refused": "torch is not installed"}))
    if not torch.cuda.is_available():
        return print(json.dumps({"engine": "torch", "refused": "torch sees no CUDA device"}))
    try:
        from flash_attn import flash_attn_func, flash_attn_with_kvcache
    except ImportError:
        flash_attn_func = None
    from torch.nn.attention import SDPBackend, sdpa_kernel
    for case, (requests, query, keys, heads, kv_heads) in CASES.items():
        def rows(n, count):
            return torch.randn(requests, n, count, HEAD, dtype=torch.bfloat16, device="cuda")
        q, k, v = rows(query, heads), rows(keys, kv_heads), rows(keys, kv_heads)
        for name, backend in (("sdpa cudnn", SDPBackend.CUDNN_ATTENTION), ("sdpa flash", SDPBackend.FLASH_ATTENTION)):
            try:
                with sdpa_kernel(backend):
                    tell(f"{name}, torch {torch.__version__}", case, milliseconds(
                        torch, lambda: torch.nn.functional.scaled_dot_product_attention(
                            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=query > 1, enable_gqa=True)))
            except RuntimeError as error:
                print(json.dumps({"case": case, "engine": name, "refused": str(error).splitlines()[0]}))
        if flash_attn_func is None:
            continue
        if query > 1:
            tell("flash_attn", case, milliseconds(torch, lambda: flash_attn_func(q, k, v, causal=True)))
        else:
            lengths = torch.full((requests,), keys, dtype=torch.int32, device="cuda")
            tell("flash_attn", case, milliseconds(torch, lambda: flash_attn_with_kvcache(q, k, v, cache_seqlens=lengths, causal=True)))


if __name__ == "__main__":
    main()
