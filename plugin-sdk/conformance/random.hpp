// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that are the same on every machine, so that a case is found again by its seed.
#ifndef ATTNRT_CONFORMANCE_RANDOM_HPP
#define ATTNRT_CONFORMANCE_RANDOM_HPP
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace attnrt::conformance {

/// SplitMix64 (Steele, Lea, Flood 2014). [one thread per object]
class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed) {}

  uint64_t next() noexcept {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// In [0, n); 0 where n is 0.
  int64_t below(int64_t n) noexcept {
    return n > 0 ? static_cast<int64_t>((next() >> 1) % static_cast<uint64_t>(n)) : 0;
  }
  bool chance(double p) noexcept { return uniform() < p; }
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// Nearly normal, mean 0 and variance 1: four uniforms of 16 bits.
  float normal() noexcept {
    const uint64_t z = next();
    const uint64_t sum = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    return (static_cast<float>(sum) * 0x1p-16f - 2.0f) * 1.7320508f;
  }

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(static_cast<int64_t>(i)))]);
  }

 private:
  uint64_t state_;
};

/// A seed that depends on both.
inline uint64_t mix(uint64_t a, uint64_t b) noexcept { return Random(a * 0x100000001b3u ^ b).next(); }

}  // namespace attnrt::conformance
#endif
