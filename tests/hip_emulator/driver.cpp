// SPDX-License-Identifier: Apache-2.0
//
// The emulator as a driver: what HIP refuses it refuses, each thread has its device, errors come late and stay. Each
// case is a process of its own, for an error of a kernel lasts as long as its process.
#include <dlfcn.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "api.hpp"
#include "image.hpp"
#include "sha256.hpp"

using namespace attnrt::emulator;
using namespace attnrt::hip_test;

namespace {

/// A folder of this process's own, as long as it lives.
struct Folder {
  std::string name = std::filesystem::temp_directory_path() / "attnrt_hip_XXXXXX";
  Folder() {
    if (!mkdtemp(name.data())) name.clear();
  }
  ~Folder() {
    std::error_code error;
    if (!name.empty()) std::filesystem::remove_all(name, error);
  }
};
const std::string& folder() {
  static const Folder made;
  return made.name;
}

void* library() {
  static void* const handle = [] {
    setenv("ATTNRT_EMULATOR_DEVICE", "rocm:gfx942", 1);
    setenv("ATTNRT_EMULATOR_DEVICES", "2", 1);
    setenv("ATTNRT_EMULATOR_CACHE", KERNELS, 1);
    setenv("ATTNRT_EMULATOR_LLIR", folder().c_str(), 1);
    setenv("ATTNRT_EMULATOR_LOG", (folder() + "/log").c_str(), 1);
    return dlopen(EMULATOR, RTLD_NOW | RTLD_LOCAL);
  }();
  return handle;
}

/// api("hipMalloc", &pointer, bytes): arguments of exactly the function's types.
template <class Answer = Result, class... Args>
Answer api(const char* name, Args... args) {
  Answer (*function)(Args...) = nullptr;
  void* const symbol = dlsym(library(), name);
  REQUIRE(symbol);
  std::memcpy(&function, &symbol, sizeof function);
  return function(args...);
}
std::string name_of(Result error) { return api<const char*>("hipGetErrorName", error); }
std::string logged() {
  std::ifstream in(folder() + "/log");
  return {std::istreambuf_iterator<char>(in), {}};
}

// out[i] = in[i] + 1 for the 64 lanes of a workgroup.
constexpr const char* kPlusOne =
    "define amdgpu_kernel void @test(ptr addrspace(1) %0, ptr addrspace(1) %1) {\n"
    "  %3 = call i32 @llvm.amdgcn.workitem.id.x()\n  %4 = shl i32 %3, 2\n  %5 = getelementptr i8, ptr addrspace(1) %1, "
    "i32 %4\n"
    "  %6 = load i32, ptr addrspace(1) %5, align 4\n  %7 = add i32 %6, 1\n  %8 = getelementptr i8, ptr addrspace(1) "
    "%0, i32 %4\n"
    "  store i32 %7, ptr addrspace(1) %8, align 4\n  ret void\n}\n";

/// An image whose IR lies where the emulator looks for it.
std::string image_with(const ImageFacts& facts = {}, const std::string& text = kPlusOne) {
  std::string image = image_of(facts);
  std::ofstream(folder() + "/" + sha256(image.data(), image.size()) + ".ll") << text;
  return image;
}

struct Device {
  std::string image = image_with();
  ModuleHandle module = nullptr;
  FunctionHandle function = nullptr;
  char *a = nullptr, *b = nullptr;
  Device() {
    REQUIRE(api("hipInit", 0u) == 0);
    REQUIRE(api("hipModuleLoadData", &module, static_cast<const void*>(image.data())) == 0);
    REQUIRE(api("hipModuleGetFunction", &function, module, "test") == 0);
    for (char** data : {&a, &b}) {
      REQUIRE(api("hipMalloc", reinterpret_cast<void**>(data), std::size_t{256}) == 0);
      REQUIRE(api("hipMemsetD32Async", static_cast<void*>(*data), 0, std::size_t{64}, StreamHandle{}) == 0);
    }
    REQUIRE(api("hipStreamSynchronize", StreamHandle{}) == 0);
  }
  Result launch(void** extra, unsigned threads = 64, unsigned lds = 0, StreamHandle stream = nullptr,
                void** arguments = nullptr, unsigned grid = 1) const {
    return api("hipModuleLaunchKernel", function, grid, 1u, 1u, threads, 1u, 1u, lds, stream, arguments, extra);
  }
  Result plus_one(char* to, char* from, StreamHandle stream = nullptr) const {
    char* block[2] = {to, from};
    std::size_t bytes = sizeof block;
    void* extra[] = {reinterpret_cast<void*>(1), block, reinterpret_cast<void*>(2), &bytes, reinterpret_cast<void*>(3)};
    return launch(extra, 64, 0, stream);
  }
  static uint32_t read(const void* from) {
    uint32_t value = 0;
    CHECK(api("hipMemcpy", static_cast<void*>(&value), from, std::size_t{4}, 2) == 0);
    return value;
  }
};

Result load(const std::string& image) {
  ModuleHandle module = nullptr;
  return api("hipModuleLoadData", &module, static_cast<const void*>(image.data()));
}

}  // namespace

