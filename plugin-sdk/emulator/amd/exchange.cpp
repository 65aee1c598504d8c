// SPDX-License-Identifier: Apache-2.0
//
// Lanes that read each other: readlane, ballot, bpermute, DPP, swizzles, permlane swaps (CDNA3 ISA 4.6 and 6.5 to 6.7,
// CDNA4 ISA for the swaps).
#include <array>
#include <iterator>

#include "fault.hpp"
#include "intrinsic.hpp"
#include "operand.hpp"

namespace attnrt::emulator::amd {
namespace {

using Words = std::array<uint32_t, 64>;
Words words(const WaveCall& call, uint32_t i) {
  Words all{};
  for (uint32_t l = 0; l < call.lanes; ++l) all[l] = operand<uint32_t>(call.in[l], i);
  return all;
}

void read_lane(const WaveCall& call, uint32_t lane) {
  char value[kOperandBytes];
  std::memcpy(value, call.in[lane], call.bytes);
  for (uint32_t l = 0; l < call.lanes; ++l) std::memcpy(call.out[l], value, call.bytes);
}
uint32_t same_in_all(const WaveCall& call, uint32_t i, const char* what) {
  const uint32_t value = operand<uint32_t>(call.in[0], i);
  for (uint32_t l = 1; l < call.lanes; ++l)
    if (operand<uint32_t>(call.in[l], i) != value)
      throw Fault(Answer::illegal_instruction, say(what, " differs among the lanes of a wave"));
  return value;
}

void readfirstlane(const WaveCall& call) { read_lane(call, 0); }
void readlane(const WaveCall& call) { read_lane(call, same_in_all(call, 1, "the lane that is read") % call.lanes); }

// value, lane, old
void writelane(const WaveCall& call) {
  const uint32_t lane = same_in_all(call, 1, "the lane that is written") % call.lanes;
  const uint32_t value = operand<uint32_t>(call.in[0], 0);
  for (uint32_t l = 0; l < call.lanes; ++l) put(call.out[l], l == lane ? value : operand<uint32_t>(call.in[l], 2));
}

void ballot(const WaveCall& call) {
  uint64_t mask = 0;
  for (uint32_t l = 0; l < call.lanes; ++l) mask |= uint64_t{call.in[l][0] != 0} << l;
  for (uint32_t l = 0; l < call.lanes; ++l) put(call.out[l], mask);
}

// Pull: the lane in bits 2 and up of the first operand.
void bpermute(const WaveCall& call) {
  const Words from = words(call, 0), value = words(call, 1);
  for (uint32_t l = 0; l < call.lanes; ++l) put(call.out[l], value[from[l] / 4 % call.lanes]);
}
// Push; of several lanes that write one, the highest wins, and who is not written gets 0.
void permute(const WaveCall& call) {
  const Words to = words(call, 0), value = words(call, 1);
  Words result{};
  for (uint32_t l = 0; l < call.lanes; ++l) result[to[l] / 4 % call.lanes] = value[l];
  for (uint32_t l = 0; l < call.lanes; ++l) put(call.out[l], result[l]);
}

// ds_swizzle: four lanes by a pattern, or in each 32 the lane ((l & and) | or) ^ xor.
void swizzle(const WaveCall& call) {
  const Words value = words(call, 0);
  const uint32_t pattern = operand<uint32_t>(call.in[0], 1);
  if (pattern >= 0xc000)
    throw Fault(Answer::illegal_instruction,
                say("ds_swizzle with the pattern ", pattern, " is not known to the emulator"));
  for (uint32_t l = 0; l < call.lanes; ++l) {
    const uint32_t from =
        pattern & 0x8000 ? (l & ~3u) | (pattern >> 2 * (l & 3) & 3)
                         : (l & ~31u) | ((((l & 31) & (pattern & 31)) | (pattern >> 5 & 31)) ^ (pattern >> 10 & 31));
    put(call.out[l], value[from]);
  }
}

// The lane that a DPP control names for lane l, or -1 (CDNA3 ISA, table of DPP_CTRL).
int dpp_source(uint32_t control, int l, int lanes) {
  const int row = l & ~15, k = l & 15, by = static_cast<int>(control & 15);
  if (control < 0x100) return (l & ~3) | static_cast<int>(control >> 2 * (l & 3) & 3);  // quad_perm
  if (control > 0x100 && control < 0x110) return k + by < 16 ? l + by : -1;             // row_shl
  if (control > 0x110 && control < 0x120) return k >= by ? l - by : -1;                 // row_shr
  if (control > 0x120 && control < 0x130) return row | ((k - by) & 15);                 // row_ror
  if (control >= 0x150 && control < 0x160) return row | by;                             // row_newbcast
  switch (control) {
    case 0x130:
      return l + 1 < lanes ? l + 1 : -1;  // wave_shl1
    case 0x134:
      return (l + 1) % lanes;  // wave_rol1
    case 0x138:
      return l - 1;  // wave_shr1
    case 0x13c:
      return (l + lanes - 1) % lanes;  // wave_ror1
    case 0x140:
      return row | (15 - k);  // row_mirror
    case 0x141:
      return (l & ~7) | (7 - (l & 7));  // row_half_mirror
    case 0x142:
      return l >= 16 ? row - 1 : -1;  // row_bcast15
    case 0x143:
      return l >= 32 ? 31 : -1;  // row_bcast31
    default:
      throw Fault(Answer::illegal_instruction, say("DPP control ", control, " is not known to the emulator"));
  }
}

// old, source, control, row mask, bank mask, bound control
void update_dpp(const WaveCall& call) {
  const Words source = words(call, 1);
  Words result{};
  for (uint32_t l = 0; l < call.lanes; ++l) {
    const char* const in = call.in[l];
    const uint32_t old = operand<uint32_t>(in, 0);
    const bool on = (operand<uint32_t>(in, 3) >> (l >> 4) & 1) && (operand<uint32_t>(in, 4) >> (l >> 2 & 3) & 1);
    const int from = dpp_source(operand<uint32_t>(in, 2), static_cast<int>(l), static_cast<int>(call.lanes));
    result[l] = !on ? old : from >= 0 ? source[static_cast<uint32_t>(from)] : operand<uint8_t>(in, 5) ? 0 : old;
  }
  for (uint32_t l = 0; l < call.lanes; ++l) put(call.out[l], result[l]);
}

// The upper rows of the first operand change places with the lower ones of the second, in each pair of rows of `row`.
template <uint32_t row>
void permlane_swap(const WaveCall& call) {
  const Words a = words(call, 0), b = words(call, 1);
  for (uint32_t l = 0; l < call.lanes; ++l) {
    const bool upper = l & row;
    const uint32_t pair[2] = {upper ? b[l - row] : a[l], upper ? b[l] : a[l + row]};
    put(call.out[l], pair);
  }
}

constexpr Rule kRules[] = {
    {.name = "llvm.amdgcn.readfirstlane.", .together = &readfirstlane},
    {.name = "llvm.amdgcn.readlane.", .together = &readlane},
    {.name = "llvm.amdgcn.writelane.i32", .together = &writelane},
    {.name = "llvm.amdgcn.ballot.i64", .together = &ballot},
    {.name = "llvm.amdgcn.ds.bpermute", .together = &bpermute},
    {.name = "llvm.amdgcn.ds.permute", .together = &permute},
    {.name = "llvm.amdgcn.ds.swizzle", .together = &swizzle},
    {.name = "llvm.amdgcn.update.dpp.i32", .together = &update_dpp},
    {.name = "llvm.amdgcn.update.dpp.f32", .together = &update_dpp},
    {.name = "llvm.amdgcn.permlane16.swap", .together = &permlane_swap<16>},
    {.name = "llvm.amdgcn.permlane32.swap", .together = &permlane_swap<32>},
};

}  // namespace

Rules exchange_rules() { return {std::begin(kRules), std::end(kRules)}; }

}  // namespace attnrt::emulator::amd
