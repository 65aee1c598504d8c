// SPDX-License-Identifier: Apache-2.0
//
// The arrays and operands of one call in device memory.
#ifndef ATTNRT_CONFORMANCE_BATCH_HPP
#define ATTNRT_CONFORMANCE_BATCH_HPP
#include <deque>
#include <string>
#include <vector>

#include "attnrt/plugin.h"
#include "conformance/cache.hpp"
#include "conformance/case.hpp"
#include "conformance/memory.hpp"
#include "conformance/reference.hpp"
#include "conformance/tensor.hpp"

namespace attnrt::conformance {

/// Device copies of host values; they live as long as the shelf does. [one thread per object]
class Shelf {
 public:
  explicit Shelf(Memory& memory) : memory_(memory) {}
  /// Device memory, poisoned.
  Buffer& raw(std::size_t bytes, uint8_t poison = 0xff, std::size_t alignment = 64);
  /// Page-locked host memory, poisoned.
  Buffer& pinned(std::size_t bytes, std::size_t alignment);
  /// A device copy.
  template <class T>
  const T* put(const std::vector<T>& values) {
    Buffer& buffer = raw(values.size() * sizeof(T));
    if (buffer.ok()) buffer.write(0, values.data(), values.size() * sizeof(T));
    return reinterpret_cast<const T*>(buffer.data());
  }
  /// A tensor of rows encoded as `dtype`: [rows, heads, d], each row followed by `pad` poisoned elements, and
  /// `extra_rows` poisoned rows.
  const attnrt_tensor* rows(const std::vector<float>& values, int64_t rows, int64_t heads, int64_t d, uint32_t dtype,
                            int64_t pad, int64_t extra_rows);
  const attnrt_tensor* tensor(const void* data, attnrt_dtype dtype, std::initializer_list<int64_t> shape,
                              std::initializer_list<int64_t> strides = {});
  Memory& memory() const noexcept { return memory_; }
  bool ok() const;
  std::size_t guard_damage() const;
  /// Names the piece that begins at `data`, or that the tensor lies in; NULL names nothing.
  void name(const void* data, const char* what);
  void name(const attnrt_tensor* tensor, const char* what);
  /// The names of the pieces with damaged guard bytes: "out, workspace.scratch".
  std::string damaged() const;

 private:
  Memory& memory_;
  std::deque<Buffer> buffers_;
  std::deque<Tensor> tensors_;
};

/// The lengths of a batch, as the host and as the device see them.
struct BatchArrays {
  std::vector<int32_t> query_start_loc, seq_lens, kv_start_loc, kv_lens, window_prefix_lens;
  std::vector<uint8_t> causal;
  attnrt_batch batch{};
  attnrt_limits limits{};

  /// `table` is NULL where there is no cache.
  BatchArrays(Shelf& shelf, const attnrt_problem& problem, const std::vector<const RequestData*>& requests,
              const BlockTable* table, const Placement& placement);
};

/// Names all that a call of run is given, for sentences about accesses beside it.
void name_arguments(Shelf& shelf, const attnrt_batch& batch, const attnrt_memory& workspace, const attnrt_run_args& args);

/// Fills the operands of the features: masks, ranges, indices, sinks, slopes, scales.
void give_operands(Shelf& shelf, const attnrt_problem& problem, const Operands& operands,
                   const std::vector<const RequestData*>& requests, const BatchArrays& arrays, bool sinks_in_q_dtype,
                   attnrt_run_args& args);

}  // namespace attnrt::conformance
#endif
