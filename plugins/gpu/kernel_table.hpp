// SPDX-License-Identifier: Apache-2.0
//
// kernel_table.hpp: what a build knows of each compiled kernel, and which of them serves a problem. The table itself is
// generated beside the images. Reads the table alone: the same answer on every machine.
#ifndef ATTNRT_GPU_KERNEL_TABLE_HPP
#define ATTNRT_GPU_KERNEL_TABLE_HPP
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>

namespace attnrt::gpu {

/// One kernel parameter, not a compile-time constant. Arguments are packed in the table's order, each aligned to its
/// own size; what the compiler adds follows the last one (KernelImage::appended_bytes).
struct Parameter {
  const char* name;  ///< as in the kernel's source: "q_ptr"
  char type;         ///< p pointer (8 bytes), l int64 (8), i int32 (4), f fp32 (4)
};

/// One kernel compiled with one set of constants for one architecture. All pointers are static.
struct KernelImage {
  const char* kernel;          ///< its name in the source: "attention", "merge_splits"
  const char* symbol;          ///< the function's name in the image
  uint32_t arch;               ///< as in attnrt_problem: 90 = sm_90, 0x942 = gfx942 (runs_on)
  const unsigned char* image;  ///< what the driver loads, not compressed
  std::size_t image_size;
  uint32_t q_dtype;       ///< ATTNRT_FP32 ...: of q; of the rows that write_kv reads
  uint32_t kv_dtype;      ///< of K and V as stored; merge_splits and merge_states: of the partial results
  uint32_t out_dtype;     ///< of out
  uint32_t head_size_qk;  ///< the largest that it is padded for: 64, 128, 256; 0 where the kernel has none
  uint32_t head_size_v;   ///< likewise; the pitch of partial rows, which attention and merge_splits share
  uint32_t block_m;       ///< rows a program, token and head of the group taken together; 0 where there are none
  uint32_t tile;          ///< keys a step
  uint32_t even;          ///< 1: wants pointers of q, k, v, out at 16 bytes, their
                          ///< strides and head sizes multiples of 8, where the cache is fp8 of 16
  uint32_t features;      ///< attention: 0 masks, sinks, scales; 1 also softcap, ALiBi, prefix ranges; 2 trees too
  uint32_t warps;         ///< threads a block / the device's warp size
  uint32_t stages;
  uint32_t shared_bytes;          ///< dynamic shared memory a block
  uint32_t registers;             ///< a thread
  uint32_t global_scratch_bytes;  ///< a program
  const Parameter* parameters;
  uint32_t num_parameters;
  uint32_t appended_bytes;  ///< of parameters that the compiler adds behind those, all zeros: Triton two pointers
  const char* hash;         ///< of source, constants and compiler
  uint32_t x = 0;           ///< of an xpacked cache: elements of a key that lie together; 0: rows lie whole
  uint32_t ptx = 0;         ///< 1: text that the driver compiles for the device, of this architecture or any later one
};

/// What a kernel must be; 0 or -1 where it does not matter.
struct KernelQuery {
  const char* kernel;
  uint32_t arch;                         ///< of the device
  int32_t q_dtype, kv_dtype, out_dtype;  ///< -1 = any
  uint32_t head_size_qk, head_size_v;    ///< at most those of the image
  uint32_t rows;                         ///< block_m at least this
  int32_t even;                          ///< 1 = all is aligned, 0 = nothing is known, -1 = any
  uint32_t features = 0;                 ///< at least
  uint32_t x = 0;                        ///< of an xpacked cache
};

/// Does a device run an image: its own architecture's. Of CUDA's before 9.0 also an older one's of the same major
/// version, but on Tegra, which runs no other's code (CUDA C++ programming guide, binary compatibility); later ones are
/// compiled for exactly one architecture, as their tensor cores ask. [thread-safe]
constexpr bool runs_on(uint32_t device_arch, uint32_t image_arch) {
  const bool follows = device_arch == 86 || device_arch == 89;  // 8.7 is Tegra's
  return device_arch == image_arch || (follows && image_arch / 10 == device_arch / 10 && image_arch < device_arch);
}

/// The same of any image: text serves its own architecture and all later ones. [thread-safe]
constexpr bool runs_on(uint32_t device_arch, const KernelImage& image) {
  return image.ptx ? device_arch >= image.arch : runs_on(device_arch, image.arch);
}

/// What a table offers of a kernel, for the sheets.
struct KernelOffer {
  uint32_t q_dtypes = 0, kv_dtypes = 0;                  ///< masks
  uint32_t head_size_qk = 0, head_size_v = 0, rows = 0;  ///< largest
};

/// All images of a plugin. [thread-safe]
struct KernelTable {
  const KernelImage* images;
  unsigned count;

  /// The image of the smallest head sizes, the fewest features and the smallest block_m that serves, one for the device
  /// rather than text, of the newest architecture that the device runs; NULL = there is none.
  const KernelImage* find(const KernelQuery& query) const {
    const KernelImage* best = nullptr;
    const auto cost = [](const KernelImage& i) {
      return std::tuple(i.head_size_qk + i.head_size_v, i.features, i.block_m, i.ptx, uint32_t{0xffffffff} - i.arch);
    };
    for (const KernelImage* image = images; image < images + count; ++image)
      if (serves(*image, query) && (!best || cost(*image) < cost(*best))) best = image;
    return best;
  }

  /// Of the images of one architecture, or with 0 of all; of any cache, or with `x` of an xpacked one.
  KernelOffer offer(const char* kernel, uint32_t arch = 0, bool x = false) const {
    KernelOffer out;
    for (const KernelImage* image = images; image < images + count; ++image) {
      if (std::strcmp(image->kernel, kernel) != 0 || (arch && image->arch != arch) || (x && !image->x)) continue;
      out.q_dtypes |= 1u << image->q_dtype;
      out.kv_dtypes |= 1u << image->kv_dtype;
      out.head_size_qk = std::max(out.head_size_qk, image->head_size_qk);
      out.head_size_v = std::max(out.head_size_v, image->head_size_v);
      out.rows = std::max(out.rows, image->block_m);
    }
    return out;
  }

 private:
  static bool serves(const KernelImage& i, const KernelQuery& q) {
    const auto is = [](int32_t wanted, uint32_t has) { return wanted < 0 || static_cast<uint32_t>(wanted) == has; };
    return std::strcmp(i.kernel, q.kernel) == 0 && runs_on(q.arch, i) && is(q.q_dtype, i.q_dtype) &&
           is(q.kv_dtype, i.kv_dtype) && is(q.out_dtype, i.out_dtype) && i.head_size_qk >= q.head_size_qk &&
           i.head_size_v >= q.head_size_v && i.block_m >= q.rows && is(q.even, i.even) && i.features >= q.features &&
           i.x == q.x;
  }
};

}  // namespace attnrt::gpu
#endif
