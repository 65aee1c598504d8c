// SPDX-License-Identifier: Apache-2.0
//
// One point of the grid: a problem, the lengths of a batch, and how it lies in memory.
#ifndef ATTNRT_CONFORMANCE_CASE_HPP
#define ATTNRT_CONFORMANCE_CASE_HPP
#include <cstdint>
#include <string>
#include <vector>

#include "attnrt/plugin.h"

namespace attnrt::conformance {

/// Lengths of one request. Decoders: keys = context plus query. Encoders: keys = query. Cross attention: the encoder's.
struct Length {
  int32_t query = 0;
  int32_t keys = 0;
};

/// What must not change a result: where things lie, who else is there, who computes.
struct Placement {
  uint64_t seed = 1;       ///< block permutation, garbage, order of writes
  uint32_t workers = 1;    ///< threads of the executor
  int32_t pad_tokens = 0;  ///< rows of q, out and lse past num_tokens
  int32_t pad_seqs = 0;    ///< empty requests at the end of the batch
  bool direct = false;     ///< the host fills an affine cache itself; else write_kv does, where it exists
  bool tell_prefix = true; ///< batch.common_prefix_len is given
  bool strided = false;    ///< a cache view across layers, padded rows of q, k, v and out, lse as [H, T]
};

struct Case {
  attnrt_problem problem{};
  std::vector<Length> lengths;
  int32_t common_prefix = 0;  ///< keys at the start that all requests of so many or more share, block by block
  uint64_t seed = 1;
  bool lse = false;  ///< ask for it
  Placement placement;
};

/// The case in words: "bf16 heads 8/2 size 64 nhd block 16 decoder causal window 64 ... lengths (1,213) seed 7".
std::string text(const Case& c);

/// Products of q and k and of p and v that an engine must compute, masks aside.
double multiply_adds(const Case& c);

/// A zeroed problem with its size set and no window, on the CPU with these instruction sets.
attnrt_problem empty_problem(uint64_t isa);

}  // namespace attnrt::conformance
#endif
