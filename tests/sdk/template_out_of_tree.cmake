# SPDX-License-Identifier: Apache-2.0
#
# The way of an outside author, from nothing to a result: install the SDK, copy the template, build it there, drop the
# one file into an empty plugin folder, and let the program find it, choose it and run real tensors through it.
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/plugins)
set(sdk ${WORK}/prefix)

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "exit status ${status} of: ${line}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

function(must_say what)
  if(NOT out MATCHES "${what}")
    message(FATAL_ERROR "'${what}' is not in the output:\n${out}")
  endif()
endfunction()

must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${sdk} --component sdk)
file(COPY ${sdk}/share/attnrt/template/ DESTINATION ${WORK}/my_plugin)
must(${CMAKE_COMMAND} -G Ninja -S ${WORK}/my_plugin -B ${WORK}/my_build -DCMAKE_PREFIX_PATH=${sdk}
     -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=-Werror)
must(${CMAKE_COMMAND} --build ${WORK}/my_build)
# The kit is many times the plugin: it is built where the plugin is to be verified, by CTest or by the target named here.
file(GLOB_RECURSE objects ${WORK}/my_build/*.o)
list(FILTER objects EXCLUDE REGEX "/example_attn\\.dir/")
list(FILTER objects EXCLUDE REGEX "/CMakeFiles/[0-9.]+/")
if(objects)
  message(FATAL_ERROR "a plain build of the template also made ${objects}, wanted the plugin alone")
endif()
must(${CMAKE_COMMAND} --build ${WORK}/my_build --target help)
must_say("example_attn_verify")
must(${CMAKE_COMMAND} --install ${WORK}/my_build --prefix ${WORK}/my_prefix)
file(COPY ${WORK}/my_prefix/lib/attnrt/plugins/example_attn.so DESTINATION ${WORK}/plugins)

set(ENV{ATTNRT_PLUGIN_PATH} ${WORK}/plugins)
must(${ATTNRT} list --json)
must_say("\"EXAMPLE_ATTN\"")
if(out MATCHES "CPU_ATTN")
  message(FATAL_ERROR "a plugin outside of ATTNRT_PLUGIN_PATH was loaded:\n${out}")
endif()
must(${ATTNRT} select --json --device cpu --dtype fp32 --head-size 32 --num-heads 12 --num-kv-heads 12
     --attn-type encoder_only)
must_say("\"EXAMPLE_ATTN\"")
foreach(file ${ENCODER} ${DECODER})
  must(${ATTNRT} run --json ${file})
  must_say("\"EXAMPLE_ATTN\"")
endforeach()
