# SPDX-License-Identifier: Apache-2.0
# The warnings of our own code. All are errors, under g++ 12 and clang 14 alike.
add_library(attnrt_warnings INTERFACE)
target_compile_options(attnrt_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
