// SPDX-License-Identifier: Apache-2.0
//
// Liveness by the textbook's backward equations over basic blocks, places by linear scan over intervals (Poletto and
// Sarkar, 1999). An interval is closed at both ends, so the destinations of an instruction never lie on its sources.
#include "liveness.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace attnrt::emulator {
namespace {

class BitSet {
 public:
  explicit BitSet(std::size_t bits) : words_((bits + 63) / 64) {}
  void set(uint32_t bit) { words_[bit / 64] |= uint64_t{1} << bit % 64; }
  bool has(uint32_t bit) const { return words_[bit / 64] >> bit % 64 & 1; }
  /// this = used | (after & ~killed); true where that changed it.
  bool flow(const BitSet& used, const BitSet& after, const BitSet& killed) {
    bool changed = false;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const uint64_t now = used.words_[i] | (after.words_[i] & ~killed.words_[i]);
      changed |= now != words_[i];
      words_[i] = now;
    }
    return changed;
  }
  void add(const BitSet& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  template <class Body>
  void each(Body body) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      for (uint64_t left = words_[i]; left; left &= left - 1)
        body(static_cast<uint32_t>(i * 64) + static_cast<uint32_t>(std::countr_zero(left)));
  }

 private:
  std::vector<uint64_t> words_;
};

struct BasicBlock {
  uint32_t begin, end;
  std::vector<uint32_t> next;
  BitSet used, killed, before, after;
};

class Liveness {
 public:
  Liveness(const Program& program, const Kernel& kernel)
      : program_(program), kernel_(kernel), registers_(program.register_bits.size()) {
    find_blocks();
    solve();
  }

  struct Interval {
    uint32_t begin = ~0u, end = 0;
    void hold(uint32_t at) {
      begin = std::min(begin, at);
      end = std::max(end, at);
    }
  };
  std::vector<Interval> intervals() const {
    std::vector<Interval> all(registers_);
    for (const BasicBlock& block : blocks_) {
      block.before.each([&](uint32_t id) { all[id].hold(block.begin); });
      block.after.each([&](uint32_t id) { all[id].hold(block.end - 1); });
      for (uint32_t i = block.begin; i < block.end; ++i)
        for (uint32_t r = program_.first_reference[i]; r < program_.first_reference[i + 1]; ++r)
          all[program_.references[r].id].hold(i);
    }
    return all;
  }
  bool read_unwritten(uint32_t id) const { return !blocks_.empty() && blocks_[0].before.has(id); }

 private:
  void find_blocks() {
    const auto size = static_cast<uint32_t>(kernel_.code.size());
    std::vector<bool> starts(size + 1);
    starts[0] = true;
    for (uint32_t i = 0; i < size; ++i) {
      const Instruction& in = kernel_.code[i];
      if (in.flow == Flow::branch) starts[in.target] = true;
      if (in.flow == Flow::table)
        for (const uint32_t target : kernel_.branch_tables[in.target]) starts[target] = true;
      if (in.flow == Flow::branch || in.flow == Flow::exit || in.flow == Flow::table) starts[i + 1] = true;
    }
    block_of_.assign(size, 0);
    for (uint32_t i = 0; i < size; ++i) {
      if (starts[i])
        blocks_.push_back({i, i, {}, BitSet(registers_), BitSet(registers_), BitSet(registers_), BitSet(registers_)});
      blocks_.back().end = i + 1;
      block_of_[i] = static_cast<uint32_t>(blocks_.size() - 1);
    }
    for (uint32_t b = 0; b < blocks_.size(); ++b) {
      BasicBlock& block = blocks_[b];
      const Instruction& last = kernel_.code[block.end - 1];
      const bool always = last.guard == 0;
      if (last.flow == Flow::branch) block.next.push_back(block_of_[last.target]);
      if (last.flow == Flow::table)
        for (const uint32_t target : kernel_.branch_tables[last.target]) block.next.push_back(block_of_[target]);
      if (!(always && last.flow != Flow::next && last.flow != Flow::pause) && b + 1 < blocks_.size())
        block.next.push_back(b + 1);
      for (uint32_t i = block.begin; i < block.end; ++i) note_references(block, i);
    }
  }

  void note_references(BasicBlock& block, uint32_t i) {
    const uint32_t first = program_.first_reference[i], end = program_.first_reference[i + 1];
    for (uint32_t r = first; r < end; ++r) {
      const Reference& reference = program_.references[r];
      if (!reference.written && !block.killed.has(reference.id)) block.used.set(reference.id);
    }
    // Under a guard the old value stays in some lanes.
    if (kernel_.code[i].guard) {
      for (uint32_t r = first; r < end; ++r)
        if (program_.references[r].written && !block.killed.has(program_.references[r].id))
          block.used.set(program_.references[r].id);
      return;
    }
    for (uint32_t r = first; r < end; ++r)
      if (program_.references[r].written) block.killed.set(program_.references[r].id);
  }

  void solve() {
    for (bool changed = true; changed;) {
      changed = false;
      for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
        for (const uint32_t next : block->next) block->after.add(blocks_[next].before);
        changed |= block->before.flow(block->used, block->after, block->killed);
      }
    }
  }

  const Program& program_;
  const Kernel& kernel_;
  std::size_t registers_;
  std::vector<BasicBlock> blocks_;
  std::vector<uint32_t> block_of_;
};

}  // namespace

void allocate_registers(const Program& program, Kernel& kernel, std::vector<uint32_t>& places) {
  const Liveness liveness(program, kernel);
  auto intervals = liveness.intervals();
  const auto count = static_cast<uint32_t>(program.register_bits.size());
  std::vector<bool> alone(program.fixed);
  for (const Reference& reference : program.references)
    if (reference.kept) alone[reference.id] = true;
  uint32_t end = 64;  // place 0 means none
  const auto fresh = [&end](uint32_t bits) {
    const uint32_t bytes = register_file_bytes(bits);
    end = (end + std::min(bytes, 64u) - 1) / std::min(bytes, 64u) * std::min(bytes, 64u);
    return std::exchange(end, end + bytes);
  };
  places.assign(count, 0);
  std::vector<uint32_t> order;
  for (uint32_t id = 0; id < count; ++id) {
    if (intervals[id].begin == ~0u) continue;  // nobody uses it
    const bool unwritten = !program.fixed[id] && liveness.read_unwritten(id);
    if (!alone[id] && !unwritten) {
      order.push_back(id);
      continue;
    }
    places[id] = fresh(program.register_bits[id]);
    if (unwritten) kernel.unwritten.push_back({places[id], register_file_bytes(program.register_bits[id])});
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return intervals[a].begin != intervals[b].begin ? intervals[a].begin < intervals[b].begin : a < b;
  });
  std::vector<uint32_t> active, free[4];  // by width
  const auto pool = [&](uint32_t id) -> std::vector<uint32_t>& {
    const uint32_t bits = program.register_bits[id];
    return free[bits == 1 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3];
  };
  for (const uint32_t id : order) {
    std::erase_if(active, [&](uint32_t other) {
      if (intervals[other].end >= intervals[id].begin) return false;
      pool(other).push_back(places[other]);
      return true;
    });
    if (pool(id).empty()) {
      places[id] = fresh(program.register_bits[id]);
    } else {
      places[id] = pool(id).back();
      pool(id).pop_back();
    }
    active.push_back(id);
  }
  kernel.register_bytes = (end + 63) / 64 * 64;
}

}  // namespace attnrt::emulator
