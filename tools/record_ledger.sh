#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# record_ledger.sh [LEDGER.json]: keeps in configs/ledger.json what was verified, for `attnrt show` and selection. Without an
# argument it builds the release preset and verifies every plugin of it on this machine; with one it takes the entries of a
# ledger that `attnrt verify --record` wrote elsewhere, on a machine with a GPU or another kind of CPU for instance. Entries of
# older builds of the same plugins give way. The build is reproducible: the same sources, compiler and flags give the build
# ids that the entries name, wherever they are built.
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
python3 - "$taken" configs/ledger.json <<'PYTHON'
import json, os, sys

new = [entry for entry in json.load(open(sys.argv[1]))["verified"] if not entry["device"].startswith("emulated ")]
old = json.load(open(sys.argv[2]))["verified"] if os.path.exists(sys.argv[2]) else []
newer = {entry["plugin"]: entry["build_id"] for entry in new}
old = [entry for entry in old if newer.get(entry["plugin"], entry["build_id"]) == entry["build_id"]]
kernel = lambda entry: tuple(entry[key] for key in ("plugin", "backend", "variant", "device"))
entries = sorted({kernel(entry): entry for entry in old + new}.values(), key=kernel)
with open(sys.argv[2], "w") as out:
    out.write('{"verified": [\n' + ",\n".join("  " + json.dumps(entry) for entry in entries) + "\n]}\n")
print(f"{len(new)} entries taken, {len(entries)} in {sys.argv[2]}")
PYTHON
