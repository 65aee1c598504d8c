// SPDX-License-Identifier: Apache-2.0
//
// 9.7.13 Synchronisation and communication: barriers, fences, atomics, votes, reductions over a warp.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "access.hpp"
#include "chapters.hpp"
#include "element.hpp"

namespace attnrt::emulator {
namespace {

// ---- 9.7.13.1 barriers of a block

enum BarrierOption : uint32_t { kAligned = 1, kArrive = 2 };

void barrier_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  if ((in.option & kAligned) && !warp.meets(kAllLanes, lanes, "an aligned barrier")) return;
  const int lane = std::countr_zero(lanes);
  const uint32_t id = warp.lanes<uint32_t>(in.at[0])[lane], threads = warp.lanes<uint32_t>(in.at[1])[lane];
  warp.block().arrive(warp, lanes, id, threads, in.option & kArrive);
}
// bar.{sync,arrive} a{, b}; barrier{.cta}.{sync,arrive}{.aligned} a{, b}
void bar(Assembly& a) {
  const bool arrives = a.choice(1) == "arrive";
  if (arrives && !a.given(1)) a.fail("bar.arrive takes the number of threads");
  a.in.option = kAligned | (arrives ? kArrive : 0u);
  a.in.flow = Flow::pause;
  a.in.run = &barrier_run;
}
void barrier(Assembly& a) {
  bar(a);
  if (!a.has(2)) a.in.option &= ~static_cast<uint32_t>(kAligned);
}

enum class Reduce : uint32_t { popc, conjunction, disjunction };

// The lanes arrive and take the result of the phase at the instruction behind, which is emitted as a second half.
void reduce_arrive(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!warp.meets(kAllLanes, lanes, "an aligned barrier")) return;
  const int lane = std::countr_zero(lanes);
  const uint32_t id = warp.lanes<uint32_t>(in.at[1])[lane];
  if (id > 15) throw Fault(Answer::illegal_instruction, say("barrier ", id, ", wanted 0 to 15"));
  const uint32_t p = warp.predicate(in.at[2], in.negated >> 2 & 1) & lanes;
  Block::Reduction& total = warp.block().reduction(id);
  total.count += static_cast<uint32_t>(std::popcount(p));
  total.all &= p == lanes ? ~0u : 0u;
  total.any |= p;
  warp.block().arrive(warp, lanes, id, 0, false);
}
void reduce_take(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t id = warp.lanes<uint32_t>(in.at[1])[std::countr_zero(lanes)];
  const Block::Reduction& total = warp.block().last_reduction(id);
  switch (static_cast<Reduce>(in.option)) {
    case Reduce::popc:
      each_lane(lanes, [&](uint32_t i) { warp.lanes<uint32_t>(in.at[0])[i] = total.count; });
      break;
    case Reduce::conjunction:
      warp.set_predicate(in.at[0], total.all, lanes);
      break;
    case Reduce::disjunction:
      warp.set_predicate(in.at[0], total.any ? ~0u : 0u, lanes);
      break;
  }
}
void bar_red(Assembly& a) {
  const std::string_view operation = a.choice(2);
  a.in.option = static_cast<uint32_t>(operation == "popc"  ? Reduce::popc
                                      : operation == "and" ? Reduce::conjunction
                                                           : Reduce::disjunction);
  a.want_operands(3);
  a.destination(a.operand(0), operation == "popc" ? Type::u32 : Type::pred);
  a.source(a.operand(1), Type::u32);
  a.source(a.operand(2), Type::pred);
  a.in.flow = Flow::pause;
  a.in.run = &reduce_arrive;
  a.repeat(&reduce_take);
}

void bar_warp(Assembly& a) {
  a.in.flow = Flow::pause;
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    warp.meets(warp.lanes<uint32_t>(in.at[0])[std::countr_zero(lanes)], lanes, "bar.warp.sync");
  };
}

// ---- 9.7.13.3 and 4 fences: memory is in order here; what other warps may see of shared memory the shadow decides

void nothing(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {};
}
void fence_proxy(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction&, uint32_t) { warp.block().shared().fence_proxy(warp.index()); };
}
// All blocks of the cluster, which is this one.
void barrier_cluster(Assembly& a) {
  a.in.flow = Flow::pause;
  a.in.option = a.choice(1) == "arrive" ? kArrive : 0u;
  a.constant(Type::u32, 15);
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    if (!(in.option & kArrive)) warp.block().arrive(warp, lanes, 15, 0, false);
  };
}

