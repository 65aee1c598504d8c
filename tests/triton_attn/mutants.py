# SPDX-License-Identifier: Apache-2.0
"""Plants one fault at a time in the kernels: the grid of interpret.py must find each by a wrong number, not by a crash.

    mutants.py KERNELS [--all]

Without --all one in five.
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import tempfile

# (file, what it says, what a mistake would make of it, cases worth trying: the first that have this text)
FAULTS = [
    ("attention.py", "ahead = tl.where(causal, tl.minimum(right, 0), right)",
     "ahead = tl.where(causal, tl.minimum(right, 1), right)", "'causal'", "causality one key too far"),
    ("attention.py", "(distance >= -left)", "(distance > -left)", "'window_left'", "the window one key too short"),
    ("attention.py", "score = tl.where(seen & there[None, :], score", "score = tl.where(seen, score",
     "'causal': 'never'", "keys behind the last one"),
    ("attention.py", "full_end = tl.minimum(first_position + first_token + ahead + 1, num_keys)",
     "full_end = tl.minimum(first_position + last_token + ahead + 1, num_keys)", "'fp32'", "a tile taken for unmasked"),
    ("attention.py", "acc = acc * fade[:, None]", "acc = acc * 1.0", "'fp32'", "sums of an older top not rescaled"),
    ("attention.py", "(num_tiles + num_splits - 1) // num_splits", "num_tiles // num_splits", "'splits': 3",
     "the last tiles in no part"),
    ("attention.py", "head = kv_head * group + head_in_group", "head = head_in_group * num_kv_heads + kv_head",
     "'heads': (8, 2)", "heads of a group interleaved"),
    ("attention.py", "tl.exp2(tl.abs(x) * (-2.0 * LOG2E))", "tl.exp2(tl.abs(x) * (-2.0))", "'softcap'",
     "tanh to base 2"),
    ("attention.py", "rest + tl.where(sink == level", "rest + 0 * tl.where(sink == level", "'sinks'",
     "the sink left out of the sum"),
    ("attention.py", "acc *= (rest * v_scale", "acc *= (v_scale", "'sinks'",
     "sums not rescaled to the sink"),
    ("attention.py", "tree_begin = tl.where(has_tree, num_keys - query_len, far)",
     "tree_begin = tl.where(has_tree, num_keys - query_len + 1, far)", "'tree'", "the tree one key late"),
    ("merge_splits.py", "acc = acc * fade + row * weight", "acc = acc + row * weight", "'splits': 3",
     "parts of an older top not rescaled"),
    ("shared.py", "* 256.0).to(dtype)", "* 128.0).to(dtype)", "'e4m3', 'scaled'", "the exponent's bias of e4m3"),
    ("shared.py", "if start <= target:", "if start < target:", "'fp32'", "tiles given to the request before"),
    ("write_kv.py", "((bits >> DROPPED) & 1)", "1", "'write_kv'", "ties rounded up"),
    ("write_kv.py", "tl.minimum(size, LARGEST)", "size", "'write_kv'", "too large not made the largest"),
    ("merge_states.py", 'lse = tl.where(lse == float("inf"), float("-inf"), lse)', "", "'merge_states'",
     "an infinite weight taken as it is"),
    ("mla_sparse.py", "there = (key >= 0) & (key < num_keys)", "there = key < num_keys", "'mla_sparse'",
     "holes read as keys"),
    ("shared.py", "key.to(tl.uint32) + 1, reciprocal", "key.to(tl.uint32), reciprocal", "'mla_decode'",
     "the first slot of a block taken for one of the block before"),
    ("write_kv.py", "sign = tl.where(code == 0, 0, sign)", "sign = sign", "'write_kv'", "a negative zero where it is NaN"),
    ("merge_states.py", "seen = total != 0", "seen = total > 0", "'merge_states'", "NaN taken for no key"),
    ("latent.py", "score = tl.dot(q_rope, k_rope.T, score, input_precision=\"ieee\") * scale", "score *= scale",
     "'mla_decode'", "the rotary part left out"),
    ("mla_decode.py", "token = first_token + place", "token = place", "'slice'", "each slice taken for the first"),
    ("merge_splits.py", "token = first_token + tl.program_id(0)", "token = tl.program_id(0)", "'slice'",
     "each slice merged into the rows of the first"),
]


def try_fault(fault, kernels, interpret):
    """Nothing where the fault was found, else what went on instead."""
    file, right, wrong, cases, what = fault
    with tempfile.TemporaryDirectory() as folder:
        mutant = pathlib.Path(folder) / "kernels"
        shutil.copytree(kernels, mutant, ignore=shutil.ignore_patterns("__pycache__"))
        text = (mutant / file).read_text()
        if right not in text:
            return f"{what}: {file} does not say '{right}'"
        (mutant / file).write_text(text.replace(right, wrong))
        run = subprocess.run([sys.executable, "-B", interpret, mutant, "--jobs", "1", "--stop", "--only", cases],
                             capture_output=True, text=True)
    if run.returncode == 1 and "FAILED" in run.stdout and "Error:" not in run.stdout:
        return None
    return f"{what}: not found, exit status {run.returncode}\n{run.stdout[-600:]}{run.stderr[-600:]}"


def main():
    kernels, interpret = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).with_name("interpret.py")
    faults = FAULTS if "--all" in sys.argv else FAULTS[::5]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        missed = [m for m in pool.map(lambda fault: try_fault(fault, kernels, interpret), faults) if m]
    print(*missed, f"{len(faults)} faults planted, {len(faults) - len(missed)} found", sep="\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
