// SPDX-License-Identifier: Apache-2.0
//
// images.hpp: the kernels that were compiled into this plugin. aot/compile.py writes the table.
#ifndef ATTNRT_FLASH_ATTN_IMAGES_HPP
#define ATTNRT_FLASH_ATTN_IMAGES_HPP
#include "../gpu/kernel_table.hpp"

namespace attnrt::flash {

extern const gpu::KernelImage images[];
extern const unsigned num_images;

/// [thread-safe]
inline gpu::KernelTable kernel_table() { return {images, num_images}; }

}  // namespace attnrt::flash
#endif