// ---- 9.7.13.5 and 6 atomics

template <class T, auto F>
void atomic(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    uint64_t address = address_of(warp, in.at[1], in.narrow, in.displacement, i);
    want_aligned(address, sizeof(T));
    const T b = warp.lanes<T>(in.at[2])[i], c = warp.lanes<T>(in.at[3])[i];
    char* place = nullptr;
    switch (resolve(in.space, address)) {
      case Space::shared:
        place = warp.block().shared().update(warp.index(), address, sizeof(T));
        break;
      case Space::global:
        warp.block().read_global(address, sizeof(T));
        place = warp.block().write_global(address, sizeof(T));
        break;
      default:
        throw Fault(Answer::illegal_address, "an atomic operation outside of global and shared memory");
    }
    T old = 0;
    if (resolve(in.space, address) == Space::global) {
      using Word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
      std::atomic_ref<Word> word(*reinterpret_cast<Word*>(place));
      Word seen = word.load();
      while (!word.compare_exchange_weak(seen, std::bit_cast<Word>(F(std::bit_cast<T>(seen), b, c)))) {
      }
      old = std::bit_cast<T>(seen);
    } else {
      std::memcpy(&old, place, sizeof old);
      const T now = F(old, b, c);
      std::memcpy(place, &now, sizeof now);
    }
    warp.lanes<T>(in.at[0])[i] = old;
  }
  warp.block().progress();
}

template <class T>
T plus(T a, T b, T) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return wrap<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}

template <class T>
Handler arithmetic_atomic(std::string_view name) {
  if (name == "add") return &atomic<T, &plus<T>>;
  if (name == "exch") return &atomic<T, [](T, T b, T) { return b; }>;
  if (name == "min") return &atomic<T, [](T a, T b, T) { return a < b ? a : b; }>;
  if (name == "max") return &atomic<T, [](T a, T b, T) { return (a > b) ? a : b; }>;
  if (name == "cas") return &atomic<T, [](T a, T b, T c) { return a == b ? c : a; }>;
  if constexpr (std::is_unsigned_v<T>) {
    if (name == "and") return &atomic<T, [](T a, T b, T) { return a & b; }>;
    if (name == "or") return &atomic<T, [](T a, T b, T) { return a | b; }>;
    if (name == "xor") return &atomic<T, [](T a, T b, T) { return a ^ b; }>;
    if (name == "inc") return &atomic<T, [](T a, T b, T) { return (a >= b) ? T{0} : a + 1; }>;
    if (name == "dec") return &atomic<T, [](T a, T b, T) { return (a == 0 || a > b) ? b : a - 1; }>;
  }
  return nullptr;
}

void place_atomic(Assembly& a, bool returns) {  // sem? scope? space? operation type
  const std::string_view space = a.choice(2), operation = a.choice(3);
  const bool compares = operation == "cas";
  a.want_operands((returns ? 2u : 1u) + (compares ? 2u : 1u));
  const std::size_t first = returns ? 1 : 0;
  returns ? static_cast<void>(a.destination(a.operand(0), a.type())) : a.sink(a.type());
  a.address(a.operand(first));
  a.source(a.operand(first + 1), a.type());
  compares ? static_cast<void>(a.source(a.operand(first + 2), a.type())) : a.constant(a.type(), 0);
  a.in.space = space == "global" ? Space::global : space.substr(0, 6) == "shared" ? Space::shared : Space::generic;
  if (a.in.space != Space::global) a.shared_access(bytes_of(a.type()));
  switch (a.type()) {
    case Type::u32:
    case Type::b32:
      a.in.run = arithmetic_atomic<uint32_t>(operation);
      break;
    case Type::s32:
      a.in.run = arithmetic_atomic<int32_t>(operation);
      break;
    case Type::u64:
    case Type::b64:
      a.in.run = arithmetic_atomic<uint64_t>(operation);
      break;
    case Type::s64:
      a.in.run = arithmetic_atomic<int64_t>(operation);
      break;
    case Type::f32:
      a.in.run = arithmetic_atomic<float>(operation);
      break;
    default:
      a.in.run = arithmetic_atomic<double>(operation);
      break;
  }
  if (!a.in.run) a.fail("this atomic operation is not known for this type");
}
void atom(Assembly& a) { place_atomic(a, true); }
void red(Assembly& a) { place_atomic(a, false); }

