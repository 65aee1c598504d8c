// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_FILE_HPP
#define ATTNRT_CLI_RUN_FILE_HPP
#include <optional>
#include <vector>

#include "run/flags.hpp"
#include "run/sdpa.hpp"
#include "safetensors.hpp"

namespace attnrt::cli {

/// Tensors of a run file in the form of the API, shapes and dtypes checked; docs/run-file.md tells their meaning.
/// Lengths and block ids are as the file has them: the library checks those.
struct RunFile {
  std::string path;
  Array q;                                ///< [T, Hq, Dqk]
  std::optional<Array> k, v;              ///< [S, Hkv, Dqk], [S, Hkv, Dv]; with a cache the rows to write
  std::optional<Array> k_cache, v_cache;  ///< as in the file; MLA: k_cache is [num_blocks, block_size, 576]
  std::optional<Array> k_scale, v_scale;  ///< [1] or [Hkv], of a cache of 8 bits; MLA: of both parts
  int64_t row_tail = 0;                   ///< bytes behind each row of the cache: 4 where it holds a scale of its own
  std::optional<Array> slot_mapping, expected_out, expected_lse;
  std::optional<Array> sinks, alibi_slopes;  ///< [Hq] F32
  std::optional<Array> attn_mask;            ///< [R, Hq, longest query, most keys] or 1 in place of each
  std::vector<int32_t> query_start_loc, seq_lens, kv_start_loc, kv_lens, block_table;
  std::vector<uint8_t> causal;  ///< per request, or empty
  int64_t block_size = 0, table_width = 0;
  int64_t num_kv_heads = 0, head_size_v = 0;
  bool hnd = false;
  bool latent = false;           ///< MLA latent decode over kv_cache
  std::optional<int64_t> batch;  ///< B where q had four dimensions
  FourDims order = FourDims::kBhsd;
  FlexArrays flex;  ///< of the program that was given beside the file

  bool paged() const noexcept { return k_cache.has_value(); }
  Dtype kv_dtype() const noexcept { return k_cache ? k_cache->dtype : q.dtype; }
  int64_t num_tokens() const noexcept { return q.shape[0]; }
  int64_t num_heads() const noexcept { return q.shape[1]; }
  int64_t head_size() const noexcept { return q.shape[2]; }
  int64_t num_seqs() const noexcept { return static_cast<int64_t>(query_start_loc.size()) - 1; }
  int64_t longest_query() const noexcept;
  /// Keys of a request that are not hidden as a whole.
  int64_t keys(int64_t request) const noexcept;
};

/// Throws Failure: the tensor, the dtype and shape seen, those wanted; also for a tensor that has no use.
RunFile read_run_file(const Safetensors& file, const RunNames& names, const RunFlags& flags);

}  // namespace attnrt::cli
#endif
