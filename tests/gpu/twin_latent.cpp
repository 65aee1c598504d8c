// SPDX-License-Identifier: Apache-2.0
//
// The twin of kernels/mla_decode.py: heads of one token against parts of its latent rows.
#include "launch_record.hpp"
#include "twin_rows.hpp"

namespace attnrt::fake {

void run_mla_decode(const LaunchRecord& launch, const DeviceMemory& memory) {
  using namespace triton;
  constexpr int64_t kLatent = 512, kRope = 64, kRow = kLatent + kRope;
  const gpu::KernelImage& b = *launch.binary;
  const Rows rows(memory);
  const auto a = launch.arguments<MlaDecodeArguments>(kMlaDecodeMembers);
  const int64_t cache_elements = sdk::dtype_bytes(b.kv_dtype) == 1 ? 16 : 8;
  if (b.even && (a.q_ptr % 16 || a.q_rope_ptr % 16 || a.kv_ptr % 16 || a.q_stride_token % 8 || a.q_stride_head % 8 ||
                 a.q_rope_stride_token % 8 || a.q_rope_stride_head % 8 || a.kv_stride_block % cache_elements ||
                 a.kv_stride_slot % cache_elements))
    throw BadAccess("an aligned mla_decode kernel was given operands that are not");
  const auto flag = [&](int32_t bit) { return (a.flags & bit) != 0; };
  const auto num_seqs = rows.number<int32_t>(a.num_seqs_ptr, 0, "mla_decode reads num_seqs");
  if (num_seqs <= 0) return;
  const auto loc = [&](int32_t r) {
    return rows.number<int32_t>(a.query_start_loc_ptr, r, "mla_decode reads query_start_loc");
  };
  const int32_t block_m = static_cast<int32_t>(b.block_m), head_tiles = (a.num_heads + block_m - 1) / block_m;
  const int64_t tile = b.tile;
  std::vector<float> kv(static_cast<std::size_t>(tile * kRow)), latent(static_cast<std::size_t>(tile * kLatent)),
      score(static_cast<std::size_t>(tile));
  for (int32_t part = 0; part < static_cast<int32_t>(launch.grid[2]); ++part)
    for (int32_t x = 0; x < static_cast<int32_t>(launch.grid[0]); ++x) {
      const int32_t row = x / head_tiles, first_head = x % head_tiles * block_m;
      if (row >= loc(num_seqs)) continue;
      const int32_t request = find_request(num_seqs, row, [&](int32_t r) { return loc(r); });
      const int32_t query_start = loc(request), query_len = loc(request + 1) - query_start;
      const auto seq_len = rows.number<int32_t>(a.seq_lens_ptr, request, "mla_decode reads seq_lens");
      int64_t keys = flag(kKvLens) ? rows.number<int32_t>(a.kv_lens_ptr, request, "mla_decode reads kv_lens") : seq_len;
      bool causal = flag(kCausal);
      if (flag(kPerRequest)) causal = rows.number<uint8_t>(a.causal_ptr, request, "mla_decode reads causal") != 0;
      if (causal) keys = std::min<int64_t>(keys, seq_len - query_len + (row - query_start) + 1);
      const int64_t tiles = (std::max<int64_t>(keys, 0) + tile - 1) / tile;
      const int64_t each = (tiles + a.num_splits - 1) / a.num_splits;
      const int32_t heads = std::min(block_m, a.num_heads - first_head);
      std::vector<std::vector<float>> q(static_cast<std::size_t>(heads), std::vector<float>(kRow));
      std::vector<RowState> states(static_cast<std::size_t>(heads));
      for (int32_t h = 0; h < heads; ++h) {
        float* to = q[static_cast<std::size_t>(h)].data();
        rows.load(a.q_ptr, row * a.q_stride_token + (first_head + h) * a.q_stride_head, b.q_dtype, kLatent, to,
                  "mla_decode reads q");
        rows.load(a.q_rope_ptr, row * a.q_rope_stride_token + (first_head + h) * a.q_rope_stride_head, b.q_dtype, kRope,
                  to + kLatent, "mla_decode reads q_rope");
        states[static_cast<std::size_t>(h)].acc.assign(kLatent, 0);
      }
      const float k_scale = flag(kKScale) ? rows.number<float>(a.k_scale_ptr, request * a.k_scale_stride_request,
                                                               "mla_decode reads k_scale")
                                          : 1.0f;
      for (int64_t t = part * each; t < std::min(tiles, (part + 1) * each); ++t) {
        const int64_t from = t * tile, to = std::min(from + tile, keys);
        for (int64_t j = from; j < to; ++j) {
          const int64_t block = rows.number<int32_t>(
              a.block_table_ptr, request * a.block_table_stride + j / a.block_size, "mla_decode reads block_table");
          float* key = &kv[static_cast<std::size_t>((j - from) * kRow)];
          rows.load(a.kv_ptr, block * a.kv_stride_block + j % a.block_size * a.kv_stride_slot, b.kv_dtype, kRow, key,
                    "mla_decode reads kv");
          std::copy(key, key + kLatent, &latent[static_cast<std::size_t>((j - from) * kLatent)]);
        }
        for (int32_t h = 0; h < heads; ++h) {
          for (int64_t j = from; j < to; ++j)
            score[static_cast<std::size_t>(j - from)] =
                dot(q[static_cast<std::size_t>(h)].data(), &kv[static_cast<std::size_t>((j - from) * kRow)], kRow) *
                a.softmax_scale * k_scale;
          states[static_cast<std::size_t>(h)].fold(score.data(), latent.data(), to - from, kLatent);
        }
      }
      for (int32_t h = 0; h < heads; ++h) {
        RowState& state = states[static_cast<std::size_t>(h)];
        for (float& value : state.acc) value = value * k_scale / (state.total > 0 ? state.total : 1.0f);
        const int64_t place = (int64_t{row} * a.num_heads + first_head + h) * a.num_splits + part;
        rows.set(a.partial_lse_ptr, place, state.lse(), "mla_decode writes partial_lse");
        rows.store(a.partial_ptr, place * kLatent, ATTNRT_FP32, kLatent, state.acc.data(), "mla_decode writes partial");
      }
    }
}

}  // namespace attnrt::fake
