# SPDX-License-Identifier: Apache-2.0
# Compiled kernels go from process to process by files: the second process compiles nothing, a damaged file is made anew.
#   cmake -DTEST=flex_cuda -DFOLDER=DIR -P cuda_files.cmake
set(ENV{ATTNRT_FLEX_CACHE} ${FOLDER})
file(REMOVE_RECURSE ${FOLDER})

# One process; `out`: each file with its number, which changes where it is written.
function(run out)
  execute_process(COMMAND ${TEST} "what a problem asks for holds beside its program" RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(failed)
    message(FATAL_ERROR "${said}")
  endif()
  file(GLOB files ${FOLDER}/*.kernel)
  execute_process(COMMAND stat -c "%i %n" ${files} OUTPUT_VARIABLE numbers COMMAND_ERROR_IS_FATAL ANY)
  set(${out} "${numbers}" PARENT_SCOPE)
endfunction()

run(first)
run(second)
if(NOT first STREQUAL second)
  message(FATAL_ERROR "the second process wrote files again:\n${first}\n${second}")
endif()

file(GLOB files ${FOLDER}/*.kernel)
list(GET files 0 damaged)
file(SHA256 ${damaged} whole)
file(WRITE ${damaged} "attnfx01 and no more")
run(third)
file(SHA256 ${damaged} mended)
if(NOT mended STREQUAL whole)
  message(FATAL_ERROR "${damaged} was damaged and is not as it was")
endif()
run(fourth)
if(NOT third STREQUAL fourth)
  message(FATAL_ERROR "files were written again after one was mended:\n${third}\n${fourth}")
endif()
