// SPDX-License-Identifier: Apache-2.0
//
// 9.7.15 Asynchronous products of a warpgroup (sm_90a): wgmma. Four warps multiply 64 rows of A by N columns of B,
// which lie in shared memory behind descriptors; each warp owns 16 rows, so no warp has to wait for another. The result
// arrives when wgmma.wait_group says so: in the late mode the accumulators hold poison until then.
#include <algorithm>

#include "access.hpp"
#include "chapters.hpp"
#include "matrix_descriptor.hpp"
#include "tile.hpp"

namespace attnrt::emulator {
namespace {

struct Options {  // in Instruction::option
  static constexpr uint32_t kAInRegisters = 1, kTransposeA = 2, kTransposeB = 4, kNegateA = 8, kNegateB = 16;
};

constexpr uint32_t kOperandPlaces = 6;  // what follows D: A (4 registers or one descriptor and 3 spare), B, scale-d

template <class E, class EB, uint32_t K>
void compute(Warp& warp, const Instruction& in) {
  constexpr uint32_t piece = 16 / sizeof(typename E::Bits);
  const uint32_t* const operands = in.at + in.count;
  const Descriptor b_matrix(*warp.lanes<uint64_t>(operands[4]));
  const bool adds = warp.predicate(operands[5], in.negated & 1) & 1;
  alignas(32) float a[16][K], b[K][8], c[16][8];
  if (in.option & Options::kAInRegisters) {
    load_a<E, K>(warp, operands, a);
  } else {
    const Descriptor a_matrix(*warp.lanes<uint64_t>(operands[0]));
    const uint32_t first = (warp.index() & 3) * 16;
    if (in.option & Options::kTransposeA) {
      for (uint32_t k = 0; k < K; ++k)
        for (uint32_t r = 0; r < 16; r += 8) read_piece<E>(warp, a_matrix.mn_major(first + r, k), &a[r][k], K);
    } else {
      for (uint32_t r = 0; r < 16; ++r)
        for (uint32_t k = 0; k < K; k += piece)
          read_piece<E>(warp, a_matrix.k_major(first + r, k * static_cast<uint32_t>(sizeof(typename E::Bits))),
                        &a[r][k], 1);
    }
  }
  const bool negates = ((in.option & Options::kNegateA) != 0) != ((in.option & Options::kNegateB) != 0);
  for (uint32_t tile = 0; tile < in.count / 4; ++tile) {
    if (in.option & Options::kTransposeB) {
      for (uint32_t k = 0; k < K; ++k) read_piece<EB>(warp, b_matrix.mn_major(tile * 8, k), b[k], 1);
    } else {
      for (uint32_t n = 0; n < 8; ++n)
        for (uint32_t k = 0; k < K; k += piece)
          read_piece<EB>(warp, b_matrix.k_major(tile * 8 + n, k * static_cast<uint32_t>(sizeof(typename E::Bits))),
                         &b[k][n], 8);
    }
    if (negates)
      for (auto& row : b)
        for (float& x : row) x = -x;
    if (adds)
      load_c(warp, in.at + tile * 4, c);
    else
      std::memset(c, 0, sizeof c);
    multiply_add(a, b, c);
    store_c(warp, in.at + tile * 4, c);
  }
}

// The registers of D, one behind the other.
constexpr std::size_t kRegisterBytes = 4 * kLanes;
void save_sums(Warp& warp, const Instruction& in, std::vector<char>& to) {
  to.resize(in.count * kRegisterBytes);
  for (uint32_t r = 0; r < in.count; ++r) {
    std::memcpy(to.data() + r * kRegisterBytes, warp.lanes<char>(in.at[r]), kRegisterBytes);
    std::memset(warp.lanes<char>(in.at[r]), 0xff, kRegisterBytes);
  }
}
void restore_sums(Warp& warp, const Instruction& in, const std::vector<char>& from) {
  for (uint32_t r = 0; r < in.count; ++r) {
    char* const place = warp.lanes<char>(in.at[r]);
    for (std::size_t i = 0; i < kRegisterBytes; ++i)
      if (place[i] != static_cast<char>(0xff))
        throw Fault(Answer::launch_failed, "accumulators of a wgmma in flight were written");
    std::memcpy(place, from.data() + r * kRegisterBytes, kRegisterBytes);
  }
}
bool same_sums(const Instruction& x, const Instruction& y) { return x.at[0] == y.at[0]; }

// What a product needs besides D; A's registers may be overwritten before it runs.
std::size_t operand_bytes(const Instruction& in, uint32_t i) {
  if (i == 5) return 4;
  return (i < 4 && (in.option & Options::kAInRegisters) ? 4 : 8) * kLanes;
}
void save_operands(Warp& warp, const Instruction& in, std::vector<char>& to) {
  to.clear();
  for (uint32_t i = 0; i < kOperandPlaces; ++i) {
    const char* const place = warp.lanes<char>(in.at[in.count + i]);
    to.insert(to.end(), place, place + operand_bytes(in, i));
  }
}
// Operands may share a place: what was changed first is put back last.
void swap_operands(Warp& warp, const Instruction& in, std::vector<char>& saved, bool back) {
  std::size_t at = back ? saved.size() : 0;
  for (uint32_t n = 0; n < kOperandPlaces; ++n) {
    const uint32_t i = back ? kOperandPlaces - 1 - n : n;
    const std::size_t bytes = operand_bytes(in, i);
    if (back) at -= bytes;
    char* const from = saved.data() + at;
    std::swap_ranges(from, from + bytes, warp.lanes<char>(in.at[in.count + i]));
    if (!back) at += bytes;
  }
}

using Compute = void (*)(Warp&, const Instruction&);

template <Compute kCompute>
void product(Warp& warp, const Instruction& in, uint32_t lanes) {
  want_all_lanes(lanes, "wgmma.mma_async");
  if (!warp.products_fenced)
    throw Fault(Answer::launch_failed, "wgmma.mma_async without wgmma.fence behind what wrote its registers");
  if (!warp.block().mode().late) {
    kCompute(warp, in);
    warp.products.push_back({&in, nullptr, {}, {}});
    return;
  }
  PendingProduct pending{&in, kCompute, {}, {}};
  save_operands(warp, in, pending.operands);
  bool chained = false;
  for (const PendingProduct& other : warp.products) chained |= other.compute && same_sums(*other.instruction, in);
  if (!chained) save_sums(warp, in, pending.sums);
  warp.products.push_back(std::move(pending));
}

void finish_first(Warp& warp) {
  PendingProduct pending = std::move(warp.products.front());
  warp.products.erase(warp.products.begin());
  if (!pending.compute) return;
  const Instruction& in = *pending.instruction;
  restore_sums(warp, in, pending.sums);
  swap_operands(warp, in, pending.operands, false);
  pending.compute(warp, in);
  swap_operands(warp, in, pending.operands, true);
  for (PendingProduct& next : warp.products)
    if (next.compute && same_sums(*next.instruction, in)) {
      save_sums(warp, in, next.sums);
      break;
    }
}

void mma_async(Assembly& a) {  // mma_async sync aligned shape f32 a b
  if (a.arch() != 90) a.fail("wgmma is for sm_90a alone");
  std::string_view shape = a.choice(3);
  shape.remove_prefix(4);  // m64n
  uint64_t columns = 0;
  for (; !shape.empty() && shape[0] != 'k'; shape.remove_prefix(1))
    columns = columns * 10 + static_cast<uint64_t>(shape[0] - '0');
  const auto sums = a.elements(a.operand(0));
  const auto left = a.elements(a.operand(1));
  const bool in_registers = left.size() == 4;
  const std::string_view element = a.choice(5), other = a.choice(6);
  const bool sixteen = element == "f16" || element == "bf16";
  // D, A, B, scale-d, scale-a, scale-b, and for 16-bit elements how A (in shared memory) and B lie
  const std::size_t transposes = !sixteen ? 0 : in_registers ? 1 : 2;
  a.want_operands(6 + transposes);
  if (sums.size() * 2 != columns) a.fail(say("D has ", sums.size(), " registers, wanted ", columns / 2));
  a.in.count = static_cast<uint32_t>(sums.size());
  for (const Operand& operand : sums) a.destination(operand, Type::f32);
  if (in_registers) {
    a.in.option |= Options::kAInRegisters;
    for (const Operand& operand : left) a.source(operand, Type::b32);
  } else {
    a.source(a.operand(1), Type::b64);
    for (int i = 0; i < 3; ++i) a.constant(Type::b64, 0);
  }
  a.source(a.operand(2), Type::b64);
  const Operand& scale = a.operand(3);
  if (scale.kind == Operand::Kind::number) {
    a.constant(Type::pred, a.immediate(scale, Type::u32));
  } else {
    Operand plain = scale;
    plain.negative = false;
    a.source(plain, Type::pred);
    a.in.negated = scale.negative ? 1 : 0;
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const auto sign = static_cast<int64_t>(a.immediate(a.operand(4 + i), Type::s64));
    if (sign != 1 && sign != -1) a.fail("the scale of a matrix is 1 or -1");
    if (sign < 0) a.in.option |= i ? Options::kNegateB : Options::kNegateA;
  }
  if (transposes == 2 && a.immediate(a.operand(6), Type::u32)) a.in.option |= Options::kTransposeA;
  if (transposes && a.immediate(a.operand(5 + transposes), Type::u32)) a.in.option |= Options::kTransposeB;
  a.keep_registers();
  if (element == "f16")
    a.in.run = &product<&compute<HalfElement, HalfElement, 16>>;
  else if (element == "bf16")
    a.in.run = &product<&compute<BfloatElement, BfloatElement, 16>>;
  else if (element == "tf32")
    a.in.run = &product<&compute<Tf32Element, Tf32Element, 8>>;
  else if (element == "e4m3")
    a.in.run = other == "e4m3" ? &product<&compute<E4m3Element, E4m3Element, 32>>
                               : &product<&compute<E4m3Element, E5m2Element, 32>>;
  else
    a.in.run = other == "e4m3" ? &product<&compute<E5m2Element, E4m3Element, 32>>
                               : &product<&compute<E5m2Element, E5m2Element, 32>>;
  if (sixteen && element != other) a.fail("both matrices have one type");
  a.shared_access(16);
}

void fence(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t lanes) {
    want_all_lanes(lanes, "wgmma.fence");
    warp.products_fenced = true;
  };
}
void commit_group(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t lanes) {
    want_all_lanes(lanes, "wgmma.commit_group");
    std::size_t in_groups = 0;
    for (const std::size_t size : warp.product_groups) in_groups += size;
    warp.product_groups.push_back(warp.products.size() - in_groups);
  };
}
void wait_group(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    want_all_lanes(lanes, "wgmma.wait_group");
    while (warp.product_groups.size() > static_cast<std::size_t>(in.displacement)) {
      for (std::size_t left = warp.product_groups.front(); left; --left) finish_first(warp);
      warp.product_groups.pop_front();
    }
    warp.products_fenced = false;
  };
}

