// SPDX-License-Identifier: Apache-2.0
//
// A table of kernels without cubins, in the place of the generated one: for the fake driver, which runs twins.
// Parameters stand in another order than the host's structs, as a compiler may have it.
#include <array>
#include <cstddef>

#include "../../plugins/triton/arguments.hpp"
#include "../../plugins/triton/images.hpp"
#include "attnrt/plugin.h"

namespace attnrt::triton {
namespace {

template <std::size_t N>
constexpr std::array<gpu::Parameter, N> backwards(const gpu::Member (&members)[N]) {
  std::array<gpu::Parameter, N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = {members[N - 1 - i].name, members[N - 1 - i].type};
  return out;
}
constexpr auto attention = backwards(kAttentionMembers);
constexpr auto merge_splits = backwards(kMergeSplitsMembers);
constexpr auto write_kv = backwards(kWriteKvMembers);
constexpr auto merge_states = backwards(kMergeStatesMembers);
constexpr auto mla_decode = backwards(kMlaDecodeMembers);

constexpr unsigned char contents[1024] = {};  // told apart by address

// kernel, q, kv, head classes, block_m, tile, even
#define KERNEL(name, q, kv, qk, v, m, n, even)           \
  {#name,                                                \
   #name "_" #q "_" #kv "_" #qk "_" #v "_" #m "_" #even, \
   90,                                                   \
   contents + __COUNTER__,                               \
   1,                                                    \
   ATTNRT_##q,                                           \
   ATTNRT_##kv,                                          \
   ATTNRT_##q,                                           \
   qk,                                                   \
   v,                                                    \
   m,                                                    \
   n,                                                    \
   even,                                                 \
   2,                                                    \
   m >= 64 ? 8 : 4,                                      \
   2,                                                    \
   64 * 1024,                                            \
   128,                                                  \
   0,                                                    \
   name.data(),                                          \
   static_cast<uint32_t>(name.size()),                   \
   16,                                                   \
   "twin"},
#define TILES(q, kv, c)                     \
  KERNEL(attention, q, kv, c, c, 16, 32, 0) \
  KERNEL(attention, q, kv, c, c, 16, 64, 1) \
  KERNEL(attention, q, kv, c, c, 64, 32, 1)
#define WRITES(q, kv) KERNEL(write_kv, q, kv, 256, 256, 1, 0, 0) KERNEL(write_kv, q, kv, 512, 64, 1, 0, 0)
#define PAIR(q, kv)                                                                \
  TILES(q, kv, 64)                                                                 \
  TILES(q, kv, 128) TILES(q, kv, 256) KERNEL(mla_decode, q, kv, 0, 512, 16, 16, 0) \
      KERNEL(mla_decode, q, kv, 0, 512, 16, 32, 1) WRITES(q, kv)
#define DTYPE(q)                                                                                    \
  PAIR(q, q)                                                                                        \
  PAIR(q, FP8_E4M3) PAIR(q, FP8_E5M2) KERNEL(merge_splits, q, FP32, 0, 64, 1, 0, 0)                 \
      KERNEL(merge_splits, q, FP32, 0, 128, 1, 0, 0) KERNEL(merge_splits, q, FP32, 0, 256, 1, 0, 0) \
          KERNEL(merge_splits, q, FP32, 0, 512, 1, 0, 0) KERNEL(merge_states, q, FP32, 0, 512, 1, 0, 0)

}  // namespace

const gpu::KernelImage images[] = {DTYPE(FP32) DTYPE(FP16) DTYPE(BF16) WRITES(FP8_E4M3, FP8_E4M3)
                                       WRITES(FP8_E5M2, FP8_E5M2) KERNEL(merge_states, FP16, FP16, 0, 512, 1, 0, 0)
                                           KERNEL(merge_states, BF16, BF16, 0, 512, 1, 0, 0)};
const unsigned num_images = sizeof images / sizeof images[0];

}  // namespace attnrt::triton
