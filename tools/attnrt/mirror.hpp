// SPDX-License-Identifier: Apache-2.0
//
// mirror.hpp: arrays of the host as the kernels of a device see them.
#ifndef ATTNRT_CLI_MIRROR_HPP
#define ATTNRT_CLI_MIRROR_HPP
#include <cstddef>
#include <deque>
#include <map>
#include <string>

#include "attnrt/runtime.hpp"
#include "conformance/memory.hpp"

namespace attnrt::cli {

/// Throws Failure where the device of a problem, which was `said`, is hardware that is only asked about.
void want_device_here(const attnrt_problem& problem, const std::string& said);

/// On the CPU every array is where it is. On another device, whatever plugin serves it, arrays are copied into its
/// memory when a call is prepared, and what kernels wrote is fetched. [one thread]
class Mirror {
 public:
  /// For the device of a problem; `pool` computes where that is the CPU. Throws Failure where the driver is missing.
  Mirror(const attnrt_problem& problem, const attnrt_executor* pool);
  /// Over another one, which outlives it: arrays that the other has are those.
  explicit Mirror(const Mirror* base);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  /// Does a device other than the CPU compute?
  bool copies() const noexcept { return memory_ != nullptr; }
  /// NULL on the CPU.
  conformance::Memory* memory() const noexcept { return memory_; }
  /// Of calls: the pool on the CPU, elsewhere the stream of this thread.
  attnrt_stream stream() const;
  /// For limits of plans.
  uint32_t num_workers() const noexcept { return memory_ ? 1 : pool_->num_workers; }

  /// Where kernels find the `bytes` that begin at `host`. An array that lies within one that is here already is a part
  /// of that one, and is not copied again. Throws Failure where the device has no memory left.
  const void* of(const void* host, std::size_t bytes);
  attnrt_batch of(attnrt_batch batch);
  attnrt_write_args of(attnrt_write_args args);
  attnrt_run_args of(attnrt_run_args args);
  /// A plan in memory of the device; the mirror outlives it.
  Plan plan(const Op& op, const attnrt_limits& limits);

  /// Waits for all that was enqueued. Throws Failure with what went wrong on the device.
  void finish() const;
  /// Copies an array that is here back to the host.
  void fetch(void* host) const;

 private:
  struct Copy {
    std::size_t bytes;
    std::byte* data;
  };
  const std::byte* found(const std::byte* host, std::size_t bytes) const;
  std::byte* allocate(std::size_t bytes, std::size_t alignment);
  const attnrt_tensor* of(const attnrt_tensor* tensor);

  const Mirror* base_ = nullptr;
  const attnrt_executor* pool_;
  conformance::Memory* memory_ = nullptr;
  std::map<const std::byte*, Copy> copies_;  ///< by where they begin on the host
  std::deque<std::byte*> pieces_;            ///< all that was allocated
  std::deque<void*> pinned_;                 ///< page-locked memory of plans
  std::deque<Tensor> tensors_;
};

}  // namespace attnrt::cli
#endif
