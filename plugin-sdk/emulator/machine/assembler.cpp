// SPDX-License-Identifier: Apache-2.0
#include "assembler.hpp"

#include <algorithm>

#include "fault.hpp"
#include "memory_map.hpp"

namespace attnrt::emulator {

Assembler::Assembler(Kernel& kernel, const Environment& environment) : kernel_(kernel), environment_(environment) {
  program_.first_reference.push_back(0);
  const Declaration* unsized = nullptr;
  for (const Declaration& variable : environment.shared) {
    if (!variable.bytes) {
      unsized = &variable;
      continue;
    }
    kernel_.shared_bytes = (kernel_.shared_bytes + variable.align - 1) / variable.align * variable.align;
    shared_[variable.name] = shared_base(environment_.arch) + kernel_.shared_bytes;
    kernel_.shared_bytes += static_cast<uint32_t>(variable.bytes);
  }
  open_scope();
  if (unsized) shared_[unsized->name] = ~uint64_t{0};  // known when all static variables are
}

void Assembler::open_scope() {
  open_.push_back(static_cast<uint32_t>(scopes_.size()));
  scopes_.emplace_back();
}

// Static shared memory lies in front of dynamic shared memory, wherever a body declares it: a walk ahead adds it up.
void Assembler::read_body(Cursor& cursor) {
  Cursor ahead = cursor;
  for (int depth = 1; depth;) {
    const Token& token = ahead.peek();
    if (token.kind == TokenKind::end) ahead.fail("'}' at the end of the kernel");
    if (token.text == ".shared") {
      const Declaration variable = read_declaration(ahead);
      if (!variable.bytes) throw TextFault(say("line ", token.line, ": shared memory without a size in a kernel"));
      kernel_.shared_bytes = (kernel_.shared_bytes + variable.align - 1) / variable.align * variable.align;
      shared_[variable.name] = shared_base(environment_.arch) + kernel_.shared_bytes;
      kernel_.shared_bytes += static_cast<uint32_t>(variable.bytes);
      continue;
    }
    if (token.text == "{") ++depth;
    if (token.text == "}") --depth;
    ahead.take();
  }
  for (auto& [name, address] : shared_)
    if (address == ~uint64_t{0}) {
      kernel_.shared_bytes = (kernel_.shared_bytes + 15) / 16 * 16;
      address = shared_base(environment_.arch) + kernel_.shared_bytes;
    }

  read_block(cursor);
  Instruction end;
  end.flow = Flow::exit;
  end.line = cursor.peek().line;
  kernel_.code.push_back(end);
  program_.first_reference.push_back(static_cast<uint32_t>(program_.references.size()));
  finish();
}

// Up to the brace that closes the outermost open scope.
void Assembler::read_block(Cursor& cursor) {
  while (!open_.empty()) {
    const Token& token = cursor.peek();
    if (token.kind == TokenKind::end) cursor.fail("'}' at the end of the body");
    if (cursor.skip("{")) {
      if (open_.size() > 64) cursor.fail("at most 64 scopes one in the other");
      open_scope();
    } else if (cursor.skip("}")) {
      open_.pop_back();
    } else if (cursor.skip(";")) {
      continue;
    } else if (token.kind == TokenKind::word && cursor.peek(1).text == ":") {
      cursor.take(), cursor.take();
      Scope& scope = scopes_[open_.back()];
      if (cursor.skip(".branchtargets")) {
        auto& labels = scope.tables[token.text];
        do labels.push_back(cursor.take().text);
        while (cursor.skip(","));
        cursor.want(";");
      } else if (!scope.labels.emplace(token.text, static_cast<uint32_t>(kernel_.code.size())).second) {
        throw TextFault(say("line ", token.line, ": label ", token.text, " stands there twice"));
      }
    } else if (token.kind == TokenKind::word && token.text[0] == '.') {
      read_directive(cursor);
    } else {
      read_statement(cursor);
    }
  }
}

void Assembler::finish() {
  resolve_jumps();

  std::vector<uint32_t> places;
  allocate_registers(program_, kernel_, places);
  kernel_.places.reserve(program_.references.size());
  for (const Reference& reference : program_.references) kernel_.places.push_back(places[reference.id]);
  for (std::size_t i = 0; i < kernel_.code.size(); ++i) {
    Instruction& in = kernel_.code[i];
    in.at = kernel_.places.data() + program_.first_reference[i];
    if (in.guard) in.guard = in.at[program_.first_reference[i + 1] - program_.first_reference[i] - 1];
  }
  for (const auto& [key, id] : constants_)
    if (places[id]) kernel_.constants.push_back({places[id], key.first, key.second});
  for (const auto& [which, id] : specials_)
    if (places[id]) kernel_.specials.push_back({which, places[id]});
  for (Kernel::Counters* const counters : {&kernel_.executed, &kernel_.wavefronts, &kernel_.ideal_wavefronts})
    *counters = std::make_unique<std::atomic<uint64_t>[]>(kernel_.code.size());
}

void Assembler::read_directive(Cursor& cursor) {
  const Token& token = cursor.peek();
  if (token.text == ".reg") return read_registers(cursor);
  if (token.text == ".local" || token.text == ".shared" || token.text == ".param")
    return declare(read_declaration(cursor), token.line);
  if (token.text == ".pragma") {
    while (!cursor.at_end() && !cursor.skip(";")) cursor.take();
    return;
  }
  cursor.fail("a statement, .reg, .local, .param, .shared or .pragma");
}

void Assembler::read_registers(Cursor& cursor) {
  cursor.want(".reg");
  const Token& word = cursor.take();
  const Type type = word.text.empty() ? Type::none : type_named(word.text.substr(1));
  if (type == Type::none || bits_of(type) > 64)
    throw TextFault(say("line ", word.line, ": registers of type ", word.text, " are not known"));
  do {
    const Token& name = cursor.take();
    if (name.kind != TokenKind::word)
      throw TextFault(say("line ", name.line, ": '", name.text, "', wanted a register"));
    Register declared{static_cast<uint32_t>(program_.register_bits.size()), 0, type};
    uint32_t count = 1;
    if (cursor.skip("<")) {
      const uint64_t wanted = cursor.want_unsigned();
      if (wanted > 1000000 || program_.register_bits.size() > 4000000) cursor.fail("at most a million registers");
      declared.count = count = static_cast<uint32_t>(wanted);
      cursor.want(">");
    }
    for (uint32_t i = 0; i < count; ++i) virtual_register(register_bits(type));
    scopes_[open_.back()].registers[name.text] = declared;
  } while (cursor.skip(","));
  cursor.want(";");
}

void Assembler::declare(const Declaration& variable, uint32_t line) {
  if (variable.space == ".shared") return;  // it has its place by now
  if (!variable.bytes) throw TextFault(say("line ", line, ": local memory without a size"));
  kernel_.local_bytes = (kernel_.local_bytes + variable.align - 1) / variable.align * variable.align;
  // What a call passes lies in local memory too, behind addresses that tell it from a kernel's parameters.
  scopes_[open_.back()].symbols[variable.name] =
      kernel_.local_bytes + (variable.space == ".param" ? kLocalWindow : uint64_t{0});
  kernel_.local_bytes += static_cast<uint32_t>(variable.bytes);
  if (kernel_.local_bytes > 512 * 1024) throw TextFault(say("line ", line, ": more than 512 KiB of local memory"));
}

void Assembler::read_statement(Cursor& cursor) {
  const uint32_t line = cursor.peek().line;
  std::string_view guard;
  Assembly assembly(*this, line);
  if (cursor.skip("@")) {
    assembly.in.guard_negated = cursor.skip("!");
    guard = cursor.take().text;
  }
  const Token& opcode = cursor.take();
  if (opcode.kind != TokenKind::word)
    throw TextFault(say("line ", line, ": '", opcode.text, "', wanted an instruction"));
  if (opcode.text == "call" || opcode.text == "call.uni") {
    if (!guard.empty()) throw TextFault(say("line ", line, ": a call under a guard is not known"));
    return read_call(cursor, line);
  }
  std::vector<Operand> operands;
  while (!cursor.skip(";")) {
    if (!operands.empty()) cursor.want(",");
    operands.push_back(read_operand(cursor));
    if (operands.size() > 64) cursor.fail("at most 64 operands");
  }
  const Match& match = syntax_.match(opcode.text, operands.size());
  if (!match.rule)
    throw TextFault(say("line ", line, ": ", opcode.text, " with ", operands.size(),
                        " operands is not an instruction that the emulator knows"));
  assembly.choices_ = match.choices;
  assembly.type_ = match.type;
  assembly.operands_ = &operands;
  first_reference_ = program_.references.size();
  place_operands(assembly, *match.rule);
  match.rule->build(assembly);
  emit(assembly, guard);
}

Operand Assembler::read_operand(Cursor& cursor) {
  Operand operand;
  if (cursor.at("[")) return read_address(cursor);
  if (cursor.skip("{")) {
    operand.kind = Operand::Kind::vector;
    do operand.parts.push_back(read_operand(cursor));
    while (cursor.skip(","));
    cursor.want("}");
    return operand;
  }
  operand.negative = cursor.at("-") || cursor.at("!");
  if (operand.negative || cursor.at("+")) cursor.take();
  const Token& token = cursor.take();
  if (token.kind != TokenKind::word && token.kind != TokenKind::number)
    throw TextFault(say("line ", token.line, ": '", token.text, "', wanted an operand"));
  operand.kind = token.kind == TokenKind::word ? Operand::Kind::word : Operand::Kind::number;
  operand.text = token.text;
  if (cursor.skip("|")) {
    Operand pair;
    pair.kind = Operand::Kind::pair;
    pair.parts.push_back(operand);
    pair.parts.push_back(read_operand(cursor));
    return pair;
  }
  if (cursor.skip("+")) operand.offset = static_cast<int64_t>(cursor.want_unsigned());
  return operand;
}

Operand Assembler::read_address(Cursor& cursor) {
  Operand address;
  address.kind = Operand::Kind::address;
  cursor.want("[");
  const Token& base = cursor.take();
  if (base.kind != TokenKind::word && base.kind != TokenKind::number)
    throw TextFault(say("line ", base.line, ": '", base.text, "', wanted an address"));
  address.text = base.text;
  if (cursor.skip(",")) {
    address.parts.push_back(read_operand(cursor));  // the coordinates of a tensor
  } else if (cursor.at("+") || cursor.at("-")) {
    bool negative = cursor.take().text == "-";
    if (cursor.skip("-")) negative = !negative;
    const uint64_t value = cursor.want_unsigned();
    if (value > 0x7fffffff) cursor.fail("a displacement of 32 bits");
    address.offset = negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
  }
  cursor.want("]");
  return address;
}

// What a rule's list of operands says.
void Assembler::place_operands(Assembly& assembly, const Rule& rule) {
  std::string_view list = rule.operands;
  for (std::size_t i = 0; !list.empty(); ++i) {
    std::string_view word = take_word(list, ' ');
    if (word == "*") return;
    const bool optional = word.back() == '?';
    if (optional) word.remove_suffix(1);
    Type type = assembly.type_;
    std::size_t size = 0;
    std::string_view rest = word;
    std::string_view role = take_word(rest, ':');
    while (!rest.empty()) {
      const std::string_view attribute = take_word(rest, ':');
      if (attribute == "w")
        type = type == Type::u16   ? Type::u32
               : type == Type::s16 ? Type::s32
               : type == Type::u32 ? Type::u64
                                   : Type::s64;
      else if (attribute[0] >= '0' && attribute[0] <= '9')
        size = static_cast<std::size_t>(attribute[0] - '0') * (attribute.size() > 1 ? 10 : 1) +
               (attribute.size() > 1 ? static_cast<std::size_t>(attribute[1] - '0') : 0);
      else
        type = type_named(attribute);
    }
    const bool writes = role == "d" || role == "{d}" || role == "p" || role == "p|q";
    if (role[0] == 'p') type = Type::pred;
    if (!assembly.given(i)) {
      writes ? assembly.sink(type) : assembly.constant(type, 0);
      continue;
    }
    const Operand& operand = assembly.operand(i);
    if (role == "p|q") {
      const bool pair = operand.kind == Operand::Kind::pair;
      assembly.destination(pair ? operand.parts[0] : operand, type);
      pair ? static_cast<void>(assembly.destination(operand.parts[1], type)) : assembly.sink(type);
    } else if (role[0] == '[') {
      assembly.address(operand);
    } else if (role[0] == '{') {
      const auto elements = assembly.elements(operand);
      if (size && elements.size() != size) assembly.fail(say("a vector of ", elements.size(), ", wanted ", size));
      for (const Operand& element : elements)
        writes ? assembly.destination(element, type) : assembly.source(element, type);
    } else if (role == "i") {
      assembly.in.displacement = static_cast<int64_t>(assembly.immediate(operand, Type::s64));
    } else if (role == "L") {
      assembly.branch(operand);
    } else {
      writes ? assembly.destination(operand, type) : assembly.source(operand, type);
    }
  }
}

void Assembler::emit(Assembly& assembly, std::string_view guard) {
  if (!guard.empty()) {
    uint32_t id = 0;
    const Register* found = find_register(guard, id);
    if (!found || found->type != Type::pred) assembly.fail(say("guard ", guard, " is no predicate register"));
    reference(id, false);
    assembly.in.guard = 1;  // its place is that of the last reference
  }
  kernel_.code.push_back(assembly.in);
  program_.first_reference.push_back(static_cast<uint32_t>(program_.references.size()));
  if (!assembly.second_half_) return;
  const std::vector<Reference> again(program_.references.begin() + static_cast<std::ptrdiff_t>(first_reference_),
                                     program_.references.end());
  program_.references.insert(program_.references.end(), again.begin(), again.end());
  kernel_.code.push_back(assembly.in);
  kernel_.code.back().run = assembly.second_half_;
  kernel_.code.back().flow = Flow::next;
  program_.first_reference.push_back(static_cast<uint32_t>(program_.references.size()));
}

void Assembler::resolve_jumps() {
  for (const Jump& jump : jumps_) {
    Instruction& in = kernel_.code[jump.instruction];
    if (!jump.is_table) {
      in.target = label_of(jump.scopes, jump.label, in.line);
      continue;
    }
    std::vector<uint32_t> targets;
    for (auto scope = jump.scopes.rbegin(); scope != jump.scopes.rend() && targets.empty(); ++scope)
      if (const auto table = scopes_[*scope].tables.find(jump.label); table != scopes_[*scope].tables.end())
        for (const std::string_view label : table->second) targets.push_back(label_of(jump.scopes, label, in.line));
    if (targets.empty()) throw TextFault(say("line ", in.line, ": there is no list of targets ", jump.label));
    in.target = static_cast<uint32_t>(kernel_.branch_tables.size());
    kernel_.branch_tables.push_back(std::move(targets));
  }
}

uint32_t Assembler::label_of(const std::vector<uint32_t>& scopes, std::string_view name, uint32_t line) const {
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope)
    if (const auto label = scopes_[*scope].labels.find(name); label != scopes_[*scope].labels.end())
      return label->second;
  throw TextFault(say("line ", line, ": there is no label ", name));
}

