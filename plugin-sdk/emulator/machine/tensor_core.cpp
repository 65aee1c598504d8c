// SPDX-License-Identifier: Apache-2.0
//
// 9.7.16 The fifth generation of tensor cores (sm_100a): tcgen05. One thread issues products, which sum into tensor
// memory in the order of their issue and arrive at an mbarrier; warps load and store the lanes of tensor memory that
// are theirs. In the late mode products are done when the block has nothing else to do or chance wills it, loads and
// stores when they are waited for.
#include "access.hpp"
#include "chapters.hpp"
#include "matrix_descriptor.hpp"
#include "tensor_memory.hpp"
#include "tile.hpp"

namespace attnrt::emulator {
namespace {

// ---- products: [d], a, b, instruction descriptor, adds

/// The instruction descriptor of kind::f16 (9.7.16.4.2).
struct Shape {
  explicit Shape(uint32_t bits)
      : rows((bits >> 24 & 31) * 16),
        columns((bits >> 17 & 63) * 8),
        d_format(bits >> 4 & 3),
        a_format(bits >> 7 & 7),
        b_format(bits >> 10 & 7),
        negates((bits >> 13 & 1) != (bits >> 14 & 1)),
        a_transposed(bits >> 15 & 1),
        b_transposed(bits >> 16 & 1) {
    const uint32_t step = rows == 64 ? 8 : 16;
    if ((rows != 64 && rows != 128) || !columns || columns > 256 || columns % step)
      throw Fault(Answer::illegal_instruction, say("tcgen05.mma of ", rows, " rows and ", columns, " columns"));
    if (d_format != 1 || a_format > 1 || b_format != a_format || (bits & 0xf))
      throw Fault(Answer::illegal_instruction, say("tcgen05.mma with instruction descriptor ", bits,
                                                   ": only sums in fp32 of f16 or of bf16 are known"));
  }
  uint32_t rows, columns, d_format, a_format, b_format;
  bool negates, a_transposed, b_transposed;
};

constexpr uint32_t kK = 16;  // of one product, in elements of 16 bits

// Row i of a matrix in tensor memory: all lanes, or 16 of each 32.
uint32_t lane_of_row(uint32_t base, uint32_t rows, uint32_t i) {
  return rows == 64 ? base + i / 16 * 32 + i % 16 : base + i;
}

template <class E>
void multiply(Block& block, const TensorWork& work) {
  const Shape shape(work.shape);
  Warp& warp = block.warp(work.warp);
  const Descriptor b_matrix(work.b);
  const uint32_t tiles = shape.columns / 8;
  std::vector<float> all(tiles * kK * 8);
  auto* const b = reinterpret_cast<float(*)[kK][8]>(all.data());
  for (uint32_t tile = 0; tile < tiles; ++tile) {
    if (shape.b_transposed) {
      for (uint32_t k = 0; k < kK; ++k) read_piece<E>(warp, b_matrix.mn_major(tile * 8, k), b[tile][k], 1);
    } else {
      for (uint32_t n = 0; n < 8; ++n)
        for (uint32_t k = 0; k < kK; k += 8)
          read_piece<E>(warp, b_matrix.k_major(tile * 8 + n, k * 2), &b[tile][k][n], 8);
    }
  }
  if (shape.negates)
    for (float& x : all) x = -x;
  alignas(32) float a[16][kK], c[16][8];
  for (uint32_t first = 0; first < shape.rows; first += 16) {
    if (work.a_in_tensor_memory) {
      const auto address = static_cast<uint32_t>(work.a);
      for (uint32_t r = 0; r < 16; ++r) {
        const uint32_t* const words =
            block.tensor_memory().at(lane_of_row(address >> 16, shape.rows, first + r), address & 0xffff, kK / 2);
        for (uint32_t k = 0; k < kK; ++k)
          a[r][k] = E::of(static_cast<typename E::Bits>(words[k / 2] >> (k % 2 ? 16 : 0)));
      }
    } else {
      const Descriptor a_matrix(work.a);
      if (shape.a_transposed) {
        for (uint32_t k = 0; k < kK; ++k)
          for (uint32_t r = 0; r < 16; r += 8) read_piece<E>(warp, a_matrix.mn_major(first + r, k), &a[r][k], kK);
      } else {
        for (uint32_t r = 0; r < 16; ++r)
          for (uint32_t k = 0; k < kK; k += 8) read_piece<E>(warp, a_matrix.k_major(first + r, k * 2), &a[r][k], 1);
      }
    }
    for (uint32_t tile = 0; tile < tiles; ++tile) {
      const auto row = [&](uint32_t r) {
        return block.tensor_memory().at(lane_of_row(work.d >> 16, shape.rows, first + r), (work.d & 0xffff) + tile * 8,
                                        8);
      };
      if (work.adds)
        for (uint32_t r = 0; r < 16; ++r) std::memcpy(c[r], row(r), sizeof c[r]);
      else
        std::memset(c, 0, sizeof c);
      multiply_add(a, b[tile], c);
      for (uint32_t r = 0; r < 16; ++r) std::memcpy(row(r), c[r], sizeof c[r]);
    }
  }
}

void mma_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    TensorWork work{};
    work.warp = warp.index();
    work.d = static_cast<uint32_t>(address_of(warp, in.at[0], true, in.displacement, i));
    work.a_in_tensor_memory = in.option;
    work.a = in.option ? address_of(warp, in.at[1], true, in.displacement_2, i) : warp.lanes<uint64_t>(in.at[1])[i];
    work.b = warp.lanes<uint64_t>(in.at[2])[i];
    work.shape = warp.lanes<uint32_t>(in.at[3])[i];
    work.adds = warp.predicate(in.at[4], in.negated & 1) >> i & 1;
    const Shape checked(work.shape);  // what is wrong with it shows at its instruction
    if (work.d >> 16 & (checked.rows == 64 ? 0xffefu : 0xffffu))
      throw Fault(Answer::illegal_instruction, say("tcgen05.mma into lane ", work.d >> 16));
    warp.block().add_tensor_work(work);
  }
}
void mma(Assembly& a) {
  a.want_operands(5);
  a.address(a.operand(0));
  a.in.option = a.operand(1).kind == Operand::Kind::address;
  if (a.in.option)
    a.address(a.operand(1), true);
  else
    a.source(a.operand(1), Type::b64);
  a.source(a.operand(2), Type::b64);
  a.source(a.operand(3), Type::b32);
  Operand adds = a.operand(4);
  a.in.negated = adds.negative ? 1 : 0;
  adds.negative = false;
  a.source(adds, Type::pred);
  if (!a.in.narrow || (a.in.option && !a.in.narrow_2)) a.fail("addresses in tensor memory have 32 bits");
  a.shared_access(16);
  a.in.run = &mma_run;
}

