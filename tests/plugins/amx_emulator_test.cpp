// SPDX-License-Identifier: Apache-2.0
//
// The emulated instructions of AMX: what they compute (where the processor has AMX, what it computes), and what ends
// the process.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "../../plugins/kernel/tile_registers.hpp"
#include "amx_emulator.hpp"
#include "attnrt/cpu_isa.hpp"
#include "attnrt/plugin.h"

namespace {

using attnrt::kernel::ATTNRT_KERNEL_ISA::TileRegisters;

constexpr int kRows = 16, kPairs = 16, kColumns = 16;

struct Config {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64};
  uint8_t rows[16] = {16, 16, 16};
};

void configure(const Config& config) { __asm__ volatile("ldtilecfg %0" : : "m"(config)); }
void zero_first() { __asm__ volatile("tilezero %tmm0"); }
/// tdpbf16ps of the registers c, a, b, which an assembler may refuse.
void dot_0_1_2() { __asm__ volatile(".byte 0xc4, 0xe2, 0x6a, 0x5c, 0xc1"); }
void dot_0_0_2() { __asm__ volatile(".byte 0xc4, 0xe2, 0x6a, 0x5c, 0xc0"); }
void dot_0_1_1() { __asm__ volatile(".byte 0xc4, 0xe2, 0x72, 0x5c, 0xc1"); }

/// False: the handler cannot run here.
bool begin() {
  if (!(attnrt::sdk::cpu_isa() & ATTNRT_ISA_AVX512)) {
    std::puts("the emulator wants AVX-512");
    return false;
  }
  attnrt::test::emulate_amx();
  return true;
}

/// Does `act` end a process by SIGILL?
template <class Act>
bool dies(Act&& act) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    attnrt::test::emulate_amx();
    act();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGILL;
}

uint16_t bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

}  // namespace

TEST_CASE("products of tiles") {
  if (!begin()) return;
  uint16_t a[kRows][2 * kPairs], b[kPairs][2 * kColumns];
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
    TileRegisters::zero<3>();
    TileRegisters::load<0>(c, sizeof c[0]);
    TileRegisters::load<1>(a, sizeof a[0]);
    TileRegisters::load<2>(b, sizeof b[0]);
    TileRegisters::dot<0, 1, 2>();
    TileRegisters::store<0>(c, sizeof c[0]);
    CHECK(std::memcmp(c, wanted, sizeof c) == 0);
    TileRegisters::store<3>(c, sizeof c[0]);
  }
  for (const auto& row : c)
    for (const float x : row) CHECK(x == 0.0f);
}

TEST_CASE("even elements are summed before odd ones, and small numbers are zeros") {
  if (!begin()) return;
  constexpr float kBig = 0x1p24f, kTiny = 0x1p-126f;  // kBig + 1 is kBig
  uint16_t a[kRows][2 * kPairs] = {}, b[kPairs][2 * kColumns] = {};
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
  {
    const TileRegisters registers;
    TileRegisters::load<0>(c, sizeof c[0]);
    TileRegisters::load<1>(a, sizeof a[0]);
    TileRegisters::load<2>(b, sizeof b[0]);
    TileRegisters::dot<0, 1, 2>();
    TileRegisters::store<0>(c, sizeof c[0]);
  }
  CHECK(c[0][0] == 0.0f);
  CHECK(c[1][0] == 1.0f);
  CHECK(c[2][0] == 0.0f);
  CHECK(c[3][0] == 0.0f);
}

TEST_CASE("what the emulator refuses ends the process") {
  if (!begin()) return;
  if (attnrt::sdk::cpu_isa() & ATTNRT_ISA_AMX_BF16) return;  // nothing is emulated: other signals tell
  const auto with = [](auto&& change) {
    Config config;
    change(config);
    return config;
  };
  const Config whole;
  CHECK_FALSE(dies([&] {
    configure(whole);
    zero_first();
    dot_0_1_2();
  }));
  CHECK(dies(zero_first));
  CHECK(dies([&] { configure(with([](Config& c) { c.palette = 2; })); }));
  CHECK(dies([&] { configure(with([](Config& c) { c.start_row = 1; })); }));
  CHECK(dies([&] { configure(with([](Config& c) { c.reserved[3] = 1; })); }));
  CHECK(dies([&] { configure(with([](Config& c) { c.rows[1] = 17; })); }));
  CHECK(dies([&] { configure(with([](Config& c) { c.row_bytes[2] = 65; })); }));
  CHECK(dies([&] { configure(with([](Config& c) { c.rows[5] = 1; })); }));
  CHECK(dies([&] { configure(with([](Config& c) { c.rows[8] = 4, c.row_bytes[8] = 4; })); }));
  const auto dot_of = [&](auto&& change) {
    return dies([&] {
      configure(with(change));
      dot_0_1_2();
    });
  };
  CHECK(dot_of([](Config& c) { c.rows[2] = 0, c.row_bytes[2] = 0; }));
  CHECK(dot_of([](Config& c) { c.rows[1] = 8; }));
  CHECK(dot_of([](Config& c) { c.row_bytes[2] = 32; }));
  CHECK(dot_of([](Config& c) { c.row_bytes[1] = 32; }));
  CHECK_FALSE(dot_of([](Config& c) { c.row_bytes[1] = 32, c.rows[2] = 8; }));
  CHECK(dies([&] {
    configure(whole);
    dot_0_0_2();
  }));
  CHECK(dies([&] {
    configure(whole);
    dot_0_1_1();
  }));
  CHECK(dies([&] {
    configure(whole);
    __asm__ volatile("tilerelease");
    zero_first();
  }));
  CHECK(dies([&] {
    configure(whole);
    __asm__ volatile("tdpbssd %tmm2, %tmm1, %tmm0");
  }));
  CHECK(dies([] { __asm__ volatile("ud2"); }));
}
