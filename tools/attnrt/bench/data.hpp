// SPDX-License-Identifier: Apache-2.0
//
// bench/data.hpp: q, k and v of a benchmark case, and how far an output is from attention in float64.
#ifndef ATTNRT_CLI_BENCH_DATA_HPP
#define ATTNRT_CLI_BENCH_DATA_HPP
#include "attnrt/dtype.hpp"
#include "attnrt/runtime.hpp"
#include "bench/case.hpp"
#include "safetensors.hpp"

namespace attnrt::cli {

/// Zeroed memory in large pages where the system has them: 2 MiB boundaries, and a wish that is free to fail.
class LargeBytes {
 public:
  LargeBytes() = default;
  /// Throws std::bad_alloc.
  explicit LargeBytes(std::size_t bytes);
  ~LargeBytes();
  LargeBytes(LargeBytes&& other) noexcept { swap(other); }
  LargeBytes& operator=(LargeBytes&& other) noexcept {
    swap(other);
    return *this;
  }
  std::byte* data() const noexcept { return data_; }

 private:
  void swap(LargeBytes& other) noexcept {
    std::swap(map_, other.map_);
    std::swap(mapped_, other.mapped_);
    std::swap(data_, other.data_);
  }
  void* map_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* data_ = nullptr;
};

/// Normally distributed rows in fp32, fp16 or bf16: softmax over them is neither flat nor one-hot. Row-major [rows,
/// heads, width]; latent MLA: k is latent and rope in one row, v is the latent. Rows of a shared prefix are the same in
/// every request.
struct BenchData {
  BenchCase shape;
  uint32_t dtype;
  LargeBytes q, k, v;
  std::vector<float> sinks, alibi_slopes;  ///< [heads] of a case that has them

  BenchData(const BenchCase& c, uint32_t dtype);
  /// RMS error of sampled rows of an output [tokens, heads, width of v] of the same dtype over the RMS of the
  /// reference.
  double error(const std::byte* out) const;
};

}  // namespace attnrt::cli
#endif
