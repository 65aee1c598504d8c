// SPDX-License-Identifier: Apache-2.0
//
// Floating-point numbers of 8 bits. gfx942 has the kinds without infinities and negative zero (fnuz), gfx950 those of
// the OCP's specification (OFP8 1.0); both call the one with 4 bits of exponent fp8, the one with 5 bf8.
#ifndef ATTNRT_EMULATOR_AMD_FP8_HPP
#define ATTNRT_EMULATOR_AMD_FP8_HPP
#include <cstdint>

namespace attnrt::emulator::amd {

enum class Fp8Kind : uint32_t { e4m3, e5m2, e4m3fnuz, e5m2fnuz };

/// What fp8, or bf8, is on an architecture (0x942, 0x950).
Fp8Kind fp8_of(uint32_t arch, bool bf8);
/// The 256 values. [thread-safe]
const float* fp8_values(Fp8Kind kind);
/// The nearest number, ties to even. Beyond the largest: infinity or, where there is none, a nan.
uint8_t to_fp8(Fp8Kind kind, float value);

}  // namespace attnrt::emulator::amd
#endif
