// SPDX-License-Identifier: Apache-2.0
//
// bench/unit.hpp: the part of a processor that a variant's products run on, whose speed is the variant's limit.
#ifndef ATTNRT_CLI_BENCH_UNIT_HPP
#define ATTNRT_CLI_BENCH_UNIT_HPP
#include <cstddef>
#include <cstdint>
#include <string>

namespace attnrt::cli {

/// Slowest first, though a bf16 dot is not faster than an fp32 FMA everywhere.
enum class BenchUnit : uint32_t { baseline, avx2_fma, avx512_fma, bf16_dot, amx_bf16 };
constexpr std::size_t kBenchUnits = 5;

/// For people: "AVX2 FMA".
const char* name_of_unit(BenchUnit unit) noexcept;
/// For programs: "avx2_fma".
const char* word_of_unit(BenchUnit unit) noexcept;

/// The bits ATTNRT_ISA_* behind a sheet's words "avx2, avx512, avx512_bf16, ..."; words that choose no unit have none.
uint64_t isa_of_words(const std::string& words);

/// The instruction sets that compute: the sheet's own, or, where its `impl` names another library ("onednn 2.6"), all
/// of the machine's, for such a library picks its instructions itself. Pure.
uint64_t computing_isa(uint64_t sheet_isa, const std::string& impl, uint64_t machine_isa);

/// What q k and p v run on with these instruction sets and inputs of this dtype. AMX and the bf16 dot take bf16 alone:
/// fp16 is widened and multiplied by fp32 FMAs. Pure.
BenchUnit unit_of(uint64_t isa, uint32_t dtype) noexcept;

}  // namespace attnrt::cli
#endif
