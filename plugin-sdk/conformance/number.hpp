// SPDX-License-Identifier: Apache-2.0
//
// The element types of plugin.h as numbers. Every stored value decodes exactly into a float.
#ifndef ATTNRT_CONFORMANCE_NUMBER_HPP
#define ATTNRT_CONFORMANCE_NUMBER_HPP
#include <cstddef>
#include <cstdint>

namespace attnrt::conformance {

/// The value stored at `from`, of type ATTNRT_FP32 ... [thread-safe]
float decode(uint32_t dtype, const void* from);

/// Stores `value`, rounded to nearest even. Too large becomes infinity, or NaN where the type has no infinity
/// (e4m3, e4m3fnuz); int8 saturates. [thread-safe]
void encode(uint32_t dtype, float value, void* to);

/// `value` as a cache of 8 bits holds it: rounded to nearest even; what is too large becomes the largest finite number
/// of its sign. [thread-safe]
float quantised(uint32_t dtype, float value);

/// The largest finite number: 448, 240, 57344, 127 for the types of 8 bits. [thread-safe]
float largest(uint32_t dtype);

/// decode and encode for `count` values in a row. [thread-safe]
void decode_row(uint32_t dtype, const void* from, std::size_t count, float* to);
void encode_row(uint32_t dtype, const float* from, std::size_t count, void* to);

/// `value`, or each of `count` values, as it comes back after being stored. [thread-safe]
float rounded(uint32_t dtype, float value);
void round_row(uint32_t dtype, float* values, std::size_t count);

/// Half the distance between 1 and the next larger value: fp32 2^-24, fp16 2^-11, bf16 2^-8. [thread-safe]
double unit_roundoff(uint32_t dtype);

}  // namespace attnrt::conformance
#endif
