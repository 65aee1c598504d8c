// SPDX-License-Identifier: Apache-2.0
//
// What the twins of several kernels share: rows of numbers on the device, requests of a batch, folding in of keys.
#ifndef ATTNRT_TESTS_GPU_TWIN_ROWS_HPP
#define ATTNRT_TESTS_GPU_TWIN_ROWS_HPP
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "attnrt/check.hpp"
#include "conformance/number.hpp"
#include "device_memory.hpp"

namespace attnrt::fake {

inline constexpr float kNothing = -std::numeric_limits<float>::infinity();

/// Numbers on the device.
class Rows {
 public:
  explicit Rows(const DeviceMemory& memory) : memory_(memory) {}

  template <class T>
  T number(uint64_t base, int64_t index, const char* what) const {
    T value;
    std::memcpy(&value, memory_.at(base + static_cast<uint64_t>(index) * sizeof(T), sizeof(T), what), sizeof(T));
    return value;
  }
  template <class T>
  void set(uint64_t base, int64_t index, T value, const char* what) const {
    std::memcpy(memory_.at(base + static_cast<uint64_t>(index) * sizeof(T), sizeof(T), what), &value, sizeof(T));
  }
  void load(uint64_t base, int64_t element, uint32_t dtype, int64_t count, float* to, const char* what) const {
    const uint64_t bytes = sdk::dtype_bytes(dtype);
    conformance::decode_row(
        dtype, memory_.at(base + static_cast<uint64_t>(element) * bytes, static_cast<uint64_t>(count) * bytes, what),
        static_cast<std::size_t>(count), to);
  }
  void store(uint64_t base, int64_t element, uint32_t dtype, int64_t count, const float* from, const char* what) const {
    const uint64_t bytes = sdk::dtype_bytes(dtype);
    conformance::encode_row(
        dtype, from, static_cast<std::size_t>(count),
        memory_.at(base + static_cast<uint64_t>(element) * bytes, static_cast<uint64_t>(count) * bytes, what));
  }
  const DeviceMemory& memory() const { return memory_; }

 private:
  const DeviceMemory& memory_;
};

/// Four sums side by side, always in this order.
inline float dot(const float* a, const float* b, int64_t n) {
  float sum[8] = {};
  for (int64_t eights = n / 8; eights > 0; --eights, a += 8, b += 8)
    for (int64_t c = 0; c < 8; ++c) sum[c] += a[c] * b[c];
  for (int64_t rest = n % 8; rest > 0; --rest) sum[0] += *a++ * *b++;
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/// The state of one row: its largest score, the denominator under it, and the sum of values.
struct RowState {
  float top = kNothing, total = 0;
  std::vector<float> acc;

  /// Folds a tile of keys in: scores, -inf where hidden, and values [count][d].
  void fold(const float* score, const float* v, int64_t count, int64_t d) {
    if (count <= 0) return;
    const float high = std::max(top, *std::max_element(score, score + count));
    if (high == kNothing) return;
    const float fade = std::exp(top - high);
    total *= fade;
    for (float& x : acc) x *= fade;
    for (const float* s = score; s != score + count; ++s, v += d) {
      if (*s == kNothing) continue;
      const float p = std::exp(*s - high);
      total += p;
      for (int64_t i = 0; i < d; ++i) acc[static_cast<std::size_t>(i)] += p * v[i];
    }
    top = high;
  }
  float lse() const { return total > 0 ? top + std::log(total) : kNothing; }
};

/// The request that a tile or a token belongs to: the last one that begins at or before it.
template <class Begin>
int32_t find_request(int32_t num_seqs, int64_t target, const Begin& begin) {
  int32_t low = 0, high = num_seqs;
  while (high - low > 1) {
    const int32_t middle = (low + high) / 2;
    (begin(middle) <= target ? low : high) = middle;
  }
  return low;
}

}  // namespace attnrt::fake
#endif
