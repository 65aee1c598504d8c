// SPDX-License-Identifier: Apache-2.0
//
// Tensor memory of sm_100 (manual 9.7.16.1): 128 lanes of 512 columns of 32 bits, of which a block allocates columns.
// An address has the lane in its upper half and the column in its lower one.
#ifndef ATTNRT_EMULATOR_TENSOR_MEMORY_HPP
#define ATTNRT_EMULATOR_TENSOR_MEMORY_HPP
#include <cstdint>
#include <vector>

namespace attnrt::emulator {

constexpr uint32_t kTensorLanes = 128, kTensorColumns = 512;

/// A part of it: `columns` from `column` on, in `lanes` lanes from `lane` on, or, `scattered`, in 16 of each 32.
struct TensorRange {
  uint32_t lane, lanes, column, columns;
  bool scattered = false;
  /// Matrices of 64 rows take the lower or the upper 16 of each 32 lanes.
  bool overlaps(const TensorRange& other) const;
};

class TensorMemory {
 public:
  /// Poison everywhere, nothing allocated.
  void clear();
  /// Throws Fault: not a power of two from 32 to 512, none left, or the permit was given up.
  uint32_t allocate(uint32_t columns);
  /// Throws Fault where just these were not allocated.
  void release(uint32_t address, uint32_t columns);
  void relinquish() { relinquished_ = true; }
  bool any_allocated() const;
  /// The words of a lane from a column on. Throws Fault where one of them is not allocated.
  uint32_t* at(uint32_t lane, uint32_t column, uint32_t columns);

 private:
  static constexpr uint32_t kUnit = 32;
  std::vector<uint32_t> words_;
  uint32_t owned_[kTensorColumns / kUnit] = {};  ///< of each unit, the columns of the allocation that it belongs to
  bool relinquished_ = false;
};

/// What the tensor cores have still to do, in the order of its issue: a product, or the arrival behind those before it.
struct TensorWork {
  uint32_t warp;
  bool is_commit;
  uint64_t barrier;   ///< of a commit
  uint32_t d, shape;  ///< of a product: where it is summed, and its instruction descriptor
  uint64_t a, b;      ///< descriptors; `a` may be an address in tensor memory
  bool a_in_tensor_memory, adds;
  TensorRange sums() const;  ///< of a product
  TensorRange left() const;  ///< its A, if that is in tensor memory
};

}  // namespace attnrt::emulator
#endif
