# SPDX-License-Identifier: Apache-2.0
# Kernels as text inside the plugin, in the order given:
#   cmake -DOUT=FILE -DFILES=FILE;FILE... -P embed.cmake
set(text "// Written by embed.cmake.\n#include \"kernel_text.hpp\"\n\nnamespace attnrt::flex {\n\nconst std::vector<Header>& kernel_text() {\n  static const auto* const all = new std::vector<Header>{\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND text "      {\"${name}\", R\"===(${content})===\"},\n")
endforeach()
string(APPEND text "  };\n  return *all;\n}\n\n}  // namespace attnrt::flex\n")
file(WRITE ${OUT} "${text}")
