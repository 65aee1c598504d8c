# SPDX-License-Identifier: Apache-2.0
"""ratios_test.py FOLDER: what FOLDER/ratios.py makes of results whose ratios are known."""
import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))
import ratios

CASES = {"prefill": {"kind": "prefill", "flops": 6e9, "kv_bytes1": 1},
         "decode": {"kind": "decode", "flops": 1, "kv_bytes1": 12e6}}
ROOFS = {"fp32_avx512_fma_t1_gflops": 150, "DRAM_1G_read_t1_GBs": 10, "DRAM_1G_read_pf4K_t1_GBs": 12}


def result(peer, ms, case="prefill", dtype="fp32", **more):
    return {"peer": peer, "case": case, "dtype": dtype, "threads": 1, "ms_rounds": ms, **more}


def rows(*runs):
    """Of one run or more, each a list of results."""
    return ratios.table([{"cases": CASES, "roofline_best": ROOFS, "results": run} for run in runs])[4:]


class Ratios(unittest.TestCase):
    def test_median_of_the_rounds_ratios_to_the_faster_peer(self):
        run = [result("a", [200, 110, 400]), result("b", [150, 120, 500]), result("attnrt", [100, 100, 100])]
        self.assertEqual(rows(run), ["| prefill | fp32 | 1 | 1.50 | b | 60 GF/s | 40% |"])

    def test_decode_is_told_by_the_bytes_of_its_type(self):
        self.assertEqual(rows([result("a", [6], "decode"), result("attnrt", [4], "decode")]),
                         ["| decode | fp32 | 1 | 1.50 | a | 12.0 GB/s | 100% |"])
        self.assertEqual(rows([result("a", [6], "decode", "fp16"), result("attnrt", [4], "decode", "fp16")]),
                         ["| decode | fp16 | 1 | 1.50 | a | 6.0 GB/s | 50% |"])

    def test_rounds_that_a_peer_was_not_asked_for_do_not_count(self):
        run = [result("a", [300]), result("attnrt", [200, 100, 100])]
        self.assertEqual(rows(run), ["| prefill | fp32 | 1 | 1.50 | a | 30 GF/s | 20% |"])

    def test_runs_follow_each_other(self):
        runs = [[result("a", [300]), result("attnrt", [ours])] for ours in (100, 150, 300)]
        self.assertEqual(rows(*runs), ["| prefill | fp32 | 1 | 2.00 | a | 40 GF/s | 27% |"])

    def test_a_peer_that_missed_a_run_is_left_out(self):
        runs = [[result("a", [300]), result("b", [400]), result("attnrt", [100])],
                [result("b", [400]), result("attnrt", [100])]]
        self.assertEqual(rows(*runs), ["| prefill | fp32 | 1 | 4.00 | b | 60 GF/s | 40% |"])
        runs[0].pop()  # the rounds of a and of ours now lie in different runs
        runs[1].pop(0)
        self.assertEqual(rows(*runs), [])

    def test_wrong_or_missing_answers_are_no_peers(self):
        wrong = result("a", [1], wrong=True)
        refused = {"peer": "b", "case": "prefill", "dtype": "fp32", "threads": 1, "error": "no"}
        self.assertEqual(rows([wrong, refused, result("attnrt", [100])]), [])
        self.assertEqual(rows([wrong, result("b", [100])]), [])
        self.assertEqual(rows([wrong, result("b", [200]), result("attnrt", [100])]),
                         ["| prefill | fp32 | 1 | 2.00 | b | 60 GF/s | 40% |"])

    def test_the_limit_of_bf16_is_its_dot_where_there_is_one(self):
        self.assertEqual(ratios.limit(ROOFS, False, "bf16", 1), 150)
        self.assertEqual(ratios.limit({**ROOFS, "bf16_vdpbf16ps_t1_gflops": 300}, False, "bf16", 1), 300)
        self.assertEqual(ratios.limit({**ROOFS, "bf16_vdpbf16ps_t1_gflops": 300}, False, "fp16", 1), 150)
        self.assertEqual(ratios.limit({}, False, "fp32", 1), 0)
        self.assertIn("| - |", ratios.row(("prefill", "fp32", 1), {"a": [1], "attnrt": [1]}, CASES["prefill"], {}))


if __name__ == "__main__":
    unittest.main()
