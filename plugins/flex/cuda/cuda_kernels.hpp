// SPDX-License-Identifier: Apache-2.0
//
// cuda_kernels.hpp: the kernels of one problem under one program, compiled and loaded. What was compiled stays under
// its source, so that layers, and problems that differ in other things, share it: as long as an op has it, and behind
// that the latest kKeptKernels of a process; files keep it for other processes (kernel_cache.hpp).
#ifndef ATTNRT_FLEX_CUDA_CUDA_KERNELS_HPP
#define ATTNRT_FLEX_CUDA_CUDA_KERNELS_HPP
#include <memory>
#include <string>
#include <vector>

#include "../../gpu/device.hpp"
#include "../../gpu/kernel_table.hpp"
#include "attnrt/flex/program.hpp"
#include "attnrt/plugin.h"
#include "shapes.hpp"

namespace attnrt::flex {

/// Kernels without an op that a process keeps, compiled and loaded.
constexpr std::size_t kKeptKernels = 128;

/// Outlives what launches its kernels. [thread-safe after construction]
class CudaKernels {
 public:
  /// Compiles and loads; throws sdk::Error. `program`: without a mask or a score it has none of them. The kernels that
  /// a problem cannot launch are left out.
  CudaKernels(gpu::Device& device, const attnrt_problem& problem, const Program& program);

  /// attention for few rows and for many, merge_splits, and where the problem needs them merge_states and write_kv.
  gpu::KernelTable table() const { return {images_.data(), static_cast<unsigned>(images_.size())}; }
  /// The kernel that finds the tiles for the attention kernel whose blocks have `rows` rows; NULL: there is none.
  const gpu::KernelImage* block_mask(uint32_t rows) const;

 private:
  void add(gpu::Device& device, gpu::KernelImage image, const std::string& source);

  std::vector<gpu::KernelImage> images_;
  std::vector<std::shared_ptr<const std::string>> held_;  ///< what they point to
};

/// The source of a kernel that serves blocks of a shape: the constants, the program, and `kernel`, a file of
/// kernel_text(). [thread-safe]
std::string kernel_source(const attnrt_problem& problem, const Program& program, const CudaShape& shape,
                          const char* kernel);

/// Do these differ by query head? [thread-safe]
bool masks_by_head(const Program& program);

}  // namespace attnrt::flex
#endif
