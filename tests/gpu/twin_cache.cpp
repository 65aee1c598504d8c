// SPDX-License-Identifier: Apache-2.0
//
// The twins of the kernels around attention: cache writes and merges.
#include "launch_record.hpp"
#include "twin_rows.hpp"

namespace attnrt::fake {

uint32_t LaunchRecord::argument_bytes(const gpu::KernelImage& binary) {
  uint32_t size = 0;
  for (uint32_t i = 0; i < binary.num_parameters; ++i) {
    const uint32_t bytes = binary.parameters[i].type == 'p' || binary.parameters[i].type == 'l' ? 8 : 4;
    size = (size + bytes - 1) / bytes * bytes + bytes;
  }
  return size;
}

void run_merge_splits(const LaunchRecord& launch, const DeviceMemory& memory) {
  using namespace triton;
  const Rows rows(memory);
  const auto a = launch.arguments<MergeSplitsArguments>(kMergeSplitsMembers);
  const auto num_seqs = rows.number<int32_t>(a.num_seqs_ptr, 0, "merge_splits reads num_seqs");
  if (num_seqs <= 0) return;
  const int64_t tokens = rows.number<int32_t>(a.query_start_loc_ptr, num_seqs, "merge_splits reads query_start_loc"),
                d = a.head_size_v;
  for (int64_t t = 0; t < std::min<int64_t>(tokens, launch.grid[0]); ++t)
    for (int64_t h = 0; h < launch.grid[1]; ++h) {
      const int64_t first = (t * a.num_heads + h) * a.num_splits;
      float sink = kNothing;
      if (a.flags & kSinks)
        rows.load(a.flags & kSinksQDtype ? a.sinks_q_ptr : a.sinks_ptr, h,
                  a.flags & kSinksQDtype ? launch.binary->q_dtype : static_cast<uint32_t>(ATTNRT_FP32), 1, &sink,
                  "merge_splits reads sinks");
      float top = sink;
      for (int64_t i = 0; i < a.num_splits; ++i)
        top = std::max(top, rows.number<float>(a.partial_lse_ptr, first + i, "merge_splits reads partial_lse"));
      std::vector<float> out(static_cast<std::size_t>(d), 0), part(static_cast<std::size_t>(d));
      float total = sink == kNothing ? 0 : std::exp(sink - top);
      for (int64_t i = 0; i < a.num_splits && top != kNothing; ++i) {
        const auto lse = rows.number<float>(a.partial_lse_ptr, first + i, "merge_splits reads partial_lse");
        if (lse == kNothing) continue;
        const float weight = std::exp(lse - top);
        total += weight;
        rows.load(a.partial_ptr, (first + i) * launch.binary->head_size_v, ATTNRT_FP32, d, part.data(),
                  "merge_splits reads partial");
        for (std::size_t c = 0; c < out.size(); ++c) out[c] += weight * part[c];
      }
      for (float& x : out) x /= total > 0 ? total : 1.0f;
      rows.store(a.out_ptr, t * a.out_stride_token + h * a.out_stride_head, launch.binary->q_dtype, d, out.data(),
                 "merge_splits writes out");
      if (a.flags & kLse)
        rows.set(a.lse_ptr, t * a.lse_stride_token + h * a.lse_stride_head,
                 total > 0 ? top + std::log(total) : kNothing, "merge_splits writes lse");
    }
}

void run_write_kv(const LaunchRecord& launch, const DeviceMemory& memory) {
  using namespace triton;
  const gpu::KernelImage& b = *launch.binary;
  const Rows rows(memory);
  const auto a = launch.arguments<WriteKvArguments>(kWriteKvMembers);
  const uint64_t from_bytes = sdk::dtype_bytes(b.q_dtype), to_bytes = sdk::dtype_bytes(b.kv_dtype);
  const auto copy = [&](uint64_t from, int64_t from_at, uint64_t to, int64_t to_at, int64_t d, uint64_t scale_ptr,
                        int64_t scale_at, bool scaled) {
    const char* source = memory.at(from + static_cast<uint64_t>(from_at) * from_bytes,
                                   static_cast<uint64_t>(d) * from_bytes, "write_kv reads a row");
    char* target = memory.at(to + static_cast<uint64_t>(to_at) * to_bytes, static_cast<uint64_t>(d) * to_bytes,
                             "write_kv writes a row");
    if (b.q_dtype == b.kv_dtype) {
      std::memcpy(target, source, static_cast<std::size_t>(d) * to_bytes);
      return;
    }
    const float scale = scaled ? rows.number<float>(scale_ptr, scale_at, "write_kv reads a scale") : 1.0f;
    std::vector<float> row(static_cast<std::size_t>(d));
    conformance::decode_row(b.q_dtype, source, row.size(), row.data());
    for (float& x : row) x = conformance::quantised(b.kv_dtype, x / scale);
    conformance::encode_row(b.kv_dtype, row.data(), row.size(), target);
  };
  for (int64_t i = 0; i < std::min<int64_t>(a.num_tokens, launch.grid[0]); ++i) {
    const auto slot = rows.number<int64_t>(a.slot_mapping_ptr, i * a.slot_stride, "write_kv reads slot_mapping");
    if (slot < 0) continue;
    const int64_t block = slot / a.block_size, place = slot % a.block_size;
    for (int64_t h = 0; h < launch.grid[1]; ++h) {
      copy(a.k_ptr, i * a.k_stride_token + h * a.k_stride_head, a.k_cache_ptr,
           block * a.k_cache_stride_block + place * a.k_cache_stride_slot + h * a.k_cache_stride_head, a.head_size_qk,
           a.k_scale_ptr, h * a.k_scale_stride_head, a.flags & kKScale);
      copy(a.v_ptr, i * a.v_stride_token + h * a.v_stride_head, a.v_cache_ptr,
           block * a.v_cache_stride_block + place * a.v_cache_stride_slot + h * a.v_cache_stride_head, a.head_size_v,
           a.v_scale_ptr, h * a.v_scale_stride_head, a.flags & kVScale);
    }
  }
}

void run_merge_states(const LaunchRecord& launch, const DeviceMemory& memory) {
  using namespace triton;
  const gpu::KernelImage& b = *launch.binary;
  const Rows rows(memory);
  const auto a = launch.arguments<MergeStatesArguments>(kMergeStatesMembers);
  const struct {
    uint64_t out, lse;
    int64_t out_token, out_head, lse_token, lse_head;
  } partials[] = {
      {a.out_0_ptr, a.lse_0_ptr, a.out_0_stride_token, a.out_0_stride_head, a.lse_0_stride_token, a.lse_0_stride_head},
      {a.out_1_ptr, a.lse_1_ptr, a.out_1_stride_token, a.out_1_stride_head, a.lse_1_stride_token, a.lse_1_stride_head},
      {a.out_2_ptr, a.lse_2_ptr, a.out_2_stride_token, a.out_2_stride_head, a.lse_2_stride_token, a.lse_2_stride_head},
      {a.out_3_ptr, a.lse_3_ptr, a.out_3_stride_token, a.out_3_stride_head, a.lse_3_stride_token, a.lse_3_stride_head}};
  const int64_t d = a.head_size_v;
  for (int64_t t = 0; t < launch.grid[0]; ++t)
    for (int64_t h = 0; h < launch.grid[1]; ++h) {
      std::vector<float> out(static_cast<std::size_t>(d), 0), part(static_cast<std::size_t>(d)), lses;
      const int32_t first = t < a.num_merged_tokens ? 0 : a.num_partials - 1;
      float top = kNothing;
      for (int32_t i = first; i < a.num_partials; ++i) {
        auto lse = rows.number<float>(partials[i].lse, t * partials[i].lse_token + h * partials[i].lse_head,
                                      "merge_states reads lse");
        if (lse == -kNothing) lse = kNothing;
        lses.push_back(lse);
        top = std::max(lse, top);
      }
      float total = 0;
      for (int32_t i = first; i < a.num_partials; ++i) {
        const float lse = lses[static_cast<std::size_t>(i - first)];
        if (lse == kNothing) continue;
        const float weight = std::exp(lse - top);
        total += weight;
        rows.load(partials[i].out, t * partials[i].out_token + h * partials[i].out_head, b.kv_dtype, d, part.data(),
                  "merge_states reads out");
        for (std::size_t c = 0; c < out.size(); ++c) out[c] += weight * part[c];
      }
      for (float& x : out) x /= total != 0 ? total : 1.0f;
      rows.store(a.out_ptr, t * a.out_stride_token + h * a.out_stride_head, b.q_dtype, d, out.data(),
                 "merge_states writes out");
      if (a.flags & kLse)
        rows.set(a.lse_ptr, t * a.lse_stride_token + h * a.lse_stride_head,
                 total != 0 ? top + std::log(total) : kNothing, "merge_states writes lse");
    }
}

}  // namespace attnrt::fake
