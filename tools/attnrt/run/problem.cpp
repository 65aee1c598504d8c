// SPDX-License-Identifier: Apache-2.0
#include "run/problem.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "attnrt/dtype.hpp"
#include "failure.hpp"
#include "mirror.hpp"

namespace attnrt::cli {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - 1;

/// A flag may repeat what the tensors say, not contradict it.
void agree(const MaybeSetting& flag, const std::string& seen, const std::string& file, const char* what) {
  if (flag && flag->text != seen)
    throw Failure(fmt::format("{} is '{}', wanted {}, {} in {}", flag->from, flag->text, seen, what, file));
}

void check_flags(const RunFile& run, const RunFlags& flags) {
  const ProblemFlags& p = flags.problem;
  const uint32_t dtype = element_of(run.q.dtype);
  const std::string& file = run.path;
  if (p.dtype && element_type(*p.dtype) != dtype) agree(p.dtype, word_of(run.q.dtype), file, "the dtype of q");
  if (p.kv_cache_dtype && lower(p.kv_cache_dtype->text) != "auto" &&
      element_type(*p.kv_cache_dtype) != element_of(run.kv_dtype()))
    agree(p.kv_cache_dtype, word_of(run.kv_dtype()), file, "the dtype of the cache");
  agree(p.head_size, std::to_string(run.head_size()), file, "the width of q");
  agree(p.head_size_v, std::to_string(run.head_size_v), file, "the width of v");
  agree(p.num_heads, std::to_string(run.num_heads()), file, "the heads of q");
  agree(p.num_kv_heads, std::to_string(run.num_kv_heads), file, "the heads of k");
  if (run.paged()) agree(p.block_size, std::to_string(run.block_size), file, "the block size of the cache");
  if (!run.paged() && !flags.chunk) {
    if (p.block_size)
      throw Failure(
          fmt::format("--block-size is '{}', wanted --chunk or a file with a cache beside it", p.block_size->text));
    if (flags.kv_layout_flag && lower(p.kv_layout->text) != "contiguous")
      throw Failure(
          fmt::format("--kv-layout is '{}', wanted --chunk or a file with a cache beside it", p.kv_layout->text));
  }
}

}  // namespace

uint32_t element_of(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::F32:
      return ATTNRT_FP32;
    case Dtype::F16:
      return ATTNRT_FP16;
    case Dtype::F8_E4M3:
      return ATTNRT_FP8_E4M3;
    case Dtype::F8_E5M2:
      return ATTNRT_FP8_E5M2;
    case Dtype::I8:
      return ATTNRT_INT8;
    default:
      return ATTNRT_BF16;
  }
}

const char* word_of(Dtype dtype) noexcept { return sdk::dtype_name(element_of(dtype)); }

attnrt_problem to_run_problem(const Runtime& runtime, const RunFile& run, const RunFlags& flags) {
  check_flags(run, flags);
  ProblemFlags said = flags.problem;
  if (!said.device) said.device = Setting{"cpu", "--device"};
  said.dtype = Setting{word_of(run.q.dtype), "q"};
  said.kv_cache_dtype = Setting{word_of(run.kv_dtype()), "k_cache"};
  const auto size = [](int64_t n, const char* from) { return Setting{std::to_string(n), from}; };
  said.head_size = size(run.head_size(), "the width of q");
  said.head_size_v = size(run.head_size_v, "the width of v");
  said.num_heads = size(run.num_heads(), "the number of heads of q");
  said.num_kv_heads = size(run.num_kv_heads, "the number of heads of k");
  if (!flags.kv_layout_flag) said.kv_layout.reset();
  if (run.paged()) said.block_size = size(run.block_size, "the cache's block size");
  if (!said.phase) {
    const bool contiguous = !run.paged() && !flags.chunk;
    said.phase = Setting{run.latent ? "decode" : contiguous ? "prefill" : "mixed", "--phase"};
  }
  attnrt_problem p = to_problem(runtime, said);
  want_device_here(p, said.device->text);
  if (run.latent && p.family != ATTNRT_FAMILY_MLA)
    throw Failure("--phase is 'prefill', wanted decode or mixed for a latent cache");
  if (run.paged()) {
    p.kv_layouts = run.latent ? ATTNRT_KV_MLA_LATENT : run.hnd ? ATTNRT_KV_HND : ATTNRT_KV_NHD;
  } else if (!flags.chunk) {
    p.kv_layouts = ATTNRT_KV_CONTIGUOUS;
  }
  if (flags.window_size) std::tie(p.window_left, p.window_right) = *flags.window_size;
  if (flags.window_size && p.causal == ATTNRT_CAUSAL_ALWAYS) p.window_right = 0;
  if (!run.causal.empty()) p.causal = ATTNRT_CAUSAL_PER_REQUEST;
  if (run.k_scale || run.v_scale) {
    const auto whole = [](const std::optional<Array>& scale) { return !scale || scale->shape[0] == 1; };
    p.features |= whole(run.k_scale) && whole(run.v_scale) ? ATTNRT_FEATURE_KV_SCALES : ATTNRT_FEATURE_PER_HEAD_SCALES;
  }
  if (run.row_tail) p.features |= ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  if (run.sinks) p.features |= ATTNRT_FEATURE_SINKS;
  if (run.attn_mask) p.features |= ATTNRT_FEATURE_DENSE_MASK;
  if (run.alibi_slopes) p.features |= ATTNRT_FEATURE_ALIBI;
  if (run.expected_lse) p.features |= ATTNRT_FEATURE_LSE;
  if (p.phase == ATTNRT_PHASE_DECODE)
    p.decode_query_len = static_cast<uint32_t>(std::max<int64_t>(1, run.longest_query()));
  return p;
}

