# SPDX-License-Identifier: Apache-2.0
"""attnrt.attention against float64, with every argument."""

import threading
import unittest

import attnrt
import numpy as np
from reference import attend

BATCH, QUERIES, KEYS, HEADS, KV_HEADS, SIZE = 2, 3, 7, 4, 2, 32


class Attention(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(11)
        self.q = self.normal(BATCH, QUERIES, HEADS, SIZE)
        self.k = self.normal(BATCH, KEYS, KV_HEADS, SIZE)
        self.v = self.normal(BATCH, KEYS, KV_HEADS, SIZE)

    def normal(self, *shape):
        return self.random.standard_normal(shape, dtype=np.float32)

    def agree(self, given, wanted=None, q=None, k=None, v=None, tolerance=2e-6):
        """One call with `given` against the reference with `wanted`, in which lists of masks are by request."""
        q, k, v = (self.q if q is None else q), (self.k if k is None else k), (self.v if v is None else v)
        out, lse = attnrt.attention(q, k, v, return_lse=True, **given)
        self.assertEqual(out.dtype, q.dtype)
        wanted = dict(wanted or {})
        masks = wanted.pop("mask", None)
        for b in range(q.shape[0]):
            mask = None if masks is None else np.broadcast_to(masks, (BATCH, HEADS, QUERIES, KEYS))[b]
            right, right_lse = attend(q[b], k[b], v[b], mask=mask, **wanted)
            np.testing.assert_allclose(out[b], right, atol=tolerance, rtol=tolerance)
            np.testing.assert_allclose(lse[b], right_lse, atol=tolerance, rtol=tolerance)

    def test_arguments(self):
        sinks, slopes = self.normal(HEADS), np.abs(self.normal(HEADS))
        for given, wanted in (
            ({}, {}),
            ({"causal": True}, {"causal": True}),
            ({"scale": 0.5}, {"scale": 0.5}),
            ({"causal": True, "window": 3}, {"window": (2, 0)}),
            ({"window": 3}, {"window": (2, 2)}),
            ({"window": (4, 1)}, {"window": (4, 1)}),
            ({"causal": True, "softcap": 2.0}, {"causal": True, "softcap": 2.0}),
            ({"causal": True, "sinks": sinks}, {"causal": True, "sinks": sinks}),
            ({"causal": True, "alibi_slopes": slopes}, {"causal": True, "slopes": slopes}),
            ({"num_threads": 1}, {}),
            ({"num_threads": 2}, {}),
        ):
            with self.subTest(**{name: str(value) for name, value in given.items()}):
                self.agree(given, wanted)

    def test_masks(self):
        for shape in (
            (BATCH, HEADS, QUERIES, KEYS),
            (BATCH, 1, QUERIES, KEYS),
            (1, 1, QUERIES, KEYS),
            (BATCH, 1, 1, KEYS),
        ):
            numbers = self.normal(*shape)
            with self.subTest(shape=shape):
                self.agree({"mask": numbers > -0.5}, {"mask": numbers > -0.5})
                self.agree({"mask": numbers, "causal": True}, {"mask": numbers, "causal": True})

    def test_rows_without_keys_are_zero(self):
        out, lse = attnrt.attention(self.q, self.k, self.v, mask=np.zeros((1, 1, 1, KEYS), dtype=bool), return_lse=True)
        self.assertFalse(out.any())
        self.assertTrue(np.isneginf(lse).all())

    def test_padding_on_either_side(self):
        for starts, lens in ((None, [5, 7]), ([2, 0], None), ([2, 1], [3, 6])):
            for causal in (False, True):
                out = attnrt.attention(self.q, self.k, self.v, causal=causal, kv_starts=starts, kv_lens=lens)
                for b in range(BATCH):
                    first = starts[b] if starts else 0
                    keys = slice(first, first + lens[b] if lens else KEYS)
                    right, _ = attend(self.q[b], self.k[b, keys], self.v[b, keys], causal=causal)
                    np.testing.assert_allclose(out[b], right, atol=2e-6)

    def test_packed_requests(self):
        q, k, v = self.normal(6, HEADS, SIZE), self.normal(11, KV_HEADS, SIZE), self.normal(11, KV_HEADS, SIZE)
        queries, keys = [0, 1, 6], np.array([0, 4, 11], dtype=np.int64)
        out = attnrt.attention(q, k, v, causal=True, query_start_loc=queries, kv_start_loc=keys)
        for r in range(2):
            rows, own = slice(queries[r], queries[r + 1]), slice(keys[r], keys[r + 1])
            np.testing.assert_allclose(out[rows], attend(q[rows], k[own], v[own], causal=True)[0], atol=2e-6)
        alone = attnrt.attention(q, k, v)
        np.testing.assert_allclose(alone, attend(q, k, v)[0], atol=2e-6)

    def test_strides_are_taken_as_they_are(self):
        k, v = (self.normal(BATCH, KV_HEADS, KEYS, SIZE).transpose(0, 2, 1, 3) for _ in range(2))
        self.agree({"causal": True}, {"causal": True}, k=k, v=v)
        room = self.normal(BATCH, KEYS + 9, KV_HEADS, 2 * SIZE)  # a cache with room, keys and values side by side
        self.agree({}, {}, k=room[:, :KEYS, :, :SIZE], v=room[:, :KEYS, :, SIZE:])
        with self.assertRaisesRegex(attnrt.InvalidError, "q has strides .* wanted requests without gaps"):
            attnrt.attention(self.normal(BATCH, HEADS, QUERIES, SIZE).transpose(0, 2, 1, 3), self.k, self.v)

    def test_value_heads_of_another_size(self):
        self.agree({}, {}, v=self.normal(BATCH, KEYS, KV_HEADS, 16))

    def test_dtypes(self):
        half = [x.astype(np.float16) for x in (self.q, self.k, self.v)]
        self.agree({}, {}, *half, tolerance=2e-3)
        bits = [(x.view(np.uint32) >> 16).astype(np.uint16) for x in (self.q, self.k, self.v)]  # bf16, truncated
        q, k, v = ((x.astype(np.uint32) << 16).view(np.float32) for x in bits)
        out = np.empty_like(bits[0])
        attnrt.attention(*(attnrt.view(x, "bf16") for x in bits), out=attnrt.view(out, "bf16"))
        numbers = (out.astype(np.uint32) << 16).view(np.float32)
        np.testing.assert_allclose(numbers, np.stack([attend(q[b], k[b], v[b])[0] for b in range(BATCH)]), atol=2e-2)

    def test_out_is_written_and_returned(self):
        out = np.full_like(self.q, np.nan)
        self.assertIs(attnrt.attention(self.q, self.k, self.v, out=out), out)
        np.testing.assert_array_equal(out, attnrt.attention(self.q, self.k, self.v))

    def test_lengths_change_between_calls(self):
        for length in (1, 40, 3, 900, 17):
            q, k, v = (
                self.normal(1, length, HEADS, SIZE),
                self.normal(1, length, 2, SIZE),
                self.normal(1, length, 2, SIZE),
            )
            out = attnrt.attention(q, k, v, causal=True)
            np.testing.assert_allclose(out[0], attend(q[0], k[0], v[0], causal=True)[0], atol=4e-6)

    def test_threads_at_once(self):
        wanted = attnrt.attention(self.q, self.k, self.v)
        wrong = []

        def work():
            for _ in range(200):
                if not np.array_equal(attnrt.attention(self.q, self.k, self.v), wanted):
                    wrong.append(threading.get_ident())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_what_is_refused(self):
        read_only = np.zeros_like(self.q)
        read_only.flags.writeable = False
        for sentence, arguments in (
            ("num_threads is -1, wanted at least 0", {"num_threads": -1}),
            ("the window is 0, wanted at least 1", {"window": 0}),
            (r"request 0 sees keys \[0, 9\), wanted a range in \[0, 7\)", {"kv_lens": [9, 9]}),
            ("kv_lens has 1 numbers, wanted one for each of 2 requests", {"kv_lens": [1]}),
            ("out is read-only", {"out": read_only}),
            ("out has 1 dimensions, wanted 3 or 4", {"out": np.zeros(1, dtype=np.float32)}),
            ("wanted tensors of 3 dimensions", {"query_start_loc": [0, 3, 6]}),
        ):
            with self.assertRaisesRegex(attnrt.InvalidError, sentence):
                attnrt.attention(self.q, self.k, self.v, **arguments)
        with self.assertRaisesRegex(attnrt.InvalidError, "v has the shape"):
            attnrt.attention(self.q, self.k, self.v[:1])
        with self.assertRaisesRegex(TypeError, "q is of type list, wanted a tensor"):
            attnrt.attention([1.0], self.k, self.v)
        with self.assertRaisesRegex(TypeError, "k is None, wanted a tensor"):
            attnrt.attention(self.q, None, self.v)


if __name__ == "__main__":
    unittest.main()
