# SPDX-License-Identifier: Apache-2.0
"""Python functions as programs, and what they mean."""

import unittest

import attnrt
import numpy as np
from attnrt import flex
from reference import attend

TOKENS, HEADS, SIZE = 40, 4, 32


class Flexible(unittest.TestCase):
    def setUp(self):
        random = np.random.default_rng(9)
        self.q, self.k, self.v = (random.standard_normal((1, TOKENS, HEADS, SIZE), dtype=np.float32) for _ in range(3))
        self.numbers = random.standard_normal((HEADS, TOKENS), dtype=np.float32)
        self.documents = np.repeat(np.arange(5, dtype=np.int32), 8)
        # The same functions are called with numbers: positions of all heads, queries and keys at once.
        self.h = np.arange(HEADS)[:, None, None]
        self.at_q, self.at_k = np.arange(TOKENS)[None, :, None], np.arange(TOKENS)[None, None, :]

    def agree(self, out, seen, scores=None):
        mask = np.where(seen, 0.0, -np.inf) + np.zeros((HEADS, TOKENS, TOKENS))
        if scores is not None:
            mask = mask + scores
        right, _ = attend(self.q[0], self.k[0], self.v[0], mask=mask)
        np.testing.assert_allclose(out[0], right, atol=5e-6)

    def run_it(self, **functions):
        return attnrt.attention(self.q, self.k, self.v, flex=flex.Flex(**functions))

    def test_masks(self):
        doc, ids = flex.Buffer("doc", self.documents), self.documents
        functions = (
            (lambda b, h, q, k: k <= q, self.at_k <= self.at_q),
            (lambda b, h, q, k: (k <= q) & (q - k < 5), (self.at_k <= self.at_q) & (self.at_q - self.at_k < 5)),
            (lambda b, h, q, k: doc[q] == doc[k], ids[self.at_q] == ids[self.at_k]),
            (lambda b, h, q, k: ~(k > q) | (k < 3), ~(self.at_k > self.at_q) | (self.at_k < 3)),
            (
                lambda b, h, q, k: (q // 4 == k // 4) ^ (h % 2 == 0),
                (self.at_q // 4 == self.at_k // 4) ^ (self.h % 2 == 0),
            ),
            (
                lambda b, h, q, k: flex.where(h < 2, k <= q, k >= q),
                np.where(self.h < 2, self.at_k <= self.at_q, self.at_k >= self.at_q),
            ),
        )
        for number, (function, seen) in enumerate(functions):
            with self.subTest(number=number):
                self.agree(self.run_it(mask=function), seen)

    def test_scores(self):
        bias = flex.Buffer("bias", self.numbers)
        out = self.run_it(score=lambda score, b, h, q, k: score + 2 * bias[h, k] - abs(q - k) / 8)
        self.agree(out, True, 2 * self.numbers[self.h, self.at_k] - np.abs(self.at_q - self.at_k) / 8)
        out = self.run_it(
            score=lambda score, b, h, q, k: score + flex.apply("min", h * 0.5, -1.5), mask=lambda b, h, q, k: k <= q
        )
        self.agree(out, self.at_k <= self.at_q, np.minimum(self.h * 0.5, -1.5))

    def test_contents_of_buffers_may_change(self):
        mine = flex.Flex(program="mask: doc[q_idx] == doc[kv_idx]", buffers={"doc": self.documents})
        for _ in range(2):
            out = attnrt.attention(self.q, self.k, self.v, flex=mine)
            self.agree(out, self.documents[self.at_q] == self.documents[self.at_k])
            self.documents[:] = np.arange(TOKENS) % 3

    def test_causal_beside_a_program(self):
        mine = flex.Flex(mask=lambda b, h, q, k: (q + k) % 3 != 0)
        out = attnrt.attention(self.q, self.k, self.v, causal=True, flex=mine)
        self.agree(out, (self.at_k <= self.at_q) & ((self.at_q + self.at_k) % 3 != 0))

    def test_what_is_refused(self):
        with self.assertRaisesRegex(attnrt.InvalidError, "wanted &, | and ~ in place of and, or and not"):
            flex.Flex(mask=lambda b, h, q, k: k <= q and q - k < 5)
        with self.assertRaisesRegex(attnrt.InvalidError, "mask is i32, wanted bool"):
            flex.Flex(mask=lambda b, h, q, k: k + q)
        with self.assertRaisesRegex(attnrt.InvalidError, "flex:1:7: "):
            flex.Flex(program="mask: nothing")
        with self.assertRaisesRegex(attnrt.InvalidError, "has 2 indices, wanted 1"):
            flex.Flex(mask=lambda b, h, q, k: flex.Buffer("doc", self.documents)[q, k] == 0)
        with self.assertRaisesRegex(attnrt.InvalidError, "two buffers are called 'doc'"):
            flex.Flex(
                mask=lambda b, h, q, k: flex.Buffer("doc", self.documents)[q] == flex.Buffer("doc", self.documents)[k]
            )
        with self.assertRaisesRegex(attnrt.InvalidError, "a value of type str is used"):
            flex.Flex(mask=lambda b, h, q, k: k <= "q")
        with self.assertRaisesRegex(attnrt.InvalidError, "wanted functions or the text of a program"):
            flex.Flex()


if __name__ == "__main__":
    unittest.main()
