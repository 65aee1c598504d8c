# SPDX-License-Identifier: Apache-2.0
#
# attnrt_triton_environment(PYTHON_VARIABLE)
#
# A virtual environment with the Triton and numpy of plugins/triton/aot/requirements.txt, made once and shared by
# all trees of this user: its place is told by ATTNRT_TRITON_CACHE and the requirements' hash. Sets the variable to its
# Python, or to nothing, with a message that says why: without PyPI the plugin is left out and all else builds.
set(attnrt_cache_home "$ENV{XDG_CACHE_HOME}")
if(NOT attnrt_cache_home AND NOT "$ENV{HOME}" STREQUAL "")
  set(attnrt_cache_home "$ENV{HOME}/.cache")
endif()
if(NOT attnrt_cache_home)
  set(attnrt_cache_home "${PROJECT_BINARY_DIR}/cache")
endif()
set(ATTNRT_TRITON_CACHE "${attnrt_cache_home}/attnrt/triton" CACHE PATH
    "Where the build keeps its Triton and what that compiled, shared between trees")

function(attnrt_triton_environment python_variable)
  set(${python_variable} "" PARENT_SCOPE)
  set(requirements ${PROJECT_SOURCE_DIR}/plugins/triton/aot/requirements.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${requirements})
  find_package(Python3 3.10 COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND)
    message(WARNING "the plugins of Triton kernels are left out: no Python 3.10 or later was found")
    return()
  endif()
  file(SHA256 ${requirements} hash)
  string(SUBSTRING ${hash} 0 12 hash)
  set(folder ${ATTNRT_TRITON_CACHE}/python-${Python3_VERSION}-${hash})
  file(MAKE_DIRECTORY ${ATTNRT_TRITON_CACHE})
  file(LOCK ${ATTNRT_TRITON_CACHE}/lock GUARD FUNCTION)
  if(NOT EXISTS ${folder}/complete)
    message(STATUS "Installing Triton into ${folder}")
    file(REMOVE_RECURSE ${folder})
    execute_process(COMMAND ${Python3_EXECUTABLE} -m venv ${folder} RESULT_VARIABLE failed OUTPUT_VARIABLE told
                    ERROR_VARIABLE told)
    if(NOT failed)
      execute_process(
        COMMAND ${folder}/bin/python -m pip install --quiet --no-deps --only-binary :all: --disable-pip-version-check
                --retries 1 --timeout 30 -r ${requirements}
        RESULT_VARIABLE failed OUTPUT_VARIABLE told ERROR_VARIABLE told)
    endif()
    if(failed)
      file(REMOVE_RECURSE ${folder})
      string(STRIP "${told}" told)
      message(WARNING "the plugins of Triton kernels are left out: Triton could not be installed, configure again where PyPI can be "
                      "reached\n   ${told}")
      return()
    endif()
    file(TOUCH ${folder}/complete)
  endif()
  set(${python_variable} ${folder}/bin/python PARENT_SCOPE)
endfunction()
