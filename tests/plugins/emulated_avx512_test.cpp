// SPDX-License-Identifier: Apache-2.0
//
// The intrinsics of emulated_avx512.hpp: what Intel's manual defines, one element at a time, and, in the hidden case,
// what the processor's own return.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "../../plugins/cpu_attn/simd/dtype.hpp"
#include "attnrt/cpu_isa.hpp"
#include "avx512_functions.hpp"

using namespace attnrt::tests;

namespace {

template <class T>
using Lanes = std::array<T, 64 / sizeof(T)>;

template <class T>
Lanes<T> lanes_of(const unsigned char* bytes) {
  Lanes<T> to;
  std::memcpy(to.data(), bytes, sizeof to);
  return to;
}

/// The operands as elements of T.
template <class T>
struct View {
  Lanes<T> a, b, c;
  uint64_t mask;
  explicit View(const Operands& of) : a(lanes_of<T>(of.a)), b(lanes_of<T>(of.b)), c(lanes_of<T>(of.c)), mask(of.mask) {}
};

using Bytes = std::array<unsigned char, 64>;
template <class T>
Bytes bytes_of(const T& value) {
  Bytes to{};
  std::memcpy(to.data(), &value, sizeof value);
  return to;
}

/// Element i of the result is f(operands, i), 0 where the mask has no bit i.
template <class T, int Count = 64 / sizeof(T), class F>
auto each(bool masks, F f) {
  return [=](const Operands& of) {
    const View<T> view(of);
    using Result = decltype(f(view, 0));
    std::array<Result, Count> to{};
    for (int i = 0; i < Count; ++i)
      if (!masks || (of.mask >> i & 1)) to[static_cast<std::size_t>(i)] = f(view, static_cast<std::size_t>(i));
    return bytes_of(to);
  };
}

/// Elements of a and b in turns, from the low (0) or the high (1) half of each quarter.
template <class T>
auto unpack(bool masks, std::size_t high) {
  constexpr std::size_t quarter = 16 / sizeof(T);
  return each<T>(masks, [high](const View<T>& v, std::size_t i) {
    const std::size_t from = i / quarter * quarter + high * quarter / 2 + i % quarter / 2;
    return i % 2 ? v.b[from] : v.a[from];
  });
}

template <class T>
auto copy_of_b(bool masks) {
  return each<T>(masks, [](const View<T>& v, std::size_t i) { return v.b[i]; });
}

float scaled(float a, float b) {
  const float infinity = std::numeric_limits<float>::infinity();
  if (std::isnan(a) || std::isnan(b) || (b == infinity && a == 0) || (b == -infinity && std::isinf(a))) return NAN;
  if (std::isinf(a)) return a;
  return static_cast<float>(
      std::scalbn(static_cast<double>(a), static_cast<int>(std::fmax(-500.0f, std::fmin(500.0f, std::floor(b))))));
}

float of_half(uint16_t bits) { return attnrt::kernel::portable::widen(attnrt::kernel::portable::Fp16{bits}); }

using Definition = std::function<Bytes(const Operands&)>;
const std::map<std::string, Definition>& definitions() {
  static const std::map<std::string, Definition> all{
      {"_mm512_loadu_si512", copy_of_b<int8_t>(false)},
      {"_mm512_load_si512", each<int8_t>(false, [](const View<int8_t>& v, std::size_t i) { return v.c[i]; })},
      {"_mm512_maskz_loadu_ps", copy_of_b<int32_t>(true)},
      {"_mm512_maskz_loadu_epi32", copy_of_b<int32_t>(true)},
      {"_mm512_maskz_loadu_epi8", copy_of_b<int8_t>(true)},
      {"_mm256_maskz_loadu_epi16", each<int16_t, 16>(true, [](const View<int16_t>& v, std::size_t i) { return v.b[i]; })},
      {"_mm512_storeu_si512", copy_of_b<int8_t>(false)},
      {"_mm512_setzero_si512", [](const Operands&) { return Bytes{}; }},
      {"_mm512_set1_epi16", each<int16_t>(false, [](const View<int16_t>& v, std::size_t) { return v.a[0]; })},
      {"_mm512_set1_epi8", each<int8_t>(false, [](const View<int8_t>& v, std::size_t) { return v.a[0]; })},
      {"_mm512_set4_epi32", each<int32_t>(false, [](const View<int32_t>& v, std::size_t i) { return v.a[i % 4]; })},
      {"_mm512_setr_epi64", each<int64_t>(false, [](const View<int64_t>& v, std::size_t i) { return v.a[i]; })},
      {"_mm512_fmadd_ps",
       each<float>(false, [](const View<float>& v, std::size_t i) { return std::fma(v.a[i], v.b[i], v.c[i]); })},
      {"_mm512_maskz_max_ps",
       each<float>(true, [](const View<float>& v, std::size_t i) { return v.a[i] > v.b[i] ? v.a[i] : v.b[i]; })},
      {"_mm512_maskz_sqrt_ps", each<float>(true, [](const View<float>& v, std::size_t i) { return std::sqrt(v.a[i]); })},
      {"_mm512_maskz_roundscale_ps",
       each<float>(true, [](const View<float>& v, std::size_t i) { return std::nearbyint(v.a[i]); })},
      {"_mm512_maskz_scalef_ps",
       each<float>(true, [](const View<float>& v, std::size_t i) { return scaled(v.a[i], v.b[i]); })},
      {"_mm512_maskz_cvtepu16_epi32",
       each<uint16_t, 16>(true, [](const View<uint16_t>& v, std::size_t i) { return uint32_t{v.a[i]}; })},
      {"_mm512_maskz_cvtepi8_epi32",
       each<int8_t, 16>(true, [](const View<int8_t>& v, std::size_t i) { return int32_t{v.a[i]}; })},
      {"_mm512_maskz_cvtepi32_epi16",
       each<int32_t>(true, [](const View<int32_t>& v, std::size_t i) { return static_cast<int16_t>(v.a[i]); })},
      {"_mm512_maskz_cvtph_ps",
       each<uint16_t, 16>(true, [](const View<uint16_t>& v, std::size_t i) { return of_half(v.a[i]); })},
      {"_mm512_and_si512",
       each<uint32_t>(false, [](const View<uint32_t>& v, std::size_t i) { return v.a[i] & v.b[i]; })},
      {"_mm512_add_epi16", each<uint16_t>(false, [](const View<uint16_t>& v, std::size_t i) {
         return static_cast<uint16_t>(v.a[i] + v.b[i]);
       })},
      {"_mm512_slli_epi16",
       each<uint16_t>(false, [](const View<uint16_t>& v, std::size_t i) { return static_cast<uint16_t>(v.a[i] << 5); })},
      {"_mm512_srai_epi16",
       each<int16_t>(false, [](const View<int16_t>& v, std::size_t i) { return static_cast<int16_t>(v.a[i] >> 8); })},
      {"_mm512_maskz_abs_epi8", each<int8_t>(true, [](const View<int8_t>& v, std::size_t i) {
         return static_cast<uint8_t>(v.a[i] < 0 ? -v.a[i] : v.a[i]);
       })},
      {"_mm512_shuffle_epi8", each<uint8_t>(false, [](const View<uint8_t>& v, std::size_t i) {
         return v.b[i] & 0x80 ? uint8_t{0} : v.a[i / 16 * 16 + v.b[i] % 16];
       })},
      {"_mm512_unpacklo_epi8", unpack<int8_t>(false, 0)},
      {"_mm512_unpackhi_epi8", unpack<int8_t>(false, 1)},
      {"_mm512_maskz_unpacklo_epi16", unpack<int16_t>(true, 0)},
      {"_mm512_maskz_unpackhi_epi16", unpack<int16_t>(true, 1)},
      {"_mm512_maskz_unpacklo_epi32", unpack<int32_t>(true, 0)},
      {"_mm512_maskz_unpackhi_epi32", unpack<int32_t>(true, 1)},
      {"_mm512_maskz_unpacklo_epi64", unpack<int64_t>(true, 0)},
      {"_mm512_maskz_unpackhi_epi64", unpack<int64_t>(true, 1)},
      {"_mm512_movepi8_mask",
       [](const Operands& of) {
         uint64_t mask = 0;
         for (int i = 0; i < 64; ++i) mask += uint64_t{of.a[i] >= 0x80} << i;
         return bytes_of(mask);
       }},
      {"_mm512_testn_epi16_mask",
       [](const Operands& of) {
         const View<uint16_t> v(of);
         uint32_t mask = 0;
         for (std::size_t i = 0; i < 32; ++i) mask += uint32_t{(v.a[i] & v.b[i]) == 0} << i;
         return bytes_of(mask);
       }},
      {"_mm512_cmpgt_epi16_mask",
       [](const Operands& of) {
         const View<int16_t> v(of);
         uint32_t mask = 0;
         for (std::size_t i = 0; i < 32; ++i) mask += uint32_t{v.a[i] > v.b[i]} << i;
         return bytes_of(mask);
       }},
      {"_mm512_mask_blend_epi8", each<uint8_t>(false, [](const View<uint8_t>& v, std::size_t i) {
         return v.mask >> i & 1 ? v.b[i] : v.a[i];
       })},
      {"_mm512_mask_permutexvar_epi16", each<uint16_t>(false, [](const View<uint16_t>& v, std::size_t i) {
         return v.mask >> i & 1 ? v.c[v.b[i] % 32] : v.a[i];
       })},
      {"_mm512_maskz_permutex2var_epi64", each<uint64_t>(true, [](const View<uint64_t>& v, std::size_t i) {
         const uint64_t place = v.b[i] % 16;
         return place < 8 ? v.a[place] : v.c[place - 8];
       })},
      {"_mm512_permutex2var_epi8", each<uint8_t>(false, [](const View<uint8_t>& v, std::size_t i) {
         const auto place = static_cast<std::size_t>(v.b[i] % 128);
         return place < 64 ? v.a[place] : v.c[place - 64];
       })},
  };
  return all;
}

/// The table of three bits that a call of _mm512_ternarylogic_epi32 gives, the first of both or the second.
Bytes ternary(const Operands& of, int table) {
  const View<uint8_t> v(of);
  Bytes to{};
  for (std::size_t i = 0; i < 64; ++i)
    for (int bit = 0; bit < 8; ++bit) {
      const int place = (v.a[i] >> bit & 1) * 4 + (v.b[i] >> bit & 1) * 2 + (v.c[i] >> bit & 1);
      to[i] = static_cast<unsigned char>(to[i] | (table >> place & 1) << bit);
    }
  return to;
}

/// Operands of all kinds: any bits, numbers of all sizes, and those that rules are about.
void for_operands(const std::function<void(const Operands&)>& act) {
  std::mt19937 random(7);
  const float infinity = std::numeric_limits<float>::infinity();
  const float special[] = {0.0f,      -0.0f,  1.0f,   -1.0f,      0.5f,         1.5f,     2.5f,    -2.5f,   infinity,
                           -infinity, NAN,    1e-40f, -1e-45f,    3.4e38f,      -3e38f,   1e-30f,  -126.0f, -149.0f,
                           -150.0f,   127.0f, 128.0f, 8388609.0f, 1.17549e-38f, -1000.0f, 1000.0f, -24.5f,  65504.0f};
  const uint64_t masks[] = {~uint64_t{0}, 0, 0x8000000180010001u, 0x5555aaaa00ff33ccu};
  for (int round = 0; round < 4000; ++round) {
    Operands of;
    for (unsigned char* to : {of.a, of.b, of.c})
      for (int i = 0; i < 16; ++i) {
        float x = std::ldexp(static_cast<float>(random()) * 0x1p-31f - 1.0f, static_cast<int>(random() % 60) - 30);
        if (round % 4 == 1) x = special[random() % std::size(special)];
        uint32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        if (round % 4 == 0) bits = static_cast<uint32_t>(random());
        if (round % 4 == 3) bits = random() % 2 ? 0u : bits & 0x007f0080u;
        std::memcpy(to + 4 * i, &bits, sizeof bits);
      }
    of.mask = round % 8 < 4 ? masks[random() % 4] : uint64_t{random()} << 32 | random();
    act(of);
  }
}

bool is_float(const std::string& name) { return name.ends_with("_ps") && name != "_mm512_maskz_loadu_ps"; }

/// Bits, but for NaN, of which one is as good as another.
bool equal(const std::string& name, const unsigned char* seen, const unsigned char* wanted) {
  if (!is_float(name)) return std::memcmp(seen, wanted, 64) == 0;
  const auto x = lanes_of<float>(seen), y = lanes_of<float>(wanted);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (std::memcmp(&x[i], &y[i], sizeof x[i]) != 0 && !(std::isnan(x[i]) && std::isnan(y[i]))) return false;
  return true;
}

}  // namespace

