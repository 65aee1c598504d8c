// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_PROBLEM_FLAGS_HPP
#define ATTNRT_CLI_PROBLEM_FLAGS_HPP
#include <CLI/CLI.hpp>

#include "attnrt/runtime.hpp"
#include "setting.hpp"

namespace attnrt::cli {

/// Sizes of multi-head latent attention; the defaults are those of DeepSeek V2, V3 and their kin.
struct MlaSizes {
  uint32_t kv_lora = 512, nope = 128, rope = 64, v = 128;
};

/// A problem as users say it, in flags or in a run file's metadata; what is absent has the library's default.
struct ProblemFlags {
  MaybeSetting device, dtype, kv_cache_dtype, attn_type, phase, kv_layout;
  MaybeSetting head_size, head_size_v, num_heads, num_kv_heads, block_size, sliding_window, softcap, dcp_size,
      decode_query_len;
  MaybeSetting mla, causal;  ///< "true" or "false"
  MlaSizes mla_sizes;        ///< where no flag says them
  bool sparse = false, sink = false, mm_prefix = false, alibi = false, tree_mask = false, dense_mask = false;
  bool block_sparse = false, lse = false, batch_invariant = false, attention_free = false;
};

/// Adds the flags to a verb.
void add_problem_flags(CLI::App& verb, ProblemFlags& flags);

/// The flags over the defaults of their device. Throws Failure for a value that is not understood, Error where the
/// device is not.
attnrt_problem to_problem(const Runtime& runtime, const ProblemFlags& flags);

}  // namespace attnrt::cli
#endif
