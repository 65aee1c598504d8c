// SPDX-License-Identifier: Apache-2.0
//
// The host's side of attention.cu: tensors become addresses and strides, and a call becomes a launch.
#ifndef EXAMPLE_GPU_ATTN_KERNELS_ATTENTION_HPP
#define EXAMPLE_GPU_ATTN_KERNELS_ATTENTION_HPP
#include <attnrt/kv_layout.hpp>
#include <attnrt/plugin.hpp>

#include "../device.hpp"
#include "arguments.hpp"

namespace example_gpu_attn {

inline uint64_t address(const void* data) { return reinterpret_cast<uint64_t>(data); }
inline uint64_t address(const attnrt_tensor& t) { return address(t.data) + t.byte_offset; }

/// [T, H, D], or, paged, [num_blocks, block_size, H, D].
inline Rows rows_of(const attnrt_tensor& t, bool paged) {
  const int64_t* const strides = t.strides;
  if (paged) return {address(t), strides[0], strides[1], strides[2]};
  return {address(t), 0, strides[0], strides[1]};
}

/// [thread-safe]
class AttentionKernel {
 public:
  explicit AttentionKernel(const attnrt::sdk::CreateInfo& info)
      : problem_(info.problem),
        paged_(attnrt::sdk::is_paged(info.problem.kv_layouts)),
        kernels_(kernels_of(info.device)) {}

  /// The block of NHD that all backends share, or none.
  static attnrt_kv_layout kv_layout(const attnrt_problem& p) { return attnrt::sdk::affine_layout(p); }

  /// Nothing: the kernels keep all in registers.
  attnrt_workspace workspace(const attnrt_limits&) const {
    attnrt_workspace sizes{};
    sizes.struct_size = sizeof(sizes);
    sizes.plan_alignment = sizes.pinned_alignment = sizes.scratch_alignment = 1;
    return sizes;
  }

  /// The batch as it was given: its arrays are in device memory and live until the runs that follow are done.
  struct Plan {
    Plan(const AttentionKernel&, const attnrt_limits&, const attnrt_memory&) {}
    void update(const attnrt_batch& now, attnrt_stream) { batch = now; }
    attnrt_batch batch{};
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
    const attnrt_batch& b = plan.batch;
    AttentionArguments a{};
    a.q = rows_of(*args.q, false);
    a.k = paged_ ? rows_of(*args.k_cache, true) : rows_of(*args.k, false);
    a.v = paged_ ? rows_of(*args.v_cache, true) : rows_of(*args.v, false);
    a.out = rows_of(*args.out, false);
    if (args.lse) {
      a.lse = address(*args.lse);
      a.lse_token_stride = args.lse->strides[0];
      a.lse_head_stride = args.lse->strides[1];
    }
    a.query_start_loc = address(b.query_start_loc);
    a.seq_lens = address(b.seq_lens);
    a.kv_lens = address(b.kv_lens);
    if (paged_) {
      a.block_table = address(b.block_table);
      a.block_table_stride = b.block_table_stride;
      a.block_size = static_cast<int32_t>(problem_.block_size);
    } else {
      a.kv_start_loc = address(b.kv_start_loc);
    }
    a.num_seqs = b.num_seqs;
    a.num_tokens = b.num_tokens;
    a.group = static_cast<int32_t>(problem_.num_heads / problem_.num_kv_heads);
    a.head_size_qk = static_cast<int32_t>(problem_.head_size_qk);
    a.head_size_v = static_cast<int32_t>(problem_.head_size_v);
    a.causal = problem_.causal != ATTNRT_CAUSAL_NEVER;
    a.scale = args.scale;
    launch(kernels_, kernels_.attention, (int64_t{b.num_tokens} + kWarpsPerBlock - 1) / kWarpsPerBlock,
           problem_.num_heads, kThreads, a, stream);
  }

  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
    write_rows(*args.k, *args.k_cache, problem_.head_size_qk, args, stream);
    write_rows(*args.v, *args.v_cache, problem_.head_size_v, args, stream);
  }

 private:
  static constexpr unsigned kThreads = 32 * kWarpsPerBlock;

  void write_rows(const attnrt_tensor& from, const attnrt_tensor& to, uint32_t head_size, const attnrt_write_args& args,
                  attnrt_stream stream) const {
    WriteArguments a{};
    a.from = rows_of(from, false);
    a.to = rows_of(to, true);
    a.slot_mapping = address(*args.slot_mapping);
    a.slot_stride = args.slot_mapping->strides[0];
    a.head_size = static_cast<int32_t>(head_size);
    a.block_size = static_cast<int32_t>(problem_.block_size);
    launch(kernels_, kernels_.write_rows, args.slot_mapping->shape[0], problem_.num_kv_heads, kThreads, a, stream);
  }

  attnrt_problem problem_;
  bool paged_;
  const Kernels& kernels_;
};

}  // namespace example_gpu_attn
#endif