// ---- 9.7.13.9 to 14 among the lanes of a warp

bool members_meet(Warp& warp, uint32_t place, uint32_t lanes, const char* what) {
  return warp.meets(warp.lanes<uint32_t>(place)[std::countr_zero(lanes)], lanes, what);
}

void ballot(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!members_meet(warp, in.at[2], lanes, "vote.sync")) return;
  const uint32_t p = warp.predicate(in.at[1], in.negated >> 1 & 1) & lanes;
  each_lane(lanes, [&](uint32_t i) { warp.lanes<uint32_t>(in.at[0])[i] = p; });
}
void vote_of(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!members_meet(warp, in.at[2], lanes, "vote.sync")) return;
  const uint32_t p = warp.predicate(in.at[1], in.negated >> 1 & 1) & lanes;
  const bool result = in.option == 0 ? p != 0 : in.option == 1 ? p == lanes : p == lanes || p == 0;
  warp.set_predicate(in.at[0], result ? ~0u : 0u, lanes);
}
void vote(Assembly& a) {
  a.in.flow = Flow::pause;
  const std::string_view mode = a.choice(1);
  a.in.option = mode == "any" ? 0 : mode == "all" ? 1 : 2;
  a.in.run = &vote_of;
}
void vote_ballot(Assembly& a) {
  a.in.flow = Flow::pause;
  a.in.run = &ballot;
}

template <class T>
void match_any(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!members_meet(warp, in.at[2], lanes, "match.sync")) return;
  const T* const a = warp.lanes<T>(in.at[1]);
  uint32_t same[kLanes] = {};
  for (uint32_t i = 0; i < kLanes; ++i)
    for (uint32_t left = lanes; left; left &= left - 1)
      same[i] |= static_cast<uint32_t>(a[std::countr_zero(left)] == a[i]) << std::countr_zero(left);
  each_lane(lanes, [&](uint32_t i) { warp.lanes<uint32_t>(in.at[0])[i] = same[i]; });
}
void match(Assembly& a) {
  a.in.flow = Flow::pause;
  a.in.run = a.type() == Type::b32 ? &match_any<uint32_t> : &match_any<uint64_t>;
}

void activemask(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    each_lane(lanes, [&](uint32_t i) { warp.lanes<uint32_t>(in.at[0])[i] = lanes; });
  };
}

