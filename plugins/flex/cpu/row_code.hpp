// SPDX-License-Identifier: Apache-2.0
//
// row_code.hpp: one function of a program (its mask or its score) as code for rows of keys. What does not depend on the
// key is computed once a row; the rest is a list of instructions, each over kRowKeys keys at a time, so that the
// dispatch of an instruction is paid once for all of these. Values live in slots, which are used again when nobody
// needs them any more.
#ifndef ATTNRT_FLEX_CPU_ROW_CODE_HPP
#define ATTNRT_FLEX_CPU_ROW_CODE_HPP
#include <cstddef>
#include <cstdint>
#include <vector>

#include "attnrt/flex/evaluate.hpp"
#include "attnrt/flex/program.hpp"

namespace attnrt::flex {

/// Keys that an instruction computes at a time.
constexpr int kRowKeys = 64;

/// The values of one node for kRowKeys keys: bool as 0 and 1, i32, or the bits of f32.
struct alignas(64) Slot {
  uint32_t lanes[kRowKeys];
};

/// slots[to] = op(slots[a], slots[b], slots[c]).
struct RowInstruction {
  Op op = Op::constant;
  Type type = Type::i32;  ///< of the last operand
  uint16_t to = 0, operands[kMaxRank] = {};
  uint16_t buffer = 0;  ///< of a load
  Element element = Element::i32;
  uint8_t num_operands = 0;
  int8_t step = 0;      ///< of a load: what its last index changes by from key to key, 1 or -1; 0: it may be anywhere
  int32_t divisor = 0;  ///< of // and % of i32: the constant behind it, from 1 to kMostDivisor; 0: it is none
};

constexpr uint16_t kNoSlot = 0xffff;
/// Twice it is an i32: what is left by a quotient that is one off.
constexpr int32_t kMostDivisor = 1 << 30;

/// A node that does not depend on the key, and the slot that holds its value for all keys of a row; kNoSlot where no
/// instruction reads it.
struct RowUniform {
  uint16_t node, slot;
};

class RowCode;

/// Row code as evaluators read it: without a function of the standard library, which an evaluator's file would compile
/// for its own instruction set and a linker might then take for all.
struct RowCodeView {
  const RowCode* code;
  const RowInstruction* instructions;
  const RowUniform* uniforms;
  uint32_t num_instructions, num_uniforms, num_slots;
  uint16_t position_slot, score_slot;  ///< where the key's position and its score come in; kNoSlot: they are not read
  uint16_t result_slot;
};

/// Keys [kv_first, kv_first + count) of one row.
struct RowCall {
  const RowCodeView* code;
  const BufferView* views;  ///< of the program's buffers
  int32_t b, h, q_idx, kv_first;
  int32_t count;
};

/// One function of a program. [thread-safe]
class RowCode {
 public:
  /// `root`: program.mask or program.score, not kNone. The program outlives this.
  RowCode(const Program& program, int root);
  RowCode(const RowCode&) = delete;

  const RowCodeView& view() const { return view_; }
  /// Is the result the same for all keys of a row?
  bool is_uniform() const {
    return instructions_.empty() && view_.position_slot == kNoSlot && view_.score_slot == kNoSlot;
  }
  /// Of a worker: the slots, and the values of the uniform nodes. A multiple of 64.
  std::size_t scratch_bytes() const;
  /// The values of the nodes in `uniforms` for a row, each at its node's number.
  void fill_uniforms(const RowCall& row, Value* values) const;

 private:
  const Program& program_;
  std::vector<RowUniform> uniforms_;
  std::vector<RowInstruction> instructions_;
  RowCodeView view_{};
};
/// RowCode::fill_uniforms of the call's own code.
void fill_uniforms(const RowCall& row, Value* values);

/// The evaluators of one instruction set. Scratch: of code->scratch_bytes(), aligned to 64. [thread-safe]
struct RowEvaluator {
  /// bias[i] becomes -infinity where the mask hides key i, and stays elsewhere.
  void (*hide)(const RowCall& call, float* bias, std::byte* scratch);
  /// score[i] becomes what the program makes of it.
  void (*score)(const RowCall& call, float* score, std::byte* scratch);
};
const RowEvaluator& portable_rows() noexcept;
#if defined(__x86_64__)
const RowEvaluator& avx2_rows() noexcept;
const RowEvaluator& avx512_rows() noexcept;
#endif

}  // namespace attnrt::flex
#endif