TEST_CASE("devices are known by number and by the name of their architecture") {
  int count = 0, value = 0, version = 0;
  REQUIRE(api("hipGetDeviceCount", &count) == 0);  // HIP initialises itself
  CHECK(count == 2);
  CHECK(api("hipDriverGetVersion", &version) == 0);
  CHECK(version >= 60000000);
  for (const auto& [attribute, wanted] : {std::pair(63, 304), {74, 65536}, {87, 64}, {23, 9}, {61, 4}}) {
    CHECK(api("hipDeviceGetAttribute", &value, attribute, 1) == 0);
    CHECK(value == wanted);
  }
  std::vector<char> properties(4096);
  CHECK(api("hipGetDevicePropertiesR0600", properties.data(), 0) == 0);
  CHECK(std::string(properties.data() + 1160) == "gfx942:sramecc+:xnack-");
  CHECK(api("hipDeviceGetAttribute", &value, 16, 0) == kInvalidValue);  // CUDA's number of multiprocessors
  CHECK(api("hipDeviceGet", &value, 2) == kInvalidDevice);
  CHECK(name_of(kInvalidDevice) == "hipErrorInvalidDevice");
  CHECK(name_of(12345) == "hipErrorUnknown");
}

TEST_CASE("each thread has a current device, and memory belongs to the one that was current") {
  const Device device;
  int current = -1;
  CHECK(api("hipSetDevice", 1) == 0);
  CHECK(api("hipSetDevice", 2) == kInvalidDevice);
  std::thread([&] {
    CHECK(api("hipGetDevice", &current) == 0);
    CHECK(current == 0);
  }).join();
  CHECK(api("hipGetDevice", &current) == 0);
  CHECK(current == 1);
  CHECK(api("hipFree", static_cast<void*>(device.a)) == kInvalidValue);
  CHECK(device.plus_one(device.b, device.a) == kInvalidHandle);
  CHECK(api("hipSetDevice", 0) == 0);
  CHECK(api("hipFree", static_cast<void*>(device.a)) == 0);
}

