// SPDX-License-Identifier: Apache-2.0
//
// The fundamental types of PTX (manual 5.2) and what the text calls them.
#ifndef ATTNRT_EMULATOR_TYPE_HPP
#define ATTNRT_EMULATOR_TYPE_HPP
#include <cstdint>
#include <string_view>

namespace attnrt::emulator {

enum class Type : uint8_t {
  none,
  pred,
  u8,
  s8,
  b8,
  u16,
  s16,
  b16,
  u32,
  s32,
  b32,
  u64,
  s64,
  b64,
  b128,
  f16,
  bf16,
  f32,
  f64,
  f16x2,
  bf16x2,
  f32x2,
  e4m3x2,
  e5m2x2,
  tf32
};

constexpr uint32_t bits_of(Type type) {
  switch (type) {
    case Type::none:
      return 0;
    case Type::pred:
      return 1;
    case Type::u8:
    case Type::s8:
    case Type::b8:
      return 8;
    case Type::u16:
    case Type::s16:
    case Type::b16:
    case Type::f16:
    case Type::bf16:
    case Type::e4m3x2:
    case Type::e5m2x2:
      return 16;
    case Type::u32:
    case Type::s32:
    case Type::b32:
    case Type::f32:
    case Type::f16x2:
    case Type::bf16x2:
    case Type::tf32:
      return 32;
    case Type::u64:
    case Type::s64:
    case Type::b64:
    case Type::f64:
    case Type::f32x2:
      return 64;
    case Type::b128:
      return 128;
  }
  return 0;
}
constexpr uint32_t bytes_of(Type type) { return bits_of(type) / 8; }

constexpr bool is_signed(Type type) {
  return type == Type::s8 || type == Type::s16 || type == Type::s32 || type == Type::s64;
}
constexpr bool is_float(Type type) {
  return type == Type::f16 || type == Type::bf16 || type == Type::f32 || type == Type::f64;
}

/// The type of this name, such as "u32", or Type::none.
Type type_named(std::string_view name);

/// A register is 16 bits wide at least; a predicate is one bit.
constexpr uint32_t register_bits(Type type) {
  const uint32_t bits = bits_of(type);
  return bits == 8 ? 16 : bits;
}

}  // namespace attnrt::emulator
#endif
