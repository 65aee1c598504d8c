# SPDX-License-Identifier: Apache-2.0
#
# attnrt_cuda_compiler(NVCC_VARIABLE PYTHON_VARIABLE)
#
# An nvcc of CUDA 13: the toolkit's that is on PATH or in /usr/local/cuda, else that of plugins/flash_attn/aot/requirements.txt
# in a virtual environment, made once and shared by all trees of this user: its place is told by ATTNRT_CUDA_CACHE and the
# requirements' hash. Sets the variables to its path and to the Python that drives it, or the first to nothing, with a message that
# says why: without a compiler the plugin is left out and all else builds.
include(python_environment)
attnrt_cache_folder(cache cuda)
set(ATTNRT_CUDA_CACHE "${cache}" CACHE PATH
    "Where the build keeps what nvcc compiled, and its nvcc where no toolkit is installed, shared between trees")

function(attnrt_cuda_compiler nvcc_variable python_variable)
  set(${nvcc_variable} "" PARENT_SCOPE)
  find_package(Python3 3.10 COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND)
    message(WARNING "flash_attn is left out: no Python 3.10 or later was found")
    return()
  endif()
  set(${python_variable} ${Python3_EXECUTABLE} PARENT_SCOPE)
  find_program(ATTNRT_CUDA_TOOLKIT_NVCC nvcc PATHS /usr/local/cuda/bin)
  if(ATTNRT_CUDA_TOOLKIT_NVCC)
    execute_process(COMMAND ${ATTNRT_CUDA_TOOLKIT_NVCC} --version OUTPUT_VARIABLE told ERROR_QUIET)
    if(told MATCHES "release ([0-9]+)\\.[0-9]+" AND CMAKE_MATCH_1 GREATER_EQUAL 13)
      set(${nvcc_variable} ${ATTNRT_CUDA_TOOLKIT_NVCC} PARENT_SCOPE)
      return()
    endif()
  endif()
  attnrt_python_environment(environment WHAT "flash_attn (there is no nvcc of CUDA 13)" FOLDER ${ATTNRT_CUDA_CACHE}
                            REQUIREMENTS ${PROJECT_SOURCE_DIR}/plugins/flash_attn/aot/requirements.txt)
  if(environment)
    cmake_path(GET environment PARENT_PATH folder)
    cmake_path(GET folder PARENT_PATH folder)
    file(GLOB found ${folder}/lib/python*/site-packages/nvidia/cu13/bin/nvcc)
    set(${nvcc_variable} "${found}" PARENT_SCOPE)
  endif()
endfunction()
