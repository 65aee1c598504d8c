# SPDX-License-Identifier: Apache-2.0
"""schema_check.py SOURCE: the shipped table, the examples and the tests' tables fit configs/priority.schema.json, the bad ones do not."""
import json
import pathlib
import sys

import jsonschema

root = pathlib.Path(sys.argv[1])
tables = root / "tests" / "selection" / "tables"
schema = json.loads((root / "configs" / "priority.schema.json").read_text())
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
faults = []
good = [root / "configs" / "priority.json", *sorted((root / "configs" / "examples").glob("*.json")),
        *(f for f in sorted(tables.glob("*.json")) if f.name != "bad.json")]
for file in good:
    table = json.loads(file.read_text())
    faults += [f"{file.relative_to(root)}: /{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(table)]
    if "$schema" in table and not (file.parent / table["$schema"]).exists():
        faults.append(f"{file.relative_to(root)}: $schema is '{table['$schema']}', which is not there")
bad = json.loads((tables / "bad.json").read_text())
for row in bad:
    if "text" not in row and validator.is_valid(row["table"]) != row.get("library_only", False):
        faults.append(f"bad.json: '{row['name']}' {'fits' if validator.is_valid(row['table']) else 'does not fit'} the schema")
print("\n".join(faults) or f"{len(good)} tables fit, {len(bad)} bad ones are told apart")
sys.exit(1 if faults else 0)
