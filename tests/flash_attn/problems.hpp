// SPDX-License-Identifier: Apache-2.0
//
// Which batches each kind of kernel is tried with.
#ifndef ATTNRT_TESTS_FLASH_ATTN_PROBLEMS_HPP
#define ATTNRT_TESTS_FLASH_ATTN_PROBLEMS_HPP
#include <string>
#include <vector>

#include "problem.hpp"

namespace attnrt::flash::test {

/// Those of few, many, wgmma, e4m3 or latent, with their numbers.
inline std::vector<Problem> problems(const std::string& kind) {
  const std::vector<Request> mixed = {{70, 130}, {0, 0}, {3, 40}, {1, 100}}, decodes = {{1, 430}, {1, 70}, {2, 129}};
  std::vector<Problem> all;
  if (kind == "latent") {
    const std::vector<Request> latent = {{1, 150}, {3, 70}, {5, 5}};
    all.push_back({.name = "causal", .requests = latent, .heads = 16, .head_size = 576, .head_size_v = 512});
    all.push_back(
        {.name = "splits", .requests = {{1, 300}}, .heads = 16, .head_size = 576, .head_size_v = 512, .splits = 2});
    for (Problem& p : all) p.latent = true;
  } else {
    all.push_back({.name = "causal", .requests = mixed, .heads = 6, .kv_heads = 2, .sinks = true});
    all.push_back({.name = "window",
                   .requests = {{37, 37}, {90, 90}},
                   .heads = 2,
                   .kv_heads = 2,
                   .head_size = 40,
                   .head_size_v = 24,
                   .block_size = 0,
                   .causal = false,
                   .window_left = 20,
                   .window_right = 10});
    all.push_back({.name = "bent",
                   .requests = {{1, 300}, {5, 180}},
                   .heads = 4,
                   .kv_heads = 2,
                   .block_size = 16,
                   .softcap = 9,
                   .loudness = 8,
                   .alibi = true});
    all.push_back({.name = "loud", .requests = {{20, 200}, {1, 130}}, .heads = 2, .kv_heads = 1, .loudness = 12});
    all.push_back({.name = "splits", .requests = decodes, .heads = 4, .kv_heads = 2, .sinks = true, .splits = 3});
    all.push_back({.name = "rank",
                   .requests = {{40, 150}, {1, 90}},
                   .heads = 2,
                   .kv_heads = 1,
                   .cp_size = 2,
                   .cp_rank = 1,
                   .cp_interleave = 4});
    all.push_back({.name = "decisive", .requests = {{1, 70}}, .decisive = true});
  }
  for (Problem& p : all) {
    if (kind == "wgmma" && p.head_size == 64) p.head_size = p.head_size_v = 128;  // two panels
    p.element = kind == "many" || kind == "wgmma" || kind == "latent" ? Element::kBfloat : Element::kHalf;
    p.e4m3 = kind == "e4m3" && !p.decisive && p.block_size;
    if (kind != "e4m3" || p.e4m3) p.make();
  }
  std::erase_if(all, [](const Problem& p) { return p.out.empty(); });
  return all;
}

}  // namespace attnrt::flash::test
#endif
