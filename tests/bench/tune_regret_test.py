# SPDX-License-Identifier: Apache-2.0
"""tune_regret_test.py FOLDER: what FOLDER/tune_regret.py makes of tunings whose regret is known."""
import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))
import tune_regret

EXHAUSTIVE = {"classes": [{"class": "decode", "variants": [
    {"backend": "A", "variant": "fast", "ms_median": 1.0}, {"backend": "A", "variant": "slow", "ms_median": 1.5},
    {"backend": "B", "variant": "only", "ms_median": 9.0}]}]}


def tuning(a):
    return {"chosen": [{"class": "A, decode", "variant": a}, {"class": "B, decode", "variant": "only"}]}


class Regret(unittest.TestCase):
    def test_the_fastest_of_its_backend_has_none(self):
        rows = tune_regret.judge(EXHAUSTIVE, [tuning("fast")] * 3)
        self.assertEqual(tune_regret.summary(rows), ["2 rankings: mean regret 0.00 %, at most 0.0 %; 0 flip"])

    def test_a_slower_one_and_a_flip_are_told(self):
        rows = tune_regret.judge(EXHAUSTIVE, [tuning("fast"), tuning("slow")])
        self.assertEqual(tune_regret.summary(rows), ["A, decode: fast 1, slow 1; regret at most 50.0 %",
                                                     "2 rankings: mean regret 12.50 %, at most 50.0 %; 1 flip"])


unittest.main()
