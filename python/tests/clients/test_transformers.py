# SPDX-License-Identifier: Apache-2.0
"""attn_implementation="attnrt" beside eager, for small models with random weights of fixed seeds."""

import copy
import unittest

import attnrt
import attnrt.transformers
import torch
import transformers

attnrt.transformers.register()
torch.set_num_threads(1)  # the models are so small that threads would do nothing but wait for each other

SIZES = {
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}
DECODERS = {
    "llama": lambda: transformers.LlamaConfig(**SIZES),
    "mistral with a window": lambda: transformers.MistralConfig(**SIZES, sliding_window=9),
    "gemma2 with softcap and a window": lambda: transformers.Gemma2Config(
        **SIZES, sliding_window=9, attn_logit_softcapping=2.0, final_logit_softcapping=None, query_pre_attn_scalar=16
    ),
    "gpt-oss with sinks and a window": lambda: transformers.GptOssConfig(
        **SIZES, sliding_window=9, num_local_experts=2, num_experts_per_tok=1
    ),
}


def models(config):
    """The same weights under eager and under attnrt."""
    torch.manual_seed(3)
    config._attn_implementation = "eager"
    eager = transformers.AutoModelForCausalLM.from_config(config).eval()
    for name, parameter in eager.named_parameters():
        if "sinks" in name:
            torch.nn.init.normal_(parameter)
    ours = copy.deepcopy(eager)
    ours.set_attn_implementation("attnrt")
    return eager, ours


def prompts(batch, length, pads=()):
    """Tokens with pads[b] of padding on the left, and their mask."""
    torch.manual_seed(4)
    tokens, seen = torch.randint(2, 128, (batch, length)), torch.ones((batch, length), dtype=torch.long)
    for b, pad in enumerate(pads):
        tokens[b, :pad], seen[b, :pad] = 0, 0
    return {"input_ids": tokens, "attention_mask": seen}


class Transformers(unittest.TestCase):
    def setUp(self):
        grad = torch.no_grad()
        grad.__enter__()
        self.addCleanup(grad.__exit__, None, None, None)

    def for_each(self, check, without=()):
        for name, config in DECODERS.items():
            if name not in without:
                with self.subTest(model=name):
                    check(*models(config()))

    def equal_where_seen(self, eager, ours, inputs, tolerance=2e-6):
        seen = inputs["attention_mask"].bool()
        right, out = eager(**inputs).logits, ours(**inputs).logits
        self.assertTrue(torch.isfinite(out).all())
        torch.testing.assert_close(out[seen], right[seen], atol=tolerance, rtol=1e-5)

    def test_logits(self):
        def check(eager, ours):
            for inputs in (prompts(1, 33), prompts(3, 21), prompts(3, 21, (0, 5, 20))):
                self.equal_where_seen(eager, ours, inputs)

        self.for_each(check)

    def test_padding_on_the_right(self):
        def check(eager, ours):
            inputs = prompts(2, 18)
            inputs["attention_mask"][1, 11:] = 0
            self.equal_where_seen(eager, ours, inputs)

        self.for_each(check)

    def test_greedy_tokens(self):
        def check(eager, ours):
            for inputs in (prompts(1, 7), prompts(3, 12, (0, 4, 11))):
                for cache in (None, "static"):
                    options = {"max_new_tokens": 20, "do_sample": False, "cache_implementation": cache}
                    options["disable_compile"] = True
                    right, out = eager.generate(**inputs, **options), ours.generate(**inputs, **options)
                    self.assertEqual(out.tolist(), right.tolist())

        self.for_each(check)

    def test_a_prompt_in_chunks(self):
        def check(eager, ours):
            inputs = prompts(2, 30, (0, 3))
            right = eager(**inputs).logits
            past, seen = transformers.DynamicCache(config=ours.config), inputs["attention_mask"]
            parts = []
            for begin, end in ((0, 11), (11, 12), (12, 30)):
                parts.append(
                    ours(
                        input_ids=inputs["input_ids"][:, begin:end], attention_mask=seen[:, :end], past_key_values=past
                    ).logits
                )
            torch.testing.assert_close(torch.cat(parts, 1)[seen.bool()], right[seen.bool()], atol=2e-6, rtol=1e-5)

        self.for_each(check)

    def test_an_encoder_with_padding(self):
        torch.manual_seed(5)
        config = transformers.BertConfig(
            vocab_size=128, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96
        )
        config._attn_implementation = "eager"
        eager = transformers.BertModel(config).eval()
        ours = copy.deepcopy(eager)
        ours.set_attn_implementation("attnrt")
        inputs = prompts(4, 23)
        for b, length in enumerate((23, 1, 9, 16)):
            inputs["attention_mask"][b, length:] = 0
        seen = inputs["attention_mask"].bool()
        right, out = (model(**inputs).last_hidden_state[seen] for model in (eager, ours))
        torch.testing.assert_close(out, right, atol=2e-6, rtol=1e-5)

    def test_two_threads(self):
        torch.set_num_threads(2)
        self.addCleanup(torch.set_num_threads, 1)
        eager, ours = models(DECODERS["llama"]())
        self.equal_where_seen(eager, ours, prompts(3, 21, (0, 5, 20)))

    def test_half_precision(self):
        def check(eager, ours):
            eager, ours, inputs = eager.bfloat16(), ours.bfloat16(), prompts(2, 21, (0, 5))
            self.equal_where_seen(eager, ours, inputs, tolerance=0.06)

        # In half precision a router of experts decides by a hair, which turns rounding into another model.
        self.for_each(check, without=("gpt-oss with sinks and a window",))

    def test_a_position_bias(self):
        torch.manual_seed(5)
        q, k, v = (torch.randn(2, 4, 7, 16) for _ in range(3))
        bias, seen = torch.randn(1, 4, 7, 7), torch.ones(2, 1, 7, 7, dtype=torch.bool)
        seen[0, :, :, :3] = False
        for mask in None, seen, torch.where(seen, 0.0, -torch.inf):
            with self.subTest(mask=None if mask is None else mask.dtype):
                out, _ = attnrt.transformers.forward(
                    torch.nn.Identity(), q, k, v, mask, is_causal=False, position_bias=bias
                )
                hidden = 0 if mask is None else torch.where(seen, 0.0, -torch.inf)
                wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias + hidden)
                torch.testing.assert_close(out, wanted.transpose(1, 2), atol=2e-6, rtol=1e-5)

    def test_what_is_refused(self):
        _, ours = models(DECODERS["llama"]())
        inputs = prompts(1, 4)
        with torch.enable_grad(), self.assertRaisesRegex(
            attnrt.UnsupportedError, "wanted the model under torch.no_grad"
        ):
            ours(**inputs)
        dropout = DECODERS["llama"]()
        dropout.attention_dropout = 0.5
        _, ours = models(dropout)
        with self.assertRaisesRegex(attnrt.UnsupportedError, "no dropout and it is 0.5, wanted model.eval"):
            ours.train()(**inputs)


