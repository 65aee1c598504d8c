// SPDX-License-Identifier: Apache-2.0
#include "syntax.hpp"

#include <algorithm>

namespace attnrt::emulator {
namespace {

// Lists that many rules share.
struct List {
  std::string_view name, words;
};
constexpr List kLists[] = {
    {"$int", "s32|u32|s64|u64|s16|u16"},
    {"$wide", "s32|u32|s16|u16"},
    {"$bits", "b32|b64|b16"},
    {"$rnd", "rn|rz|rm|rp"},
    {"$cmpint", "eq|ne|lt|le|gt|ge|lo|ls|hi|hs"},
    {"$cmpfloat", "eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan"},
    {"$bool", "and|or|xor"},
    {"$space", "global|shared::cta|shared::cluster|shared|local|const|param::entry|param"},
    {"$sem", "weak|volatile|relaxed|acquire|release|acq_rel"},
    {"$scope", "cta|cluster|gpu|sys"},
    {"$cache", "ca|cg|cs|lu|cv|wb|wt"},
    {"$evict", "L1::evict_normal|L1::evict_unchanged|L1::evict_first|L1::evict_last|L1::no_allocate"},
    {"$prefetch", "L2::64B|L2::128B|L2::256B"},
    {"$any", "b32|b64|b16|b8|u32|s32|u64|s64|u16|s16|u8|s8|f32|f64"},
};

std::string_view words_of(std::string_view group) {
  if (group.empty() || group[0] != '$') return group;
  for (const List& list : kLists)
    if (list.name == group) return list.words;
  return {};
}

bool is_one_of(std::string_view words, std::string_view word) {
  while (!words.empty())
    if (take_word(words, '|') == word) return true;
  return false;
}

// The operands that a rule takes at least and at most.
std::pair<std::size_t, std::size_t> counts_of(std::string_view operands) {
  std::size_t least = 0, most = 0;
  while (!operands.empty()) {
    const std::string_view operand = take_word(operands, ' ');
    if (operand == "*") return {least, 99};
    ++most;
    if (operand.back() != '?') ++least;
  }
  return {least, most};
}

// Groups that may be missing are taken where the next word fits: no rule has two that share a word.
bool fits(std::string_view groups, std::string_view modifiers, std::vector<std::string_view>& choices) {
  choices.clear();
  while (!groups.empty()) {
    std::string_view group = take_word(groups, ' ');
    const bool optional = group.back() == '?';
    if (optional) group.remove_suffix(1);
    std::string_view rest = modifiers;
    const std::string_view word = take_word(rest, '.');
    if (!modifiers.empty() && is_one_of(words_of(group), word)) {
      choices.push_back(word);
      modifiers = rest;
    } else if (optional) {
      choices.push_back({});
    } else {
      return false;
    }
  }
  return modifiers.empty();
}

}  // namespace

std::string_view take_word(std::string_view& list, char mark) {
  const std::size_t end = list.find(mark);
  const std::string_view word = list.substr(0, end);
  list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  return word;
}

const Match& Syntax::match(std::string_view opcode, std::size_t num_operands) {
  const auto [place, fresh] = known_.try_emplace(std::string(opcode) + " " + std::to_string(num_operands));
  Match& found = place->second;
  if (!fresh) return found;
  // The views of the choices lie in the key, which stays where it is.
  std::string_view modifiers(place->first.data(), opcode.size());
  const std::string_view name = take_word(modifiers, '.');
  for (const std::span<const Rule> chapter : chapters())
    for (const Rule& rule : chapter) {
      if (name != rule.opcode) continue;
      const auto [least, most] = counts_of(rule.operands);
      if (num_operands < least || num_operands > most || !fits(rule.modifiers, modifiers, found.choices)) continue;
      found.rule = &rule;
      for (const std::string_view choice : found.choices)
        if (const Type type = type_named(choice); type != Type::none) found.type = type;
      return found;
    }
  found.choices.clear();
  return found;
}

}  // namespace attnrt::emulator
