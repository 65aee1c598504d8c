# SPDX-License-Identifier: Apache-2.0
"""The package as a whole: what importing it loads, and what an installed one has."""

import ast
import builtins
import os
import subprocess
import sys
import unittest

import attnrt

INSTALLED = os.path.isdir(attnrt.get_include()) or "ATTNRT_TEST_INSTALLED" in os.environ
MAIN = "from attnrt._installation import main; main()"


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


class Package(unittest.TestCase):
    def test_importing_loads_no_others(self):
        loaded = python("import sys, attnrt; print([m for m in ('numpy', 'torch', 'json') if m in sys.modules])")
        self.assertEqual(loaded, "[]")

    def test_all_names_are_there(self):
        for name in attnrt.__all__:
            self.assertTrue(hasattr(attnrt, name), name)

    def test_stubs_name_what_the_extension_has(self):
        with open(os.path.join(os.path.dirname(attnrt.__file__), "_attnrt.pyi")) as file:
            stub = ast.parse(file.read())
        known = set(dir(builtins))
        for node in ast.walk(stub):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                known.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                known.update(alias.asname or alias.name for alias in node.names)
        for node in ast.walk(stub):
            if isinstance(node, ast.Name):
                self.assertIn(node.id, known)
            if isinstance(node, ast.FunctionDef):
                self.assertIsNotNone(node.returns, node.name)
                for argument in node.args.args + node.args.kwonlyargs:
                    self.assertFalse(argument.arg.startswith("arg"), f"{node.name} has an argument without a name")
        for name in (
            "Runtime",
            "Choice",
            "Op",
            "Plan",
            "Batch",
            "KvCache",
            "Limits",
            "Problem",
            "Tensor",
            "Executor",
            "Program",
        ):
            self.assertIn(name, known)

    def test_a_fork_computes(self):
        code = """if True:
            import os, sys, attnrt, numpy
            q = numpy.ones((1, 8, 2, 32), dtype=numpy.float32)
            before = attnrt.attention(q, q, q, causal=True)
            child = os.fork()
            if child == 0:
                os._exit(0 if numpy.array_equal(attnrt.attention(q, q, q, causal=True), before) else 3)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"""
        self.assertEqual(python(code), "0")

    @unittest.skipUnless(INSTALLED, "the package lies in a build tree")
    def test_installed_parts(self):
        for path in (
            os.path.join(attnrt.get_include(), "attnrt", "attnrt.h"),
            os.path.join(attnrt.get_include(), "attnrt", "plugin.h"),
            os.path.join(attnrt.get_cmake_dir(), "attnrtConfig.cmake"),
            os.path.join(attnrt.get_plugin_path(), "cpu_attn.so"),
        ):
            self.assertTrue(os.path.isfile(path), path)
        program = os.path.join(os.path.dirname(sys.executable), "attnrt")
        if not os.path.isfile(program):  # which pip makes
            program = os.path.join(os.path.dirname(attnrt.__file__), "bin", "attnrt")
        listed = subprocess.run([program, "list"], capture_output=True, text=True, check=True).stdout
        self.assertIn("CPU_ATTN", listed)
        self.assertIn("--explain", python("import sys; sys.argv = ['attnrt', 'select', '--help']\n" + MAIN))
        plugins = attnrt.Runtime(read_environment=False).list()["plugins"]
        paths = [os.path.realpath(plugin["path"]) for plugin in plugins if plugin["state"] == "loaded"]
        self.assertIn(os.path.realpath(os.path.join(attnrt.get_plugin_path(), "cpu_attn.so")), paths)


if __name__ == "__main__":
    unittest.main()