template <class T, auto F>
void reduce_warp(Warp& warp, const Instruction& in, uint32_t lanes) {
  if (!members_meet(warp, in.at[2], lanes, "redux.sync")) return;
  const T* const a = warp.lanes<T>(in.at[1]);
  T total = a[std::countr_zero(lanes)];
  for (uint32_t left = lanes & (lanes - 1); left; left &= left - 1) total = F(total, a[std::countr_zero(left)]);
  each_lane(lanes, [&](uint32_t i) { warp.lanes<T>(in.at[0])[i] = total; });
}
void redux(Assembly& a) {
  a.in.flow = Flow::pause;
  const std::string_view name = a.choice(1);
  using U = uint32_t;
  using S = int32_t;
  const bool is_signed = a.type() == Type::s32;
  if (name == "add") a.in.run = &reduce_warp<U, [](U x, U y) { return x + y; }>;
  if (name == "min")
    a.in.run = is_signed ? &reduce_warp<S, [](S x, S y) { return std::min(x, y); }>
                         : &reduce_warp<U, [](U x, U y) { return std::min(x, y); }>;
  if (name == "max")
    a.in.run = is_signed ? &reduce_warp<S, [](S x, S y) { return std::max(x, y); }>
                         : &reduce_warp<U, [](U x, U y) { return std::max(x, y); }>;
  if (name == "and") a.in.run = &reduce_warp<U, [](U x, U y) { return x & y; }>;
  if (name == "or") a.in.run = &reduce_warp<U, [](U x, U y) { return x | y; }>;
  if (name == "xor") a.in.run = &reduce_warp<U, [](U x, U y) { return x ^ y; }>;
}
template <bool kMax, bool kNan>
float extreme_of(float x, float y) {
  if (kNan && (x != x || y != y)) return canonical(x != x ? x : y);
  return kMax ? std::fmax(x, y) : std::fmin(x, y);
}
void redux_float(Assembly& a) {
  a.in.flow = Flow::pause;
  if (a.arch() < 100) a.fail("redux.sync of fp32 is for sm_100 and later");
  const bool max = a.choice(1) == "max", nan = a.has(3);
  if (a.has(2)) a.fail("redux.sync with .abs is not known");
  a.in.run =
      max ? (nan ? &reduce_warp<float, &extreme_of<true, true>> : &reduce_warp<float, &extreme_of<true, false>>)
          : (nan ? &reduce_warp<float, &extreme_of<false, true>> : &reduce_warp<float, &extreme_of<false, false>>);
}
// The lowest member is elected; the manual promises some member, always the same.
void elect(Assembly& a) {
  a.in.flow = Flow::pause;
  a.want_operands(2);
  const Operand& to = a.operand(0);
  if (to.kind != Operand::Kind::pair) a.fail("elect.sync d|p, members");
  a.destination(to.parts[0], Type::u32);
  a.destination(to.parts[1], Type::pred);
  a.source(a.operand(1), Type::u32);
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    if (!members_meet(warp, in.at[2], lanes, "elect.sync")) return;
    const auto leader = static_cast<uint32_t>(std::countr_zero(lanes));
    each_lane(lanes, [&](uint32_t i) { warp.lanes<uint32_t>(in.at[0])[i] = leader; });
    warp.set_predicate(in.at[1], 1u << leader, lanes);
  };
}

constexpr Rule kRules[] = {
    {"9.7.13.1", "bar", "cta? sync|arrive", "a:u32 b:u32?", &bar},
    {"9.7.13.1", "barrier", "cta? sync|arrive aligned?", "a:u32 b:u32?", &barrier},
    {"9.7.13.1", "bar", "cta? red popc|and|or u32|pred", "*", &bar_red},
    {"9.7.13.1", "barrier", "cta? red popc|and|or aligned u32|pred", "*", &bar_red},
    {"9.7.13.2", "bar", "warp sync", "a:u32", &bar_warp},
    {"9.7.13.3", "barrier", "cluster arrive|wait release|relaxed|acquire? aligned?", "", &barrier_cluster},
    {"9.7.13.4", "membar", "cta|gl|sys", "", &nothing},
    {"9.7.13.4", "fence", "sc|acq_rel? $scope", "", &nothing},
    {"9.7.13.4", "fence", "mbarrier_init release cluster", "", &nothing},
    {"9.7.13.4", "fence", "proxy async shared::cta|shared::cluster|global?", "", &fence_proxy},
    {"9.7.13.5", "atom",
     "$sem? $scope? global|shared::cta|shared::cluster|shared? add|exch|min|max|cas|and|or|xor|inc|dec "
     "u32|s32|u64|s64|b32|b64|f32|f64",
     "*", &atom},
    {"9.7.13.6", "red",
     "$sem? $scope? global|shared::cta|shared::cluster|shared? add|min|max|and|or|xor|inc|dec "
     "u32|s32|u64|s64|b32|b64|f32|f64",
     "*", &red},
    {"9.7.13.9", "vote", "sync any|all|uni pred", "p a:pred b:u32", &vote},
    {"9.7.13.9", "vote", "sync ballot b32", "d a:pred b:u32", &vote_ballot},
    {"9.7.13.10", "match", "any sync b32|b64", "d:u32 a b:u32", &match},
    {"9.7.13.11", "activemask", "b32", "d", &activemask},
    {"9.7.13.12", "redux", "sync add|min|max|and|or|xor u32|s32|b32", "d a b:u32", &redux},
    {"9.7.13.12", "redux", "sync min|max abs? NaN? f32", "d a b:u32", &redux_float},
    {"9.7.13.13", "griddepcontrol", "launch_dependents|wait", "", &nothing},
    {"9.7.13.14", "elect", "sync", "*", &elect},
};

}  // namespace

std::span<const Rule> synchronization_rules() { return kRules; }

}  // namespace attnrt::emulator
