# SPDX-License-Identifier: Apache-2.0
#
# attnrt_python_environment(PYTHON_VARIABLE WHAT name... REQUIREMENTS file FOLDER folder)
#
# A virtual environment with the packages of a requirements file, made once and shared by all trees of this user: it lies
# in FOLDER under a name with the requirements' hash. Sets the variable to its Python, or to nothing, with a message that
# says why WHAT is left out: without PyPI all else builds.

# attnrt_cache_folder(VARIABLE name): the user's folder for what builds share.
function(attnrt_cache_folder variable name)
  set(home "$ENV{XDG_CACHE_HOME}")
  if(NOT home AND NOT "$ENV{HOME}" STREQUAL "")
    set(home "$ENV{HOME}/.cache")
  endif()
  if(NOT home)
    set(home "${PROJECT_BINARY_DIR}/cache")
  endif()
  set(${variable} "${home}/attnrt/${name}" PARENT_SCOPE)
endfunction()

function(attnrt_python_environment python_variable)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "WHAT;REQUIREMENTS;FOLDER" "")
  set(${python_variable} "" PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${arg_REQUIREMENTS})
  find_package(Python3 3.10 COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND)
    message(WARNING "${arg_WHAT}: left out, no Python 3.10 or later was found")
    return()
  endif()
  file(SHA256 ${arg_REQUIREMENTS} hash)
  string(SUBSTRING ${hash} 0 12 hash)
  set(folder ${arg_FOLDER}/python-${Python3_VERSION}-${hash})
  file(MAKE_DIRECTORY ${arg_FOLDER})
  file(LOCK ${arg_FOLDER}/lock GUARD FUNCTION)
  if(NOT EXISTS ${folder}/complete)
    message(STATUS "${arg_WHAT}: installing the packages of ${arg_REQUIREMENTS} into ${folder}")
    file(REMOVE_RECURSE ${folder})
    execute_process(COMMAND ${Python3_EXECUTABLE} -m venv ${folder} RESULT_VARIABLE failed OUTPUT_VARIABLE told
                    ERROR_VARIABLE told)
    if(NOT failed)
      execute_process(
        COMMAND ${folder}/bin/python -m pip install --quiet --no-deps --only-binary :all: --disable-pip-version-check
                --retries 1 --timeout 30 -r ${arg_REQUIREMENTS}
        RESULT_VARIABLE failed OUTPUT_VARIABLE told ERROR_VARIABLE told)
    endif()
    if(failed)
      file(REMOVE_RECURSE ${folder})
      string(STRIP "${told}" told)
      message(WARNING "${arg_WHAT}: left out, the packages of ${arg_REQUIREMENTS} could not be installed; configure again "
                      "where PyPI can be reached\n   ${told}")
      return()
    endif()
    file(TOUCH ${folder}/complete)
  endif()
  set(${python_variable} ${folder}/bin/python PARENT_SCOPE)
endfunction()
