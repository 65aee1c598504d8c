// SPDX-License-Identifier: Apache-2.0
#include "warp.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "block.hpp"

namespace attnrt::emulator {

void Warp::configure(Block& block, uint32_t index, const Kernel& kernel) {
  block_ = &block;
  kernel_ = &kernel;
  index_ = index;
  storage_ = std::make_unique<char[]>(kernel.register_bytes + 64);
  registers_ = storage_.get() + (64 - reinterpret_cast<uintptr_t>(storage_.get()) % 64) % 64;
  std::memset(registers_, 0xff, kernel.register_bytes);
  for (const Kernel::Constant& constant : kernel.constants)
    for (uint32_t i = 0; i < kLanes; ++i) {
      const uint64_t value = constant.bits == 1 ? (constant.value ? ~uint64_t{0} : 0) : constant.value;
      std::memcpy(registers_ + constant.offset + (constant.bits == 1 ? 0 : constant.bits / 8 * i), &value,
                  constant.bits == 1 ? 4 : constant.bits / 8);
    }
}

void Warp::start(uint32_t lanes_started) {
  for (const Kernel::Range& range : kernel_->unwritten) std::memset(registers_ + range.offset, 0xff, range.bytes);
  alive_ = lanes_started;
  fragments_.assign(1, {0, lanes_started, -1, false});
  for (auto& pending : copies) pending.clear();
  std::fill(std::begin(copy_group), std::end(copy_group), 0);
  std::fill(std::begin(copies_issued), std::end(copies_issued), 0);
  num_copies = 0;
  stores.clear();
  store_group = 0;
  products.clear();
  product_groups.clear();
  products_fenced = false;
  tensor_loads.clear();
  tensor_stores.clear();
  instructions_ = 0;
  next_turn_ = Block::kTurn;
}

bool Warp::can_run() const {
  return std::any_of(fragments_.begin(), fragments_.end(), [](const Fragment& f) { return f.barrier < 0; });
}
uint32_t Warp::waiting_at(int barrier) const {
  uint32_t found = 0;
  for (const Fragment& fragment : fragments_)
    if (fragment.barrier == barrier) found |= fragment.lanes;
  return found;
}
void Warp::release(int barrier) {
  for (Fragment& fragment : fragments_)
    if (fragment.barrier == barrier) fragment.barrier = -1;
}

// Takes the fragment that is furthest back out of the list, with all that stand where it stands. Where nothing in the
// block gets on, lanes that poll let the others of their warp go first: what they poll for may be the others' to do.
bool Warp::pick() {
  uint32_t least = ~0u, least_busy = ~0u;
  for (const Fragment& fragment : fragments_) {
    if (fragment.barrier >= 0) continue;
    least = std::min(least, fragment.pc);
    if (!fragment.polled) least_busy = std::min(least_busy, fragment.pc);
  }
  if (least == ~0u) return false;
  others_behind_ = block_->stalled() && least_busy != ~0u && least_busy != least;
  if (others_behind_)
    least = least_busy;
  else
    for (Fragment& fragment : fragments_) fragment.polled = false;
  now_ = {least, 0, -1, false};
  limit_ = ~0u;
  std::erase_if(fragments_, [&](const Fragment& fragment) {
    if (fragment.barrier >= 0) return false;
    if (fragment.pc != least) {
      if (fragment.pc > least) limit_ = std::min(limit_, fragment.pc);
      return false;
    }
    now_.lanes |= fragment.lanes;
    return true;
  });
  return true;
}

void Warp::run() {
  yields_ = polls_ = false;
  while (!yields_ && pick()) run_fragment();
}

void Warp::run_fragment() {
  const Instruction* const code = kernel_->code.data();
  uint64_t* const executed = block_->executed();
  uint32_t pc = now_.pc, active = now_.lanes;
  const auto leave = [&] {
    if (active) fragments_.push_back({pc, active, -1, polls_});
  };
  try {
    do {
      const Instruction& in = code[pc];
      const uint32_t before = pc;
      uint32_t chosen = active;
      if (in.guard) chosen &= predicate(in.guard, in.guard_negated);
      ++instructions_;
      executed[pc] += chosen != 0;
      switch (in.flow) {
        case Flow::next:
          if (chosen) in.run(*this, in, chosen);
          ++pc;
          break;
        case Flow::branch:
          if (chosen && in.target <= pc && instructions_ >= next_turn_) {
            next_turn_ = instructions_ + Block::kTurn;
            block_->count_turn(*this);
          }
          if (chosen == active) {
            pc = in.target;
          } else if (!chosen) {
            ++pc;
          } else {
            fragments_.push_back({in.target, chosen, -1, false});
            limit_ = std::min(limit_, in.target);
            active &= ~chosen;
            ++pc;
          }
          if (yields_ || (others_behind_ && in.target < before)) {
            leave();
            return;
          }
          break;
        case Flow::table: {
          const std::vector<uint32_t>& targets = kernel_->branch_tables[in.target];
          const uint32_t* const index = lanes<uint32_t>(in.at[0]);
          for (uint32_t left = chosen; left; left &= left - 1) {
            const int lane = std::countr_zero(left);
            if (index[lane] >= targets.size())
              throw Fault(Answer::illegal_instruction,
                          say("brx.idx with index ", index[lane], ", wanted below ", targets.size()));
            fragments_.push_back({targets[index[lane]], 1u << lane, -1, false});
          }
          active &= ~chosen;
          ++pc;
          leave();
          return;
        }
        case Flow::exit:
          block_->lanes_exit(*this, chosen);
          alive_ &= ~chosen;
          active &= ~chosen;
          ++pc;
          if (!active) return;
          break;
        case Flow::pause:
          waits_at_ = -1;
          if (chosen) in.run(*this, in, chosen);
          if (std::exchange(again_, false)) {
            leave();
            return;
          }
          ++pc;
          if (waits_at_ >= 0) {
            fragments_.push_back({pc, chosen, waits_at_, false});
            active &= ~chosen;
            leave();
            return;
          }
          if (yields_) {
            leave();
            return;
          }
          break;
      }
    } while (pc < limit_);
  } catch (const Fault& fault) {
    rethrow(fault, pc);
  }
  leave();
}

bool Warp::meets(uint32_t members, uint32_t running, const char* what) {
  const uint32_t missing = members & alive_ & ~running;
  if (!missing) return true;
  if (!others_behind_)
    throw Fault(Answer::illegal_instruction, say(what, " by a part of a warp: of lanes ", members & alive_,
                                                 " (a mask) ", missing, " are elsewhere"));
  again_ = true;
  poll();
  return false;
}

void Warp::rethrow(const Fault& fault, uint32_t pc) const {
  throw Fault(fault.answer, say(fault.what(), " (", block_->module().line(kernel_->code[pc].line), ", line ",
                                kernel_->code[pc].line, ", warp ", index_, " of block ", block_->name(), ")"));
}

}  // namespace attnrt::emulator
