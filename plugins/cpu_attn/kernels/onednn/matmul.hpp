// SPDX-License-Identifier: Apache-2.0
//
// matmul.hpp: the two products of an attention tile as matmul primitives of oneDNN, scores = Q K^T and
// acc += P V, for a fixed number of keys and a few numbers of rows. Primitives belong to an op and are made with it;
// what they read and write belongs to a worker of a plan and has fixed places in its scratch.
#ifndef ATTNRT_CPU_ATTN_ONEDNN_MATMUL_HPP
#define ATTNRT_CPU_ATTN_ONEDNN_MATMUL_HPP
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "library.hpp"

namespace attnrt::cpu {

/// Rows that a product is made for; fewer are padded up to the next.
constexpr std::array<int32_t, 5> kMatmulRows{4, 16, 64, 128, 256};
inline std::size_t matmul_size(int32_t rows) {
  std::size_t i = 0;
  while (i + 1 < kMatmulRows.size() && kMatmulRows[i] < rows) ++i;
  return i;
}

/// Of a tile: q [rows][qk], k [keys][qk], scores fp32 [rows][keys]; probabilities in the place of the scores, each row
/// at its row's start; v [keys][v], acc fp32 [rows][acc_stride].
struct TileShape {
  int64_t keys, head_size_qk, head_size_v, acc_stride;
  bool bf16;  ///< q, k, v and probabilities are bf16, else fp32
};

/// The memory of a worker's tile.
struct TileMemory {
  void *q, *k, *v;
  float *scores, *acc;
  void* scratchpad;
};

class TileMatmuls {
 public:
  /// Generates code. Throws sdk::Error: UNAVAILABLE without the library.
  explicit TileMatmuls(const TileShape& shape);
  ~TileMatmuls();
  TileMatmuls(const TileMatmuls&) = delete;
  TileMatmuls& operator=(const TileMatmuls&) = delete;

  /// Bytes that a product needs beside its operands, a multiple of 64.
  std::size_t scratchpad_bytes() const { return scratchpad_bytes_; }

 private:
  friend class WorkerMatmuls;
  struct Product {
    dnnl_primitive_t primitive = nullptr;
    dnnl_memory_desc_t source{}, weights{}, result{}, scratchpad{};
  };
  void make(Product& product, bool adds);
  void release();

  const OnednnLibrary& library_;
  dnnl_engine_t engine_ = nullptr;
  std::array<Product, kMatmulRows.size()> scores_, values_;
  std::size_t scratchpad_bytes_ = 0;
};

/// One worker's operands. The op's matmuls outlive it. [one thread at a time]
class WorkerMatmuls {
 public:
  WorkerMatmuls(const TileMatmuls& matmuls, const TileMemory& memory);
  ~WorkerMatmuls();
  WorkerMatmuls(const WorkerMatmuls&) = delete;
  WorkerMatmuls& operator=(const WorkerMatmuls&) = delete;

  /// `size` is matmul_size(rows). On the calling thread alone while there is a OneThread. oneDNN allocates some small
  /// nodes for each call.
  dnnl_status_t scores(std::size_t size) const { return execute(op_.scores_[size], scores_[size]); }
  dnnl_status_t add_values(std::size_t size) const { return execute(op_.values_[size], values_[size]); }
  const OnednnLibrary& library() const { return op_.library_; }

 private:
  using Arguments = std::array<dnnl_exec_arg_t, 4>;
  void bind(const TileMatmuls::Product& product, void* source, void* weights, void* result, void* scratchpad,
            Arguments& arguments);
  dnnl_status_t execute(const TileMatmuls::Product& product, const Arguments& arguments) const {
    return op_.library_.primitive_execute(product.primitive, stream_, static_cast<int>(arguments.size()),
                                          arguments.data());
  }
  void release();

  const TileMatmuls& op_;
  dnnl_stream_t stream_ = nullptr;
  std::array<Arguments, kMatmulRows.size()> scores_{}, values_{};
  std::vector<dnnl_memory_t> memories_;
};

/// The workers of a plan, found by the scratch that each is called with.
class MatmulWorkers {
 public:
  MatmulWorkers(const std::byte* scratch, std::size_t worker_bytes) : scratch_(scratch), worker_bytes_(worker_bytes) {}

  void add(const TileMatmuls& matmuls, const TileMemory& memory) {
    workers_.push_back(std::make_unique<WorkerMatmuls>(matmuls, memory));
  }
  const WorkerMatmuls& of(const std::byte* scratch) const {
    return *workers_[static_cast<std::size_t>(scratch - scratch_) / worker_bytes_];
  }

  /// The first answer of a matmul that was not success; 0 = none. [thread-safe]
  void report(dnnl_status_t status) const noexcept {
    int none = 0;
    failure_.compare_exchange_strong(none, static_cast<int>(status));
  }
  int take_failure() const noexcept { return failure_.exchange(0); }

 private:
  const std::byte* scratch_;
  std::size_t worker_bytes_;
  std::vector<std::unique_ptr<WorkerMatmuls>> workers_;
  mutable std::atomic<int> failure_{0};
};

}  // namespace attnrt::cpu
#endif
