# SPDX-License-Identifier: Apache-2.0
"""layout_test.py HEADER: what layout.py says of headers that were changed in one place each."""
import io
import pathlib
import re
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

import layout

HEADER = pathlib.Path(sys.argv.pop(1)).read_text()
NUMBERS = re.search(r"#define ATTNRT_ABI_MAJOR \d+u\n#define ATTNRT_ABI_MINOR \d+u", HEADER)[0]


class Changes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.header = pathlib.Path(folder.name, "attnrt", "plugin.h")
        self.header.parent.mkdir()
        self.frozen = pathlib.Path(folder.name, "frozen")
        self.frozen.mkdir()

    def write(self, version, *changes):
        major, minor = version.split(".")
        text = HEADER
        for old, new in ((NUMBERS, f"#define ATTNRT_ABI_MAJOR {major}u\n#define ATTNRT_ABI_MINOR {minor}u"), *changes):
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        self.header.write_text(text)

    def run_verb(self, verb):
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            status = layout.main([verb, str(self.header), str(self.frozen)])
        return status, out.getvalue()

    def accepted(self, verb="check"):
        status, text = self.run_verb(verb)
        self.assertEqual(status, 0, text)

    def refused(self, *words, verb="check"):
        status, text = self.run_verb(verb)
        self.assertEqual(status, 1, text)
        for word in words:
            self.assertIn(word, text)

    def recorded(self, version):
        self.write(version)
        self.accepted("record")
        self.accepted()

    # One change of each kind that breaks what was built before.
    BREAKS = {
        "a field inserted": (("  uint64_t isa;              /* A", "  uint64_t more;\n  uint64_t isa;              /* A"), "uint64_t more"),
        "a field widened": (("  uint32_t zero_init;         /*", "  uint64_t zero_init;         /*"), "belongs to no field"),
        "a sign changed": (("  int32_t num_blocks; ", "  uint32_t num_blocks; "), "uint32_t num_blocks"),
        "two fields exchanged": (("  void* plan;\n  uint64_t plan_bytes;", "  uint64_t plan_bytes;\n  void* plan;"), "void* plan"),
        "a field renamed": (("int32_t window_right; ", "int32_t window_end; "), "int32_t window_end"),
        "the last field gone": (("  const char* impl; /*", "  /*"), "const char* impl"),
        "a function's argument": (("uint32_t worker);", "uint64_t worker);"), "uint64_t worker"),
        "an enum's value": (("ATTNRT_BF16 = 2,", "ATTNRT_BF16 = 9,"), "ATTNRT_BF16 0x9"),
        "a macro's value": (("ATTNRT_KV_HND (1u << 2)", "ATTNRT_KV_HND (1u << 9)"), "ATTNRT_KV_HND 0x200"),
        "a text": (('"attnrt_plugin_query"', '"attnrt_query"'), '"attnrt_query"'),
        "a typedef": (("typedef int32_t attnrt_status;", "typedef int64_t attnrt_status;"), "attnrt_status"),
        "a struct of fixed size": (("  uint64_t byte_offset;", "  uint64_t byte_offset, more;"), "attnrt_tensor"),
        "a value gone": (("#define ATTNRT_ISA_SVE (UINT64_C(1) << 10)", ""), "ATTNRT_ISA_SVE"),
    }
    APPENDED = ("  uint32_t head_step;\n  uint32_t reserved;\n", "  uint32_t head_step;\n  uint32_t reserved;\n  uint32_t more[2];\n")

    def test_a_record_is_frozen(self):
        self.recorded("1.0")
        for name, (change, word) in self.BREAKS.items():
            with self.subTest(name):
                self.write("1.0", change)
                self.refused(word)
                self.refused("", verb="record")
        self.write("1.0", self.BREAKS["a macro's value"][0])
        self.refused("the layout of ABI 1.0 is frozen and differs now. Append fields behind struct_size only")
        self.refused("is frozen: raise ATTNRT_ABI_MINOR or ATTNRT_ABI_MAJOR", verb="record")
        self.write("1.0", self.APPENDED)  # even what may grow needs a new minor
        self.refused("the layout of ABI 1.0 is frozen")

    def test_a_new_minor_may_append(self):
        self.recorded("1.0")
        more = ("  ATTNRT_INT8 = 6,\n  ATTNRT_DTYPE_COUNT_ = 7", "  ATTNRT_INT8 = 6,\n  ATTNRT_FP4 = 7,\n  ATTNRT_DTYPE_COUNT_ = 8")
        self.write("1.1", self.APPENDED, more)
        self.refused("ABI 1.1 has no recorded layout; when it is as it should be: python3 layout.py record ")
        self.accepted("record")
        self.accepted()
        for name, (change, word) in self.BREAKS.items():
            with self.subTest(name):
                self.write("1.2", self.APPENDED, more, change)
                self.refused("", verb="record")
        self.write("1.2", self.APPENDED, more, self.BREAKS["a struct of fixed size"][0])
        self.refused("attnrt_tensor has no struct_size and grew from 48 to 56 bytes")
        # What 1.1 appended is frozen from then on.
        self.write("1.2")
        self.refused("ABI 1.2 does not keep the layout of 1.1, which is frozen: only fields appended to structs with struct_size",
                     "'uint32_t more[2]' at 24, 8 bytes, is gone", "'ATTNRT_FP4 0x7' is now 'gone'")

    def test_a_new_major_is_free(self):
        self.recorded("1.0")
        self.write("2.0", self.BREAKS["an enum's value"][0], self.BREAKS["a typedef"][0])
        self.accepted("record")
        self.accepted()

    def test_nothing_is_overlooked(self):
        self.write("1.0", ("typedef struct attnrt_dtype {", "typedef union attnrt_any { int a; } attnrt_any;\ntypedef struct attnrt_dtype {"))
        self.refused("is not understood, wanted structs, enums and typedefs")
        self.write("1.0", ("  uint32_t zero_init;         /*", "  uint16_t zero_init;         /*"))
        self.refused("attnrt_workspace: byte 6 belongs to no field")
        self.write("1.0", ("  int32_t id;   /*", "  int32_t id; char c;   /*"))
        self.refused("attnrt_device: the fields end at byte 9, the struct at 12")

    def test_the_snapshot_is_held_to_its_table(self):
        self.recorded("1.0")
        copy = self.frozen / "1.0" / "attnrt" / "plugin.h"
        copy.write_text(copy.read_text().replace("ATTNRT_BF16 = 2,", "ATTNRT_BF16 = 9,"))
        self.refused("does not have the layout recorded beside it")


if __name__ == "__main__":
    unittest.main()
