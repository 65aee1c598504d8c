// SPDX-License-Identifier: Apache-2.0
//
// The emulated instructions of AMX: what they compute (where the processor has AMX, what it computes), and what ends
// the process.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "../../plugins/cpu_attn/simd/dtype.hpp"
#include "../../plugins/cpu_attn/simd/tile_registers.hpp"
#include "amx_emulator.hpp"
#include "attnrt/cpu_isa.hpp"
#include "attnrt/plugin.h"

namespace {

using namespace attnrt::kernel::ATTNRT_KERNEL_ISA;

constexpr int kRows = 16, kPairs = 16, kColumns = 16;

struct Config {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64};
  uint8_t rows[16] = {16, 16, 16};
};

void configure(const Config& config) { __asm__ volatile("ldtilecfg %0" : : "m"(config)); }
void zero_first() { __asm__ volatile("tilezero %tmm0"); }
/// tdpbf16ps of the registers c, a, b, as bytes: an assembler refuses a register that is named twice.
void dot_0_1_2() { __asm__ volatile(".byte 0xc4, 0xe2, 0x6a, 0x5c, 0xc1"); }
void dot_0_0_2() { __asm__ volatile(".byte 0xc4, 0xe2, 0x6a, 0x5c, 0xc0"); }
void dot_0_1_1() { __asm__ volatile(".byte 0xc4, 0xe2, 0x72, 0x5c, 0xc1"); }
void dot_0_1_0() { __asm__ volatile(".byte 0xc4, 0xe2, 0x7a, 0x5c, 0xc1"); }

/// False: the handler cannot run here.
bool begin() {
  if (!(attnrt::sdk::cpu_isa() & ATTNRT_ISA_AVX2)) {
    std::puts("the emulator wants AVX2");
    return false;
  }
  attnrt::test::emulate_amx();
  return true;
}

constexpr int kIllegal = 1000 + SIGILL;

/// How a process ends that does `act`: 0, its exit code, or 1000 and its signal.
template <class Act>
int end_of(Act&& act) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(20);
    act();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// A number that bf16 has.
Bf16 bf16(float x) {
  Bf16 y;
  narrow(x, y);
  return y;
}

/// Register 0, loaded from c and stored there, += those loaded from a and b. They are in use.
template <class C, class A, class B>
void multiply(C& c, const A& a, const B& b) {
  TileRegisters::load<0>(c, sizeof c[0]);
  TileRegisters::load<1>(a, sizeof a[0]);
  TileRegisters::load<2>(b, sizeof b[0]);
  TileRegisters::dot<0, 1, 2>();
  TileRegisters::store<0>(c, sizeof c[0]);
}

}  // namespace

TEST_CASE("products of tiles") {
  if (!begin()) return;
  Bf16 a[kRows][2 * kPairs], b[kPairs][2 * kColumns];
  float c[kRows][kColumns], wanted[kRows][kColumns];
  const auto left = [](int m, int k) { return static_cast<float>((m * 7 + k * 3) % 11 - 5); };
  const auto right = [](int k, int n) { return static_cast<float>((k * 5 + n * 2) % 13 - 6); };
  for (int m = 0; m < kRows; ++m)
    for (int n = 0; n < kColumns; ++n) {
      c[m][n] = wanted[m][n] = static_cast<float>(m - n);
      for (int k = 0; k < 2 * kPairs; ++k) {
        a[m][k] = bf16(left(m, k));
        b[k / 2][2 * n + k % 2] = bf16(right(k, n));
        wanted[m][n] += left(m, k) * right(k, n);
      }
    }
  {
    const TileRegisters registers;
    TileRegisters::load<3>(a, sizeof a[0]);
    TileRegisters::zero<3>();
    multiply(c, a, b);
    CHECK(std::memcmp(c, wanted, sizeof c) == 0);
    TileRegisters::store<3>(c, sizeof c[0]);
  }
  for (const auto& row : c)
    for (const float x : row) CHECK(x == 0.0f);
}

TEST_CASE("even and odd elements have sums of their own, from zero, and small numbers are zeros") {
  if (!begin()) return;
  constexpr float kBig = 0x1p24f, kTiny = 0x1p-126f;  // kBig + 1 is kBig
  Bf16 a[kRows][2 * kPairs] = {}, b[kPairs][2 * kColumns] = {};
  float c[kRows][kColumns] = {};
  // Row 0: even big, 1, -big in this order, odd nothing: (big + 1) - big = 0. Row 1: the 1 is odd, so it stays.
  a[0][0] = a[1][0] = bf16(kBig);
  a[0][2] = a[1][1] = bf16(1.0f);
  a[0][4] = a[1][4] = bf16(-kBig);
  a[2][6] = bf16(kTiny / 2);  // a number below the smallest normal one
  a[3][8] = bf16(kTiny);
  for (int k = 0; k < 4; ++k) b[k][0] = b[k][1] = bf16(1.0f);
  b[3][0] = bf16(0x1p100f);
  b[4][0] = bf16(0.5f);  // the product is such a number
  // Both ones together count beside kBig, where one after the other is lost.
  c[4][0] = kBig;
  a[4][0] = a[4][1] = bf16(1.0f);
  {
    const TileRegisters registers;
    multiply(c, a, b);
  }
  CHECK(c[0][0] == 0.0f);
  CHECK(c[1][0] == 1.0f);
  CHECK(c[2][0] == 0.0f);
  CHECK(c[3][0] == 0.0f);
  CHECK(c[4][0] == kBig + 2.0f);
}

