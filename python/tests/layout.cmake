# SPDX-License-Identifier: Apache-2.0
#
# Puts the package together as pip does (pyproject.toml: wheel.install-dir and install.components) from what a build
# tree has, and runs the tests of the package as a whole with it: parts find each other from where they lie, wherever
# that is.
cmake_minimum_required(VERSION 3.22)

function(must)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${SOURCE}/tests RESULT_VARIABLE status OUTPUT_VARIABLE out
                  ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "exit status ${status} of: ${line}\n${out}")
  endif()
endfunction()

file(READ ${SOURCE}/pyproject.toml text)
string(REGEX MATCH "install\\.components = \\[([^]]*)\\]" found "${text}")
string(REGEX MATCHALL "[a-z]+" components "${CMAKE_MATCH_1}")
if(NOT "python" IN_LIST components)
  message(FATAL_ERROR "${SOURCE}/pyproject.toml names the components '${components}', wanted python among them")
endif()

file(REMOVE_RECURSE ${WORK})
foreach(component IN LISTS components)
  must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/attnrt --component ${component})
endforeach()
file(GLOB sources ${SOURCE}/attnrt/*.py ${SOURCE}/attnrt/py.typed)
file(COPY ${sources} DESTINATION ${WORK}/attnrt)
must(${CMAKE_COMMAND} -E env --unset=ATTNRT_PLUGIN_PATH --unset=ATTNRT_PRIORITY PYTHONPATH=${WORK}
     PYTHONDONTWRITEBYTECODE=1 ATTNRT_TEST_INSTALLED=1 ${PYTHON} -m unittest discover -s ${SOURCE}/tests -p test_package.py)
file(REMOVE_RECURSE ${WORK})