class Intervals(unittest.TestCase):
    """Masks become lengths and windows where they say no more than those, and only there."""

    def mask(self, queries, keys, pads, *, causal=True, window=None, ends=None):
        position = torch.arange(queries)[:, None] + keys - queries
        key = torch.arange(keys)[None, :]
        seen = torch.ones((queries, keys), dtype=torch.bool)
        if causal:
            seen = seen & (key <= position)
        if window:
            seen = seen & (key > position - window)
        rows = [seen & (key >= pad) & (key < (ends[b] if ends else keys)) for b, pad in enumerate(pads)]
        return torch.stack(rows)[:, None]

    def found(self, mask):
        found = attnrt.transformers.intervals_of(mask)
        return found and (found.causal, found.window, found.kv_starts.tolist(), found.kv_lens.tolist())

    def test_what_is_recognised(self):
        self.assertEqual(self.found(self.mask(6, 6, (0, 2))), (True, None, [0, 2], [6, 4]))
        self.assertEqual(self.found(self.mask(3, 8, (0, 7))), (True, None, [0, 7], [8, 1]))
        self.assertEqual(self.found(self.mask(8, 8, (0, 2), window=3)), (True, 3, [0, 2], [8, 6]))
        self.assertEqual(self.found(self.mask(3, 9, (0, 0), window=3)), (True, 3, [4, 4], [5, 5]))
        self.assertEqual(self.found(self.mask(1, 9, (0, 4), window=3)), (False, None, [6, 6], [3, 3]))
        self.assertEqual(self.found(self.mask(5, 9, (0, 1), causal=False, ends=(9, 4))), (False, None, [0, 1], [9, 3]))
        self.assertEqual(self.found(self.mask(5, 9, (0, 9), causal=False)), (False, None, [0, 0], [9, 0]))

    def test_what_stays_a_mask(self):
        right_padded = self.mask(6, 6, (0, 0), ends=(6, 4))
        hole = self.mask(6, 6, (0, 0))
        hole[0, 0, 5, 2] = False
        self.assertIsNone(self.found(right_padded))
        self.assertIsNone(self.found(hole))
        self.assertIsNone(self.found(torch.zeros(1, 1, 4, 4)))
        self.assertIsNone(self.found(self.mask(6, 6, (0,)).expand(1, 2, 6, 6)))

    def test_a_changed_mask_is_read_again(self):
        mask = self.mask(6, 6, (0,))
        self.assertIsNotNone(self.found(mask))
        mask[0, 0, 3, 1] = False
        self.assertIsNone(self.found(mask))

    def test_every_small_mask_means_what_was_found(self):
        for bits in range(1 << 9):
            mask = torch.tensor([bits >> i & 1 for i in range(9)], dtype=torch.bool).reshape(1, 1, 3, 3)
            found = attnrt.transformers.intervals_of(mask)
            if found is None:
                continue
            start, length = int(found.kv_starts), int(found.kv_lens)
            again = torch.zeros(3, 3, dtype=torch.bool)
            for query in range(3):
                position = query + start + length - 3
                for key in range(start, start + length):
                    near = found.window is None or key > position - found.window
                    again[query, key] = not found.causal or (key <= position and near)
            self.assertTrue(torch.equal(again, mask[0, 0]), mask)


if __name__ == "__main__":
    unittest.main()
