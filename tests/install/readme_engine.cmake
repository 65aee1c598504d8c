# SPDX-License-Identifier: Apache-2.0
#
# The engine that README.md shows, word for word (cut out behind its mark), and the installed examples: built against the
# installed package, run.
cmake_minimum_required(VERSION 3.22)

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "exit status ${status} of: ${line}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

file(READ ${README} text)
foreach(mark "<!-- engine -->" "```cpp\n")
  string(FIND "${text}" "${mark}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${README} has no '${mark}' where the engine stands, wanted <!-- engine --> and a cpp block")
  endif()
  string(LENGTH "${mark}" length)
  math(EXPR at "${at} + ${length}")
  string(SUBSTRING "${text}" ${at} -1 text)
endforeach()
string(FIND "${text}" "```" end)
string(SUBSTRING "${text}" 0 ${end} engine)

file(REMOVE_RECURSE ${WORK})
file(COPY ${CONSUMER}/ DESTINATION ${WORK}/engine)
file(WRITE ${WORK}/engine/engine.cpp "${engine}")

must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
must(${CMAKE_COMMAND} -G Ninja -S ${WORK}/engine -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/prefix
     -DCMAKE_CXX_COMPILER=${COMPILER})
must(${CMAKE_COMMAND} --build ${WORK}/build)

unset(ENV{ATTNRT_PLUGIN_PATH})
must(${WORK}/build/engine)
if(NOT out MATCHES "out\\[0\\] = 0\\.1")
  message(FATAL_ERROR "the engine attends to values of 0.1 and printed another number:\n${out}")
endif()

file(COPY ${WORK}/prefix/share/attnrt/examples DESTINATION ${WORK})
must(${CMAKE_COMMAND} -G Ninja -S ${WORK}/examples -B ${WORK}/examples/build -DCMAKE_PREFIX_PATH=${WORK}/prefix
     -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror")
must(${CMAKE_COMMAND} --build ${WORK}/examples/build)
file(GLOB sources ${WORK}/examples/*.cpp)
if(NOT sources)
  message(FATAL_ERROR "no example was installed")
endif()
foreach(source IN LISTS sources)
  cmake_path(GET source STEM name)
  must(${WORK}/examples/build/${name})
endforeach()
must(${WORK}/prefix/bin/attnrt list)
if(NOT out MATCHES "CPU_ATTN")
  message(FATAL_ERROR "the installed program does not find the installed plugins:\n${out}")
endif()
