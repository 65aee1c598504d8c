# SPDX-License-Identifier: Apache-2.0
#
# The way of an author of a GPU plugin who has no GPU: install the SDK, copy the template, build it there with nvcc, and
# hold it to its sheet on an emulated device.
#   BUILD WORK ATTNRT COMPILER   as for template_out_of_tree.cmake
#   CHECKS                       arguments of verify
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "exit status ${status} of: ${line}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix --component sdk)
file(COPY ${WORK}/prefix/share/attnrt/template-gpu/ DESTINATION ${WORK}/my_plugin)
must(${CMAKE_COMMAND} -G Ninja -S ${WORK}/my_plugin -B ${WORK}/my_build -DCMAKE_PREFIX_PATH=${WORK}/prefix
     -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=-Werror)
must(${CMAKE_COMMAND} --build ${WORK}/my_build)
must(${ATTNRT} verify --emulate cuda:8.0 ${WORK}/my_build/example_gpu_attn.so --quick ${CHECKS})
foreach(line "EXAMPLE_GPU_ATTN/warp" "numerics +passed" " 0 failed")
  if(NOT out MATCHES "${line}")
    message(FATAL_ERROR "'${line}' is not in the output:\n${out}")
  endif()
endforeach()
