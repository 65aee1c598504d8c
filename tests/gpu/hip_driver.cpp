// SPDX-License-Identifier: Apache-2.0
//
// The table of driver functions filled from HIP, and a device and a launcher on it: hip_library.cpp stands in for the
// system's library.
#include <catch2/catch.hpp>

#include "../../plugins/gpu/batch_buffers.hpp"
#include "../../plugins/gpu/launcher.hpp"

using namespace attnrt;

namespace {

std::string take_calls() {
  static const auto calls = [] {
    const char* (*function)() = nullptr;
    sdk::detail::find_in(dlopen("libamdhip64.so.7", RTLD_NOW | RTLD_LOCAL), "hip_test_calls", function);
    return function;
  }();
  return calls();
}

#define HIP_TEST_ARGUMENTS(P, F, I, L) P(out_ptr) I(count) F(scale)
ATTNRT_GPU_ARGUMENTS(Arguments, HIP_TEST_ARGUMENTS, kMembers);

constexpr unsigned char kContents[1] = {};
constexpr gpu::Parameter kParameters[] = {{"count", 'i'}, {"out_ptr", 'p'}};

gpu::KernelImage image(uint32_t warps, uint32_t appended) {
  gpu::KernelImage i{};
  i.kernel = i.symbol = "fill";
  i.arch = 0x942;
  i.image = kContents;
  i.warps = warps;
  i.shared_bytes = 64 * 1024;
  i.parameters = kParameters;
  i.num_parameters = 2;
  i.appended_bytes = appended;
  return i;
}

}  // namespace

TEST_CASE("a device of HIP has the architecture of its name and warps of its own size") {
  gpu::Device& device = gpu::Device::open({ATTNRT_DEVICE_ROCM, 2});
  CHECK(device.arch() == 0x942);
  CHECK(device.warp_size() == 64);
  CHECK(device.multiprocessors() == 304);
  CHECK(device.shared_bytes() == 65536);
  CHECK(&device == &gpu::Device::open({ATTNRT_DEVICE_ROCM, 2}));
  CHECK(&device != &gpu::Device::open({ATTNRT_DEVICE_ROCM, 3}));
}

TEST_CASE("a kernel is loaded with its device current and launched with HIP's end of arguments") {
  gpu::Device& device = gpu::Device::open({ATTNRT_DEVICE_ROCM, 2});
  const gpu::KernelImage fill = image(4, 16);
  take_calls();
  const gpu::Launcher launcher(device, &fill, "fill", kMembers);
  CHECK(take_calls() ==
        "device 2\nhipThreadExchangeStreamCaptureMode\nhipThreadExchangeStreamCaptureMode\n"
        "device 0\n");  // no function attribute is set
  Arguments arguments{};
  launcher.launch(device.driver(), {3, 2, 1}, &arguments, nullptr);
  CHECK(take_calls() == "device 2\nlaunch 3 2 1 x 256, shared 65536, 32 bytes, end 3\ndevice 0\n");
  const gpu::KernelImage bare = image(1, 0);
  gpu::Launcher(device, &bare, "fill", kMembers).launch(device.driver(), {}, &arguments, nullptr);
  CHECK(take_calls() ==
        "device 2\nlaunch 1 1 1 x 256, shared 65536, 16 bytes, end 3\ndevice 0\n");  // the image was loaded before
}

TEST_CASE("copies, fills and memory go to HIP's functions") {
  const sdk::GpuDriver& driver = gpu::driver(ATTNRT_DEVICE_ROCM);
  take_calls();
  REQUIRE(driver.copy_device_async(16, 32, 8, nullptr) == 0);
  REQUIRE(driver.copy_2d_async(16, 64, 32, 128, 8, 2, nullptr) == 0);
  REQUIRE(driver.fill_8_async(16, 7, 3, nullptr) == 0);
  REQUIRE(driver.fill_32_async(16, 9, 5, nullptr) == 0);
  char host[4];
  REQUIRE(driver.copy_to_device(16, host, 4) == 0);
  REQUIRE(driver.copy_to_host(host, 16, 4) == 0);
  CHECK(take_calls() ==
        "copy 0x10 0x20 8 kind 3\ncopy 0x10 64 0x20 128 8 x 2 kind 3\nfill 0x10 7 3\nfill 0x10 9 5\ncopy 4 kind 1\n"
        "copy 4 kind 2\n");
  sdk::GpuPointer data = 0;
  REQUIRE(driver.allocate(&data, 64) == 0);
  CHECK(data == 0x1000);
  REQUIRE(driver.release(data) == 0);
  sdk::GpuGraphExec exec = nullptr;
  REQUIRE(driver.graph_instantiate(&exec, nullptr, 0) == 0);
  CHECK(take_calls() == "free 0x1000\ninstantiate 1 0\n");
  CHECK(driver.version_name(70026015) == "7.0");
  CHECK(driver.name_of(sdk::kGpuOutOfMemory) == "hipErrorOutOfMemory");
}

TEST_CASE("contexts of HIP are devices, the last one on top") {
  const sdk::GpuDriver& driver = gpu::driver(ATTNRT_DEVICE_ROCM);
  sdk::GpuContext one = nullptr, two = nullptr, popped = nullptr;
  REQUIRE(driver.context_retain(&one, 1) == 0);
  REQUIRE(driver.context_retain(&two, 2) == 0);
  take_calls();
  REQUIRE(driver.context_push(one) == 0);
  REQUIRE(driver.context_push(two) == 0);
  REQUIRE(driver.context_pop(&popped) == 0);
  CHECK(popped == two);
  REQUIRE(driver.context_pop(&popped) == 0);
  CHECK(popped == one);
  CHECK(driver.context_pop(&popped) == sdk::kGpuInvalidContext);
  CHECK(driver.context_push(nullptr) == sdk::kGpuInvalidContext);
  CHECK(take_calls() == "device 1\ndevice 2\ndevice 1\ndevice 0\n");
}
