// SPDX-License-Identifier: Apache-2.0
//
// After Intel's Software Developer's Manual, volume 2: LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED,
// TDPBF16PS.
#include "amx_emulator.hpp"

#include <csignal>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <ucontext.h>

#include "attnrt/cpu_isa.hpp"

namespace attnrt::test {
namespace {

constexpr int kTiles = 8, kMaxRows = 16, kMaxBytes = 64;

struct Config {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(Config) == 64);

/// What the tile registers of this thread hold.
struct Tiles {
  Config config;  ///< palette 0 = not in use
  alignas(64) unsigned char data[kTiles][kMaxRows][kMaxBytes];
};
thread_local Tiles tiles;

/// An instruction with a VEX prefix of three bytes.
struct Instruction {
  int pp, opcode, reg, rm, vvvv;  ///< vvvv is 0 where it is not used
  bool has_memory, has_sib;
  uintptr_t address;  ///< base + displacement
  int64_t index;      ///< value of the index register: the stride of rows
  int bytes;
};

greg_t register_value(const ucontext_t& context, int number) {
  static constexpr int kPlaces[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[kPlaces[number]];
}

bool decode(const ucontext_t& context, const unsigned char* at, Instruction& out) {
  if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || (at[2] & 0x84) != 0) return false;  // map 0F38, W0, 128 bits
  const int x = at[1] & 0x40 ? 0 : 8, b = at[1] & 0x20 ? 0 : 8;
  const int mod = at[4] >> 6, low = at[4] & 7;
  out = {at[2] & 3, at[3], (at[4] >> 3 & 7) + (at[1] & 0x80 ? 0 : 8), low + (mod == 3 ? b : 0),
         ~at[2] >> 3 & 15, mod != 3, mod != 3 && low == 4, 0, 0, 5};
  if (!out.has_memory) return true;
  const unsigned char* next = at + 5;
  int base = low + b;
  bool has_base = true, of_rip = false;
  if (low == 4) {
    const int sib = *next++, index = (sib >> 3 & 7) + x;
    base = (sib & 7) + b;
    if (sib >> 6) return false;  // strides are not scaled here
    out.index = index == 4 ? 0 : register_value(context, index);
    has_base = !(mod == 0 && (sib & 7) == 5);
  } else if (mod == 0 && low == 5) {
    has_base = false;
    of_rip = true;
  }
  int64_t displacement = 0;
  if (mod == 1) {
    displacement = static_cast<signed char>(*next++);
  } else if (mod == 2 || !has_base) {
    int32_t wide;
    std::memcpy(&wide, next, sizeof wide);
    displacement = wide;
    next += sizeof wide;
  }
  out.bytes = static_cast<int>(next - at);
  const int64_t from = has_base ? register_value(context, base) : of_rip ? reinterpret_cast<int64_t>(next) : 0;
  out.address = static_cast<uintptr_t>(from + displacement);
  return true;
}

/// The sums of even and of odd elements, each from 0, are added, then added to C.
void dot(int c, int a, int b) {
  const Config& config = tiles.config;
  const int pairs = config.row_bytes[a] / 4, columns = config.row_bytes[c] / 4;
  for (int m = 0; m < config.rows[c]; ++m) {
    float even[kMaxBytes / 4] = {}, odd[kMaxBytes / 4] = {}, sums[kMaxBytes / 4];
    for (int k = 0; k < pairs; ++k) {
      uint32_t row, column[kMaxBytes / 4];
      std::memcpy(&row, tiles.data[a][m] + 4 * k, sizeof row);
      std::memcpy(column, tiles.data[b][k], sizeof column);
      const auto number = [](uint32_t bits) {
        float f;
        std::memcpy(&f, &bits, sizeof f);
        return f;
      };
      const float first = number(row << 16), second = number(row & 0xffff0000u);
      for (int n = 0; n < kMaxBytes / 4; ++n) {
        even[n] = std::fma(first, number(column[n] << 16), even[n]);
        odd[n] = std::fma(second, number(column[n] & 0xffff0000u), odd[n]);
      }
    }
    std::memcpy(sums, tiles.data[c][m], sizeof sums);
    for (int n = 0; n < columns; ++n) sums[n] += even[n] + odd[n];
    std::memcpy(tiles.data[c][m], sums, sizeof sums);
  }
}

/// What LDTILECFG admits.
bool valid(const Config& config) {
  if (config.palette != 1 || config.start_row != 0) return false;
  for (const uint8_t byte : config.reserved)
    if (byte != 0) return false;
  for (int t = 0; t < 16; ++t) {
    const int rows = config.rows[t], bytes = config.row_bytes[t];
    if (t < kTiles ? rows > kMaxRows || bytes > kMaxBytes || (rows == 0) != (bytes == 0) : rows != 0 || bytes != 0)
      return false;
  }
  return true;
}

/// False where it is none of these, or the registers are not in use.
bool execute(const Instruction& i) {
  enum { kNone, k66, kF3, kF2 };
  auto& [config, data] = tiles;
  const bool is_dot = i.opcode == 0x5c && i.pp == kF3 && !i.has_memory;
  if (!is_dot && i.vvvv != 0) return false;
  if (i.opcode == 0x49 && i.pp == kNone && i.reg == 0) {
    std::memset(&tiles, 0, sizeof tiles);
    if (!i.has_memory) return i.rm == 0;  // TILERELEASE
    std::memcpy(&config, reinterpret_cast<const void*>(i.address), sizeof config);
    return valid(config);
  }
  if (config.palette != 1 || i.reg >= kTiles || config.rows[i.reg] == 0) return false;
  const int rows = config.rows[i.reg], bytes = config.row_bytes[i.reg];
  const auto row_at = [&](int row) { return reinterpret_cast<unsigned char*>(i.address) + row * i.index; };
  if (i.opcode == 0x49 && i.pp == kF2 && !i.has_memory && i.rm == 0) {
    std::memset(data[i.reg], 0, sizeof data[i.reg]);
  } else if (i.opcode == 0x4b && i.pp == kF2 && i.has_sib) {
    std::memset(data[i.reg], 0, sizeof data[i.reg]);
    for (int row = 0; row < rows; ++row)
      std::memcpy(data[i.reg][row], row_at(row), static_cast<std::size_t>(bytes));
  } else if (i.opcode == 0x4b && i.pp == kF3 && i.has_sib) {
    for (int row = 0; row < rows; ++row)
      std::memcpy(row_at(row), data[i.reg][row], static_cast<std::size_t>(bytes));
  } else if (is_dot && i.rm < kTiles && i.vvvv < kTiles) {
    if (i.reg == i.rm || i.reg == i.vvvv || i.rm == i.vvvv) return false;
    if (config.rows[i.rm] != rows || config.row_bytes[i.vvvv] != bytes ||
        config.row_bytes[i.rm] != 4 * config.rows[i.vvvv])
      return false;
    dot(i.reg, i.rm, i.vvvv);
  } else {
    return false;
  }
  return true;
}

/// Executes all such instructions that follow each other: a signal costs as much as many of them.
void on_illegal(int signal, siginfo_t*, void* state) {
  _mm_setcsr(0x9fc0);  // numbers below the smallest normal one are zeros; the old word comes back with the context
  auto& context = *static_cast<ucontext_t*>(state);
  greg_t& rip = context.uc_mcontext.gregs[REG_RIP];
  bool any = false;
  for (Instruction i; decode(context, reinterpret_cast<const unsigned char*>(rip), i) && execute(i); any = true)
    rip += i.bytes;
  if (!any) std::signal(signal, SIG_DFL);
}

}  // namespace

void emulate_amx() {
  static const bool is_there = (sdk::cpu_isa() & ATTNRT_ISA_AMX_BF16) && sdk::request_amx().empty();
  if (is_there) return;
  struct sigaction action {};
  action.sa_sigaction = on_illegal;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, nullptr);
}

}  // namespace attnrt::test
