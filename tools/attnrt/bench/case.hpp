// SPDX-License-Identifier: Apache-2.0
//
// bench_case.hpp: the shapes that `attnrt bench` measures.
#ifndef ATTNRT_CLI_BENCH_CASE_HPP
#define ATTNRT_CLI_BENCH_CASE_HPP
#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace attnrt::cli {

/// One batch. `kind` tells what counts: a decode's bytes of keys and values, everything else's visible pairs. So many
/// heads share one latent row that a decode of MLA counts by its pairs too.
struct BenchCase {
  struct Request {
    int64_t queries, keys;
  };
  std::string id;
  std::vector<Request> requests;
  int64_t num_heads = 32, num_kv_heads = 8, head_size = 128;
  bool causal = true;
  bool mla = false;  ///< decode: latent, 576/512, one KV head; prefill: 192/128, a KV head for each head, no cache
  std::string kind = "prefill";
  int64_t window = 0;  ///< keys that a query sees at most, its own included; not causal: to each side; 0 = all
  double softcap = 0;  ///< scores become softcap * tanh(score / softcap); 0 = none
  bool sinks = false, alibi = false;
  int64_t shared_prefix = 0;  ///< first keys that are the same for all requests, in the same blocks of the cache
  bool hint = true;           ///< is the library told of them?

  bool decode() const noexcept { return kind == "decode"; }
  bool latent() const noexcept { return mla && kind != "prefill"; }
  bool uncompressed() const noexcept { return mla && kind == "prefill"; }
  bool counts_bytes() const noexcept { return decode() && !mla; }
  int64_t head_size_v() const noexcept { return latent() ? 512 : mla ? 128 : head_size; }
  int64_t num_tokens() const noexcept;
  int64_t num_keys() const noexcept;
  int64_t shortest_keys() const noexcept;
  int64_t longest_query() const noexcept;
  int64_t longest_keys() const noexcept;
  /// The keys [first, last) that a query of a request sees.
  struct Keys {
    int64_t first, last;
  };
  Keys seen(const Request& request, int64_t query) const noexcept;
  /// Of the visible pairs alone; a square causal request has half of its pairs.
  double flops() const noexcept;
  /// Keys and values that a query sees, as the cache holds them, each read once.
  double kv_bytes(int64_t element_bytes) const noexcept;
};

/// The grid that ships: prefill, encoder, decode within and beyond the cache, a mixed batch, MLA.
const std::vector<BenchCase>& bench_grid();

/// {"seqs": [[queries, keys], ...], "hq", "hkv", "d", "causal", "kind", "mla", "window", "softcap", "sinks", "alibi",
/// "shared_prefix", "hint"}: a case of a grid file or of a request. `from` names it in errors. Throws Failure.
BenchCase bench_case(const std::string& id, const boost::json::value& value, const std::string& from);

/// A grid file: {"name": {case}, ...}. Throws Failure.
std::vector<BenchCase> read_bench_grid(const std::string& path);

/// "512x512,1x4096": queries x keys of each request. Throws Failure.
std::vector<BenchCase::Request> bench_requests(const std::string& text);

}  // namespace attnrt::cli
#endif
