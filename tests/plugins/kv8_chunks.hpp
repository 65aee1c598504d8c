// SPDX-License-Identifier: Apache-2.0
//
// kv8_chunks.hpp: chunks of 8 bits (plugins/cpu_attn/simd/kv8_chunk.hpp), by each instruction set that reads them.
#ifndef ATTNRT_TESTS_BYTE_CHUNKS_HPP
#define ATTNRT_TESTS_BYTE_CHUNKS_HPP

namespace attnrt::tests {

/// The last two are emulated by AVX2 (emulated_avx512.hpp).
enum class Isa { avx2, avx512, avx512_bf16, avx512_vbmi, emulated_bf16, emulated_vbmi };

/// The type of which an instruction set makes another number or sum than it should, NULL = none. The processor must
/// have it.
template <Isa isa>
const char* kv8_chunks();
template <>
const char* kv8_chunks<Isa::avx2>();
template <>
const char* kv8_chunks<Isa::avx512>();
template <>
const char* kv8_chunks<Isa::avx512_bf16>();
template <>
const char* kv8_chunks<Isa::avx512_vbmi>();
template <>
const char* kv8_chunks<Isa::emulated_bf16>();
template <>
const char* kv8_chunks<Isa::emulated_vbmi>();

}  // namespace attnrt::tests
#endif
