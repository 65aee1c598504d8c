// SPDX-License-Identifier: Apache-2.0
#include "catalog.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace attnrt::triton {
namespace {

bool serves(const Binary& b, const Wanted& w) {
  const auto is = [](int32_t wanted, uint32_t has) { return wanted < 0 || static_cast<uint32_t>(wanted) == has; };
  return std::strcmp(b.kernel, w.kernel) == 0 && runs(w.arch, b.arch) && is(w.q_dtype, b.q_dtype) &&
         is(w.kv_dtype, b.kv_dtype) && is(w.out_dtype, b.out_dtype) && b.head_size_qk >= w.head_size_qk &&
         b.head_size_v >= w.head_size_v && b.block_m >= w.rows && is(w.even, b.even) && b.features >= w.features;
}

}  // namespace

const Binary* find(const Wanted& wanted) {
  const Binary* best = nullptr;
  const auto cost = [](const Binary& b) {
    return std::tuple(b.head_size_qk + b.head_size_v, b.features, b.block_m, 1000 - b.arch);
  };
  for (unsigned i = 0; i < num_binaries; ++i)
    if (serves(binaries[i], wanted) && (!best || cost(binaries[i]) < cost(*best))) best = &binaries[i];
  return best;
}

Offer offer(const char* kernel) {
  Offer out;
  for (unsigned i = 0; i < num_binaries; ++i) {
    const Binary& b = binaries[i];
    if (std::strcmp(b.kernel, kernel) != 0) continue;
    out.q_dtypes |= 1u << b.q_dtype;
    out.kv_dtypes |= 1u << b.kv_dtype;
    out.head_size_qk = std::max(out.head_size_qk, b.head_size_qk);
    out.head_size_v = std::max(out.head_size_v, b.head_size_v);
    out.rows = std::max(out.rows, b.block_m);
  }
  return out;
}

}  // namespace attnrt::triton
