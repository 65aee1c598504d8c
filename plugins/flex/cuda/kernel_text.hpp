// SPDX-License-Identifier: Apache-2.0
//
// kernel_text.hpp: the text of the kernels that a program is compiled with: flash_attn's, and those in kernels/.
#ifndef ATTNRT_FLEX_CUDA_KERNEL_TEXT_HPP
#define ATTNRT_FLEX_CUDA_KERNEL_TEXT_HPP
#include <vector>

#include "nvrtc.hpp"

namespace attnrt::flex {

/// By the names under which they include each other. embed.cmake writes it. [thread-safe]
const std::vector<Header>& kernel_text();

}  // namespace attnrt::flex
#endif
