# SPDX-License-Identifier: Apache-2.0
"""Tensors of torch in every place where arrays of numpy may stand."""

import subprocess
import sys
import unittest

import attnrt
import torch


def right(q, k, v, **arguments):
    """[B, L, H, D], as attnrt has it."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True, **arguments).transpose(1, 2)


class TorchTensors(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(2)
        self.q, self.k, self.v = torch.randn(2, 5, 4, 32), torch.randn(2, 9, 2, 32), torch.randn(2, 9, 2, 32)

    def test_dtypes(self):
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 3e-2), (torch.float16, 3e-3)):
            q, k, v = (x.to(dtype) for x in (self.q, self.k, self.v))
            out = attnrt.attention(q, k, v)
            self.assertIs(out.dtype, dtype)
            torch.testing.assert_close(out.float(), right(self.q, self.k, self.v), atol=tolerance, rtol=tolerance)

    def test_out_is_written_without_a_copy(self):
        room = torch.zeros(2, 5, 4, 40)
        out = room[..., :32]
        self.assertIs(attnrt.attention(self.q, self.k, self.v, out=out), out)
        torch.testing.assert_close(room[..., :32], right(self.q, self.k, self.v), atol=1e-5, rtol=1e-5)
        self.assertFalse(room[..., 32:].any())

    def test_masks_and_lengths(self):
        mask = torch.rand(2, 1, 5, 9) > 0.3
        mask[..., 0] = True
        out = attnrt.attention(self.q, self.k, self.v, mask=mask)
        torch.testing.assert_close(out, right(self.q, self.k, self.v, attn_mask=mask), atol=1e-5, rtol=1e-5)
        out = attnrt.attention(self.q, self.k, self.v, kv_lens=torch.tensor([9, 4]))
        torch.testing.assert_close(out[1:], right(self.q[1:], self.k[1:, :4], self.v[1:, :4]), atol=1e-5, rtol=1e-5)

    def test_a_paged_cache(self):
        runtime = attnrt.Runtime(read_environment=False)
        op = runtime.op(
            runtime.select(runtime.decoder(4, 2, 32, torch.bfloat16).with_kv_layouts("nhd").with_block_size(16))
        )
        cache = op.make_cache(4)
        limits = attnrt.Limits(1, 32, 32, cache=cache)
        plan, batch = op.plan(limits), op.make_batch(limits)
        batch.add(20, 20, torch.tensor([2, 1], dtype=torch.int32))
        plan.update(batch)
        q, k, v = (torch.randn(20, heads, 32).bfloat16() for heads in (4, 2, 2))
        out = torch.empty_like(q)
        op.write(k, v, batch.slots, cache)
        plan.run(q, cache, out)
        wanted = right(*(x[None].float() for x in (q, k, v)), is_causal=True)[0]
        torch.testing.assert_close(out.float(), wanted, atol=2e-2, rtol=2e-2)
        blocks = torch.from_dlpack(cache.k)
        self.assertEqual((blocks.shape, blocks.dtype), ((4, 16, 2, 32), torch.bfloat16))
        torch.testing.assert_close(blocks[2], k[:16], atol=0, rtol=0)
        self.assertEqual(torch.from_dlpack(batch.slots).tolist(), list(range(32, 48)) + list(range(16, 20)))

    def test_what_is_refused(self):
        with self.assertRaises((TypeError, attnrt.Error)):
            attnrt.attention(self.q.to("meta"), self.k.to("meta"), self.v.to("meta"))
        with self.assertRaises((TypeError, attnrt.Error)):
            attnrt.attention(self.q.to_sparse(), self.k, self.v)
        with self.assertRaisesRegex(attnrt.InvalidError, "dtype is 'fp64', wanted one of fp32"):
            attnrt.attention(self.q.double(), self.k.double(), self.v.double())

    def test_torch_first_or_attnrt_first(self):
        for order in ("torch, attnrt", "attnrt, torch"):
            code = f"import {order}; q = torch.ones(1, 3, 2, 32); print(float(attnrt.attention(q, q, q).sum()))"
            out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            self.assertEqual(out.strip(), "192.0")


if __name__ == "__main__":
    unittest.main()
