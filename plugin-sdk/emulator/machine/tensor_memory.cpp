// SPDX-License-Identifier: Apache-2.0
#include "tensor_memory.hpp"

#include <algorithm>
#include <bit>

#include "fault.hpp"

namespace attnrt::emulator {

bool TensorRange::overlaps(const TensorRange& other) const {
  if (column >= other.column + other.columns || other.column >= column + columns) return false;
  if (scattered && other.scattered) return lane % 32 == other.lane % 32;
  if (scattered) return other.overlaps(*this);
  if (!other.scattered) return lane < other.lane + other.lanes && other.lane < lane + lanes;
  for (uint32_t l = lane; l < lane + lanes; ++l)
    if (l % 32 / 16 == other.lane % 32 / 16) return true;
  return false;
}

void TensorMemory::clear() {
  words_.assign(kTensorLanes * kTensorColumns, ~0u);
  std::fill(std::begin(owned_), std::end(owned_), 0u);
  relinquished_ = false;
}

uint32_t TensorMemory::allocate(uint32_t columns) {
  if (columns < kUnit || columns > kTensorColumns || !std::has_single_bit(columns))
    throw Fault(Answer::illegal_instruction,
                say("tcgen05.alloc of ", columns, " columns, wanted a power of two from 32 to 512"));
  if (relinquished_) throw Fault(Answer::illegal_instruction, "tcgen05.alloc behind tcgen05.relinquish_alloc_permit");
  const uint32_t units = columns / kUnit;
  for (uint32_t first = 0; first + units <= std::size(owned_); first += units)
    if (std::all_of(owned_ + first, owned_ + first + units, [](uint32_t owner) { return owner == 0; })) {
      std::fill(owned_ + first, owned_ + first + units, columns);
      return first * kUnit;
    }
  throw Fault(Answer::timeout, say("tcgen05.alloc of ", columns, " columns waits for ever: the block has the others"));
}

void TensorMemory::release(uint32_t address, uint32_t columns) {
  const uint32_t first = address / kUnit, units = columns / kUnit;
  const bool mine =
      address % kUnit == 0 && columns % kUnit == 0 && units && address < kTensorColumns &&
      first + units <= std::size(owned_) && address % columns == 0 &&
      std::all_of(owned_ + first, owned_ + first + units, [&](uint32_t owner) { return owner == columns; });
  if (!mine)
    throw Fault(Answer::illegal_instruction,
                say("tcgen05.dealloc of ", columns, " columns at ", address, ", which were not allocated so"));
  std::fill(owned_ + first, owned_ + first + units, 0u);
}

bool TensorMemory::any_allocated() const {
  return std::any_of(std::begin(owned_), std::end(owned_), [](uint32_t owner) { return owner != 0; });
}

uint32_t* TensorMemory::at(uint32_t lane, uint32_t column, uint32_t columns) {
  bool good = !words_.empty() && lane < kTensorLanes && column + columns <= kTensorColumns;
  for (uint32_t unit = column / kUnit; good && unit * kUnit < column + columns; ++unit) good = owned_[unit] != 0;
  if (!good)
    throw Fault(Answer::illegal_address, say("an access of tensor memory at lane ", lane, ", columns ", column, " to ",
                                             column + columns, ", which are not allocated"));
  return words_.data() + std::size_t{lane} * kTensorColumns + column;
}

TensorRange TensorWork::sums() const {
  const uint32_t rows = (shape >> 24 & 31) * 16, columns = (shape >> 17 & 63) * 8;
  return {d >> 16, rows == 64 ? kTensorLanes - 16 : rows, d & 0xffff, columns, rows == 64};
}
TensorRange TensorWork::left() const {
  const uint32_t rows = (shape >> 24 & 31) * 16, address = static_cast<uint32_t>(a);
  return {address >> 16, rows == 64 ? kTensorLanes - 16 : rows, address & 0xffff, 8, rows == 64};
}

}  // namespace attnrt::emulator
