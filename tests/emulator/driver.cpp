// SPDX-License-Identifier: Apache-2.0
//
// The emulator as a driver: what CUDA refuses it refuses, streams overlap, errors come late and stay. Each case is a
// process of its own, for an error of a kernel lasts as long as its process.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "api.hpp"

using namespace attnrt::emulator;

namespace {

void* library() {
  static void* const handle = [] {
    setenv("ATTNRT_EMULATOR_DEVICE", "cuda:8.0", 1);
    setenv("ATTNRT_EMULATOR_DEVICES", "2", 1);
    return dlopen(EMULATOR, RTLD_NOW | RTLD_LOCAL);
  }();
  return handle;
}

/// cu("cuMemAlloc_v2", &pointer, bytes): arguments of exactly the function's types.
template <class... Args>
CuResult cu(const char* name, Args... args) {
  CuResult (*function)(Args...) = nullptr;
  void* const symbol = dlsym(library(), name);
  REQUIRE(symbol);
  std::memcpy(&function, &symbol, sizeof function);
  return function(args...);
}

constexpr char kText[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n.extern .shared .align 16 .b8 dynamic[];\n"
    // out[i] = in[i] + 1
    ".visible .entry plus_one(.param .u64 out, .param .u64 in, .param .u32 n) {\n.reg .b64 %rd<5>; .reg .b32 %r<5>; "
    ".reg .pred %p<2>;\n"
    "ld.param.u64 %rd1, [out]; ld.param.u64 %rd2, [in]; ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x;\n"
    "setp.ge.u32 %p1, %r2, %r1; @%p1 ret; mul.wide.u32 %rd3, %r2, 4; add.s64 %rd1, %rd1, %rd3; add.s64 %rd2, %rd2, "
    "%rd3;\n"
    "ld.global.u32 %r3, [%rd2]; add.u32 %r3, %r3, 1; st.global.u32 [%rd1], %r3; ret;\n}\n"
    // waits until flag is 1
    ".visible .entry wait_flag(.param .u64 flag) {\n.reg .b64 %rd<2>; .reg .b32 %r<2>; .reg .pred %p<2>;\n"
    "ld.param.u64 %rd1, [flag];\nL: ld.volatile.global.u32 %r1, [%rd1]; setp.ne.u32 %p1, %r1, 1; @%p1 bra L; ret;\n}\n"
    ".visible .entry set_flag(.param .u64 flag) {\n.reg .b64 %rd<2>; ld.param.u64 %rd1, [flag]; st.global.u32 [%rd1], "
    "1; ret;\n}\n"
    ".visible .entry wide(.param .u64 out) .reqntid 64, 1, 1 {\n.shared .align 4 .b8 own[1024]; .reg .b32 %r<2>; "
    "mov.u32 %r1, own; st.shared.u32 [%r1], 5; ret;\n}\n";

/// A context, a module, some memory.
struct Device {
  CuContext context = nullptr;
  CuModule module = nullptr;
  CuPointer a = 0, b = 0;
  explicit Device(int ordinal = 0) {
    REQUIRE(cu("cuInit", 0u) == 0);
    REQUIRE(cu("cuDevicePrimaryCtxRetain", &context, ordinal) == 0);
    REQUIRE(cu("cuCtxSetCurrent", context) == 0);
    REQUIRE(cu("cuModuleLoadData", &module, static_cast<const void*>(kText)) == 0);
    REQUIRE(cu("cuMemAlloc_v2", &a, std::size_t{256}) == 0);
    REQUIRE(cu("cuMemAlloc_v2", &b, std::size_t{256}) == 0);
    REQUIRE(cu("cuMemsetD32Async", a, 0u, std::size_t{64}, CuStream{}) == 0);
    REQUIRE(cu("cuMemsetD32Async", b, 0u, std::size_t{64}, CuStream{}) == 0);
    REQUIRE(cu("cuStreamSynchronize", CuStream{}) == 0);
  }
  CuFunction function(const char* name) const {
    CuFunction found = nullptr;
    REQUIRE(cu("cuModuleGetFunction", &found, module, name) == 0);
    return found;
  }
  CuResult launch(const char* name, CuStream stream, std::vector<void*> arguments, unsigned threads = 64,
                  unsigned shared = 0) const {
    return launch(function(name), stream, arguments, threads, shared);
  }
  CuResult launch(CuFunction function, CuStream stream, std::vector<void*> arguments, unsigned threads = 64,
                  unsigned shared = 0) const {
    return cu("cuLaunchKernel", function, 1u, 1u, 1u, threads, 1u, 1u, shared, stream, arguments.data(),
              static_cast<void**>(nullptr));
  }
  CuResult plus_one(CuPointer to, CuPointer from, CuStream stream = nullptr, uint32_t n = 64) const {
    return launch("plus_one", stream, {&to, &from, &n});
  }
  uint32_t read(CuPointer from) const {
    uint32_t value = 0;
    CHECK(cu("cuMemcpyDtoH_v2", static_cast<void*>(&value), from, std::size_t{4}) == 0);
    return value;
  }
  CuStream stream(unsigned flags = 1) const {
    CuStream made = nullptr;
    REQUIRE(cu("cuStreamCreate", &made, flags) == 0);
    return made;
  }
};

}  // namespace

TEST_CASE("nothing works before cuInit, nor without a context") {
  CuPointer data = 0;
  int count = 0, version = 0;
  CHECK(cu("cuDriverGetVersion", &version) == 0);
  CHECK(version >= 12000);
  CHECK(cu("cuDeviceGetCount", &count) == CUDA_ERROR_NOT_INITIALIZED);
  CHECK(cu("cuInit", 0u) == 0);
  CHECK(cu("cuDeviceGetCount", &count) == 0);
  CHECK(count == 2);
  CHECK(cu("cuMemAlloc_v2", &data, std::size_t{16}) == CUDA_ERROR_INVALID_CONTEXT);
  const Device device;
  CHECK(cu("cuMemAlloc_v2", &data, std::size_t{16}) == 0);
  CHECK(cu("cuMemAlloc_v2", &data, std::size_t{0}) == CUDA_ERROR_INVALID_VALUE);
  std::thread([&] { CHECK(cu("cuMemAlloc_v2", &data, std::size_t{16}) == CUDA_ERROR_INVALID_CONTEXT); }).join();
}

TEST_CASE("a child of a process that used the driver cannot use it") {
  const Device device;
  const pid_t child = fork();
  if (!child) {
    int count = 0;
    const bool refused =
        cu("cuDeviceGetCount", &count) == CUDA_ERROR_NOT_INITIALIZED && cu("cuInit", 0u) == CUDA_ERROR_NOT_INITIALIZED;
    _exit(refused ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a kernel runs, by pointers and by a packed block") {
  const Device d;
  CHECK(d.plus_one(d.b, d.a) == 0);
  CHECK(d.read(d.b) == 1);
  struct {
    CuPointer out, in;
    uint32_t n;
  } block{d.a, d.b, 64};
  std::size_t size = 20;
  void* extra[] = {reinterpret_cast<void*>(1), &block, reinterpret_cast<void*>(2), &size, nullptr};
  CHECK(cu("cuLaunchKernel", d.function("plus_one"), 1u, 1u, 1u, 64u, 1u, 1u, 0u, CuStream{},
           static_cast<void**>(nullptr), static_cast<void**>(extra)) == 0);
  CHECK(d.read(d.a) == 2);
  size = 16;
  CHECK(cu("cuLaunchKernel", d.function("plus_one"), 1u, 1u, 1u, 64u, 1u, 1u, 0u, CuStream{},
           static_cast<void**>(nullptr), static_cast<void**>(extra)) == CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("functions, streams and memory belong to a context") {
  const Device first(0);
  const CuFunction of_first = first.function("set_flag");
  const Device second(1);  // which is current from now on
  CuPointer flag = first.a;
  CHECK(first.launch(of_first, nullptr, {&flag}, 1) == CUDA_ERROR_INVALID_HANDLE);
  const CuStream of_second = second.stream();
  CHECK(cu("cuCtxSetCurrent", first.context) == 0);
  CHECK(first.plus_one(first.b, first.a, of_second) == CUDA_ERROR_INVALID_HANDLE);
  CHECK(cu("cuMemcpyDtoDAsync_v2", first.a, second.a, std::size_t{4}, CuStream{}) == CUDA_ERROR_INVALID_VALUE);
  CHECK(first.plus_one(first.b, first.a) == 0);
}

TEST_CASE("the shape of a launch is checked") {
  const Device d;
  CuPointer out = d.a;
  CHECK(d.launch("wide", nullptr, {&out}, 64, 47 * 1024) == 0);
  CHECK(d.launch("wide", nullptr, {&out}, 32) == CUDA_ERROR_INVALID_VALUE);
  CHECK(d.launch("wide", nullptr, {&out}, 64, 48 * 1024) == CUDA_ERROR_INVALID_VALUE);  // 1 KiB is static
  int value = 0;
  CHECK(cu("cuFuncGetAttribute", &value, 1, d.function("wide")) == 0);
  CHECK(value == 1024);
  CHECK(cu("cuFuncSetAttribute", d.function("wide"), 8, 163 * 1024) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cu("cuFuncSetAttribute", d.function("wide"), 8, 162 * 1024) == 0);
  CHECK(d.launch("wide", nullptr, {&out}, 64, 162 * 1024) == 0);
  CHECK(d.launch("plus_one", nullptr, {&out, &out, &out}, 2048) == CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("images are read") {
  const Device d;
  CuModule module = nullptr;
  CHECK(cu("cuModuleLoadData", &module, static_cast<const void*>("what is this")) == CUDA_ERROR_INVALID_IMAGE);
  CHECK(cu("cuModuleLoadData", &module, static_cast<const void*>(".version 8.0\n.target sm_90\n")) ==
        CUDA_ERROR_INVALID_PTX);
  CHECK(cu("cuModuleLoadData", &module,
           static_cast<const void*>(".version 8.0\n.target sm_80\n.entry k() { frob; }\n")) == CUDA_ERROR_INVALID_PTX);
  CuFunction function = nullptr;
  CHECK(cu("cuModuleGetFunction", &function, d.module, "absent") == CUDA_ERROR_NOT_FOUND);
}

TEST_CASE("non-blocking streams overlap, blocking ones wait for the legacy stream") {
  const Device d;
  const CuStream waits = d.stream(1), sets = d.stream(1);
  CuPointer flag = d.a;
  CHECK(d.launch("wait_flag", waits, {&flag}, 1) == 0);
  CHECK(cu("cuStreamQuery", waits) == CUDA_ERROR_NOT_READY);
  CHECK(d.launch("set_flag", sets, {&flag}, 1) == 0);  // were the streams in one queue, this would never end
  CHECK(cu("cuStreamSynchronize", waits) == 0);
  // an event orders one behind the other
  CuEvent event = nullptr;
  CHECK(cu("cuEventCreate", &event, 0u) == 0);
  CHECK(cu("cuMemsetD32Async", d.a, 41u, std::size_t{64}, waits) == 0);
  CHECK(cu("cuEventRecord", event, waits) == 0);
  CHECK(cu("cuStreamWaitEvent", sets, event, 0u) == 0);
  CHECK(d.plus_one(d.b, d.a, sets) == 0);
  CHECK(cu("cuStreamSynchronize", sets) == 0);
  CHECK(d.read(d.b) == 42);
}

TEST_CASE("a fault comes late, stays, and has a sentence") {
  const Device d;
  CHECK(d.plus_one(d.b, d.a, nullptr, 1000) == 0);  // 64 threads: still inside
  CHECK(d.plus_one(d.b + 128, d.a) == 0);           // the launch itself is right
  CHECK(cu("cuStreamSynchronize", CuStream{}) == CUDA_ERROR_ILLEGAL_ADDRESS);
  CuPointer data = 0;
  CHECK(cu("cuMemAlloc_v2", &data, std::size_t{16}) == CUDA_ERROR_ILLEGAL_ADDRESS);
  const char* name = nullptr;
  CHECK(cu("cuGetErrorName", CuResult{CUDA_ERROR_ILLEGAL_ADDRESS}, &name) == 0);
  CHECK(std::string(name).find("CUDA_ERROR_ILLEGAL_ADDRESS: plus_one: a write of 4 bytes") == 0);
  CHECK(std::string(name).find("0 bytes behind a piece of 256") != std::string::npos);
}

TEST_CASE("a captured run is replayed with what lies in memory then") {
  const Device d;
  const CuStream s = d.stream();
  CHECK(cu("cuStreamBeginCapture_v2", s, 1) == 0);
  CHECK(d.plus_one(d.b, d.a, s) == 0);
  CHECK(cu("cuStreamSynchronize", s) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);  // and spoils it
  CuGraph graph = nullptr;
  CHECK(cu("cuStreamEndCapture", s, &graph) == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  CHECK(cu("cuStreamBeginCapture_v2", s, 1) == 0);
  CHECK(d.plus_one(d.b, d.a, s) == 0);
  CHECK(cu("cuStreamEndCapture", s, &graph) == 0);
  CHECK(d.read(d.b) == 0);  // nothing ran
  CuGraphExec exec = nullptr;
  CHECK(cu("cuGraphInstantiateWithFlags", &exec, graph, 0ull) == 0);
  for (uint32_t value : {7u, 9u}) {
    CHECK(cu("cuMemsetD32Async", d.a, value, std::size_t{64}, s) == 0);
    CHECK(cu("cuGraphLaunch", exec, s) == 0);
    CHECK(cu("cuStreamSynchronize", s) == 0);
    CHECK(d.read(d.b) == value + 1);
  }
  CHECK(cu("cuStreamBeginCapture_v2", CuStream{}, 1) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST_CASE("captures fork and join by events") {
  const Device d;
  const CuStream s = d.stream(), t = d.stream();
  CuEvent forked = nullptr, joined = nullptr;
  CHECK(cu("cuEventCreate", &forked, 0u) == 0);
  CHECK(cu("cuEventCreate", &joined, 0u) == 0);
  CuGraph graph = nullptr;
  for (const bool joins : {false, true}) {
    CHECK(cu("cuStreamBeginCapture_v2", s, 1) == 0);
    CHECK(cu("cuEventRecord", forked, s) == 0);
    CHECK(cu("cuStreamWaitEvent", t, forked, 0u) == 0);
    CHECK(d.plus_one(d.b, d.a, t) == 0);
    CHECK(cu("cuEventRecord", joined, t) == 0);
    if (joins) CHECK(cu("cuStreamWaitEvent", s, joined, 0u) == 0);
    CHECK(cu("cuStreamEndCapture", s, &graph) == (joins ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNJOINED));
  }
}

TEST_CASE("what a capture forbids to others hangs on its mode") {
  const Device d;
  const CuStream s = d.stream();
  const auto elsewhere = [&](int own_mode) {
    CuResult result = 0;
    std::thread([&] {
      CHECK(cu("cuCtxSetCurrent", d.context) == 0);
      int mode = own_mode;
      CHECK(cu("cuThreadExchangeStreamCaptureMode", &mode) == 0);
      CuPointer data = 0;
      result = cu("cuMemAlloc_v2", &data, std::size_t{16});
    }).join();
    return result;
  };
  CuGraph graph = nullptr;
  CHECK(cu("cuStreamBeginCapture_v2", s, 1) == 0);
  CHECK(elsewhere(0) == 0);
  CuPointer data = 0;
  CHECK(cu("cuMemAlloc_v2", &data, std::size_t{16}) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CHECK(cu("cuStreamEndCapture", s, &graph) == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  CHECK(cu("cuStreamBeginCapture_v2", s, 0) == 0);
  CHECK(elsewhere(2) == 0);
  CHECK(elsewhere(0) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CHECK(cu("cuStreamEndCapture", s, &graph) == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_CASE("copies stay inside what is allocated") {
  const Device d;
  uint32_t word = 5;
  CHECK(cu("cuMemcpyHtoD_v2", d.a, static_cast<const void*>(&word), std::size_t{4}) == 0);
  CHECK(d.read(d.a) == 5);
  CHECK(cu("cuMemcpyHtoD_v2", d.a + 253, static_cast<const void*>(&word), std::size_t{4}) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cu("cuMemsetD8Async", d.a, static_cast<unsigned char>(1), std::size_t{257}, CuStream{}) ==
        CUDA_ERROR_INVALID_VALUE);
  CuCopy2d rows{};
  rows.src_type = rows.dst_type = kMemoryDevice;
  rows.src_device = d.a, rows.dst_device = d.b;
  rows.src_pitch = 8, rows.dst_pitch = 16, rows.width_bytes = 4, rows.height = 4;
  CHECK(cu("cuMemcpy2DAsync_v2", static_cast<const CuCopy2d*>(&rows), CuStream{}) == 0);
  CHECK(d.read(d.b) == 5);
  rows.height = 17;
  CHECK(cu("cuMemcpy2DAsync_v2", static_cast<const CuCopy2d*>(&rows), CuStream{}) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cu("cuMemFree_v2", d.a + 4) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cu("cuMemFree_v2", d.a) == 0);
  CHECK(cu("cuMemFree_v2", d.a) == CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("tensor maps are made of what the manual allows") {
  Device device;
  alignas(64) char map[128];
  uint64_t dimensions[2] = {100, 50}, strides[1] = {256};
  unsigned box[2] = {64, 32}, steps[2] = {1, 1};
  const auto encode = [&](int type, unsigned rank, int swizzle, int fill) {
    return cu("cuTensorMapEncodeTiled", static_cast<void*>(map), type, rank, reinterpret_cast<void*>(device.a),
              static_cast<const uint64_t*>(dimensions), static_cast<const uint64_t*>(strides),
              static_cast<const unsigned*>(box), static_cast<const unsigned*>(steps), 0, swizzle, 0, fill);
  };
  constexpr int kHalf = 6, kBytes = 0, kSwizzle128 = 3, kSwizzle64 = 2;
  CHECK(encode(kHalf, 2, kSwizzle128, 0) == 0);
  CHECK(cu("cuTensorMapReplaceAddress", static_cast<void*>(map), reinterpret_cast<void*>(device.b)) == 0);
  CHECK(encode(kHalf, 2, 0, 1) == 0);
  CHECK(encode(kBytes, 2, 0, 1) == CUDA_ERROR_INVALID_VALUE);          // NaN of bytes
  CHECK(encode(kHalf, 6, 0, 0) == CUDA_ERROR_INVALID_VALUE);           // dimensions
  CHECK(encode(kHalf, 2, kSwizzle64, 0) == CUDA_ERROR_INVALID_VALUE);  // rows of 128 bytes
  CHECK(encode(13, 2, 0, 0) == CUDA_ERROR_NOT_SUPPORTED);
  strides[0] = 200;
  CHECK(encode(kHalf, 2, 0, 0) == CUDA_ERROR_INVALID_VALUE);
  strides[0] = 256, box[1] = 257;
  CHECK(encode(kHalf, 2, 0, 0) == CUDA_ERROR_INVALID_VALUE);
  box[1] = 32, box[0] = 4;
  CHECK(encode(kHalf, 2, 0, 0) == CUDA_ERROR_INVALID_VALUE);  // rows of 8 bytes
  std::memset(map, 0, sizeof map);
  CHECK(cu("cuTensorMapReplaceAddress", static_cast<void*>(map), reinterpret_cast<void*>(device.b)) ==
        CUDA_ERROR_INVALID_VALUE);
}