#define ATTNRT_COLUMNS(k)                                                                                              \
  "m64n8" k "|m64n16" k "|m64n24" k "|m64n32" k "|m64n40" k "|m64n48" k "|m64n56" k "|m64n64" k "|m64n72" k            \
  "|m64n80" k "|m64n88" k "|m64n96" k "|m64n104" k "|m64n112" k "|m64n120" k "|m64n128" k "|m64n136" k "|m64n144" k    \
  "|m64n152" k "|m64n160" k "|m64n168" k "|m64n176" k "|m64n184" k "|m64n192" k "|m64n200" k "|m64n208" k "|m64n216" k \
  "|m64n224" k "|m64n232" k "|m64n240" k "|m64n248" k "|m64n256" k
constexpr Rule kRules[] = {
    {"9.7.15.5.2", "wgmma", "mma_async sync aligned " ATTNRT_COLUMNS("k16") " f32 f16|bf16 f16|bf16", "*", &mma_async},
    {"9.7.15.5.2", "wgmma", "mma_async sync aligned " ATTNRT_COLUMNS("k8") " f32 tf32 tf32", "*", &mma_async},
    {"9.7.15.5.2", "wgmma", "mma_async sync aligned " ATTNRT_COLUMNS("k32") " f32 e4m3|e5m2 e4m3|e5m2", "*",
     &mma_async},
    {"9.7.15.7.1", "wgmma", "fence sync aligned", "", &fence},
    {"9.7.15.7.2", "wgmma", "commit_group sync aligned", "", &commit_group},
    {"9.7.15.7.3", "wgmma", "wait_group sync aligned", "i", &wait_group},
};
#undef ATTNRT_COLUMNS

}  // namespace

std::span<const Rule> warpgroup_rules() { return kRules; }

}  // namespace attnrt::emulator
