// SPDX-License-Identifier: Apache-2.0
//
// Which rule an opcode follows.
#ifndef ATTNRT_EMULATOR_SYNTAX_HPP
#define ATTNRT_EMULATOR_SYNTAX_HPP
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "assembly.hpp"

namespace attnrt::emulator {

struct Match {
  const Rule* rule = nullptr;  ///< NULL = none fits
  std::vector<std::string_view> choices;
  Type type = Type::none;  ///< of the last group that names one
};

/// Remembers what it found: a kernel has few opcodes and uses them often.
class Syntax {
 public:
  /// `opcode` as written, with all modifiers.
  const Match& match(std::string_view opcode, std::size_t num_operands);

 private:
  std::unordered_map<std::string, Match> known_;
};

/// The next word of a list that is separated by `mark`; the list shrinks.
std::string_view take_word(std::string_view& list, char mark);

}  // namespace attnrt::emulator
#endif
