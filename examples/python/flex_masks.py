# SPDX-License-Identifier: Apache-2.0
"""Attention under masks and scores that are Python functions: packed documents with a window, a prefix that all see,
and a bias for each head. Each is compared with the same mask spelled out for every query and key."""

import attnrt
import numpy as np
from attnrt import flex

TOKENS, HEADS, HEAD_SIZE = 64, 4, 32


def main():
    random = np.random.default_rng(0)
    q, k, v = (random.standard_normal((1, TOKENS, HEADS, HEAD_SIZE), dtype=np.float32) for _ in range(3))
    ids = np.sort(random.integers(0, 4, TOKENS)).astype(np.int32)
    slopes = np.float32(2.0) ** -np.arange(1, HEADS + 1, dtype=np.float32)
    doc, slope = flex.Buffer("doc", ids), flex.Buffer("slope", slopes)

    programs = {
        "documents with a window of 16": flex.Flex(
            mask=lambda b, h, i, j: (doc[i] == doc[j]) & (j <= i) & (i - j < 16)
        ),
        "a prefix of 8 that all see": flex.Flex(mask=lambda b, h, i, j: (j <= i) | (j < 8)),
        "causal with a slope for each head": flex.Flex(
            mask=lambda b, h, i, j: j <= i, score=lambda score, b, h, i, j: score - slope[h] * (i - j)
        ),
    }
    i, j = np.arange(TOKENS)[:, None], np.arange(TOKENS)[None, :]
    spelled_out = {
        "documents with a window of 16": np.where((ids[i] == ids[j]) & (j <= i) & (i - j < 16), 0.0, -np.inf)[
            None, None
        ],
        "a prefix of 8 that all see": np.where((j <= i) | (j < 8), 0.0, -np.inf)[None, None],
        "causal with a slope for each head": np.where(j <= i, -slopes[:, None, None] * (i - j), -np.inf)[None],
    }
    for name, program in programs.items():
        out = attnrt.attention(q, k, v, flex=program)
        right = attnrt.attention(q, k, v, mask=spelled_out[name].astype(np.float32))
        difference = float(np.abs(out - right).max())
        print(f"{name}: largest difference to a spelled-out mask {difference:.1e}\n{program.text}")
        if difference > 5e-6:
            raise SystemExit("the program and the mask do not agree")


if __name__ == "__main__":
    main()
