# SPDX-License-Identifier: Apache-2.0
# What holds for every target: the language, where results go, sanitizers, the compiler cache.
include(GNUInstallDirs)

set(CMAKE_C_STANDARD 99)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The same picture as after installation: bin/, lib/, lib/attnrt/plugins/.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(ATTNRT_PLUGIN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/attnrt/plugins)
file(RELATIVE_PATH ATTNRT_LIB_FROM_BIN ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(CMAKE_INSTALL_RPATH "$ORIGIN/${ATTNRT_LIB_FROM_BIN}")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(ATTNRT_SANITIZE)
  add_compile_options(-fsanitize=${ATTNRT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${ATTNRT_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  foreach(language C CXX)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
    endif()
  endforeach()
endif()

# attnrt_together(TARGET [APART file...]): a build of the core alone, or without tests, compiles a target's files many at a
# time, for reading the headers is most of the work there. APART: files with names of their own that another file has too.
function(attnrt_together target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "APART")
  set_target_properties(${target} PROPERTIES ATTNRT_APART "${arg_APART}") # which the test core.together reads
  if(ATTNRT_TESTS AND NOT ATTNRT_CORE_ONLY)
    return()
  endif()
  # Files that are compiled together shadow each other's names.
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12
                                             UNITY_BUILD_CODE_BEFORE_INCLUDE "#pragma GCC diagnostic ignored \"-Wshadow\"")
  set_source_files_properties(${arg_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# attnrt_precompile(TARGET header...): a build without tests reads these headers once for all files of a target. Where tests
# are built the compiler's cache matters more, which must see what each file includes.
function(attnrt_precompile target)
  if(NOT ATTNRT_TESTS)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()
