# SPDX-License-Identifier: Apache-2.0
"""Where the parts of the installed package lie, and its program."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def get_include() -> str:
    """The folder of the headers attnrt/attnrt.h, runtime.hpp and plugin.h."""
    return os.path.join(_FOLDER, "include")


def get_cmake_dir() -> str:
    """What find_package(attnrt) takes as attnrt_DIR."""
    return os.path.join(_FOLDER, "share", "attnrt")


def get_plugin_path() -> str:
    """The folder of the plugins that came with the package; one of your own may be added there or to
    ATTNRT_PLUGIN_PATH."""
    return os.path.join(_FOLDER, "lib", "attnrt", "plugins")


def main() -> NoReturn:
    """The program `attnrt`."""
    program = os.path.join(_FOLDER, "bin", "attnrt")
    os.execv(program, [program] + sys.argv[1:])
