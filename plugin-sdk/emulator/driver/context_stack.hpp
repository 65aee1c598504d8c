// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_CONTEXT_STACK_HPP
#define ATTNRT_EMULATOR_CONTEXT_STACK_HPP
#include <vector>

namespace attnrt::emulator {

class Context;

/// CUDA's contexts of the calling thread, the current one last.
std::vector<Context*>& current_contexts();

}  // namespace attnrt::emulator
#endif
