// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_ELEMENT_HPP
#define ATTNRT_CLI_ELEMENT_HPP
#include "safetensors.hpp"

namespace attnrt::cli {

/// Element `i` of an F32, F16, BF16, F8_E4M3, F8_E5M2 or I8 array as a number.
double element(const Array& array, int64_t i);
/// Unit roundoff: half the distance from 1 to the next number. F32 2^-24, F16 2^-11, BF16 2^-8.
double roundoff(Dtype dtype);
/// The nearest number of F16 or BF16, ties to even; for F32 the nearest float.
double rounded(double value, Dtype dtype);

}  // namespace attnrt::cli
#endif
