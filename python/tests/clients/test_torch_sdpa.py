# SPDX-License-Identifier: Apache-2.0
"""A grid after those of PyTorch's own tests of scaled_dot_product_attention on the CPU (test/test_transformers.py):
lengths, heads, masks of every shape that broadcasts, causal from the upper left; its tolerances. The reference is
PyTorch's math kernel over the same numbers in float64."""

import itertools
import unittest

import numpy as np
import torch
from adapter import Case, numbers, variants

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TOLERANCES = {"fp32": (1e-5, 5e-6), "bf16": (5e-2, 5e-2), "fp16": (1e-2, 1e-2)}
SHAPES = tuple(itertools.product((2,), (1, 11, 514), (17, 514), (1, 3), (8, 16, 64)))  # batch, Q, K, heads, head size


def array(x):
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


class TorchSdpa(unittest.TestCase):
    counts = {}

    def one(self, dtype, shape, kv_heads, mask, causal):
        batch, queries, keys, heads, size = shape

        def make(length, count):
            return torch.randn(batch, length, count, size).to(DTYPES[dtype]).transpose(1, 2)

        q, k, v = make(queries, heads), make(keys, kv_heads), make(keys, kv_heads)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            right = torch.nn.functional.scaled_dot_product_attention(
                *(x.double() for x in (q, k, v)),
                attn_mask=mask if mask is None or mask.dtype == torch.bool else mask.double(),
                is_causal=causal,
                enable_gqa=kv_heads != heads,
            )
        right = torch.nan_to_num(right).numpy()  # rows without a key
        if mask is not None:
            mask = mask.reshape((1,) * (4 - mask.dim()) + tuple(mask.shape)).numpy()
        case = Case(*(array(x) for x in (q, k, v)), dtype=dtype, causal=causal, mask=mask, first=0)
        atol, rtol = TOLERANCES[dtype]
        for variant in variants():
            for form in ("contiguous", "paged"):
                out = getattr(case, form)(variant)
                if out is not None:
                    np.testing.assert_allclose(numbers(out, dtype), right, atol=atol, rtol=rtol)
                    self.counts[variant, form] = self.counts.get((variant, form), 0) + 1

    def setUp(self):
        torch.manual_seed(0)

    @classmethod
    def tearDownClass(cls):
        for (variant, form), count in cls.counts.items():
            print(f"{count} cases of PyTorch's SDPA grid hold: {variant}, {form}")

    def test_lengths_and_heads(self):
        for dtype, shape in itertools.product(DTYPES, SHAPES):
            for causal in (False, True):
                with self.subTest(dtype=dtype, shape=shape, causal=causal):
                    self.one(dtype, shape, shape[3], None, causal)

    def test_masks_of_every_shape(self):
        for dtype, (queries, keys) in itertools.product(DTYPES, ((11, 17), (130, 65))):
            shape = (2, queries, keys, 3, 16)
            shapes = list(itertools.product((queries, 1), (keys, 1)))
            shapes += itertools.product((2, 1), (3, 1), (queries, 1), (keys, 1))
            for mask_shape in shapes:
                for mask in (torch.randint(0, 2, mask_shape, dtype=torch.bool), torch.randn(mask_shape)):
                    with self.subTest(dtype=dtype, shape=shape, mask=mask_shape, mask_dtype=mask.dtype):
                        self.one(dtype, shape, 3, mask, False)

    def test_grouped_queries(self):
        for dtype, causal in itertools.product(DTYPES, (False, True)):
            with self.subTest(dtype=dtype, causal=causal):
                self.one(dtype, (4, 12, 12, 32, 64), 8, None, causal)


if __name__ == "__main__":
    unittest.main()
