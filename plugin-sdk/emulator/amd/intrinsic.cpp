// SPDX-License-Identifier: Apache-2.0
#include "intrinsic.hpp"

#include <algorithm>
#include <iterator>

namespace attnrt::emulator::amd {

const Rule* rule_of(std::string_view name) {
  for (const Rules rules :
       {exchange_rules(), matrix_rules(), conversion_rules(), lds_copy_rules(), order_rules(), math_rules()})
    for (const Rule* rule = rules.begin; rule != rules.end; ++rule) {
      if (rule->name == name) return rule;
      if (rule->name.back() != '.' || name.substr(0, rule->name.size()) != rule->name) continue;
      const std::string_view type = name.substr(rule->name.size());
      // What moves bytes serves all types; functions of the reals those of fp32.
      const bool moves = rule->together != nullptr;
      for (const std::string_view known : {"f32", "v2f32", "v4f32", "v8f32", "v16f32"})
        if (type == known) return rule;
      for (const std::string_view known :
           {"i32", "i64", "f64", "v2i32", "v2i16", "v2f16", "v2bf16", "v4f16", "v4i16", "v4bf16"})
        if (moves && type == known) return rule;
    }
  return nullptr;
}

bool is_plain_function(std::string_view name) {
  static constexpr std::string_view known[] = {"llvm.smin",
                                               "llvm.smax",
                                               "llvm.umin",
                                               "llvm.umax",
                                               "llvm.abs",
                                               "llvm.fabs",
                                               "llvm.maxnum",
                                               "llvm.minnum",
                                               "llvm.maximum",
                                               "llvm.minimum",
                                               "llvm.fma",
                                               "llvm.fmuladd",
                                               "llvm.floor",
                                               "llvm.ceil",
                                               "llvm.rint",
                                               "llvm.trunc",
                                               "llvm.sqrt",
                                               "llvm.copysign",
                                               "llvm.ctpop",
                                               "llvm.ctlz",
                                               "llvm.cttz",
                                               "llvm.fshl",
                                               "llvm.fshr",
                                               "llvm.bswap",
                                               "llvm.bitreverse",
                                               "llvm.is.fpclass",
                                               "llvm.vector.reduce.fadd",
                                               "llvm.vector.reduce.or",
                                               "llvm.vector.reduce.and",
                                               "llvm.assume",
                                               "llvm.canonicalize",
                                               "llvm.usub.sat",
                                               "llvm.uadd.sat",
                                               "llvm.fptosi.sat",
                                               "llvm.fptoui.sat",
                                               "llvm.maximumnum",
                                               "llvm.minimumnum",
                                               "llvm.ucmp",
                                               "llvm.scmp"};
  for (const std::string_view one : known)
    if (name.substr(0, one.size()) == one && name.size() > one.size() && name[one.size()] == '.') return true;
  return name == "llvm.assume";
}

}  // namespace attnrt::emulator::amd
