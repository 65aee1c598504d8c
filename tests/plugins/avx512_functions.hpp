// SPDX-License-Identifier: Apache-2.0
//
// avx512_functions.hpp: what intrinsics of AVX-512 return, those of the processor and those of emulated_avx512.hpp.
#ifndef ATTNRT_TESTS_AVX512_FUNCTIONS_HPP
#define ATTNRT_TESTS_AVX512_FUNCTIONS_HPP
#include <cstdint>

namespace attnrt::tests {

enum class Avx512 { real, emulated };

/// Three vectors of any type, and a mask.
struct Operands {
  alignas(64) unsigned char a[64], b[64], c[64];
  uint64_t mask;
};

/// A function's name and what it returned; shorter values are followed by zeros.
struct Returned {
  const char* name;
  alignas(64) unsigned char bytes[64];
};

constexpr int kMaxFunctions = 48;

/// Calls each function once; how many there are. The processor must have `from`.
template <Avx512 from>
int call_functions(const Operands& operands, Returned (&to)[kMaxFunctions]);
template <>
int call_functions<Avx512::real>(const Operands& operands, Returned (&to)[kMaxFunctions]);
template <>
int call_functions<Avx512::emulated>(const Operands& operands, Returned (&to)[kMaxFunctions]);

}  // namespace attnrt::tests
#endif
