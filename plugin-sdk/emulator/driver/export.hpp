// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_EXPORT_HPP
#define ATTNRT_EMULATOR_EXPORT_HPP
#include "api.hpp"

/// A function of the driver API, by its name in libcuda.so.1.
#define ATTNRT_CUDA_ENTRY extern "C" __attribute__((visibility("default"))) attnrt::emulator::CuResult

#endif
