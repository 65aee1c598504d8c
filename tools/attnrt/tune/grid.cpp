// SPDX-License-Identifier: Apache-2.0
#include "tune/grid.hpp"

#include <spdlog/fmt/fmt.h>

#include "attnrt/dtype.hpp"
#include "attnrt/words.hpp"

namespace attnrt::cli {
namespace {

constexpr int64_t kHeads = 8;

BenchCase shape_of(uint32_t phase) {
  BenchCase c;
  c.id = c.kind = sdk::words::phases.name(phase);
  c.num_heads = kHeads;
  if (phase == ATTNRT_PHASE_PREFILL)
    c.requests = {{384, 384}};
  else
    c.requests = {{1, 1024}, {1, 1500}, {1, 2048}, {1, 700}};
  if (phase == ATTNRT_PHASE_MIXED) c.requests.push_back({128, 512});
  return c;
}

}  // namespace

std::vector<TuneCase> tune_grid(const std::vector<uint32_t>& dtypes, const std::vector<uint32_t>& phases) {
  std::vector<TuneCase> grid;
  for (const uint32_t phase : phases)
    for (const uint32_t dtype : dtypes) {
      const std::string work = fmt::format("{}, {}", sdk::words::phases.name(phase), sdk::dtype_name(dtype));
      for (const int64_t head_size : {64, 128, 256})
        for (const int64_t group : {1, 4, 8}) {
          BenchCase c = shape_of(phase);
          c.num_kv_heads = kHeads / group;
          c.head_size = head_size;
          grid.push_back({c, phase, dtype,
                          fmt::format("{}, head size {}, {}", work, head_size,
                                      group == 1 ? "a KV head for each query head"
                                                 : fmt::format("{} query heads a KV head", group))});
        }
      if (phase != ATTNRT_PHASE_DECODE) continue;
      BenchCase latent = shape_of(phase);
      latent.mla = true;
      latent.num_heads = 16;
      latent.num_kv_heads = 1;
      latent.head_size = 576;
      grid.push_back({latent, phase, dtype, fmt::format("MLA {}, head size 576", work)});
    }
  return grid;
}

}  // namespace attnrt::cli
