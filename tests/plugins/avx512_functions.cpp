// SPDX-License-Identifier: Apache-2.0
//
// avx512_functions.cpp: compiled twice, with the intrinsics of AVX-512 (ATTNRT_KERNEL_ISA = real) and with those of
// emulated_avx512.hpp (= emulated).
#include "avx512_functions.hpp"

#include <cstring>

#include "../../plugins/cpu_attn/simd/isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {
namespace {

int call(const tests::Operands& of, tests::Returned (&to)[tests::kMaxFunctions]) {
  int count = 0;
  const auto put = [&](const char* name, const auto& v) {
    tests::Returned& one = to[count++];
    one = {name, {}};
    std::memcpy(one.bytes, &v, sizeof v);
  };
  const auto load = [](const unsigned char* from) { return _mm512_loadu_si512(from); };
  const auto load_float = [](const unsigned char* from) {
    __m512 v;
    std::memcpy(&v, from, sizeof v);
    return v;
  };
  const __m512i a = load(of.a), b = load(of.b), c = load(of.c);
  const __m512 fa = load_float(of.a), fb = load_float(of.b), fc = load_float(of.c);
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(of.a));
  const __m128i quarter = _mm_loadu_si128(reinterpret_cast<const __m128i*>(of.a));
  const auto mask8 = static_cast<__mmask8>(of.mask);
  const auto mask16 = static_cast<__mmask16>(of.mask);
  const auto mask32 = static_cast<__mmask32>(of.mask);
  const __mmask64 mask64 = of.mask;
  int words[4];
  std::memcpy(words, of.a, sizeof words);
  int64_t quads[8];
  std::memcpy(quads, of.a, sizeof quads);
#define PUT(f, ...) put(#f, f(__VA_ARGS__))
  PUT(_mm512_loadu_si512, of.b);
  PUT(_mm512_load_si512, of.c);
  PUT(_mm512_maskz_loadu_ps, mask16, of.b);
  PUT(_mm512_maskz_loadu_epi32, mask16, of.b);
  PUT(_mm512_maskz_loadu_epi8, mask64, of.b);
  PUT(_mm256_maskz_loadu_epi16, mask16, of.b);
  unsigned char stored[64];
  _mm512_storeu_si512(stored, b);
  put("_mm512_storeu_si512", stored);
  PUT(_mm512_setzero_si512);
  PUT(_mm512_set1_epi16, static_cast<short>(words[0]));
  PUT(_mm512_set1_epi8, static_cast<char>(words[0]));
  PUT(_mm512_set4_epi32, words[3], words[2], words[1], words[0]);
  PUT(_mm512_setr_epi64, quads[0], quads[1], quads[2], quads[3], quads[4], quads[5], quads[6], quads[7]);
  PUT(_mm512_fmadd_ps, fa, fb, fc);
  PUT(_mm512_maskz_max_ps, mask16, fa, fb);
  PUT(_mm512_maskz_sqrt_ps, mask16, fa);
  PUT(_mm512_maskz_roundscale_ps, mask16, fa, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  PUT(_mm512_maskz_scalef_ps, mask16, fa, fb);
  PUT(_mm512_maskz_cvtepu16_epi32, mask16, half);
  PUT(_mm512_maskz_cvtepi8_epi32, mask16, quarter);
  PUT(_mm512_maskz_cvtepi32_epi16, mask16, a);
  PUT(_mm512_maskz_cvtph_ps, mask16, half);
  PUT(_mm512_and_si512, a, b);
  PUT(_mm512_add_epi16, a, b);
  PUT(_mm512_slli_epi16, a, 5);
  PUT(_mm512_srai_epi16, a, 8);
  PUT(_mm512_maskz_abs_epi8, mask64, a);
  PUT(_mm512_shuffle_epi8, a, b);
  PUT(_mm512_unpacklo_epi8, a, b);
  PUT(_mm512_unpackhi_epi8, a, b);
  PUT(_mm512_maskz_unpacklo_epi16, mask32, a, b);
  PUT(_mm512_maskz_unpackhi_epi16, mask32, a, b);
  PUT(_mm512_maskz_unpacklo_epi32, mask16, a, b);
  PUT(_mm512_maskz_unpackhi_epi32, mask16, a, b);
  PUT(_mm512_maskz_unpacklo_epi64, mask8, a, b);
  PUT(_mm512_maskz_unpackhi_epi64, mask8, a, b);
  PUT(_mm512_movepi8_mask, a);
  PUT(_mm512_testn_epi16_mask, a, b);
  PUT(_mm512_cmpgt_epi16_mask, a, b);
  PUT(_mm512_mask_blend_epi8, mask64, a, b);
  PUT(_mm512_ternarylogic_epi32, a, b, c, 0xf8);
  PUT(_mm512_ternarylogic_epi32, a, b, c, 0x1b);
  PUT(_mm512_mask_permutexvar_epi16, a, mask32, b, c);
  PUT(_mm512_maskz_permutex2var_epi64, mask8, a, b, c);
  PUT(_mm512_permutex2var_epi8, a, b, c);
#undef PUT
  return count;
}

}  // namespace
}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA

namespace attnrt::tests {

template <>
int call_functions<Avx512::ATTNRT_KERNEL_ISA>(const Operands& operands, Returned (&to)[kMaxFunctions]) {
  return kernel::ATTNRT_KERNEL_ISA::call(operands, to);
}

}  // namespace attnrt::tests
