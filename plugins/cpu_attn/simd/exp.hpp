// SPDX-License-Identifier: Apache-2.0
//
// exp.hpp: exp and tanh in fp32 vectors. Range reduction after Cody and Waite with log 2 in two parts, a polynomial of
// degree 6 fitted to the relative error on [-log(2)/2, log(2)/2] (3e-9 before rounding): exp is good to about 1 ulp,
// tanh to 3.
#ifndef ATTNRT_CPU_ATTN_SIMD_EXP_HPP
#define ATTNRT_CPU_ATTN_SIMD_EXP_HPP
#include <cstdint>

#include "isa.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// exp(x) = power * (1 + rest) with power = 2^n; x within [-87, 88].
struct ExpParts {
  Vec power, rest;
};

ATTNRT_KERNEL_INLINE ExpParts exp_parts(Vec x) {
  const Vec magic = broadcast(12582912.0f);  // 1.5 * 2^23: the sum's low bits are the rounded integer
  const Vec shifted = x * broadcast(1.44269504f) + magic;
  const Vec n = shifted - magic;
  const Vec r = (x - n * broadcast(0.693359375f)) - n * broadcast(-2.12194440e-4f);
  Vec q = broadcast(1.38143205e-3f);
  q = madd(q, r, broadcast(8.36885069e-3f));
  q = madd(q, r, broadcast(4.16684002e-2f));
  q = madd(q, r, broadcast(0.166665196f));
  q = madd(q, r, broadcast(0.5f));
  const Vec rest = madd(q, r * r, r);
  const VecInt one = bits_of(broadcast(1.0f));
  return {from_bits((bits_of(shifted) << 23) + one), rest};
}

/// exp(x) for x <= 0; 0 below -87 and at -infinity, NaN stays NaN.
ATTNRT_KERNEL_INLINE Vec exp_nonpositive(Vec x) {
  const Vec low = broadcast(-87.0f);
  const VecInt vanishes = x < low;
  const ExpParts e = exp_parts(larger(low, x));
  return from_bits(bits_of(madd(e.power, e.rest, e.power)) & ~vanishes);
}
ATTNRT_KERNEL_INLINE float exp_nonpositive(float x) { return exp_nonpositive(broadcast(x))[0]; }

/// tanh(x) = (e - 1) / (e + 1) with e - 1 taken from the parts of exp(2 |x|), so that small x keep their digits.
ATTNRT_KERNEL_INLINE Vec tanh_of(Vec x) {
  const VecInt sign = bits_of(x) & bits_of(broadcast(-0.0f));
  const Vec twice = from_bits(bits_of(x) ^ sign) * broadcast(2.0f);
  const Vec limit = broadcast(-40.0f);
  const ExpParts e = exp_parts(-larger(limit, -twice));
  const Vec minus_one = madd(e.power, e.rest, e.power - broadcast(1.0f));
  return from_bits(bits_of(minus_one / (minus_one + broadcast(2.0f))) | sign);
}

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
