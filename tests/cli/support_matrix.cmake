# SPDX-License-Identifier: Apache-2.0
# docs/support-matrix.md is what `attnrt docs` prints: cmake -DATTNRT=PROGRAM -DCOMMITTED=FILE -DCACHE=FOLDER -P support_matrix.cmake
set(ENV{XDG_CACHE_HOME} ${CACHE}) # a ledger of its own, which is empty
unset(ENV{ATTNRT_PLUGIN_PATH})
unset(ENV{ATTNRT_PRIORITY})
execute_process(COMMAND ${ATTNRT} docs OUTPUT_VARIABLE printed RESULT_VARIABLE status)
file(READ ${COMMITTED} committed)
# The rows of compiled kernels are those of a release build; here fewer are compiled, or none.
foreach(text printed committed)
  string(REGEX REPLACE "\\| (TRITON_ATTN|TREE_ATTN|TRITON_MLA) [^\n]*\n" "" ${text} "${${text}}")
  # What was verified is told of release builds.
  string(REGEX REPLACE "(\\| [A-Z_]+ \\| [a-z0-9_]+ \\| fp[^\n]*\\|)[^|\n]*\\|\n" "\\1\n" ${text} "${${text}}")
endforeach()
if(NOT status EQUAL 0 OR NOT printed STREQUAL committed)
  message(FATAL_ERROR "${COMMITTED} is stale: write it anew with `attnrt docs` of a release build")
endif()
