// SPDX-License-Identifier: Apache-2.0
#include "assembly.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <string>

#include "assembler.hpp"
#include "fault.hpp"

namespace attnrt::emulator {
namespace {

struct SpecialName {
  std::string_view text;
  Special which;
  uint32_t bits;
};
constexpr SpecialName kSpecials[] = {{"%tid.x", Special::tid_x, 32},
                                     {"%tid.y", Special::tid_y, 32},
                                     {"%tid.z", Special::tid_z, 32},
                                     {"%ntid.x", Special::ntid_x, 32},
                                     {"%ntid.y", Special::ntid_y, 32},
                                     {"%ntid.z", Special::ntid_z, 32},
                                     {"%ctaid.x", Special::ctaid_x, 32},
                                     {"%ctaid.y", Special::ctaid_y, 32},
                                     {"%ctaid.z", Special::ctaid_z, 32},
                                     {"%nctaid.x", Special::nctaid_x, 32},
                                     {"%nctaid.y", Special::nctaid_y, 32},
                                     {"%nctaid.z", Special::nctaid_z, 32},
                                     {"%laneid", Special::laneid, 32},
                                     {"%warpid", Special::warpid, 32},
                                     {"%nwarpid", Special::nwarpid, 32},
                                     {"%smid", Special::smid, 32},
                                     {"%nsmid", Special::nsmid, 32},
                                     {"%clock", Special::clock, 32},
                                     {"%clock_hi", Special::clock_hi, 32},
                                     {"%lanemask_eq", Special::lanemask_eq, 32},
                                     {"%lanemask_lt", Special::lanemask_lt, 32},
                                     {"%lanemask_le", Special::lanemask_le, 32},
                                     {"%lanemask_gt", Special::lanemask_gt, 32},
                                     {"%lanemask_ge", Special::lanemask_ge, 32},
                                     {"%dynamic_smem_size", Special::dynamic_smem_size, 32},
                                     {"%total_smem_size", Special::total_smem_size, 32},
                                     {"%clock64", Special::clock64, 64},
                                     {"%globaltimer", Special::globaltimer, 64},
                                     {"%cluster_ctaid.x", Special::cluster_ctaid_x, 32},
                                     {"%cluster_ctaid.y", Special::cluster_ctaid_y, 32},
                                     {"%cluster_ctaid.z", Special::cluster_ctaid_z, 32},
                                     {"%cluster_nctaid.x", Special::cluster_nctaid_x, 32},
                                     {"%cluster_nctaid.y", Special::cluster_nctaid_y, 32},
                                     {"%cluster_nctaid.z", Special::cluster_nctaid_z, 32},
                                     {"%cluster_ctarank", Special::cluster_ctarank, 32},
                                     {"%cluster_nctarank", Special::cluster_nctarank, 32},
                                     {"%clusterid.x", Special::clusterid_x, 32},
                                     {"%clusterid.y", Special::clusterid_y, 32},
                                     {"%clusterid.z", Special::clusterid_z, 32}};

}  // namespace

bool Assembler::find_special(std::string_view name, uint32_t& id, uint32_t& bits) {
  for (const SpecialName& special : kSpecials) {
    if (special.text != name) continue;
    const auto [place, fresh] = specials_.try_emplace(special.which, 0);
    if (fresh) {
      place->second = virtual_register(special.bits);
      program_.fixed[place->second] = true;
    }
    id = place->second;
    bits = special.bits;
    return true;
  }
  return false;
}

const Operand& Assembly::operand(std::size_t index) const {
  if (index >= operands_->size()) fail(say("operand ", index + 1, " is missing"));
  return (*operands_)[index];
}

void Assembly::want_operands(std::size_t count) const {
  if (operands_->size() != count) fail(say(operands_->size(), " operands, wanted ", count));
}

uint32_t Assembly::destination(const Operand& operand, Type type, bool exact) {
  if (operand.kind == Operand::Kind::word && operand.text == "_") {
    sink(type);
    return register_bits(type);
  }
  uint32_t id = 0;
  const auto* found =
      operand.kind == Operand::Kind::word && !operand.negative ? whole_.find_register(operand.text, id) : nullptr;
  if (!found) fail(say("'", operand.text, "' is no register to write"));
  const uint32_t have = register_bits(found->type), want = register_bits(type);
  if (exact ? have != want : have < want || have == 1) fail(say(operand.text, " has ", have, " bits, wanted ", want));
  whole_.reference(id, true);
  return have;
}

uint32_t Assembly::source(const Operand& operand, Type type, bool exact) {
  const uint32_t want = register_bits(type);
  const std::size_t place = whole_.program_.references.size() - whole_.first_reference_;
  if (operand.kind == Operand::Kind::number) {
    constant(type, bits_of_literal(operand.text, operand.negative, type, line_));
    return want;
  }
  if (operand.kind != Operand::Kind::word) fail("a register, a number or a name is wanted here");
  uint32_t id = 0, have = 0;
  if (const auto* found = whole_.find_register(operand.text, id)) {
    have = register_bits(found->type);
  } else if (!whole_.find_special(operand.text, id, have)) {
    uint64_t address = 0;
    if (!whole_.find_symbol(operand.text, address)) fail(say("'", operand.text, "' is no name that is known here"));
    constant(type, address + static_cast<uint64_t>(operand.offset));
    return want;
  }
  if (exact ? have != want : have < want || (have == 1) != (want == 1))
    fail(say(operand.text, " has ", have, " bits, wanted ", want));
  if (operand.negative) {
    if (want != 1 || place > 7) fail("'!' or '-' before a register is for predicates");
    in.negated = static_cast<uint8_t>(in.negated | 1u << place);
  }
  whole_.reference(id, false);
  return have;
}

void Assembly::address(const Operand& operand, bool second) {
  if (operand.kind != Operand::Kind::address) fail("an address in [] is wanted here");
  (second ? in.displacement_2 : in.displacement) = operand.offset;
  uint32_t id = 0;
  bool narrow = false;
  if (const auto* found = whole_.find_register(operand.text, id)) {
    const uint32_t bits = register_bits(found->type);
    if (bits < 32) fail(say(operand.text, " has ", bits, " bits, wanted an address of 32 or 64"));
    narrow = bits == 32;
    whole_.reference(id, false);
  } else {
    uint64_t value = 0;
    if (!whole_.find_symbol(operand.text, value) && !read_integer(operand.text, value))
      fail(say("'", operand.text, "' is no address that is known here"));
    constant(Type::u64, value);
  }
  (second ? in.narrow_2 : in.narrow) = narrow;
}

std::span<const Operand> Assembly::elements(const Operand& operand) const {
  if (operand.kind == Operand::Kind::vector) return operand.parts;
  return {&operand, 1};
}

uint64_t Assembly::immediate(const Operand& operand, Type type) const {
  if (operand.kind != Operand::Kind::number) fail(say("'", operand.text, "' is no number"));
  return bits_of_literal(operand.text, operand.negative, type, line_);
}

void Assembly::constant(Type type, uint64_t value) {
  whole_.reference(whole_.constant(register_bits(type), value), false);
}
void Assembly::sink(Type type) { whole_.reference(whole_.virtual_register(register_bits(type)), true); }

void Assembly::keep_registers() {
  auto& references = whole_.program_.references;
  for (std::size_t i = whole_.first_reference_; i < references.size(); ++i) references[i].kept = true;
}

void Assembly::branch(const Operand& label) {
  whole_.jumps_.push_back({static_cast<uint32_t>(whole_.kernel_.code.size()), whole_.open_, label.text, false});
}
void Assembly::branch_table(const Operand& name) {
  whole_.jumps_.push_back({static_cast<uint32_t>(whole_.kernel_.code.size()), whole_.open_, name.text, true});
}

bool Assembly::branch_to_return() {
  if (whole_.calls_.empty()) return false;
  whole_.jumps_.push_back({static_cast<uint32_t>(whole_.kernel_.code.size()), whole_.open_, Assembler::kReturn, false});
  return true;
}

void Assembly::shared_access(uint32_t bytes) {
  whole_.kernel_.shared_granule = std::min(whole_.kernel_.shared_granule, std::max(bytes, 1u));
}
void Assembly::use_tensor_memory() { whole_.kernel_.uses_tensor_memory = true; }
int64_t Assembly::parameter(std::string_view name) const {
  for (const uint32_t scope : whole_.open_)
    if (whole_.scopes_[scope].symbols.count(name)) return -1;
  for (const Parameter& parameter : whole_.kernel_.parameters)
    if (parameter.name == name) return parameter.offset;
  return -1;
}
uint32_t Assembly::arch() const { return whole_.environment_.arch; }
void Assembly::fail(const std::string& sentence) const { throw TextFault(say("line ", line_, ": ", sentence)); }

uint64_t bits_of_literal(std::string_view text, bool negative, Type type, uint32_t line) {
  const auto fail = [&]() -> uint64_t {
    throw TextFault(say("line ", line, ": '", text, "' is no number of its type"));
  };
  const bool coded = text.size() > 2 && text[0] == '0';
  const char kind = coded ? text[1] : '\0';
  if (kind == 'f' || kind == 'F' || kind == 'd' || kind == 'D') {
    const bool single = kind == 'f' || kind == 'F';
    uint64_t bits = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
    if (error != std::errc() || end != text.data() + text.size() || (single && bits >> 32)) return fail();
    if (negative) bits ^= uint64_t{1} << (single ? 31 : 63);
    if (single && type == Type::f64) return std::bit_cast<uint64_t>(double{std::bit_cast<float>(uint32_t(bits))});
    if (!single && type == Type::f32) return std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
    return bits;
  }
  const bool wants_float = type == Type::f32 || type == Type::f64;
  const bool decimal = kind != 'x' && kind != 'X' && kind != 'b' && kind != 'B';
  if (decimal && (wants_float || text.find('.') != std::string_view::npos)) {
    char* end = nullptr;
    const std::string copy(text);
    const double value = std::strtod(copy.c_str(), &end) * (negative ? -1 : 1);
    if (*end || !wants_float) return fail();
    return type == Type::f32 ? std::bit_cast<uint32_t>(static_cast<float>(value)) : std::bit_cast<uint64_t>(value);
  }
  uint64_t value = 0;
  if (!read_integer(text, value)) return fail();
  return negative ? ~value + 1 : value;
}

}  // namespace attnrt::emulator
