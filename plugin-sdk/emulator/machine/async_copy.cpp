// SPDX-License-Identifier: Apache-2.0
//
// 9.7.9.25.3 cp.async: copies of 4, 8 or 16 bytes from global to shared memory that a lane issues, gathers in groups
// and waits for. Between its issue and its wait a copy may land at any time: here it lands at once, or when it is
// waited for, and nobody may touch the place in between.
#include "async_copy.hpp"
#include "access.hpp"
#include "chapters.hpp"

namespace attnrt::emulator {
namespace {

void land(Warp& warp, const PendingCopy& copy) {
  char bytes[16] = {};
  if (copy.source_bytes) std::memcpy(bytes, warp.block().read_global(copy.from, copy.source_bytes), copy.source_bytes);
  warp.block().shared().write(warp.index(), copy.to, bytes, copy.bytes, Writer::copy);
  --warp.num_copies;
  warp.block().progress();
}

void copy_async(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t* const sizes = warp.lanes<uint32_t>(in.at[2]);
  const bool late = warp.block().mode().late;
  count_wavefronts(warp, in, lanes, in.at[0], in.narrow, in.displacement, Space::shared, in.count);
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    uint64_t to = address_of(warp, in.at[0], in.narrow, in.displacement, i);
    if (!in.narrow) resolve(Space::generic, to);
    const uint64_t from = address_of(warp, in.at[1], in.narrow_2, in.displacement_2, i);
    if (sizes[i] > in.count)
      throw Fault(Answer::illegal_instruction, say("cp.async of ", sizes[i], " bytes, wanted at most ", in.count));
    want_aligned(to, in.count);
    if (sizes[i]) want_aligned(from, in.count);
    warp.block().shared().begin_copy(warp.index(), to, in.count);
    PendingCopy copy{warp.copy_group[i], ++warp.copies_issued[i], static_cast<uint32_t>(to), in.count, sizes[i], from};
    if (sizes[i]) warp.block().read_global(from, sizes[i]);  // what is wrong with it shows at its instruction
    ++warp.num_copies;
    if (!late) {
      // The bytes are there, but no wait has said so: the shadow keeps the place closed.
      char bytes[16] = {};
      if (sizes[i]) std::memcpy(bytes, warp.block().read_global(from, sizes[i]), sizes[i]);
      warp.block().shared().land_early(copy.to, bytes, copy.bytes);
      copy.source_bytes = kLanded;
    }
    warp.copies[i].push_back(copy);
  }
}

// The copies of a lane that came first, in the order of their issue.
template <class Belongs>
void finish(Warp& warp, uint32_t lane, Belongs belongs) {
  auto& copies = warp.copies[lane];
  std::size_t done = 0;
  for (; done < copies.size() && belongs(copies[done]); ++done) {
    if (copies[done].source_bytes != kLanded) {
      land(warp, copies[done]);
    } else {
      warp.block().shared().open_copy(warp.index(), copies[done].to, copies[done].bytes);
      --warp.num_copies;
    }
  }
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(done));
}

void commit(Warp& warp, const Instruction&, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) ++warp.copy_group[std::countr_zero(left)];
}
// All groups but the last `displacement` ones.
void wait_group(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!warp.num_copies) return;
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    const int64_t last = int64_t{warp.copy_group[i]} - 1 - in.displacement;
    finish(warp, i, [last](const PendingCopy& copy) { return int64_t{copy.group} <= last; });
  }
}
void wait_all(Warp& warp, const Instruction&, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1)
    finish_copies(warp, static_cast<uint32_t>(std::countr_zero(left)), ~uint64_t{0});
}

void cp_async(Assembly& a) {  // async ca|cg space global hint? prefetch?
  const std::size_t hint = a.has(4) ? 1 : 0;
  if (a.num_operands() < 3 + hint || a.num_operands() > 4 + hint)
    a.fail("cp.async takes a size and perhaps a source size");
  a.address(a.operand(0));
  a.address(a.operand(1), true);
  const uint64_t bytes = a.immediate(a.operand(2), Type::u32);
  const bool four_or_more = a.choice(1) == "ca" && (bytes == 4 || bytes == 8);
  if (bytes != 16 && !four_or_more) a.fail(say("cp.async of ", bytes, " bytes, wanted 16, or with .ca 4 or 8"));
  a.in.count = static_cast<uint32_t>(bytes);
  if (a.num_operands() == 4 + hint)
    a.source(a.operand(3), Type::u32);
  else
    a.constant(Type::u32, bytes);
  a.shared_access(static_cast<uint32_t>(bytes));
  a.in.run = &copy_async;
}
void cp_commit(Assembly& a) { a.in.run = &commit; }
void cp_wait(Assembly& a) { a.in.run = &wait_group; }
void cp_wait_all(Assembly& a) { a.in.run = &wait_all; }

constexpr Rule kRules[] = {
    {"9.7.9.25.3.1", "cp", "async ca|cg shared::cta|shared global L2::cache_hint? $prefetch?", "*", &cp_async},
    {"9.7.9.25.3.2", "cp", "async commit_group", "", &cp_commit},
    {"9.7.9.25.3.3", "cp", "async wait_group", "i", &cp_wait},
    {"9.7.9.25.3.3", "cp", "async wait_all", "", &cp_wait_all},
};

}  // namespace

void finish_copies(Warp& warp, uint32_t lane, uint64_t issued) {
  finish(warp, lane, [issued](const PendingCopy& copy) { return copy.number <= issued; });
}

std::span<const Rule> async_copy_rules() { return kRules; }

}  // namespace attnrt::emulator