TEST_CASE("emulated intrinsics return what the manual defines") {
  if (!(attnrt::sdk::cpu_isa() & ATTNRT_ISA_AVX2)) {
    std::puts("the emulation wants AVX2");
    return;
  }
  std::map<std::string, int> wrong;
  for_operands([&](const Operands& of) {
    Returned returned[kMaxFunctions];
    const int count = call_functions<Avx512::emulated>(of, returned);
    bool second = false;
    for (int i = 0; i < count; ++i) {
      const std::string name = returned[i].name;
      Bytes wanted;
      if (name == "_mm512_ternarylogic_epi32") {
        wanted = ternary(of, second ? 0x1b : 0xf8);
        second = true;
      } else {
        wanted = definitions().at(name)(of);
      }
      wrong[name] += !equal(name, returned[i].bytes, wanted.data());
    }
  });
  CHECK(wrong.size() == definitions().size() + 1);
  for (const auto& [name, times] : wrong) {
    CAPTURE(name);
    CHECK(times == 0);
  }
}

TEST_CASE("emulated intrinsics return what the processor's do", "[.][processor]") {
  if (!(attnrt::sdk::cpu_isa() & ATTNRT_ISA_AVX512) || !__builtin_cpu_supports("avx512vbmi")) {
    std::puts("the comparison wants AVX-512 with VBMI");
    return;
  }
  std::map<std::string, int> wrong;
  for_operands([&](const Operands& of) {
    Returned seen[kMaxFunctions], wanted[kMaxFunctions];
    const int count = call_functions<Avx512::emulated>(of, seen);
    REQUIRE(call_functions<Avx512::real>(of, wanted) == count);
    for (int i = 0; i < count; ++i) wrong[seen[i].name] += !equal(seen[i].name, seen[i].bytes, wanted[i].bytes);
  });
  for (const auto& [name, times] : wrong) {
    CAPTURE(name);
    CHECK(times == 0);
  }
}
