// SPDX-License-Identifier: Apache-2.0
//
// The fake driver as a library for `attnrt verify --driver`.
#include "fake_driver.hpp"

extern "C" __attribute__((visibility("default"))) const attnrt::sdk::TestDriver* attnrt_test_driver() {
  using namespace attnrt;
  static const sdk::TestDriver driver{sizeof(driver), fake::DeviceModel{}.arch, "twins on the CPU",
                                      [](const void* kernels, uint32_t count) {
                                        fake::reset({}, static_cast<const triton::Binary*>(kernels), count);
                                        return fake::driver();
                                      }};
  return &driver;
}