TEST_CASE("a launch takes arguments as HIP does, and its end is 3") {
  const Device device;
  char* block[2] = {device.b, device.a};
  std::size_t bytes = sizeof block;
  const auto word = [](std::size_t value) { return reinterpret_cast<void*>(value); };
  void* good[] = {word(1), block, word(2), &bytes, word(3)};
  CHECK(device.launch(good) == 0);
  CHECK(Device::read(device.b + 252) == 1);
  void* cuda[] = {word(1), block, word(2), &bytes, nullptr};
  CHECK(device.launch(cuda) == kInvalidValue);
  CHECK_THAT(logged(), Catch::Contains("hipModuleLaunchKernel: extra holds the word 0, wanted 1, 2, and 3 at its end"));
  void* pointers[] = {&block[0], &block[1]};
  CHECK(device.launch(nullptr, 64, 0, nullptr, pointers) == 0);
  CHECK(device.launch(good, 64, 0, nullptr, pointers) == kInvalidValue);
  bytes = 8;
  CHECK(device.launch(good) == kInvalidValue);
  bytes = 16;
  CHECK(device.launch(good, 512) == kLaunchFailed);  // compiled for 256
  CHECK(device.launch(good, 65) == kNotSupported);
  CHECK(device.launch(good, 64, 65537) == kInvalidValue);
  CHECK(device.launch(good, 64, 0, nullptr, nullptr, 0) == kInvalidValue);
  CHECK(api("hipFuncSetAttribute", reinterpret_cast<const void*>(device.function), 8, 1024) == 98);
  int threads = 0;
  CHECK(api("hipFuncGetAttribute", &threads, 0, device.function) == 0);
  CHECK(threads == 256);
}

TEST_CASE("an image is for this device, holds one kernel, and its IR is found and understood") {
  REQUIRE(api("hipInit", 0u) == 0);
  CHECK(load("no code object, but long enough to look like the beginning of a file of that kind") == kInvalidImage);
  ImageFacts facts;
  facts.machine = 0x54f;
  CHECK(load(image_with(facts)) == kNoBinaryForGpu);
  CHECK_THAT(logged(), Catch::Contains("a code object for gfx950, the device is gfx942"));
  facts = {};
  facts.version = 2;
  CHECK(load(image_with(facts)) == kInvalidImage);
  facts = {};
  facts.kernels = 2;
  CHECK(load(image_with(facts)) == kInvalidImage);
  facts = {};
  facts.lds = 4;
  CHECK(load(image_of(facts)) == kNoBinaryForGpu);
  CHECK_THAT(logged(),
             Catch::Contains("has none for this code object of test: ") && Catch::Contains(".ll is in none of "));
  facts.lds = 8;
  CHECK(load(image_with(facts,
                        "define amdgpu_kernel void @test(ptr addrspace(1) %0, ptr addrspace(1) %1) {\n  %3 = call i32 "
                        "@llvm.amdgcn.new()\n  ret void\n}\n")) == 218);
  CHECK_THAT(logged(), Catch::Contains("line 2: function llvm.amdgcn.new is not known to the emulator"));
  facts.lds = 0;
  facts.spills = 7;
  facts.hidden = {"hidden_block_count_x", "hidden_hostcall_buffer"};
  CHECK(load(image_with(facts)) == 0);
  CHECK_THAT(logged(), Catch::Contains("test spills 7 vector registers and keeps 28 bytes of scratch a lane") &&
                           Catch::Contains("test wants of the runtime: hidden_hostcall_buffer"));
}

TEST_CASE("without LLVM 22 a sentence says so") {
  setenv("ATTNRT_EMULATOR_LLC", "/nowhere/llc", 1);
  REQUIRE(api("hipInit", 0u) == 0);
  CHECK(load(image_with()) == 218);
  CHECK_THAT(logged(),
             Catch::Contains("the emulator compiles AMD's kernels for this CPU by LLVM 22 and ATTNRT_EMULATOR_LLC is "
                             "/nowhere/llc, which cannot be run"));
}

