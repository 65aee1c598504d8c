# SPDX-License-Identifier: Apache-2.0
"""What an engine does: caches, batches, plans, runs, merges, and how long each object lives."""

import gc
import sys
import threading
import unittest

import attnrt
import numpy as np
from reference import attend

HEADS, KV_HEADS, SIZE = 8, 2, 64


class Engine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runtime = attnrt.Runtime(read_environment=False)

    def setUp(self):
        self.random = np.random.default_rng(5)

    def normal(self, *shape):
        return self.random.standard_normal(shape, dtype=np.float32)

    def op(self, change=lambda problem: problem):
        return self.runtime.op(self.runtime.select(change(self.runtime.decoder(HEADS, KV_HEADS, SIZE, "fp32"))))

    def decode(self, op, executor=None, tolerance=3e-6, scale=None):
        """Three requests with prompts of different lengths, each then decodes; every step against the reference."""
        cache = op.make_cache(24)
        free = list(range(24))
        limits = attnrt.Limits(4, 256, 256, cache=cache, executor=executor)
        plan, batch = op.plan(limits), op.make_batch(limits)
        totals, prompts = (20, 90, 71), (5, 77, 70)
        k = [self.normal(total, KV_HEADS, SIZE) for total in totals]
        v = [self.normal(total, KV_HEADS, SIZE) for total in totals]
        lengths, blocks = [0] * 3, [[], [], []]
        while True:
            batch.clear()
            running = []
            for r in range(3):
                new = prompts[r] if lengths[r] == 0 else min(1, totals[r] - lengths[r])
                if new == 0:
                    continue
                lengths[r] += new
                while len(blocks[r]) < cache.blocks_for(lengths[r]):
                    blocks[r].append(free.pop())
                batch.add(new, lengths[r], blocks[r])
                running.append((r, slice(lengths[r] - new, lengths[r])))
            if not running:
                return
            plan.update(batch)
            q = self.normal(batch.num_tokens, HEADS, SIZE)
            out = np.full_like(q, np.nan)
            new_k, new_v = (np.concatenate([x[r][rows] for r, rows in running]) for x in (k, v))
            op.write(new_k, new_v, batch.slots, cache, executor=executor, k_scale=scale, v_scale=scale)
            each = None if scale is None else scale.reshape(1, 1)  # of requests and KV heads
            plan.run(q, cache, out, k_scale=each, v_scale=each)
            starts = np.asarray(batch.query_start_loc)
            for i, (r, rows) in enumerate(running):
                own = slice(starts[i], starts[i + 1])
                right, _ = attend(q[own], k[r][: rows.stop], v[r][: rows.stop], causal=True)
                np.testing.assert_allclose(out[own], right, atol=tolerance)

    def test_decode_loop(self):
        self.decode(self.op())
        self.decode(self.op(lambda p: p.with_kv_layouts("nhd").with_block_size(16)))

    def test_decode_loop_on_a_pool(self):
        pool = self.runtime.executor(2)
        self.assertEqual(pool.num_workers, 2)
        self.decode(self.op(), pool)

    def test_decode_loop_over_a_cache_of_8_bits(self):
        scale = np.full(1, 1 / 32, dtype=np.float32)  # of keys and values up to 4
        self.decode(self.op(lambda p: p.with_kv_dtype("int8")), tolerance=0.1, scale=scale)

    def test_assign_is_the_same_as_add(self):
        op = self.op(lambda p: p.with_kv_layouts("nhd").with_block_size(16))
        cache = op.make_cache(8)
        limits = attnrt.Limits(4, 64, 64, cache=cache)
        added, assigned = op.make_batch(limits), op.make_batch(limits)
        added.add(1, 20, [3, 1])
        added.add(2, 5, np.array([7], dtype=np.int32))
        assigned.assign([1, 2], np.array([20, 5]), np.array([[3, 1], [7, 0]]))
        for name in ("query_start_loc", "seq_lens", "slots"):
            np.testing.assert_array_equal(np.asarray(getattr(added, name)), np.asarray(getattr(assigned, name)))
        self.assertEqual(np.asarray(added.slots).tolist(), [16 + 3, 7 * 16 + 3, 7 * 16 + 4])
        with self.assertRaisesRegex(attnrt.InvalidError, "has rows of 2 and 1 numbers"):
            assigned.assign([1, 2], [20, 5], [[3, 1], [7]])
        with self.assertRaisesRegex(attnrt.InvalidError, "seq_lens holds 4294967296, wanted numbers of 32 bits"):
            assigned.assign([1], [2**32], [[3, 1]])

    def test_merge_of_partial_results(self):
        op = self.op(lambda p: p.with_kv_layouts("contiguous").with_lse())
        q, k, v = self.normal(3, HEADS, SIZE), self.normal(50, KV_HEADS, SIZE), self.normal(50, KV_HEADS, SIZE)
        parts = []
        for keys in (slice(0, 20), slice(20, 21), slice(21, 50)):
            parts.append(attnrt.attention(q, k[keys], v[keys], return_lse=True))
        out, lse = np.empty_like(q), np.empty((3, HEADS), dtype=np.float32)
        op.merge(parts, out, lse)
        right, right_lse = attend(q, k, v)
        np.testing.assert_allclose(out, right, atol=2e-6)
        np.testing.assert_allclose(lse, right_lse, atol=2e-6)

    def test_copied_blocks(self):
        op = self.op(lambda p: p.with_kv_layouts("nhd").with_block_size(16))
        cache = op.make_cache(3)
        np.asarray(cache.k)[0] = 3.0
        np.asarray(cache.v)[0] = 4.0
        cache.copy_block(0, 2)
        self.assertTrue((np.asarray(cache.k)[2] == 3.0).all() and (np.asarray(cache.v)[2] == 4.0).all())
        with self.assertRaisesRegex(attnrt.InvalidError, "block is 3, wanted 0 to 2"):
            cache.copy_block(0, 3)

    def test_a_changed_batch_wants_an_update(self):
        op = self.op(lambda p: p.with_kv_layouts("contiguous"))
        limits = attnrt.Limits(2, 8, 8, max_kv_tokens=16)
        plan, batch = op.plan(limits), op.make_batch(limits)
        q, k = self.normal(1, HEADS, SIZE), self.normal(4, KV_HEADS, SIZE)
        with self.assertRaises(attnrt.InvalidError):
            plan.run(q, k, k, np.empty_like(q))
        batch.add(1, 4)
        plan.update(batch)
        plan.run(q, k, k, np.empty_like(q))
        batch.clear()
        with self.assertRaisesRegex(attnrt.InvalidError, "changed after the plan's update, wanted another update"):
            plan.run(q, k, k, np.empty_like(q))

    def test_rows_between_requests(self):
        op = self.op(lambda p: p.with_kv_layouts("contiguous"))
        limits = attnrt.Limits(2, 8, 8, max_kv_tokens=16)
        plan, batch = op.plan(limits), op.make_batch(limits)
        batch.add(1, 4, kv_start=3)
        batch.add(2, 5, kv_start=9)
        plan.update(batch)
        q, k, v = self.normal(3, HEADS, SIZE), self.normal(16, KV_HEADS, SIZE), self.normal(16, KV_HEADS, SIZE)
        out = np.empty_like(q)
        plan.run(q, k, v, out)
        np.testing.assert_allclose(out[:1], attend(q[:1], k[3:7], v[3:7], causal=True)[0], atol=2e-6)
        np.testing.assert_allclose(out[1:], attend(q[1:], k[9:14], v[9:14], causal=True)[0], atol=2e-6)

    def test_each_object_keeps_what_it_needs(self):
        runtime = attnrt.Runtime(read_environment=False)
        op = runtime.op(runtime.select(runtime.decoder(HEADS, KV_HEADS, SIZE, "fp32").with_kv_layouts("contiguous")))
        limits = attnrt.Limits(2, 8, 8, max_kv_tokens=16, executor=runtime.executor(2))
        plan, batch = op.plan(limits), op.make_batch(limits)
        batch.add(1, 4)
        plan.update(batch)
        del runtime, op, limits, batch
        gc.collect()
        q, k = self.normal(1, HEADS, SIZE), self.normal(4, KV_HEADS, SIZE)
        out = np.empty_like(q)
        plan.run(q, k, k, out)
        np.testing.assert_allclose(out, attend(q, k, k, causal=True)[0], atol=2e-6)

    def test_no_reference_is_kept(self):
        op = self.op(lambda p: p.with_kv_layouts("contiguous"))
        limits = attnrt.Limits(2, 8, 8, max_kv_tokens=16)
        plan, batch = op.plan(limits), op.make_batch(limits)
        batch.add(1, 4)
        plan.update(batch)
        arrays = [self.normal(1, HEADS, SIZE), self.normal(4, KV_HEADS, SIZE), self.normal(1, HEADS, SIZE)]
        before = [sys.getrefcount(array) for array in arrays]
        plan.run(arrays[0], arrays[1], arrays[1], arrays[2])
        attnrt.attention(arrays[0], arrays[1], arrays[1], out=arrays[2])
        self.assertEqual([sys.getrefcount(array) for array in arrays], before)

    def test_other_threads_run_meanwhile(self):
        q = self.normal(1, 2048, HEADS, SIZE)
        k = self.normal(1, 2048, KV_HEADS, SIZE)
        started, turns = threading.Event(), []

        def work():
            started.set()
            attnrt.attention(q, k, k, num_threads=1)
            turns.append("done")

        attnrt.attention(q[:, :1].copy(), k[:, :1], k[:, :1], num_threads=1)
        thread = threading.Thread(target=work)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(60)  # nothing takes the GIL from a thread that does not release it
        try:
            thread.start()
            started.wait()
            seen = 0
            while not turns and seen < 1000:
                seen += 1
                threading.Event().wait(0)
                if seen == 1:
                    first = not turns
            self.assertTrue(first, "the call held the GIL from its begin to its end")
        finally:
            sys.setswitchinterval(interval)
            thread.join()

    def test_a_plan_serves_one_thread(self):
        op = self.op(lambda p: p.with_kv_layouts("contiguous"))
        limits = attnrt.Limits(1, 2048, 2048, max_kv_tokens=2048)
        plan, batch = op.plan(limits), op.make_batch(limits)
        batch.add(2048, 2048)
        plan.update(batch)
        q, k = self.normal(2048, HEADS, SIZE), self.normal(2048, KV_HEADS, SIZE)
        refusals = []

        def work():
            try:
                plan.run(q, k, k, np.empty_like(q))
            except attnrt.InvalidError as error:
                refusals.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        with self.assertRaisesRegex(attnrt.InvalidError, "a run reads it"):
            while threads[0].is_alive() or threads[1].is_alive():
                batch.clear()
                self.fail("the batch was changed while a run read it")
        for thread in threads:
            thread.join()
        self.assertEqual(refusals, ["plan: another thread is in a call of it, wanted a plan for each thread"])


if __name__ == "__main__":
    unittest.main()
