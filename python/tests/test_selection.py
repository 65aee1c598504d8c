# SPDX-License-Identifier: Apache-2.0
"""Which kernel is chosen, and every reason where none is."""

import os
import subprocess
import sys
import unittest

import attnrt


class Selection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lines = []
        cls.runtime = attnrt.Runtime(read_environment=False, log=lambda level, text: cls.lines.append((level, text)))

    def test_a_choice_says_what_and_why(self):
        choice = self.runtime.select(self.runtime.decoder(32, 8, 128, "bf16"))
        self.assertTrue(choice)
        self.assertEqual(choice.backend, "CPU_ATTN")
        self.assertIn(f"{choice.backend}/{choice.variant}", repr(choice))
        self.assertIn(choice.backend, choice.explain())
        self.assertTrue(choice.honoured)
        self.assertEqual((choice.details["backend"], choice.details["variant"]), (choice.backend, choice.variant))
        problem = choice.problem
        self.assertEqual(
            (problem.num_heads, problem.num_kv_heads, problem.head_size, problem.dtype), (32, 8, 128, "bf16")
        )
        self.assertEqual(len(problem.kv_layouts), 1)
        self.assertGreater(problem.block_size, 0)

    def test_no_backend_has_every_reason(self):
        problem = self.runtime.decoder(1, 1, 1000, "fp32")
        with self.assertRaises(attnrt.NoBackendError) as raised:
            self.runtime.select(problem)
        error = raised.exception
        self.assertIsInstance(error, attnrt.UnsupportedError)
        self.assertIn("head_size=1000", str(error))
        self.assertFalse(error.choice)
        portable = [r for r in error.reasons if (r.backend, r.variant) == ("CPU_ATTN", "portable")]
        self.assertEqual([r.code for r in portable], ["HEAD_SIZE"])
        self.assertIn("1000: offers", portable[0].detail)
        self.assertEqual(str(portable[0]), f"CPU_ATTN/portable: {portable[0].text} ({portable[0].detail})")
        choice = self.runtime.try_select(problem)
        self.assertFalse(choice)
        self.assertEqual(choice.reasons, error.reasons)

    def test_a_forced_backend(self):
        runtime = attnrt.Runtime(read_environment=False, attention_backend="CPU_ATTN/portable")
        self.assertEqual(runtime.select(runtime.decoder(4, 4, 64, "fp32")).variant, "portable")
        runtime = attnrt.Runtime(read_environment=False)
        runtime.force_backend("CPU_ATTN/portable")
        self.assertEqual(runtime.select(runtime.decoder(4, 4, 64, "fp32")).variant, "portable")
        with self.assertRaisesRegex(attnrt.InvalidError, "NO_SUCH_ATTN"):
            runtime.force_backend("NO_SUCH_ATTN")

    def test_the_environment_is_read(self):
        code = "import attnrt; r = attnrt.Runtime(); print(r.select(r.decoder(4, 4, 64, 'fp32')))"
        environment = dict(os.environ, VLLM_ATTENTION_BACKEND="CPU_ATTN/portable")
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        self.assertEqual(out.stdout.strip(), "attnrt.Choice(CPU_ATTN/portable)")

    def test_problems_are_changed_copies(self):
        plain = self.runtime.decoder(8, 2, 64, "float16")
        changed = plain.with_window(128).with_softcap(30.0).with_sinks().with_kv_dtype("int8").with_head_size_v(32)
        self.assertEqual((plain.window, plain.softcap, plain.features), ((-1, -1), 0.0, ()))
        self.assertEqual((changed.softcap, changed.kv_dtype, changed.head_size_v), (30.0, "int8", 32))
        self.assertIn("sinks", changed.features)
        self.assertEqual(self.runtime.decoder(8, 2, 64, "float32").dtype, "fp32")
        with self.assertRaisesRegex(attnrt.InvalidError, "dtype is 'fp31', wanted one of fp32"):
            self.runtime.decoder(8, 2, 64, "fp31")
        with self.assertRaisesRegex(attnrt.InvalidError, "wanted one of"):
            plain.with_kv_layouts("wide")

    def test_numpy_dtypes(self):
        import numpy

        for dtype in (numpy.float32, numpy.dtype("float32"), "float32", "fp32"):
            self.assertEqual(self.runtime.decoder(8, 2, 64, dtype).dtype, "fp32")

    def test_documents(self):
        self.assertIn("CPU_ATTN", str(self.runtime.list()))
        self.assertIn("CPU_ATTN", str(self.runtime.show("CPU_ATTN")))
        self.assertIsInstance(self.runtime.doctor(), dict)
        self.assertIsInstance(self.runtime.priority(), dict)
        self.runtime.rescan()

    def test_a_gpu_can_be_asked_about(self):
        choice = self.runtime.try_select(self.runtime.decoder(32, 8, 128, "bf16", device="cuda:9.0"))
        if choice:
            with self.assertRaisesRegex(attnrt.UnsupportedError, "runs on a GPU, wanted a choice for the CPU"):
                self.runtime.op(choice)
        else:
            self.assertTrue(choice.reasons)

    def test_the_log(self):
        lines = []
        attnrt.Runtime(read_environment=False, plugin_path="/nowhere/attnrt", log=lambda *line: lines.append(line))
        self.assertTrue(any("/nowhere/attnrt" in text for _, text in lines), lines)
        self.assertTrue({level for level, _ in lines} <= {"debug", "info", "warning", "error"})


if __name__ == "__main__":
    unittest.main()