void commit_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    TensorWork work{};
    work.warp = warp.index();
    work.is_commit = true;
    work.barrier = address_of(warp, in.at[0], in.narrow, in.displacement, i);
    if (!in.narrow) resolve(Space::generic, work.barrier);
    warp.block().transaction(warp, work.barrier);
    warp.block().add_tensor_work(work);
  }
}
void commit(Assembly& a) {
  a.shared_access(8);
  a.in.run = &commit_run;
}

// ---- allocation

void alloc_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!warp.meets(kAllLanes, lanes, "tcgen05.alloc")) return;
  const int lane = std::countr_zero(lanes);
  const uint32_t address = warp.block().tensor_memory().allocate(warp.lanes<uint32_t>(in.at[1])[lane]);
  uint64_t to = address_of(warp, in.at[0], in.narrow, in.displacement, static_cast<uint32_t>(lane));
  if (!in.narrow) resolve(Space::generic, to);
  want_aligned(to, 4);
  warp.block().shared().write(warp.index(), to, &address, 4);
}
void alloc(Assembly& a) {
  a.shared_access(4);
  a.in.run = &alloc_run;
}
void dealloc(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    const int lane = std::countr_zero(lanes);
    warp.block().tensor_memory().release(warp.lanes<uint32_t>(in.at[0])[lane], warp.lanes<uint32_t>(in.at[1])[lane]);
  };
}
void relinquish(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { warp.block().tensor_memory().relinquish(); };
}

// ---- loads and stores: 32x32b takes a lane a thread; 16x32bx2 16 lanes, whose upper threads take columns further
// right

