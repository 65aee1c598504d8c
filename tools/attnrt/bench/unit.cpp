// SPDX-License-Identifier: Apache-2.0
#include "bench/unit.hpp"

#include <sstream>
#include <utility>

#include "attnrt/plugin.h"

namespace attnrt::cli {

const char* name_of_unit(BenchUnit unit) noexcept {
  constexpr const char* names[kBenchUnits] = {"baseline", "AVX2 FMA", "AVX-512 FMA", "bf16 dot", "AMX bf16"};
  return names[static_cast<std::size_t>(unit)];
}

const char* word_of_unit(BenchUnit unit) noexcept {
  constexpr const char* words[kBenchUnits] = {"baseline", "avx2_fma", "avx512_fma", "bf16_dot", "amx_bf16"};
  return words[static_cast<std::size_t>(unit)];
}

uint64_t isa_of_words(const std::string& words) {
  constexpr std::pair<const char*, uint64_t> known[] = {{"avx2", ATTNRT_ISA_AVX2},
                                                        {"avx512", ATTNRT_ISA_AVX512},
                                                        {"avx512_bf16", ATTNRT_ISA_AVX512_BF16},
                                                        {"amx_bf16", ATTNRT_ISA_AMX_BF16}};
  uint64_t isa = 0;
  std::istringstream list(words);
  for (std::string word; list >> word;) {
    if (word.back() == ',') word.pop_back();
    for (const auto& [name, bit] : known)
      if (word == name) isa |= bit;
  }
  return isa;
}

uint64_t computing_isa(uint64_t sheet_isa, const std::string& impl, uint64_t machine_isa) {
  const bool own = impl == "own" || impl.starts_with("own,");
  return own ? sheet_isa : machine_isa;
}

BenchUnit unit_of(uint64_t isa, uint32_t dtype) noexcept {
  if (dtype == ATTNRT_BF16 && (isa & ATTNRT_ISA_AMX_BF16)) return BenchUnit::amx_bf16;
  if (dtype == ATTNRT_BF16 && (isa & ATTNRT_ISA_AVX512_BF16)) return BenchUnit::bf16_dot;
  if (isa & ATTNRT_ISA_AVX512) return BenchUnit::avx512_fma;
  return isa & ATTNRT_ISA_AVX2 ? BenchUnit::avx2_fma : BenchUnit::baseline;
}

}  // namespace attnrt::cli
