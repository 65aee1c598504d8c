# SPDX-License-Identifier: Apache-2.0
# The warnings of our own code. All are errors, under g++ 12 and clang 14 alike; not where pip builds the tree, which may be
# with any compiler of a user's.
add_library(attnrt_warnings INTERFACE)
target_compile_options(attnrt_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion)
if(NOT SKBUILD)
  target_compile_options(attnrt_warnings INTERFACE -Werror)
endif()
if(NOT ATTNRT_CORE_ONLY) # files that are compiled together would shadow each other's names
  target_compile_options(attnrt_warnings INTERFACE -Wshadow)
endif()
# g++ 12 takes std::string's own operator+ for overlapping copies once it optimises (gcc bugs 105329 and 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(attnrt_warnings INTERFACE -Wno-restrict)
endif()
