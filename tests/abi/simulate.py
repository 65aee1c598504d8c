# SPDX-License-Identifier: Apache-2.0
"""simulate.py HEADER OUT MAJOR.MINOR [grown]: plugin.h with another ABI number, and, grown, with a field appended to each
struct that may grow. Stands in for the headers of minors that do not exist yet."""
import pathlib
import re
import sys

header, out, version, *grown = sys.argv[1:]
text = pathlib.Path(header).read_text()
major, minor = version.split(".")
text, numbers = re.subn(r"(#define ATTNRT_ABI_MAJOR )\d+u(\n#define ATTNRT_ABI_MINOR )\d+u", rf"\g<1>{major}u\g<2>{minor}u", text)
structs = len(re.findall(r"uint32_t struct_size[;,]", text))
bodies = 0
if grown:
    def grow(match):
        global bodies
        if "struct_size" not in match[0]:
            return match[0]
        bodies += 1
        return match[0][: match.start(1) - match.start()] + "  uint32_t appended[2];\n" + match[1]
    text = re.sub(r"struct \w+ \{[^{}]*?\n(\})", grow, text)
if numbers != 1 or (grown and bodies != structs):
    sys.exit(f"simulate: {numbers} ABI numbers and {bodies} of {structs} structs found in {header}")
target = pathlib.Path(out)
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(text)
