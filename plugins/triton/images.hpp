// SPDX-License-Identifier: Apache-2.0
//
// images.hpp: the kernels that were compiled into this plugin. Each plugin has a table of its own, which
// aot/compile.py writes.
#ifndef ATTNRT_TRITON_IMAGES_HPP
#define ATTNRT_TRITON_IMAGES_HPP
#include "../gpu/kernel_table.hpp"

namespace attnrt::triton {

extern const gpu::KernelImage images[];
extern const unsigned num_images;

/// [thread-safe]
inline gpu::KernelTable kernel_table() { return {images, num_images}; }

}  // namespace attnrt::triton
#endif
