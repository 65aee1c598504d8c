# SPDX-License-Identifier: Apache-2.0
"""core_names_check.py SOURCE: no backend that the priority table or the fact files name is named in core/."""
import json
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
data = root / "tests" / "selection" / "data"
table = json.loads((root / "configs" / "priority.json").read_text())
facts = json.loads((data / "feature_support.json").read_text())
later = json.loads((data / "backends_2026.json").read_text())
names = {n for rule in table["rules"] for n in rule["order"]}
names |= {n for rule in table["variants"] for n in rule["order"]}
for s in table["switches"]:
    names |= set(s.get("before", [])) | set(s.get("only", {})) | set(s.get("exclude", []))
names |= {row["backend"] for row in facts["rows"] + facts["mla_prefill"]}
names |= {b["name"] for b in later["backends"] + later["mla_prefill"]}
names = {n.rstrip("*_") for n in names}
pattern = re.compile(r"(?<![A-Za-z0-9_])(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + r")(?![A-Za-z0-9])")
faults = []
for file in sorted((root / "core").rglob("*")):
    if file.suffix not in (".cpp", ".hpp", ".h", ".txt", ".map", ".cmake"):
        continue
    for number, line in enumerate(file.read_text().splitlines(), 1):
        code = re.sub(r"(//|/\*|^ ?\*).*", "", line)  # a comment may give an example
        faults += [f"{file.relative_to(root)}:{number}: names {m[1]}" for m in pattern.finditer(code)]
print("\n".join(faults) or f"none of {len(names)} names stands in core/")
sys.exit(1 if faults or len(names) < 30 else 0)
