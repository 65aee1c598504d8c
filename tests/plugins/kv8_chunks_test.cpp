// SPDX-License-Identifier: Apache-2.0
#include "kv8_chunks.hpp"

#include <catch2/catch.hpp>

using namespace attnrt::tests;

TEST_CASE("every byte of a chunk is its number, and dots over chunks are those over panels") {
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    CHECK(kv8_chunks<Isa::avx2>() == nullptr);
    CHECK(kv8_chunks<Isa::emulated_bf16>() == nullptr);
    CHECK(kv8_chunks<Isa::emulated_vbmi>() == nullptr);
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
    CHECK(kv8_chunks<Isa::avx512>() == nullptr);
  if (!__builtin_cpu_supports("avx512bf16")) return;
  CHECK(kv8_chunks<Isa::avx512_bf16>() == nullptr);
  if (__builtin_cpu_supports("avx512vbmi")) CHECK(kv8_chunks<Isa::avx512_vbmi>() == nullptr);
}
