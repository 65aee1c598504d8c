# SPDX-License-Identifier: Apache-2.0
# docs/support-matrix.md is what `attnrt docs` prints:
#   cmake -DATTNRT=PROGRAM -DCOMMITTED=FILE -DLEDGER=FILE -DCACHE=FOLDER -P support_matrix.cmake
set(ENV{XDG_CACHE_HOME} ${CACHE}) # a ledger of its own, which is empty
unset(ENV{ATTNRT_PLUGIN_PATH})
unset(ENV{ATTNRT_PRIORITY})
execute_process(COMMAND ${ATTNRT} docs OUTPUT_VARIABLE printed RESULT_VARIABLE status)
file(READ ${COMMITTED} committed)
# The rows of compiled kernels are those of a release build; here fewer are compiled, or none.
foreach(text printed committed)
  string(REGEX REPLACE "\\| (TRITON_ATTN|TREE_ATTN|TRITON_MLA|FLASH_ATTN|FLASH_ATTN_DIFFKV|FLASH_ATTN_MLA) [^\n]*\n" "" ${text} "${${text}}")
  # What was verified is told of release builds: below it is held to the committed ledger.
  string(REGEX REPLACE "(\\| [A-Z_]+ \\| [a-z0-9_]+ \\| fp[^\n]*\\|)[^|\n]*\\|\n" "\\1\n" ${text} "${${text}}")
endforeach()
if(NOT status EQUAL 0 OR NOT printed STREQUAL committed)
  message(FATAL_ERROR "${COMMITTED} is stale: write it anew with `attnrt docs` of a release build")
endif()

file(READ ${COMMITTED} unverified)
file(READ ${LEDGER} ledger)
string(JSON entries LENGTH "${ledger}" verified)
foreach(i RANGE ${entries})
  if(i EQUAL entries) # a range ends with its last number
    break()
  endif()
  foreach(field backend variant device date result)
    string(JSON ${field} GET "${ledger}" verified ${i} ${field})
  endforeach()
  set(row "(\\| ${backend} \\| ${variant} \\| [^\n]*[|;]) ${date} on ${device}: ${result}( \\||;)")
  if(NOT unverified MATCHES "${row}")
    message(FATAL_ERROR "${COMMITTED} does not say of ${backend}/${variant} what ${LEDGER} does: "
                        "${date} on ${device}: ${result}")
  endif()
  string(REGEX REPLACE "${row}" "\\1 \\2" unverified "${unverified}")
endforeach()
if(unverified MATCHES "(\\| [A-Z_]+ \\| [a-z0-9_]+ \\| fp[^\n]* on [^\n|]*\\|)\n")
  message(FATAL_ERROR "${COMMITTED} calls verified what ${LEDGER} does not have: ${CMAKE_MATCH_1}")
endif()
