// SPDX-License-Identifier: Apache-2.0
//
// operators.cuh: the operators of a flex program on a device, op_NAME for each name of attnrt/flex/op.hpp, with the
// meaning of attnrt/flex/meaning.hpp to the bit (data sheet)
//   i32       wraps; no operator traps
//   f32       rounded to nearest after each operator: products and sums are never contracted to one
//   functions exp, log and their like are the CUDA library's: a few ulp
//   loads     an index outside of the buffer counts as the nearest one inside; an empty buffer holds zeros
#ifndef ATTNRT_FLEX_OPERATORS_CUH
#define ATTNRT_FLEX_OPERATORS_CUH
#include "flex_arguments.cuh"

namespace attnrt::flex {

__device__ inline int wrap(unsigned bits) { return static_cast<int>(bits); }
__device__ inline unsigned bits_of(int a) { return static_cast<unsigned>(a); }

__device__ inline int op_add(int a, int b) { return wrap(bits_of(a) + bits_of(b)); }
__device__ inline int op_sub(int a, int b) { return wrap(bits_of(a) - bits_of(b)); }
__device__ inline int op_mul(int a, int b) { return wrap(bits_of(a) * bits_of(b)); }
__device__ inline int op_neg(int a) { return wrap(0u - bits_of(a)); }
__device__ inline int op_abs(int a) { return a < 0 ? op_neg(a) : a; }
__device__ inline int op_min(int a, int b) { return a < b ? a : b; }
__device__ inline int op_max(int a, int b) { return a > b ? a : b; }
__device__ inline int op_floor_div(int a, int b) {
  if (b == 0) return 0;
  if (b == -1) return op_neg(a);
  const int quotient = a / b, rest = a - quotient * b;
  return quotient - (rest != 0 && (rest ^ b) < 0 ? 1 : 0);
}
__device__ inline int op_mod(int a, int b) {
  if (b == 0 || b == -1) return 0;
  const int rest = a % b;
  return rest != 0 && (rest ^ b) < 0 ? rest + b : rest;
}

__device__ inline float op_add(float a, float b) { return __fadd_rn(a, b); }
__device__ inline float op_sub(float a, float b) { return __fsub_rn(a, b); }
__device__ inline float op_mul(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float op_div(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline float op_floor_div(float a, float b) { return floorf(__fdiv_rn(a, b)); }
__device__ inline float op_mod(float a, float b) { return __fsub_rn(a, __fmul_rn(b, floorf(__fdiv_rn(a, b)))); }
__device__ inline float op_neg(float a) { return -a; }
__device__ inline float op_abs(float a) { return fabsf(a); }
__device__ inline float op_min(float a, float b) { return b != b ? b : a != a || a < b ? a : b; }
__device__ inline float op_max(float a, float b) { return b != b ? b : a != a || a > b ? a : b; }

template <class T>
__device__ bool op_lt(T a, T b) {
  return a < b;
}
template <class T>
__device__ bool op_le(T a, T b) {
  return a <= b;
}
template <class T>
__device__ bool op_eq(T a, T b) {
  return a == b;
}
template <class T>
__device__ bool op_ne(T a, T b) {
  return a != b;
}
__device__ inline bool op_and(bool a, bool b) { return a && b; }
__device__ inline bool op_or(bool a, bool b) { return a || b; }
__device__ inline bool op_not(bool a) { return !a; }
template <class T>
__device__ T op_where(bool condition, T a, T b) {
  return condition ? a : b;
}
template <class T>
__device__ T op_bit_and(T a, T b) {
  return static_cast<T>(a & b);
}
template <class T>
__device__ T op_bit_or(T a, T b) {
  return static_cast<T>(a | b);
}
template <class T>
__device__ T op_bit_xor(T a, T b) {
  return static_cast<T>(a ^ b);
}
__device__ inline int op_shift_left(int a, int count) {
  return count < 0 || count > 31 ? 0 : wrap(bits_of(a) << count);
}
__device__ inline int op_shift_right(int a, int count) { return a >> (count < 0 || count > 31 ? 31 : count); }

__device__ inline float op_exp(float a) { return expf(a); }
__device__ inline float op_exp2(float a) { return exp2f(a); }
__device__ inline float op_log(float a) { return logf(a); }
__device__ inline float op_log2(float a) { return log2f(a); }
__device__ inline float op_sqrt(float a) { return __fsqrt_rn(a); }
__device__ inline float op_rsqrt(float a) { return __fdiv_rn(1.f, __fsqrt_rn(a)); }
__device__ inline float op_tanh(float a) { return tanhf(a); }
__device__ inline float op_sin(float a) { return sinf(a); }
__device__ inline float op_cos(float a) { return cosf(a); }
__device__ inline float op_floor(float a) { return floorf(a); }
__device__ inline float op_ceil(float a) { return ceilf(a); }

__device__ inline int op_i32(float a) { return __float2int_rz(a); }  // saturates, NaN becomes 0
__device__ inline int op_i32(int a) { return a; }
__device__ inline int op_i32(bool a) { return a ? 1 : 0; }
__device__ inline float op_f32(float a) { return a; }
__device__ inline float op_f32(int a) { return __int2float_rn(a); }
__device__ inline float op_f32(bool a) { return a ? 1.f : 0.f; }
__device__ inline bool op_bool(float a) { return a != 0.f; }
__device__ inline bool op_bool(int a) { return a != 0; }
__device__ inline bool op_bool(bool a) { return a; }

/// Where the element at these indices lies; NULL: the buffer is empty. `kBytes`: of an element.
template <int kBytes, class... Indices>
__device__ const char* element_of(const FlexBuffer& buffer, Indices... indices) {
  const int at[sizeof...(Indices) + 1] = {indices..., 0};
  long long offset = 0;
#pragma unroll
  for (int d = 0; d < static_cast<int>(sizeof...(Indices)); ++d) {
    if (buffer.last[d] < 0) return nullptr;
    offset += min(max(at[d], 0), buffer.last[d]) * buffer.strides[d];
  }
  return buffer.data + offset * kBytes;
}

// Buffers keep what they hold while kernels run, so that loads may be moved and shared.
__device__ inline unsigned load_word(const char* from) {
  unsigned word = 0;
  if (from) asm("ld.global.nc.b32 %0, [%1];" : "=r"(word) : "l"(from));
  return word;
}
__device__ inline unsigned short load_half(const char* from) {
  unsigned short half = 0;
  if (from) asm("ld.global.nc.b16 %0, [%1];" : "=h"(half) : "l"(from));
  return half;
}
template <class... Indices>
__device__ int load_i32(const FlexBuffer& buffer, Indices... indices) {
  return wrap(load_word(element_of<4>(buffer, indices...)));
}
template <class... Indices>
__device__ float load_f32(const FlexBuffer& buffer, Indices... indices) {
  return __uint_as_float(load_word(element_of<4>(buffer, indices...)));
}
template <class... Indices>
__device__ float load_fp16(const FlexBuffer& buffer, Indices... indices) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(load_half(element_of<2>(buffer, indices...))));
  return wide;
}
template <class... Indices>
__device__ float load_bf16(const FlexBuffer& buffer, Indices... indices) {
  return __uint_as_float(static_cast<unsigned>(load_half(element_of<2>(buffer, indices...))) << 16);
}
template <class... Indices>
__device__ bool load_bool(const FlexBuffer& buffer, Indices... indices) {
  const char* const from = element_of<1>(buffer, indices...);
  unsigned byte = 0;
  if (from) asm("ld.global.nc.u8 %0, [%1];" : "=r"(byte) : "l"(from));
  return byte != 0;
}

}  // namespace attnrt::flex
#endif
