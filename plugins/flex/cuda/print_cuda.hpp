// SPDX-License-Identifier: Apache-2.0
//
// print_cuda.hpp: a program as CUDA C++: the struct `Program` that kernels/flex_rules.cuh takes.
#ifndef ATTNRT_FLEX_CUDA_PRINT_CUDA_HPP
#define ATTNRT_FLEX_CUDA_PRINT_CUDA_HPP
#include <string>

#include "attnrt/flex/program.hpp"

namespace attnrt::flex {

/// Equal programs give equal text. One line a node; what depends on neither key nor score and costs something is
/// computed once a row. A program of many nodes becomes functions that are called rather than copied into every place.
/// [thread-safe]
std::string print_cuda(const Program& program);

}  // namespace attnrt::flex
#endif
