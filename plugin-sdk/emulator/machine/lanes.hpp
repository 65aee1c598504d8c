// SPDX-License-Identifier: Apache-2.0
//
// Handlers as loops over the lanes of a warp. A full warp takes a loop without branches, which compilers turn into
// vector code; the few lanes of a fragment go one by one.
#ifndef ATTNRT_EMULATOR_LANES_HPP
#define ATTNRT_EMULATOR_LANES_HPP
#include <bit>
#include <cstdint>
#include <type_traits>

#include "assembly.hpp"
#include "fault.hpp"
#include "instruction.hpp"
#include "warp.hpp"

// Registers of one instruction are the same or apart, so lanes depend on no other lane's result.
#if defined(__clang__)
#define ATTNRT_LANES_APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define ATTNRT_LANES_APART _Pragma("GCC ivdep")
#endif

namespace attnrt::emulator {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

template <class Body>
inline void each_lane(uint32_t lanes, Body body) {
  if (lanes == kAllLanes) {
    ATTNRT_LANES_APART
    for (uint32_t i = 0; i < kLanes; ++i) body(i);
  } else {
    for (uint32_t left = lanes; left; left &= left - 1) body(static_cast<uint32_t>(std::countr_zero(left)));
  }
}

/// d = F(a)
template <class D, class A, auto F>
void unary(Warp& warp, const Instruction& in, uint32_t lanes) {
  D* const d = warp.lanes<D>(in.at[0]);
  const A* const a = warp.lanes<A>(in.at[1]);
  each_lane(lanes, [=](uint32_t i) { d[i] = static_cast<D>(F(a[i])); });
}
/// d = F(a, b)
template <class D, class A, class B, auto F>
void binary(Warp& warp, const Instruction& in, uint32_t lanes) {
  D* const d = warp.lanes<D>(in.at[0]);
  const A* const a = warp.lanes<A>(in.at[1]);
  const B* const b = warp.lanes<B>(in.at[2]);
  each_lane(lanes, [=](uint32_t i) { d[i] = static_cast<D>(F(a[i], b[i])); });
}
/// d = F(a, b, c)
template <class D, class A, class B, class C, auto F>
void ternary(Warp& warp, const Instruction& in, uint32_t lanes) {
  D* const d = warp.lanes<D>(in.at[0]);
  const A* const a = warp.lanes<A>(in.at[1]);
  const B* const b = warp.lanes<B>(in.at[2]);
  const C* const c = warp.lanes<C>(in.at[3]);
  each_lane(lanes, [=](uint32_t i) { d[i] = static_cast<D>(F(a[i], b[i], c[i])); });
}

/// Calls pick.operator()<T>() with the C++ type of an integer type.
template <class Pick>
void with_integer(Assembly& assembly, Type type, Pick pick) {
  switch (type) {
    case Type::u16:
    case Type::b16:
      return pick.template operator()<uint16_t>();
    case Type::s16:
      return pick.template operator()<int16_t>();
    case Type::u32:
    case Type::b32:
      return pick.template operator()<uint32_t>();
    case Type::s32:
      return pick.template operator()<int32_t>();
    case Type::u64:
    case Type::b64:
      return pick.template operator()<uint64_t>();
    case Type::s64:
      return pick.template operator()<int64_t>();
    default:
      assembly.fail("an integer type is wanted");
  }
}

/// Integer arithmetic wraps; C++ promises that of unsigned types that are not narrower than int.
template <class T>
using Wrapping = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;

template <class T>
constexpr T wrap(Wrapping<T> value) {
  return static_cast<T>(value);
}

}  // namespace attnrt::emulator
#endif