uint32_t Assembler::virtual_register(uint32_t bits) {
  program_.register_bits.push_back(bits);
  program_.fixed.push_back(false);
  return static_cast<uint32_t>(program_.register_bits.size() - 1);
}

const Assembler::Register* Assembler::find_register(std::string_view name, uint32_t& id) const {
  std::size_t digits = name.size();
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') --digits;
  const std::string_view number = name.substr(digits);
  const bool numbered = !number.empty() && number.size() < 8 && (number.size() == 1 || number[0] != '0');
  uint32_t index = 0;
  for (const char digit : number.substr(0, 8)) index = index * 10 + static_cast<uint32_t>(digit - '0');
  for (auto scope = open_.rbegin(); scope != open_.rend(); ++scope) {
    const auto& registers = scopes_[*scope].registers;
    if (const auto found = registers.find(name); found != registers.end() && !found->second.count) {
      id = found->second.first;
      return &found->second;
    }
    if (!numbered) continue;
    const auto found = registers.find(name.substr(0, digits));
    if (found != registers.end() && index < found->second.count) {
      id = found->second.first + index;
      return &found->second;
    }
  }
  return nullptr;
}

uint32_t Assembler::constant(uint32_t bits, uint64_t value) {
  if (bits == 1) value = value ? 1 : 0;
  if (bits < 64) value &= (uint64_t{1} << bits) - 1;
  const auto [place, fresh] = constants_.try_emplace({bits, value}, 0);
  if (fresh) {
    place->second = virtual_register(bits);
    program_.fixed[place->second] = true;
  }
  return place->second;
}

bool Assembler::find_symbol(std::string_view name, uint64_t& address) const {
  for (auto scope = open_.rbegin(); scope != open_.rend(); ++scope)
    if (const auto found = scopes_[*scope].symbols.find(name); found != scopes_[*scope].symbols.end()) {
      address = found->second;
      return true;
    }
  if (const auto found = shared_.find(name); found != shared_.end()) {
    address = found->second;
    return true;
  }
  for (const Parameter& parameter : kernel_.parameters)
    if (parameter.name == name) {
      address = parameter.offset;
      return true;
    }
  const auto found = environment_.globals.find(name);
  if (found == environment_.globals.end()) return false;
  address = found->second;
  return true;
}

void Assembler::reference(uint32_t id, bool written, bool kept) { program_.references.push_back({id, written, kept}); }

}  // namespace attnrt::emulator
