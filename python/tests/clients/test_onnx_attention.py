# SPDX-License-Identifier: Apache-2.0
"""The node tests of ONNX's Attention operator, which the package onnx makes with its reference: Y of each, without a
cache and over a paged one, by each variant. The other outputs are not of the package: the present keys and values are
the caller's, the matrix of scores never exists in a fused kernel."""

import unittest
import warnings

import numpy as np
from adapter import Case, numbers, variants

DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
TOLERANCES = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 2e-2}


def node_cases():
    import onnx
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases("Attention"):
            nodes = case.model.graph.node
            if len(nodes) != 1 or nodes[0].op_type != "Attention":
                continue  # "expanded": the same written in other operators
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
            inputs, outputs = case.data_sets[0]
            given = iter(inputs)
            named = {}
            for place, name in enumerate(nodes[0].input):
                if name:
                    named[("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")[place]] = (
                        np.asarray(next(given))
                    )
            yield case.name, attributes, named, np.asarray(outputs[0])


def split(x, heads):
    """[B, L, heads * D] as [B, heads, L, D]."""
    return x if x.ndim == 4 else x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(0, 2, 1, 3)


def bits(x):
    return x.view(np.uint16) if x.dtype.name == "bfloat16" else x


def make(attributes, given):
    q, k, v = (
        split(bits(given[name]), attributes.get(heads))
        for name, heads in (("Q", "q_num_heads"), ("K", "kv_num_heads"), ("V", "kv_num_heads"))
    )
    dtype = DTYPES[given["Q"].dtype.name]
    past = 0
    if "past_key" in given:
        past = given["past_key"].shape[2]
        k, v = (np.concatenate([bits(given[p]), x], axis=2) for p, x in (("past_key", k), ("past_value", v)))
    causal = bool(attributes.get("is_causal", 0))
    left, right = attributes.get("left_window_size", -1), attributes.get("right_window_size", -1)
    window = None if left < 0 and right < 0 else (left, right)
    mask = given.get("attn_mask")
    if mask is not None:
        mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
        missing = k.shape[2] - mask.shape[3]
        if missing > 0 and mask.shape[3] > 1:
            hidden = np.full(mask.shape[:3] + (missing,), False if mask.dtype == bool else -np.inf, dtype=mask.dtype)
            mask = np.concatenate([mask, hidden], axis=3)
    kv_lens = given.get("nonpad_kv_seqlen")
    return Case(
        q,
        k,
        v,
        dtype=dtype,
        causal=causal,
        scale=attributes.get("scale"),
        window=window,
        softcap=attributes.get("softcap", 0.0),
        mask=mask,
        kv_lens=kv_lens,
        first=past if kv_lens is None else None,
    )


class OnnxAttention(unittest.TestCase):
    def test_node_cases(self):
        counts = {}
        for name, attributes, given, right in node_cases():
            case = make(attributes, given)
            wanted = numbers(bits(right), case.dtype)
            for variant in variants():
                for form in ("contiguous", "paged"):
                    with self.subTest(case=name, variant=variant, form=form):
                        out = getattr(case, form)(variant)
                        if out is None:
                            continue
                        if right.ndim == 3:
                            out = out.transpose(0, 2, 1, 3).reshape(right.shape)
                        tolerance = TOLERANCES[case.dtype]
                        np.testing.assert_allclose(numbers(out, case.dtype), wanted, atol=tolerance, rtol=tolerance)
                        counts[variant, form] = counts.get((variant, form), 0) + 1
        total = sum(1 for _ in node_cases())
        for (variant, form), count in counts.items():
            print(f"{count} of {total} node tests of ONNX Attention hold: {variant}, {form}")
            # Four have requests with fewer keys than queries, which a cache of those queries' keys never holds.
            self.assertEqual(count, total - 4 if form == "paged" else total)


if __name__ == "__main__":
    unittest.main()
