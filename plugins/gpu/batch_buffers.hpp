// SPDX-License-Identifier: Apache-2.0
//
// batch_buffers.hpp: the lengths and tables of a plan's batch in device memory that the plan owns. Addresses and
// strides depend on limits alone, so that a captured graph that reads them serves every batch that is copied into them
// later.
#ifndef ATTNRT_GPU_BATCH_BUFFERS_HPP
#define ATTNRT_GPU_BATCH_BUFFERS_HPP
#include <algorithm>
#include <cstdint>

#include "device.hpp"

namespace attnrt::gpu {

/// [one thread per object]
class BatchBuffers {
 public:
  BatchBuffers(const attnrt_limits& limits, uint64_t base)
      : width_(std::max(limits.max_blocks_per_seq, 0)), stride_((int64_t{width_} + 3) / 4 * 4) {
    const uint64_t seqs = static_cast<uint64_t>(limits.max_seqs);
    const auto take = [&](uint64_t bytes) {
      const uint64_t at = base + bytes_;
      bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
      return at;
    };
    num_seqs = take(4);
    query_start_loc = take((seqs + 1) * 4);
    seq_lens = take(seqs * 4);
    kv_lens = take(seqs * 4);
    kv_start_loc = take((seqs + 1) * 4);
    causal = take(seqs);
    block_table = take(seqs * static_cast<uint64_t>(stride_) * 4);
  }

  static constexpr uint64_t kAlignment = 256;
  uint64_t bytes() const noexcept { return bytes_; }

  /// The arguments of a kernel that name these buffers.
  template <class Arguments>
  void give(Arguments& a) const {
    a.query_start_loc_ptr = query_start_loc;
    a.seq_lens_ptr = seq_lens;
    a.kv_lens_ptr = kv_lens;
    if constexpr (requires { a.kv_start_loc_ptr; }) a.kv_start_loc_ptr = kv_start_loc;
    a.causal_ptr = causal;
    a.block_table_ptr = block_table;
    a.num_seqs_ptr = num_seqs;
    a.block_table_stride = stride_;
  }

  /// Enqueues copies of all that the batch gives, whatever context the thread has. Throws sdk::Error.
  void take_over(const Device& device, const attnrt_batch& b, sdk::GpuStream stream) const {
    const Device::Current current(device);
    const GpuDriver& driver = device.driver();
    const uint64_t seqs = static_cast<uint64_t>(b.num_seqs);
    using Names = sdk::GpuCallNames;
    const auto copy = [&](uint64_t to, const void* from, uint64_t bytes) {
      if (from && bytes)
        want(driver, &Names::copy_device_async,
             driver.copy_device_async(to, reinterpret_cast<uint64_t>(from), bytes, stream));
    };
    want(driver, &Names::fill_32_async, driver.fill_32_async(num_seqs, static_cast<unsigned>(b.num_seqs), 1, stream));
    copy(query_start_loc, b.query_start_loc, (seqs + 1) * 4);
    copy(seq_lens, b.seq_lens, seqs * 4);
    copy(kv_lens, b.kv_lens, seqs * 4);
    copy(kv_start_loc, b.kv_start_loc, (seqs + 1) * 4);
    copy(causal, b.causal, seqs);
    const uint64_t width = static_cast<uint64_t>(std::min(b.block_table_width, width_));
    if (!b.block_table || !seqs || !width) return;
    want(
        driver, &Names::copy_2d_async,
        driver.copy_2d_async(block_table, static_cast<uint64_t>(stride_) * 4, reinterpret_cast<uint64_t>(b.block_table),
                             static_cast<uint64_t>(b.block_table_stride) * 4, width * 4, seqs, stream));
  }

 private:
  int32_t width_;
  int64_t stride_;
  uint64_t bytes_ = 0;
  uint64_t num_seqs, query_start_loc, seq_lens, kv_lens, kv_start_loc, causal, block_table;
};

}  // namespace attnrt::gpu
#endif
