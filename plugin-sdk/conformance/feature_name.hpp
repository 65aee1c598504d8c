// SPDX-License-Identifier: Apache-2.0
//
// The feature bits of plugin.h in words.
#ifndef ATTNRT_CONFORMANCE_FEATURE_NAME_HPP
#define ATTNRT_CONFORMANCE_FEATURE_NAME_HPP
#include <cstdint>

namespace attnrt::conformance {

/// "softcap" for ATTNRT_FEATURE_SOFTCAP; "unknown" for anything but one known bit. [thread-safe]
constexpr const char* feature_name(uint64_t bit) {
  constexpr const char* names[] = {
      "causal",        "non_causal",         "sliding_window", "softcap",        "alibi",          "sinks",
      "dense_mask",    "tree_mask",          "mm_prefix",      "block_sparse",   "sparse_topk",    "lse",
      "kv_scales",     "per_head_scales",    "per_token_head_scales", "diff_kv", "context_parallel", "output_quant",
      "flex",          "causal_per_request", "alibi_sqrt",     "window_prefix",  "split_q",        "common_prefix"};
  for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i)
    if (bit == uint64_t{1} << i) return names[i];
  return "unknown";
}

}  // namespace attnrt::conformance
#endif
