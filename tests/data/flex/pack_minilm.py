# SPDX-License-Identifier: Apache-2.0
"""The sentences of ../minilm_encoder_l3.safetensors packed into one sequence, with the number of each token's sentence as the
buffer of a document mask. What is expected is what the sentences gave apart: pack_minilm.py writes minilm_packed_l3.safetensors
beside itself. Standard library alone."""
import array
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def main():
    data = (HERE.parent / "minilm_encoder_l3.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    metadata = header.pop("__metadata__")
    tensors = {name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])]) for name, entry in header.items()}
    starts = array.array("i", tensors["query_start_loc"][2])
    number = array.array("i", (i for i in range(len(starts) - 1) for _ in range(starts[i], starts[i + 1])))
    ends = array.array("i", [0, starts[-1]]).tobytes()
    tensors["flex.doc"] = ("I32", [len(number)], number.tobytes())
    tensors["query_start_loc"] = tensors["kv_start_loc"] = ("I32", [2], ends)
    metadata["provenance"] += "; packed into one sequence by tests/data/flex/pack_minilm.py"
    out, entries = bytearray(), {"__metadata__": metadata}
    for name, (dtype, shape, content) in sorted(tensors.items()):
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(out), len(out) + len(content)]}
        out += content
    text = json.dumps(entries, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    (HERE / "minilm_packed_l3.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + out)


if __name__ == "__main__":
    main()
