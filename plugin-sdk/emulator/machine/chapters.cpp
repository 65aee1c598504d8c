// SPDX-License-Identifier: Apache-2.0
#include "chapters.hpp"

#include <array>

namespace attnrt::emulator {

std::span<const std::span<const Rule>> chapters() {
  static const std::array all = {
      integer_rules(),         float_rules(),       half_rules(),       comparison_rules(),  logic_rules(),
      data_movement_rules(),   conversion_rules(),  async_copy_rules(), tensor_copy_rules(), control_rules(),
      synchronization_rules(), transaction_rules(), matrix_rules(),     warpgroup_rules(),   tensor_core_rules(),
  };
  return all;
}

}  // namespace attnrt::emulator