TEST_CASE("streams and events order kernels, and a graph is replayed on what its buffers hold then") {
  const Device device;
  StreamHandle one = nullptr, two = nullptr;
  REQUIRE(api("hipStreamCreateWithFlags", &one, 1u) == 0);
  REQUIRE(api("hipStreamCreateWithFlags", &two, 1u) == 0);
  EventHandle event = nullptr;
  REQUIRE(api("hipEventCreateWithFlags", &event, 0u) == 0);
  CHECK(device.plus_one(device.b, device.a, one) == 0);
  CHECK(api("hipEventRecord", event, one) == 0);
  CHECK(api("hipStreamWaitEvent", two, event, 0u) == 0);
  CHECK(device.plus_one(device.a, device.b, two) == 0);
  CHECK(api("hipStreamSynchronize", two) == 0);
  CHECK(Device::read(device.a) == 2);

  REQUIRE(api("hipStreamBeginCapture", one, 1) == 0);
  CHECK(device.plus_one(device.b, device.a, one) == 0);
  CHECK(device.plus_one(device.a, device.b, one) == 0);
  CHECK(api("hipStreamSynchronize", one) == kStreamCaptureUnsupported);
  GraphHandle graph = nullptr;
  CHECK(api("hipStreamEndCapture", one, &graph) == kStreamCaptureInvalidated);
  REQUIRE(api("hipStreamBeginCapture", one, 1) == 0);
  CHECK(device.plus_one(device.b, device.a, one) == 0);
  CHECK(device.plus_one(device.a, device.b, one) == 0);
  REQUIRE(api("hipStreamEndCapture", one, &graph) == 0);
  CHECK(Device::read(device.a) == 2);  // nothing ran
  GraphExecHandle exec = nullptr;
  REQUIRE(api("hipGraphInstantiate", &exec, graph, static_cast<void**>(nullptr), static_cast<char*>(nullptr),
              std::size_t{0}) == 0);
  CHECK(api("hipMemsetD32Async", static_cast<void*>(device.a), 40, std::size_t{64}, one) == 0);
  CHECK(api("hipGraphLaunch", exec, one) == 0);
  CHECK(api("hipGraphLaunch", exec, one) == 0);
  CHECK(api("hipStreamSynchronize", one) == 0);
  CHECK(Device::read(device.a) == 44);
  CHECK(api("hipGraphExecDestroy", exec) == 0);
  CHECK(api("hipGraphDestroy", graph) == 0);
  CHECK(api("hipEventDestroy", event) == 0);
  CHECK(api("hipStreamDestroy", one) == 0);
}

TEST_CASE("copies have a kind and stay inside what is allocated") {
  const Device device;
  uint32_t numbers[4] = {1, 2, 3, 4};
  CHECK(api("hipMemcpy", static_cast<void*>(device.a), static_cast<const void*>(numbers), sizeof numbers, 1) == 0);
  CHECK(api("hipMemcpyAsync", static_cast<void*>(device.b), static_cast<const void*>(device.a), std::size_t{16}, 3,
            StreamHandle{}) == 0);
  CHECK(Device::read(device.b + 12) == 4);
  CHECK(api("hipMemcpy", static_cast<void*>(device.a), static_cast<const void*>(numbers), sizeof numbers, 0) ==
        kInvalidValue);
  CHECK(api("hipMemcpy", static_cast<void*>(device.a + 250), static_cast<const void*>(numbers), std::size_t{8}, 1) ==
        kInvalidValue);
  // Two rows of 4 bytes, 8 apart in a, 16 apart in b.
  CHECK(api("hipMemcpy2DAsync", static_cast<void*>(device.b), std::size_t{16}, static_cast<const void*>(device.a),
            std::size_t{8}, std::size_t{4}, std::size_t{2}, 3, StreamHandle{}) == 0);
  CHECK(Device::read(device.b + 16) == 3);
  CHECK(api("hipFree", static_cast<void*>(device.a + 8)) == kInvalidValue);
}

TEST_CASE("a kernel's fault is answered late, by its name, and stays") {
  const Device device;
  CHECK(device.plus_one(device.b, device.a + 4) == 0);
  CHECK(api("hipDeviceSynchronize") == kIllegalAddress);
  CHECK_THAT(
      name_of(kIllegalAddress),
      Catch::Contains("hipErrorIllegalAddress: test: line 5, workgroup 0 0 0, wave 0, lane 63: a read of 4 bytes at") &&
          Catch::Contains("behind a piece of 256"));
  void* more = nullptr;
  CHECK(api("hipMalloc", &more, std::size_t{16}) == kIllegalAddress);
}
