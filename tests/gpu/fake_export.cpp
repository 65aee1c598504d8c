// SPDX-License-Identifier: Apache-2.0
//
// The fake driver as a library for `attnrt verify --driver`. FAKE_CUDA_ARCH: 80, 90 (default), 100, 120 or another.
#include <cstdlib>

#include "fake_driver.hpp"

namespace {

attnrt::fake::DeviceModel model() {
  attnrt::fake::DeviceModel model;
  if (const char* arch = std::getenv("FAKE_CUDA_ARCH")) model.arch = static_cast<uint32_t>(std::atoi(arch));
  const bool small = model.arch / 10 == 8 || model.arch / 10 == 12;
  if (small) model.shared_bytes = 99 * 1024;
  return model;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const attnrt::sdk::TestDriver* attnrt_test_driver() {
  using namespace attnrt;
  static const sdk::TestDriver driver{sizeof(driver), model().arch, "twins on the CPU",
                                      [](const void* kernels, uint32_t count) {
                                        fake::reset(model(), static_cast<const gpu::KernelImage*>(kernels), count);
                                        return fake::driver();
                                      }};
  return &driver;
}
