// SPDX-License-Identifier: Apache-2.0
#include "run/mask.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "failure.hpp"

namespace attnrt::cli {

void read_mask(RunReader& reader, RunFile& run) {
  if (!reader.has("attn_mask")) return;
  const int64_t requests = run.num_seqs();
  int64_t keys = 0;
  for (int64_t r = 0; r < requests; ++r) keys = std::max(keys, run.keys(r));
  const int64_t full[] = {requests, run.num_heads(), run.longest_query(), keys};
  const std::string words =
      fmt::format("[{} or 1, {} or 1, {} or 1, {} or 1] = [requests, Hq, longest query, most keys]", full[0], full[1],
                  full[2], full[3]);
  Array mask = reader.take_any("attn_mask", {Dtype::BOOL, Dtype::F16, Dtype::BF16, Dtype::F32}, words.c_str());
  Shape& shape = mask.shape;
  if (shape.size() < 2 || shape.size() > 4) reader.refuse("attn_mask", "two to four dimensions, " + words);
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  for (std::size_t i = 0; i < 4; ++i)
    if (shape[i] != 1 && shape[i] != full[i]) reader.refuse("attn_mask", words);
  run.attn_mask = std::move(mask);
}

}  // namespace attnrt::cli