struct Access {
  uint32_t lane, column;
};
Access access_of(uint32_t address, uint32_t split, bool halves, uint32_t thread) {
  const uint32_t lane = address >> 16, column = address & 0xffff;
  if (!halves) return {lane + thread, column};
  return {lane + thread % 16, column + (thread < 16 ? 0 : split)};
}
// Which lanes a warp may touch, and that nobody touches what is in flight.
uint32_t checked_address(Warp& warp, const Instruction& in, bool writes, const char* what) {
  const auto address =
      static_cast<uint32_t>(address_of(warp, in.at[in.option & 2 ? 0 : in.count], true, in.displacement, 0));
  const uint32_t base = warp.index() % 4 * 32, lane = address >> 16;
  const bool halves = in.option & 1;
  if (lane != base && !(halves && lane == base + 16))
    throw Fault(Answer::illegal_address,
                say(what, " of lane ", lane, " by warp ", warp.index(), ", whose lanes begin at ", base));
  const auto split = static_cast<uint32_t>(in.displacement_2);
  for (const uint32_t offset : {0u, halves ? split : 0u})
    warp.block().want_tensor_idle({lane, halves ? 16u : 32u, (address & 0xffff) + offset, in.count}, writes, what);
  return address;
}

void store_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!warp.meets(kAllLanes, lanes, "tcgen05.st")) return;
  PendingTensorStore store{checked_address(warp, in, true, "tcgen05.st"), &in,
                           std::vector<uint32_t>(in.count * kLanes)};
  for (uint32_t r = 0; r < in.count; ++r)
    for (uint32_t i = 0; i < kLanes; ++i) store.values[i * in.count + r] = warp.lanes<uint32_t>(in.at[1 + r])[i];
  warp.tensor_stores.push_back(std::move(store));
  if (!warp.block().mode().late) finish_tensor_stores(warp, false);
}
void load_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!warp.meets(kAllLanes, lanes, "tcgen05.ld")) return;
  const uint32_t address = checked_address(warp, in, false, "tcgen05.ld");
  PendingTensorLoad load{&in, std::vector<uint32_t>(in.count * kLanes)};
  for (uint32_t i = 0; i < kLanes; ++i) {
    const Access access = access_of(address, static_cast<uint32_t>(in.displacement_2), in.option & 1, i);
    const uint32_t* const words = warp.block().tensor_memory().at(access.lane, access.column, in.count);
    for (uint32_t r = 0; r < in.count; ++r) load.values[r * kLanes + i] = words[r];
  }
  for (uint32_t r = 0; r < in.count; ++r) std::memset(warp.lanes<char>(in.at[r]), 0xff, 4 * kLanes);
  warp.tensor_loads.push_back(std::move(load));
  if (!warp.block().mode().late) finish_tensor_loads(warp);
}

// .32x32b.xN or .16x32bx2.xN of choices 3 and 4
void place_access(Assembly& a, bool loads) {
  const bool halves = a.choice(3) == "16x32bx2";
  const std::string_view repeat = a.choice(4);
  uint64_t count = 0;
  for (const char digit : repeat.substr(1)) count = count * 10 + static_cast<uint64_t>(digit - '0');
  a.want_operands(halves ? 3 : 2);
  const Operand& registers = a.operand(loads ? 0 : (halves ? 2 : 1));
  const Operand& address = a.operand(loads ? 1 : 0);
  if (halves) a.in.displacement_2 = static_cast<int64_t>(a.immediate(a.operand(loads ? 2 : 1), Type::u32));
  const auto elements = a.elements(registers);
  if (elements.size() != count) a.fail(say(elements.size(), " registers, wanted ", count));
  a.in.count = static_cast<uint32_t>(count);
  a.in.option = (halves ? 1u : 0u) | (loads ? 0u : 2u);
  const int64_t split = a.in.displacement_2;
  if (!loads) a.address(address);
  for (const Operand& element : elements) loads ? a.destination(element, Type::b32) : a.source(element, Type::b32);
  if (loads) {
    a.keep_registers();
    a.address(address);
  }
  a.in.displacement_2 = split;
  if (!a.in.narrow) a.fail("addresses in tensor memory have 32 bits");
  a.in.flow = Flow::pause;
}
void load(Assembly& a) {
  place_access(a, true);
  a.in.run = &load_run;
}
void store(Assembly& a) {
  place_access(a, false);
  a.in.run = &store_run;
}
void wait_load(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { finish_tensor_loads(warp); };
}
void wait_store(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { finish_tensor_stores(warp, true); };
}
void nothing(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {};
}
template <void (*kBuild)(Assembly&)>
void on_sm_100(Assembly& a) {
  if (a.arch() < 100 || a.arch() >= 120) a.fail("tcgen05 is for sm_100a and sm_103a");
  a.use_tensor_memory();
  kBuild(a);
}

