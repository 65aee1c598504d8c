// SPDX-License-Identifier: Apache-2.0
//
// Expressions of users, compiled by NVRTC or by nvcc without inlining, against the host's library. The argument of the
// trigonometric functions goes up to 1e9, where their reduction works in local memory.
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;

namespace {

std::string contents(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// PTX by NVRTC, "" where the library is not there.
std::string by_nvrtc(const char* arch) {
  void* library = nullptr;
  for (const char* name : {NVRTC, "libnvrtc.so.13", "libnvrtc.so.12"})
    if (!library) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return {};
  const auto call = [&](const char* name, auto... args) {
    int (*function)(decltype(args)...) = nullptr;
    void* const symbol = dlsym(library, name);
    REQUIRE(symbol);
    std::memcpy(&function, &symbol, sizeof function);
    return function(args...);
  };
  void* program = nullptr;
  const std::string source = contents(SOURCE), option = std::string("--gpu-architecture=") + arch;
  const char* options[] = {option.c_str()};
  const char* const* none = nullptr;
  REQUIRE(call("nvrtcCreateProgram", &program, source.c_str(), "expressions.cu", 0, none, none) == 0);
  REQUIRE(call("nvrtcCompileProgram", program, 1, static_cast<const char* const*>(options)) == 0);
  std::size_t size = 0;
  REQUIRE(call("nvrtcGetPTXSize", program, &size) == 0);
  std::string text(size, '\0');
  REQUIRE(call("nvrtcGetPTX", program, text.data()) == 0);
  text.resize(text.find('\0'));
  return text;
}

void check(const std::string& text, uint32_t arch) {
  constexpr int n = 100;
  std::vector<float> x(n), y(n);
  for (int i = 0; i < n; ++i) {
    x[static_cast<std::size_t>(i)] = static_cast<float>((i - 50) * std::pow(1.4, i % 60));
    y[static_cast<std::size_t>(i)] = 0.37f * static_cast<float>(i % 17) - 2.5f;
  }
  Machine machine(arch);
  machine.load(text);
  const uint64_t out = machine.room(n * 16 * 4), px = machine.put(x), py = machine.put(y);
  machine.launch("expressions", {4, 32, 0}, out, px, py, int32_t{n});
  const auto got = machine.get<float>(out, n * 16);
  for (int i = 0; i < n; ++i) {
    const float a = x[static_cast<std::size_t>(i)], b = y[static_cast<std::size_t>(i)];
    float squares = 0;
    for (int k = 0; k <= (i & 3); ++k) squares += x[static_cast<std::size_t>(k)] * x[static_cast<std::size_t>(k)];
    const auto key = static_cast<float>((static_cast<int>(std::fabs(b)) - i) & 7);
    const double da = static_cast<double>(a), db = static_cast<double>(b);
    const double expected[16] = {std::sin(da),
                                 std::cos(da),
                                 std::tanh(da),
                                 std::pow(std::fabs(da), db),
                                 std::fmod(da, db),
                                 std::exp(db),
                                 std::log1p(std::fabs(da)),
                                 std::erf(db),
                                 1 / std::sqrt(std::fabs(da) + 1),
                                 da / db,
                                 da * static_cast<double>(key),
                                 static_cast<double>(squares),
                                 db - da,
                                 da * db,
                                 static_cast<double>((i * 37) % ((i & 7) + 3) - i / 3),
                                 std::round(da) + std::floor(db) + std::copysign(1.0, da)};
    for (int k = 0; k < 16; ++k) {
      const auto value = static_cast<double>(got[static_cast<std::size_t>(i * 16 + k)]);
      INFO("function " << k << " of " << a << ", " << b << ": " << value << ", wanted " << expected[k]);
      // CUDA's documented errors of these functions are 4 ulp and fewer, fp32.
      CHECK(std::fabs(value - expected[k]) <= 6e-7 * std::fabs(expected[k]) + 1e-7);
    }
  }
}

}  // namespace

TEST_CASE("an expression that NVRTC compiled") {
  const std::string text = by_nvrtc("compute_80");
  if (text.empty()) {
    WARN("there is no NVRTC here");
    return;
  }
  CHECK(text.find("call.uni") != std::string::npos);
  CHECK(text.find(".local") != std::string::npos);
  check(text, 80);
  check(by_nvrtc("compute_90"), 90);
}

#ifdef NVCC_PTX
TEST_CASE("the same by nvcc, and without optimisation") {
  check(contents(NVCC_PTX "/expressions.ptx"), 80);
  check(contents(NVCC_PTX "/expressions.debug.ptx"), 80);
}
#endif
