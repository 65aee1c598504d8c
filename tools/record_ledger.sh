#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# record_ledger.sh [LEDGER.json]: keeps in ledger/ledger.json what was verified, for `attnrt show` and selection. Without an
# argument it builds the release preset and verifies every plugin of it on this machine; with one it takes the entries of a
# ledger that `attnrt verify --record` wrote elsewhere, on a machine with a GPU or another kind of CPU for instance, or for an
# emulated device (these stay in a list of their own). Entries of older builds of the same plugins give way. The build is
# reproducible: the same sources, compiler and flags give the build ids that the entries name, wherever they are built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

taken=${1:-}
if [[ -z $taken ]]; then
  cmake --preset release >/dev/null
  cmake --build --preset release
  cache=$(mktemp -d)
  trap 'rm -rf "$cache"' EXIT
  XDG_CACHE_HOME=$cache build/release/bin/attnrt verify --record
  taken=$cache/attnrt/ledger.json
fi
python3 - "$taken" ledger/ledger.json <<'PYTHON'
import json, os, sys

lists = ("verified", "emulated")
read = lambda file: json.load(open(file)) if os.path.exists(file) else {}
taken, kept = read(sys.argv[1]), read(sys.argv[2])
new = {key: taken.get(key, []) for key in lists}
newer = {entry["plugin"]: entry["build_id"] for key in lists for entry in new[key]}
kernel = lambda entry: tuple(entry[key] for key in ("plugin", "backend", "variant", "device"))
text = []
for key in lists:
    old = [e for e in kept.get(key, []) if newer.get(e["plugin"], e["build_id"]) == e["build_id"]]
    entries = sorted({kernel(entry): entry for entry in old + new[key]}.values(), key=kernel)
    text.append(f'"{key}": [\n' + ",\n".join("  " + json.dumps(entry) for entry in entries) + "\n]")
    print(f"{key}: {len(new[key])} entries taken, {len(entries)} in {sys.argv[2]}")
with open(sys.argv[2], "w") as out:
    out.write("{" + ", ".join(text) + "}\n")
PYTHON
