# SPDX-License-Identifier: Apache-2.0
"""The attention of an engine that serves three requests of different lengths at once, with numpy alone.

Every step is one batch: each request prefills its prompt in its first step, then decodes a token a step until it is
done and its blocks go back. What a model would compute (q, k, v of each layer) is noise here. At the end the last
output row of each request is computed once more, by one call over the whole sequence, and must agree.
"""

import attnrt
import numpy as np

HEADS, KV_HEADS, HEAD_SIZE, LAYERS, MAX_SEQ_LEN, BLOCKS = 8, 2, 64, 2, 128, 24


class Sequence:
    def __init__(self, prompt, total):
        self.prompt, self.total, self.length = prompt, total, 0
        self.blocks = []  # of the cache, in order
        self.rows = [[] for _ in range(LAYERS)]  # q, k, v of all tokens, kept for the comparison alone
        self.last = [None] * LAYERS  # the output of the newest token


def main():
    runtime = attnrt.Runtime()
    pool = runtime.executor()
    op = runtime.op(runtime.select(runtime.decoder(HEADS, KV_HEADS, HEAD_SIZE, "fp32").with_block_size(16)))
    caches = [op.make_cache(BLOCKS) for _ in range(LAYERS)]  # a cache a layer; one block table serves them all
    free = list(range(BLOCKS))
    limits = attnrt.Limits(4, 256, MAX_SEQ_LEN, cache=caches[0], executor=pool)
    plan, batch = op.plan(limits), op.make_batch(limits)

    random = np.random.default_rng(1)
    sequences = [Sequence(5, 40), Sequence(33, 60), Sequence(70, 90)]
    steps = 0
    while True:
        # A step: the scheduler decides who computes how many new tokens, and gives them blocks.
        batch.clear()
        running = []
        for s in sequences:
            if s.length == s.total:
                continue
            tokens = s.prompt if s.length == 0 else 1
            s.length += tokens
            while len(s.blocks) < caches[0].blocks_for(s.length):
                s.blocks.append(free.pop())
            batch.add(tokens, s.length, s.blocks)
            running.append(s)
        if not running:
            break
        plan.update(batch)
        starts = np.asarray(batch.query_start_loc)
        for layer in range(LAYERS):
            q, k, v = (
                random.standard_normal((batch.num_tokens, heads, HEAD_SIZE), dtype=np.float32)
                for heads in (HEADS, KV_HEADS, KV_HEADS)
            )
            out = np.empty_like(q)
            op.write(k, v, batch.slots, caches[layer], executor=pool)
            plan.run(q, caches[layer], out)
            for r, s in enumerate(running):
                own = slice(starts[r], starts[r + 1])
                s.rows[layer].append((q[own], k[own], v[own]))
                s.last[layer] = out[own][-1]
        for s in running:
            if s.length == s.total:
                free += s.blocks
                s.blocks = []
        steps += 1

    worst = 0.0
    for s in sequences:
        for layer in range(LAYERS):
            q, k, v = (np.concatenate(parts) for parts in zip(*s.rows[layer]))
            whole = attnrt.attention(q, k, v, causal=True)
            worst = max(worst, float(np.abs(whole[-1] - s.last[layer]).max()))
    print(f"{steps} steps, {len(free)} of {BLOCKS} blocks free, largest difference {worst:.1e}")
    if worst > 1e-5 or len(free) != BLOCKS:
        raise SystemExit("the decode loop and the whole sequences do not agree")


if __name__ == "__main__":
    main()
