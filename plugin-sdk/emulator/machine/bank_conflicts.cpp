// SPDX-License-Identifier: Apache-2.0
#include "bank_conflicts.hpp"

#include <algorithm>

#include "access.hpp"

namespace attnrt::emulator {
namespace {

constexpr uint32_t kBanks = 32, kWordBytes = 4;

}  // namespace

Wavefronts wavefronts_of(const uint32_t (&addresses)[kLanes], uint32_t lanes, uint32_t bytes) {
  const uint32_t group = bytes <= kWordBytes ? kLanes : std::max(1u, kBanks * kWordBytes / bytes);
  Wavefronts total;
  for (uint32_t first = 0; first < kLanes; first += group) {
    uint32_t words[kBanks][kLanes], in_bank[kBanks] = {}, distinct = 0;
    for (uint32_t lane = first; lane < first + group; ++lane) {
      if (!(lanes >> lane & 1)) continue;
      const uint32_t begin = addresses[lane] / kWordBytes, end = (addresses[lane] + bytes - 1) / kWordBytes;
      for (uint32_t word = begin; word <= end; ++word) {
        uint32_t* const row = words[word % kBanks];
        uint32_t& count = in_bank[word % kBanks];
        if (std::find(row, row + count, word) != row + count) continue;
        row[count++] = word;
        ++distinct;
      }
    }
    total.needed += *std::max_element(in_bank, in_bank + kBanks);
    total.ideal += (distinct + kBanks - 1) / kBanks;
  }
  return total;
}

void count_wavefronts(Warp& warp, const Instruction& in, uint32_t lanes, uint32_t place, bool narrow,
                      int64_t displacement, Space space, uint32_t bytes) {
  Wavefronts* const counters = warp.block().wavefronts();
  if (!counters || (space != Space::shared && space != Space::generic)) return;
  uint32_t addresses[kLanes] = {}, inside = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(left));
    uint64_t address = address_of(warp, place, narrow, displacement, lane);
    const bool in_window = resolve(Space::generic, address) == Space::shared;
    if (space == Space::generic && !in_window) continue;
    addresses[lane] = static_cast<uint32_t>(address);
    inside |= 1u << lane;
  }
  if (inside) counters[&in - warp.kernel().code.data()].add(wavefronts_of(addresses, inside, bytes));
}

}  // namespace attnrt::emulator
