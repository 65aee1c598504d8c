// SPDX-License-Identifier: Apache-2.0
#include "conformance/problem_change.hpp"

#include "attnrt/check.hpp"
#include "conformance/flex_case.hpp"

namespace attnrt::conformance {
namespace {

uint32_t upto(Random& random, int64_t most) { return static_cast<uint32_t>(1 + random.below(most)); }
uint32_t one_of(Random& random, int64_t bits) { return 1u << random.below(bits); }

}  // namespace

void imply_features(attnrt_problem& p) {
  constexpr uint64_t causality = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_CAUSAL_PER_REQUEST;
  p.features &= ~causality;
  p.features |= p.causal == ATTNRT_CAUSAL_ALWAYS  ? ATTNRT_FEATURE_CAUSAL
                : p.causal == ATTNRT_CAUSAL_NEVER ? ATTNRT_FEATURE_NON_CAUSAL
                                                  : ATTNRT_FEATURE_CAUSAL_PER_REQUEST;
  const auto follow = [&p](bool used, uint64_t bit) { p.features = used ? p.features | bit : p.features & ~bit; };
  follow(p.window_left >= 0 || p.window_right >= 0, ATTNRT_FEATURE_SLIDING_WINDOW);
  follow(p.softcap > 0, ATTNRT_FEATURE_SOFTCAP);
  follow(p.family == ATTNRT_FAMILY_STANDARD && p.head_size_qk != p.head_size_v, ATTNRT_FEATURE_DIFF_KV);
  follow(p.cp_size > 1, ATTNRT_FEATURE_CONTEXT_PARALLEL);
  follow(p.sparse_topk > 0, ATTNRT_FEATURE_SPARSE_TOPK);
}

void change(attnrt_problem& p, Random& random) {
  switch (random.below(20)) {
    case 0:
      p.head_size_qk = p.head_size_v = upto(random, 70) * 8;
      break;
    case 1:
      p.head_size_qk = p.head_size_v = upto(random, 300);
      break;
    case 2:
      p.head_size_v = upto(random, 64) * 8;
      break;
    case 3:
      p.num_kv_heads = upto(random, 12);
      p.num_heads = p.num_kv_heads * upto(random, 12);
      break;
    case 4:
      p.q_dtype = p.kv_dtype = p.out_dtype = static_cast<uint32_t>(random.below(ATTNRT_DTYPE_COUNT_));
      break;
    case 5:
      p.kv_dtype = static_cast<uint32_t>(random.below(ATTNRT_DTYPE_COUNT_));
      break;
    case 6:
      p.out_dtype = static_cast<uint32_t>(random.below(ATTNRT_DTYPE_COUNT_));
      break;
    case 7:
      p.kv_layouts = one_of(random, 8);
      break;
    case 8:
      if (p.block_size) p.block_size = upto(random, 300);
      break;
    case 9:
      p.window_left = static_cast<int32_t>(random.below(300)) - 1;
      break;
    case 10:
      p.window_right = static_cast<int32_t>(random.below(40)) - 1;
      break;
    case 11:
      p.softcap = random.chance(0.5) ? 0.0f : 30.0f;
      break;
    case 12:
      p.features ^= uint64_t{1} << random.below(24);
      break;
    case 13:
      p.phase = one_of(random, 3);
      break;
    case 14:
      p.attn_type = one_of(random, 4);
      break;
    case 15:
      p.causal = static_cast<uint32_t>(random.below(3));
      break;
    case 16:
      p.determinism = static_cast<uint32_t>(random.below(4));
      p.graph_level = static_cast<uint32_t>(random.chance(0.3) ? random.below(4) : 0);
      break;
    case 17:
      p.decode_query_len = upto(random, 8);
      break;
    case 18:
      p.cp_size = upto(random, 4);
      p.cp_rank = static_cast<uint32_t>(random.below(p.cp_size));
      p.cp_interleave = random.chance(0.5) ? 1 : 16;
      break;
    default:
      p.isa &= ~(uint64_t{1} << random.below(9));
  }
  if (sdk::is_paged(p.kv_layouts) && p.block_size == 0) p.block_size = 16;
  if (!sdk::is_paged(p.kv_layouts)) p.block_size = 0;
  // Not drawn: that would give all later problems other numbers.
  if ((p.features & ATTNRT_FEATURE_FLEX) && !p.flex) p.flex = &flex_case(uint64_t{p.num_heads}).bytes;
  imply_features(p);
}

}  // namespace attnrt::conformance
