// SPDX-License-Identifier: Apache-2.0
//
// The functions of llvm.amdgcn that the machine knows (LLVM's IntrinsicsAMDGPU.td; AMD's ISA manuals for CDNA3, CDNA4).
// A file each: exchange.cpp, matrix.cpp, conversion.cpp, lds_copy.cpp, math.cpp, order.cpp.
#ifndef ATTNRT_EMULATOR_AMD_INTRINSIC_HPP
#define ATTNRT_EMULATOR_AMD_INTRINSIC_HPP
#include <cstdint>
#include <string_view>

namespace attnrt::emulator::amd {

struct Lane;
struct Wave;

/// The operands of one call in every lane of a wave: the i-th at in[lane] + 64 * i, the result at out[lane].
struct WaveCall {
  const char* in[64];
  char* out[64];
  uint32_t lanes;  ///< of the wave: 64, or 32 on RDNA
  uint32_t bytes;  ///< of the first operand
  Wave& wave;
};

/// The operands of a call that a lane makes alone, likewise.
struct LaneCall {
  const char* in;
  char* out;
  uint32_t bytes;  ///< of the first operand
  uint32_t arch;   ///< 0x942 = gfx942
};

/// A function. Exactly one of the three is set.
struct Rule {
  std::string_view name;                             ///< where it ends in '.', a type follows
  void (*alone)(const LaneCall& call) = nullptr;     ///< a lane's own affair
  void (*together)(const WaveCall& call) = nullptr;  ///< all lanes of the wave meet
  void (*effect)(Lane& lane, const char* in, char* out, uint32_t site) = nullptr;  ///< of memory or order
};

/// Of "llvm.amdgcn.readlane.i32" or "llvm.exp2.v2f32". NULL where the machine does not know the function.
const Rule* rule_of(std::string_view name);

/// A chapter's functions.
struct Rules {
  const Rule* begin;
  const Rule* end;
};
Rules exchange_rules();
Rules matrix_rules();
Rules conversion_rules();
Rules lds_copy_rules();
Rules order_rules();
Rules math_rules();

/// Functions of llvm itself that this CPU's compiler lowers without a library, for any type: "smin", "fabs".
bool is_plain_function(std::string_view name);

}  // namespace attnrt::emulator::amd
#endif