float softmax_scale(const RunFile& run, const RunFlags& flags) {
  const auto usual = static_cast<float>(1.0 / std::sqrt(static_cast<double>(run.head_size())));
  if (!flags.scale) return usual;
  const auto scale = static_cast<float>(number(*flags.scale, std::numeric_limits<double>::lowest()));
  if (scale == 0)
    throw Failure(fmt::format("{} is '{}', wanted a number other than 0, such as 1 / sqrt(head size) = {:g}",
                              flags.scale->from, flags.scale->text, usual));
  return scale;
}

attnrt_limits limits_of(const RunFile& run, uint32_t num_workers) {
  auto limits = sized<attnrt_limits>();
  limits.num_workers = num_workers;
  limits.max_seqs = static_cast<int32_t>(run.num_seqs());
  limits.max_tokens = static_cast<int32_t>(run.num_tokens());
  limits.max_query_len = static_cast<int32_t>(run.longest_query());
  int64_t longest = 0;
  for (const int32_t length : run.seq_lens) longest = std::max<int64_t>(longest, length);
  if (run.paged()) {
    const int64_t room = run.table_width * run.block_size;
    // Without lengths of their own the keys are as many as the tokens, and the table bounds both.
    longest = run.kv_lens.empty() ? room : std::max(longest, room);
    limits.num_blocks = static_cast<int32_t>(run.k_cache->shape[0]);
    limits.max_blocks_per_seq = static_cast<int32_t>(run.table_width);
  } else {
    limits.max_kv_tokens = static_cast<int32_t>(run.k->shape[0]);
    for (int64_t r = 0; r < run.num_seqs(); ++r) longest = std::max(longest, run.keys(r));
  }
  limits.max_seq_len = static_cast<int32_t>(std::min(longest, kMost));
  return limits;
}

attnrt_batch batch_of(const RunFile& run, const attnrt_limits& limits) {
  const auto list = [](const auto& values) { return values.empty() ? nullptr : values.data(); };
  auto batch = sized<attnrt_batch>();
  batch.num_seqs = limits.max_seqs;
  batch.num_tokens = limits.max_tokens;
  batch.max_query_len = limits.max_query_len;
  batch.max_seq_len = limits.max_seq_len;
  batch.query_start_loc = batch.query_start_loc_host = run.query_start_loc.data();
  batch.seq_lens = batch.seq_lens_host = list(run.seq_lens);
  batch.kv_start_loc = batch.kv_start_loc_host = list(run.kv_start_loc);
  batch.kv_lens = batch.kv_lens_host = list(run.kv_lens);
  batch.causal = batch.causal_host = list(run.causal);
  if (run.paged()) {
    static constexpr int32_t none = 0;
    batch.block_table = run.block_table.empty() ? &none : run.block_table.data();
    batch.block_table_stride = run.table_width;
    batch.block_table_width = static_cast<int32_t>(run.table_width);
  }
  return batch;
}

}  // namespace attnrt::cli
