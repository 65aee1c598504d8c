// SPDX-License-Identifier: Apache-2.0
//
// From a statement to an instruction. A chapter of the manual is a list of rules; a rule names the modifiers and the
// operands that an opcode takes, in the manual's order, and a function that picks the handler. What no rule matches
// entirely is refused.
//
// Modifiers: groups separated by spaces; alternatives by '|'; a group with '?' may be missing; "$int" and its like
// stand for lists of types. Operands: d (destination), p and p|q (predicate destinations), a b c (sources), {d}
// (vectors), [a] (addresses), i (immediates), L (labels), each with an optional ":type", ":w" for twice the width of
// the instruction's type, and "?" where it may be missing; "*" leaves the rest to the function.
#ifndef ATTNRT_EMULATOR_ASSEMBLY_HPP
#define ATTNRT_EMULATOR_ASSEMBLY_HPP
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instruction.hpp"
#include "type.hpp"

namespace attnrt::emulator {

class Assembler;
class Assembly;

struct Rule {
  const char* section;  ///< of the PTX manual, version 9.0
  const char* opcode;   ///< up to the first dot
  const char* modifiers;
  const char* operands;
  void (*build)(Assembly&);
};

/// The rules of all chapters, in the manual's order.
std::span<const std::span<const Rule>> chapters();

/// An operand as it is written.
struct Operand {
  enum class Kind : uint8_t { word, number, vector, address, pair };
  Kind kind = Kind::word;
  bool negative = false;       ///< '-' before a number, '!' before a predicate
  std::string_view text;       ///< a word or a number; the base of an address
  int64_t offset = 0;          ///< behind '+'
  std::vector<Operand> parts;  ///< of a vector or pair; an address: the base, then the coordinates of a tensor
};

/// One instruction while it is assembled; what a rule's function sees.
class Assembly {
 public:
  Instruction in;

  /// The alternative that the text took in a group of modifiers, "" where it took none.
  std::string_view choice(std::size_t group) const { return choices_[group]; }
  bool has(std::size_t group) const { return !choices_[group].empty(); }
  /// The type that the last group of modifiers names.
  Type type() const { return type_; }
  Type type_of(std::size_t group) const { return type_named(choices_[group]); }

  std::size_t num_operands() const { return operands_->size(); }
  const Operand& operand(std::size_t index) const;
  /// For rules with "*": so many operands, no more and no fewer.
  void want_operands(std::size_t count) const;
  bool given(std::size_t index) const { return index < operands_->size(); }

  /// Places for operands, in the order of the calls. `exact`: a register of just this width; else a wider one may
  /// stand. The width of the register is returned.
  uint32_t destination(const Operand& operand, Type type, bool exact = true);
  uint32_t source(const Operand& operand, Type type, bool exact = true);
  /// The register of an address; its displacement goes into the instruction.
  void address(const Operand& operand, bool second = false);
  /// A vector's elements, or the operand itself.
  std::span<const Operand> elements(const Operand& operand) const;
  uint64_t immediate(const Operand& operand, Type type) const;
  /// A place that holds a value in all lanes.
  void constant(Type type, uint64_t value);
  /// A place that nothing reads.
  void sink(Type type);
  /// The next places keep their registers to themselves: something may write them later than the instruction.
  void keep_registers();
  /// A second instruction of the same operands follows this one: what has to happen after a wait.
  void repeat(Handler run) { second_half_ = run; }
  void branch(const Operand& label);
  void branch_table(const Operand& name);
  /// To the end of the function around it; false where it stands in the kernel itself.
  bool branch_to_return();
  /// Shared memory is accessed in pieces of so many bytes.
  void shared_access(uint32_t bytes);
  void use_tensor_memory();
  /// Byte offset of a kernel's parameter, -1 where the name is none.
  int64_t parameter(std::string_view name) const;
  uint32_t arch() const;
  [[noreturn]] void fail(const std::string& sentence) const;

 private:
  friend class Assembler;
  Assembly(Assembler& whole, uint32_t line) : whole_(whole), line_(line) { in.line = line; }
  Assembler& whole_;
  uint32_t line_;
  std::vector<std::string_view> choices_;
  Type type_ = Type::none;
  const std::vector<Operand>* operands_ = nullptr;
  Handler second_half_ = nullptr;
};

}  // namespace attnrt::emulator
#endif
