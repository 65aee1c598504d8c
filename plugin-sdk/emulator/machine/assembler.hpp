// SPDX-License-Identifier: Apache-2.0
//
// Assembles the body of one kernel: scopes, declarations, labels, statements.
#ifndef ATTNRT_EMULATOR_ASSEMBLER_HPP
#define ATTNRT_EMULATOR_ASSEMBLER_HPP
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "assembly.hpp"
#include "function.hpp"
#include "liveness.hpp"
#include "module.hpp"
#include "syntax.hpp"
#include "text.hpp"

namespace attnrt::emulator {

/// A declared variable: `.shared .align 16 .b8 name[1024] = {...}`.
struct Declaration {
  std::string_view space, name;
  uint32_t align = 1;
  uint64_t bytes = 0;   ///< 0: an array without a size
  std::string initial;  ///< `bytes` long where there is an initialiser
  Type type = Type::none;
};
/// Reads a declaration whose state space is the token at the cursor, up to ';' or another end of a parameter.
Declaration read_declaration(Cursor& cursor);

/// Names of a module that kernels use.
struct Environment {
  std::map<std::string, uint64_t, std::less<>> globals;  ///< name: address
  std::vector<Declaration> shared;                       ///< at module scope; of these one may be without a size
  Functions functions;
  uint32_t arch = 0;
};

class Assembler {
 public:
  Assembler(Kernel& kernel, const Environment& environment);
  /// Reads from behind the opening brace to behind the closing one.
  void read_body(Cursor& cursor);

 private:
  friend class Assembly;
  struct Register {
    uint32_t first, count;  ///< virtual registers; count 0: one without a number
    Type type;
  };
  struct Scope {
    std::unordered_map<std::string_view, Register> registers;
    std::unordered_map<std::string_view, uint64_t> symbols;  ///< addresses of local variables and of calls' parameters
    std::unordered_map<std::string_view, uint32_t> labels;
    std::unordered_map<std::string_view, std::vector<std::string_view>> tables;  ///< .branchtargets
  };
  struct Jump {
    uint32_t instruction;
    std::vector<uint32_t> scopes;  ///< from the outermost in
    std::string_view label;
    bool is_table;
  };

  void open_scope();
  void read_block(Cursor& cursor);
  void read_call(Cursor& cursor, uint32_t line);
  void emit_assertion(uint32_t line);
  void read_directive(Cursor& cursor);
  void read_registers(Cursor& cursor);
  void declare(const Declaration& declaration, uint32_t line);
  void read_statement(Cursor& cursor);
  Operand read_operand(Cursor& cursor);
  Operand read_address(Cursor& cursor);
  void place_operands(Assembly& assembly, const Rule& rule);
  void emit(Assembly& assembly, std::string_view guard);
  void finish();
  void resolve_jumps();
  uint32_t label_of(const std::vector<uint32_t>& scopes, std::string_view name, uint32_t line) const;

  uint32_t virtual_register(uint32_t bits);
  const Register* find_register(std::string_view name, uint32_t& id) const;
  uint32_t constant(uint32_t bits, uint64_t value);
  bool find_special(std::string_view name, uint32_t& id, uint32_t& bits);
  bool find_symbol(std::string_view name, uint64_t& address) const;
  void reference(uint32_t id, bool written, bool kept = false);

  Kernel& kernel_;
  const Environment& environment_;
  std::vector<Scope> scopes_;                                         ///< all of the kernel
  std::vector<uint32_t> open_;                                        ///< those around the statement
  std::vector<std::vector<uint32_t>> calls_;                          ///< `open_` of the callers
  static constexpr std::string_view kReturn = "end of the function";  ///< its label: no text can say that
  std::unordered_map<std::string_view, uint64_t> shared_;
  std::vector<Jump> jumps_;
  Syntax syntax_;
  Program program_;
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> constants_;
  std::map<Special, uint32_t> specials_;
  std::size_t num_calls_ = 0;
  std::size_t first_reference_ = 0;  ///< of the statement
  uint64_t dynamic_shared_ = 0;
};

/// A literal as the bits of a type (manual 4.5). Throws TextFault.
uint64_t bits_of_literal(std::string_view text, bool negative, Type type, uint32_t line);

}  // namespace attnrt::emulator
#endif
