// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/region.hpp: is a rectangle of queries and keys seen whole, not at all, or in parts, told from the ranges
// of the program's nodes without evaluating a pair. Header-only, C++17.
#ifndef ATTNRT_FLEX_REGION_HPP
#define ATTNRT_FLEX_REGION_HPP
#include <cstdint>
#include <vector>

#include "attnrt/flex/buffer_ranges.hpp"
#include "attnrt/flex/program.hpp"
#include "attnrt/flex/range.hpp"

namespace attnrt::flex {

/// Queries and keys by position, heads and requests by number, all bounds inclusive.
struct Region {
  int32_t b_first = 0, b_last = 0, h_first = 0, h_last = 0;
  int32_t q_first = 0, q_last = 0, kv_first = 0, kv_last = 0;
};

enum class Visibility : uint8_t {
  empty,    ///< no pair is visible
  full,     ///< every pair is
  unknown,  ///< pairs have to be evaluated
};

/// The ranges of a program's nodes over regions. [one thread]
class RegionAnalysis {
 public:
  /// `ranges`: one for each buffer, filled for those that the mask reads; all outlive this.
  RegionAnalysis(const Program& program, const BufferRanges* ranges)
      : program_(program), buffers_(ranges), ranges_(program.nodes.size()), needed_(program.nodes.size()) {
    if (program.mask == Program::kNone) return;
    needed_[static_cast<std::size_t>(program.mask)] = true;
    for (std::size_t i = program.nodes.size(); i-- > 0;)
      if (needed_[i])
        for (unsigned k = 0; k < program.nodes[i].num_operands; ++k) needed_[program.nodes[i].operands[k]] = true;
  }

  /// Does the mask read this buffer: only then its ranges are wanted.
  bool reads(std::size_t buffer) const {
    for (std::size_t i = 0; i < needed_.size(); ++i)
      if (needed_[i] && program_.nodes[i].op == Op::load && program_.nodes[i].bits == buffer) return true;
    return false;
  }

  Visibility visibility(const Region& region) {
    if (program_.mask == Program::kNone) return Visibility::full;
    for (std::size_t i = 0; i < needed_.size(); ++i)
      if (needed_[i]) ranges_[i] = range(program_.nodes[i], region);
    const Range& mask = ranges_[static_cast<std::size_t>(program_.mask)];
    return !mask.can_be_true ? Visibility::empty : !mask.can_be_false ? Visibility::full : Visibility::unknown;
  }

  /// Of a node after visibility(); the mask's own nodes alone.
  const Range& range(std::size_t node) const { return ranges_[node]; }

 private:
  Range range(const Node& node, const Region& region) const {
    switch (node.op) {
      case Op::constant:
        return Range::of(node.type, {node.bits});
      case Op::b:
        return Range::integers(region.b_first, region.b_last);
      case Op::h:
        return Range::integers(region.h_first, region.h_last);
      case Op::q_idx:
        return Range::integers(region.q_first, region.q_last);
      case Op::kv_idx:
        return Range::integers(region.kv_first, region.kv_last);
      case Op::score:
        return Range::all_reals();
      case Op::load: {
        Range indices[kMaxRank];
        for (unsigned k = 0; k < kMaxRank && k < node.num_operands; ++k) indices[k] = ranges_[node.operands[k]];
        return buffers_[node.bits].of(indices);
      }
      default:
        break;
    }
    const auto operand = [&](unsigned k) -> const Range& {
      return ranges_[node.operands[k < node.num_operands ? k : 0]];
    };
    return range_of(node.op, operand(0), operand(1), operand(2));
  }

  const Program& program_;
  const BufferRanges* buffers_;
  std::vector<Range> ranges_;
  std::vector<bool> needed_;
};

}  // namespace attnrt::flex
#endif
