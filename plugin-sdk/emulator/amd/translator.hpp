// SPDX-License-Identifier: Apache-2.0
//
// What lowering.cpp, access.cpp and call.cpp share: the text as it is read, line by line, and what it becomes.
#ifndef ATTNRT_EMULATOR_AMD_TRANSLATOR_HPP
#define ATTNRT_EMULATOR_AMD_TRANSLATOR_HPP
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fault.hpp"
#include "intrinsic.hpp"
#include "lowering.hpp"
#include "service.hpp"
#include "value_type.hpp"

namespace attnrt::emulator::amd {

class Translator {
 public:
  Translator(const std::string& source, const KernelInfo& kernel) : source_(source), kernel_(kernel) {}
  /// Throws TextFault.
  Lowered run();

 private:
  void line(std::string_view text);
  void outside(const Tokens& tokens, std::string_view text);
  void define(const Tokens& tokens);
  void instruction(Tokens tokens);
  void load(const Tokens& tokens, std::size_t at, const std::string& result);
  void store(const Tokens& tokens, std::size_t at);
  void call(const Tokens& tokens, std::size_t at, const std::string& result);
  void division(const Tokens& tokens, std::size_t at, const std::string& result);
  void divide(std::string_view opcode, const Type& type, const std::string& dividend, const std::string& divisor,
              const std::string& result);

  struct Operand {
    Type type;
    std::string text;
  };
  Operand operand(const Tokens& tokens, std::size_t begin, std::size_t end);
  void call_machine(const Rule& rule, const Type& type, const std::vector<Operand>& operands,
                    const std::string& result);
  bool call_special(std::string_view name, const Type& type, const std::vector<Operand>& operands,
                    const std::string& result);
  void call_buffer(bool writes, const Type& type, const std::vector<Operand>& operands, const std::string& result);

  /// Tokens in the text of this CPU.
  std::string plain(const Tokens& tokens, std::size_t begin, std::size_t end) const;
  static std::string local(std::string_view name);
  /// A call of the table: "%fn.4(" is ready for arguments.
  std::string service(Service which, const char* result);
  std::string fresh() { return say("%x", next_++); }
  std::string site(uint32_t bytes, uint32_t alignment, const Rule* rule = nullptr);
  template <class... Args>
  void put(const Args&... args) {
    body_ += say("  ", args..., "\n");
  }

  const std::string& source_;
  const KernelInfo& kernel_;
  uint32_t line_ = 0, next_ = 0;
  bool in_switch_ = false;
  enum { before, inside, after } place_ = before;
  std::string body_, head_;
  std::set<std::string> declared_;
  std::vector<Site> sites_;
};

inline bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The place of the next "," that is in no bracket, or `end`.
std::size_t next_comma(const Tokens& tokens, std::size_t at, std::size_t end);

}  // namespace attnrt::emulator::amd
#endif