TEST_CASE("products of tiles that are not full, of rows that lie apart") {
  if (!begin()) return;
  constexpr int kM = 5, kK = 6, kN = 7, kApart = 25;
  Config config;
  config.rows[0] = config.rows[1] = kM;
  config.rows[2] = kK / 2;
  config.row_bytes[0] = config.row_bytes[2] = 4 * kN;
  config.row_bytes[1] = 2 * kK;
  Bf16 a[kRows][2 * kApart], b[kRows][2 * kApart];
  float c[kRows][kApart], wanted[kRows][kApart];
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < 2 * kApart; ++j) {
      a[i][j] = bf16(static_cast<float>((i * 3 + j) % 7 - 3));
      b[i][j] = bf16(static_cast<float>((i * 5 + j * 3) % 9 - 4));
      c[i][j / 2] = wanted[i][j / 2] = static_cast<float>(i + j / 2);
    }
  for (int m = 0; m < kM; ++m)
    for (int n = 0; n < kN; ++n)
      for (int k = 0; k < kK; ++k) wanted[m][n] += widen(a[m][k]) * widen(b[k / 2][2 * n + k % 2]);
  configure(config);
  multiply(c, a, b);
  __asm__ volatile("tilerelease");
  CHECK(std::memcmp(c, wanted, sizeof c) == 0);
}

TEST_CASE("what the emulator refuses ends the process") {
  if (!begin()) return;
  if (attnrt::sdk::cpu_isa() & ATTNRT_ISA_AMX_BF16) {
    WARN("the processor has AMX: nothing is emulated, and other signals tell what it refuses");
    return;
  }
  const auto end_with = [](auto&& change, auto&& act) {
    Config config;
    change(config);
    return end_of([&] {
      configure(config);
      act();
    });
  };
  const auto whole = [](Config&) {};
  const auto nothing = [] {};
  CHECK(end_with(whole, [] {
          zero_first();
          dot_0_1_2();
        }) == 0);
  CHECK(end_with([](Config& c) { c.row_bytes[1] = 32, c.rows[2] = 8; }, dot_0_1_2) == 0);

  CHECK(end_with([](Config& c) { c.palette = 2; }, nothing) == kIllegal);
  CHECK(end_with([](Config& c) { c.start_row = 1; }, nothing) == kIllegal);
  CHECK(end_with([](Config& c) { c.reserved[3] = 1; }, nothing) == kIllegal);
  CHECK(end_with([](Config& c) { c.rows[1] = 17; }, nothing) == kIllegal);
  CHECK(end_with([](Config& c) { c.row_bytes[2] = 65; }, nothing) == kIllegal);
  CHECK(end_with([](Config& c) { c.rows[5] = 1; }, nothing) == kIllegal);
  CHECK(end_with([](Config& c) { c.rows[8] = 4, c.row_bytes[8] = 4; }, nothing) == kIllegal);

  CHECK(end_with([](Config& c) { c.rows[2] = 0, c.row_bytes[2] = 0; }, dot_0_1_2) == kIllegal);
  CHECK(end_with([](Config& c) { c.rows[1] = 8; }, dot_0_1_2) == kIllegal);
  CHECK(end_with([](Config& c) { c.row_bytes[2] = 32; }, dot_0_1_2) == kIllegal);
  CHECK(end_with([](Config& c) { c.row_bytes[1] = 32; }, dot_0_1_2) == kIllegal);

  CHECK(end_of(zero_first) == kIllegal);
  CHECK(end_with(whole, dot_0_0_2) == kIllegal);
  CHECK(end_with(whole, dot_0_1_1) == kIllegal);
  CHECK(end_with(whole, dot_0_1_0) == kIllegal);
  CHECK(end_with(whole, [] { __asm__ volatile("tilezero %tmm5"); }) == kIllegal);
  CHECK(end_with(whole, [] {
          __asm__ volatile("tilerelease");
          zero_first();
        }) == kIllegal);
  CHECK(end_with(whole, [] { __asm__ volatile("tdpbssd %tmm2, %tmm1, %tmm0"); }) == kIllegal);
  CHECK(end_of([] { __asm__ volatile("ud2"); }) == kIllegal);
}
