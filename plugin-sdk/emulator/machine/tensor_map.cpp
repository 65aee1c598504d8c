// SPDX-License-Identifier: Apache-2.0
#include "tensor_map.hpp"

#include <algorithm>

namespace attnrt::emulator {

BoxRow box_row(const TensorMap& map, const int32_t* coordinates, uint32_t row) {
  BoxRow result{0, 0, map.address};
  for (uint32_t i = 1; i < map.rank; ++i) {
    const int64_t index = coordinates[i] + int64_t{row % map.extent(i)} * map.element_strides[i];
    row /= map.extent(i);
    if (index < 0 || index > int64_t{map.last[i]}) return result;
    result.address += static_cast<uint64_t>(index) * map.strides[i - 1];
  }
  const int64_t first = coordinates[0], end = int64_t{map.last[0]} + 1 - first;
  result.begin = static_cast<uint32_t>(std::clamp<int64_t>(-first, 0, map.box[0]));
  result.end = static_cast<uint32_t>(std::clamp<int64_t>(end, result.begin, map.box[0]));
  result.address += static_cast<uint64_t>(first + result.begin) * map.element_bytes;
  return result;
}

}  // namespace attnrt::emulator