#define ATTNRT_REPEATS "x1|x2|x4|x8|x16|x32|x64|x128"
constexpr Rule kRules[] = {
    {"9.7.16.7.1", "tcgen05", "alloc cta_group::1 sync aligned shared::cta? b32", "[a] b:u32", &on_sm_100<&alloc>},
    {"9.7.16.7.1", "tcgen05", "dealloc cta_group::1 sync aligned b32", "a:b32 b:u32", &on_sm_100<&dealloc>},
    {"9.7.16.7.1", "tcgen05", "relinquish_alloc_permit cta_group::1 sync aligned", "", &on_sm_100<&relinquish>},
    {"9.7.16.8.3", "tcgen05", "ld sync aligned 32x32b|16x32bx2 " ATTNRT_REPEATS " b32", "*", &on_sm_100<&load>},
    {"9.7.16.8.4", "tcgen05", "st sync aligned 32x32b|16x32bx2 " ATTNRT_REPEATS " b32", "*", &on_sm_100<&store>},
    {"9.7.16.8.5", "tcgen05", "wait::ld sync aligned", "", &on_sm_100<&wait_load>},
    {"9.7.16.8.5", "tcgen05", "wait::st sync aligned", "", &on_sm_100<&wait_store>},
    {"9.7.16.10.9.1", "tcgen05", "mma cta_group::1 kind::f16", "*", &on_sm_100<&mma>},
    {"9.7.16.11.1", "tcgen05", "fence::before_thread_sync|fence::after_thread_sync", "", &on_sm_100<&nothing>},
    {"9.7.16.12.1", "tcgen05", "commit cta_group::1 mbarrier::arrive::one shared::cluster? b64", "[a]",
     &on_sm_100<&commit>},
};
#undef ATTNRT_REPEATS

}  // namespace

void finish_tensor_loads(Warp& warp) {
  for (const PendingTensorLoad& load : warp.tensor_loads)
    for (uint32_t r = 0; r < load.instruction->count; ++r)
      std::memcpy(warp.lanes<uint32_t>(load.instruction->at[r]), load.values.data() + r * kLanes, 4 * kLanes);
  warp.tensor_loads.clear();
}

// In the early mode the words are there, and a wait ends what others may not touch.
void finish_tensor_stores(Warp& warp, bool waits) {
  for (const PendingTensorStore& store : warp.tensor_stores)
    for (uint32_t i = 0; i < kLanes; ++i) {
      const Instruction& in = *store.instruction;
      const Access access = access_of(store.address, static_cast<uint32_t>(in.displacement_2), in.option & 1, i);
      std::memcpy(warp.block().tensor_memory().at(access.lane, access.column, in.count),
                  store.values.data() + i * in.count, 4 * in.count);
    }
  if (waits || !warp.block().mode().late) warp.tensor_stores.clear();
}

void Block::add_tensor_work(const TensorWork& work) {
  tensor_work_.push_back(work);
  if (!mode().late) land_tensor_work();
  progress();
}

// Up to the next arrival.
void Block::land_tensor_work() {
  while (!tensor_work_.empty()) {
    const TensorWork work = tensor_work_.front();
    tensor_work_.pop_front();
    progress();
    if (work.is_commit) {
      TransactionBarrier& barrier = transactions_.at(work.barrier);
      if (!barrier.pending)
        throw Fault(Answer::illegal_instruction, say("tcgen05.commit arrives at a full mbarrier at ", work.barrier));
      shared_.release(work.warp, barrier.arriving);
      --barrier.pending;
      Transactions::advance(barrier);
      return;
    }
    Shape(work.shape).a_format ? multiply<BfloatElement>(*this, work) : multiply<HalfElement>(*this, work);
  }
}

void Block::want_tensor_idle(const TensorRange& range, bool writes, const char* what) const {
  for (const TensorWork& work : tensor_work_)
    if (!work.is_commit &&
        (range.overlaps(work.sums()) || (writes && work.a_in_tensor_memory && range.overlaps(work.left()))))
      throw Fault(Answer::launch_failed, say(what, " of columns ", range.column, " to ", range.column + range.columns,
                                             " while a tcgen05.mma that uses them is in flight"));
}

std::span<const Rule> tensor_core_rules() { return kRules; }

}  // namespace attnrt::emulator
