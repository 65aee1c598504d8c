// SPDX-License-Identifier: Apache-2.0
#ifndef EXAMPLE_GPU_ATTN_IMAGE_HPP
#define EXAMPLE_GPU_ATTN_IMAGE_HPP

/// The fat binary of kernels/attention.cu, as cuModuleLoadData takes it.
extern "C" const char example_gpu_attn_image[];

#endif
