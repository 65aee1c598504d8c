// SPDX-License-Identifier: Apache-2.0
#include "run/sdpa.hpp"

#include <cstring>

namespace attnrt::cli {
namespace {

/// [B, X, Y, D] to [B, Y, X, D].
Bytes swap_middle(const Array& from, int64_t batch, int64_t x, int64_t y, int64_t d) {
  Bytes to(from.data.size());
  const auto row = static_cast<std::size_t>(d) * bytes_of(from.dtype);
  if (to.empty()) return to;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < x; ++i)
      for (int64_t j = 0; j < y; ++j)
        std::memcpy(to.data() + static_cast<std::size_t>((b * y + j) * x + i) * row,
                    from.data.data() + static_cast<std::size_t>((b * x + i) * y + j) * row, row);
  return to;
}

}  // namespace

Array pack(Array four, FourDims order) {
  const Shape s = four.shape;
  if (order == FourDims::kBshd) {
    four.shape = {s[0] * s[1], s[2], s[3]};
  } else {
    four.data = swap_middle(four, s[0], s[1], s[2], s[3]);
    four.shape = {s[0] * s[2], s[1], s[3]};
  }
  return four;
}

Array unpack(Array packed, int64_t batch, FourDims order) {
  const Shape s = packed.shape;
  const int64_t tokens = batch > 0 ? s[0] / batch : 0;
  if (order == FourDims::kBshd) {
    packed.shape = {batch, tokens, s[1], s[2]};
  } else {
    packed.data = swap_middle(packed, batch, tokens, s[1], s[2]);
    packed.shape = {batch, s[1], tokens, s[2]};
  }
  return packed;
}

}  // namespace attnrt::cli
