// SPDX-License-Identifier: Apache-2.0
//
// Programs that the grid gives to variants with the feature flex, and what their buffers hold.
#ifndef ATTNRT_CONFORMANCE_FLEX_CASE_HPP
#define ATTNRT_CONFORMANCE_FLEX_CASE_HPP
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "attnrt/flex/evaluate.hpp"
#include "attnrt/plugin.h"
#include "conformance/tensor.hpp"

namespace attnrt::conformance {

class Shelf;

/// One program. None of them reads b: what a request gets may not depend on its neighbours. [thread-safe]
struct FlexCase {
  const char* name;
  flex::Program program;
  std::string canonical;
  attnrt_flex_program bytes{};               ///< of `canonical`: what problem.flex points to
  std::vector<std::vector<uint32_t>> words;  ///< the elements of each buffer, one behind the other
  std::vector<flex::BufferView> views;       ///< of the words
};

/// The program for a case; lives as long as the process.
const FlexCase& flex_case(uint64_t seed);
/// The one that a problem of such a case names.
const FlexCase& flex_case(const attnrt_problem& problem);

/// A program's buffers, of at most two dimensions, as tensors of a call on the device of a shelf. Lives as long as the
/// shelf is used.
class FlexTensors {
 public:
  FlexTensors(const FlexCase& flex, Shelf& shelf);
  FlexTensors(const FlexTensors&) = delete;
  FlexTensors& operator=(const FlexTensors&) = delete;
  const attnrt_flex_buffers* get() const noexcept { return &buffers_; }

 private:
  std::deque<Tensor> copies_;  ///< in host memory
  std::vector<const attnrt_tensor*> tensors_, host_;
  attnrt_flex_buffers buffers_{};
};

}  // namespace attnrt::conformance
#endif
