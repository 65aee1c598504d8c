// SPDX-License-Identifier: Apache-2.0
//
// 9.7.9 Data movement: mov, ld, st, shfl.sync, prmt, addresses.
#include "access.hpp"
#include "chapters.hpp"

namespace attnrt::emulator {
namespace {

template <class T>
T same(T x) {
  return x;
}

// d = {a, b, ..}: parts of 8, 16 or 32 bits, the first one lowest.
template <class D, class P>
void pack(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_lane(lanes, [&](uint32_t i) {
    D whole = 0;
    for (uint32_t k = 0; k < in.count; ++k)
      whole =
          static_cast<D>(whole | static_cast<D>(static_cast<D>(warp.lanes<P>(in.at[1 + k])[i]) << (8 * sizeof(P) * k)));
    warp.lanes<D>(in.at[0])[i] = whole;
  });
}
// {a, b, ..} = d; the source is the last operand.
template <class D, class P>
void unpack(Warp& warp, const Instruction& in, uint32_t lanes) {
  each_lane(lanes, [&](uint32_t i) {
    const D whole = warp.lanes<D>(in.at[in.count])[i];
    for (uint32_t k = 0; k < in.count; ++k) warp.lanes<P>(in.at[k])[i] = static_cast<P>(whole >> (8 * sizeof(P) * k));
  });
}

void mov(Assembly& a) {
  a.want_operands(2);
  const Operand &to = a.operand(0), &from = a.operand(1);
  const uint32_t bits = bits_of(a.type());
  const bool packs = from.kind == Operand::Kind::vector, unpacks = to.kind == Operand::Kind::vector;
  if (packs || unpacks) {
    const auto parts = a.elements(packs ? from : to);
    a.in.count = static_cast<uint32_t>(parts.size());
    const uint32_t part = bits / a.in.count;
    if (packs == unpacks || part * a.in.count != bits || (part != 16 && part != 32))
      a.fail("mov between these widths is not known");
    const Type type = part == 16 ? Type::b16 : Type::b32;
    if (packs) a.destination(to, a.type());
    for (const Operand& operand : parts) packs ? a.source(operand, type) : a.destination(operand, type);
    if (unpacks) a.source(from, a.type());
    if (bits == 32)
      a.in.run = packs ? &pack<uint32_t, uint16_t> : &unpack<uint32_t, uint16_t>;
    else if (part == 16)
      a.in.run = packs ? &pack<uint64_t, uint16_t> : &unpack<uint64_t, uint16_t>;
    else
      a.in.run = packs ? &pack<uint64_t, uint32_t> : &unpack<uint64_t, uint32_t>;
    return;
  }
  a.destination(to, a.type());
  a.source(from, a.type());
  switch (bits) {
    case 1:
      a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
        warp.set_predicate(in.at[0], warp.predicate(in.at[1], in.negated >> 1 & 1), lanes);
      };
      break;
    case 16:
      a.in.run = &unary<uint16_t, uint16_t, &same<uint16_t>>;
      break;
    case 32:
      a.in.run = &unary<uint32_t, uint32_t, &same<uint32_t>>;
      break;
    default:
      a.in.run = &unary<uint64_t, uint64_t, &same<uint64_t>>;
      break;
  }
}

Space space_named(std::string_view name) {
  if (name == "global") return Space::global;
  if (name.substr(0, 6) == "shared") return Space::shared;
  if (name == "local") return Space::local;
  if (name == "const") return Space::constant;
  if (name.substr(0, 5) == "param") return Space::parameter;
  return Space::generic;
}

// R: the registers, M: what lies in memory; a signed M is extended by its sign.
template <class R, class M>
void load(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t count = in.count, bytes = count * static_cast<uint32_t>(sizeof(M));
  count_wavefronts(warp, in, lanes, in.at[count], in.narrow, in.displacement, in.space, bytes);
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    M values[8];
    read_memory(warp, in.space, address_of(warp, in.at[count], in.narrow, in.displacement, i), values, bytes, i);
    for (uint32_t k = 0; k < count; ++k) warp.lanes<R>(in.at[k])[i] = static_cast<R>(values[k]);
  }
}
// A parameter whose address the text names is the same for all lanes.
template <class R, class M>
void load_parameter(Warp& warp, const Instruction& in, uint32_t lanes) {
  M values[8];
  const uint32_t bytes = in.count * static_cast<uint32_t>(sizeof(M));
  std::memcpy(values, warp.block().parameter(static_cast<uint64_t>(in.displacement), bytes), bytes);
  for (uint32_t k = 0; k < in.count; ++k) {
    R* const d = warp.lanes<R>(in.at[k]);
    const R value = static_cast<R>(values[k]);
    each_lane(lanes, [=](uint32_t i) { d[i] = value; });
  }
}
template <class R, class M>
void store(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t count = in.count, bytes = count * static_cast<uint32_t>(sizeof(M));
  count_wavefronts(warp, in, lanes, in.at[0], in.narrow, in.displacement, in.space, bytes);
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    M values[8];
    for (uint32_t k = 0; k < count; ++k) values[k] = static_cast<M>(warp.lanes<R>(in.at[1 + k])[i]);
    write_memory(warp, in.space, address_of(warp, in.at[0], in.narrow, in.displacement, i), values, bytes, i);
  }
}

enum class Access { load, load_parameter, store };

template <class M>
Handler access_of(Access access, uint32_t bits) {
  if (access == Access::store)
    return bits == 16 ? &store<uint16_t, M> : bits == 32 ? &store<uint32_t, M> : &store<uint64_t, M>;
  if (access == Access::load)
    return bits == 16 ? &load<uint16_t, M> : bits == 32 ? &load<uint32_t, M> : &load<uint64_t, M>;
  return bits == 16   ? &load_parameter<uint16_t, M>
         : bits == 32 ? &load_parameter<uint32_t, M>
                      : &load_parameter<uint64_t, M>;
}
Handler access_for(Assembly& a, Access access, uint32_t bits) {
  switch (a.type()) {
    case Type::u8:
    case Type::b8:
      return access_of<uint8_t>(access, bits);
    case Type::s8:
      return access_of<int8_t>(access, bits);
    case Type::s16:
      return access_of<int16_t>(access, bits);
    case Type::u16:
    case Type::b16:
      return access_of<uint16_t>(access, bits);
    case Type::s32:
      return access_of<int32_t>(access, bits);
    case Type::u32:
    case Type::b32:
    case Type::f32:
      return access_of<uint32_t>(access, bits);
    default:
      return access_of<uint64_t>(access, bits);
  }
}

// Of `vector` modifier and operands alike; all elements have registers of one width.
std::span<const Operand> vector_of(Assembly& a, const Operand& operand, std::string_view modifier) {
  const auto elements = a.elements(operand);
  const std::size_t wanted = modifier.empty() ? 1 : static_cast<std::size_t>(modifier[1] - '0');
  if (elements.size() != wanted) a.fail(say("a vector of ", elements.size(), ", wanted ", wanted));
  a.in.count = static_cast<uint32_t>(wanted);
  if (wanted * bytes_of(a.type()) > 32) a.fail("a vector of more than 32 bytes");
  if (wanted * bytes_of(a.type()) > 16 && a.arch() < 100) a.fail("a vector of 32 bytes is for sm_100 and later");
  return elements;
}
void note_shared(Assembly& a) {
  if (a.in.space == Space::shared || a.in.space == Space::generic) a.shared_access(a.in.count * bytes_of(a.type()));
}

constexpr std::size_t kSpaceGroup = 2, kHintGroup = 6, kVectorGroup = 8;

void ld(Assembly& a) {
  a.want_operands(a.has(kHintGroup) ? 3 : 2);
  a.in.space = space_named(a.choice(kSpaceGroup));
  uint32_t bits = 0;
  for (const Operand& element : vector_of(a, a.operand(0), a.choice(kVectorGroup))) {
    const bool unused = element.text == "_";
    if (unused && !bits) bits = register_bits(a.type());
    const uint32_t have = unused ? (a.sink(a.type()), bits) : a.destination(element, a.type(), false);
    if (bits && have != bits) a.fail("registers of one vector are of one width");
    bits = have;
  }
  const Operand& from = a.operand(1);
  if (from.kind != Operand::Kind::address) a.fail("an address in [] is wanted here");
  if (const int64_t parameter = a.parameter(from.text); a.in.space == Space::parameter && parameter >= 0) {
    a.in.displacement = parameter + from.offset;
    a.in.run = access_for(a, Access::load_parameter, bits);
    return;
  }
  a.address(from);
  note_shared(a);
  a.in.run = access_for(a, Access::load, bits);
}

void st(Assembly& a) {
  a.want_operands(a.has(kHintGroup) ? 3 : 2);
  a.in.space = space_named(a.choice(kSpaceGroup));
  if (a.in.space == Space::constant) a.fail("st to this space is not known");
  a.address(a.operand(0));
  uint32_t bits = 0;
  for (const Operand& element : vector_of(a, a.operand(1), a.choice(kVectorGroup))) {
    const uint32_t have = a.source(element, a.type(), false);
    if (bits && have != bits) a.fail("registers of one vector are of one width");
    bits = have;
  }
  note_shared(a);
  a.in.run = access_for(a, Access::store, bits);
}

// 9.7.9.6: c holds the last lane in bits 0-4 and the mask of segments in bits 8-12.
void shuffle(Warp& warp, const Instruction& in, uint32_t lanes) {
  const uint32_t *const a = warp.lanes<uint32_t>(in.at[2]), *const b = warp.lanes<uint32_t>(in.at[3]),
                        *const c = warp.lanes<uint32_t>(in.at[4]), *const members = warp.lanes<uint32_t>(in.at[5]);
  uint32_t values[kLanes], inside = 0;
  for (uint32_t left = lanes; left; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (!warp.meets(members[lane], lanes, "shfl.sync")) return;
    if (!(members[lane] >> lane & 1)) throw Fault(Answer::illegal_instruction, "shfl.sync by a lane that is no member");
    const int by = static_cast<int>(b[lane] & 31), segment = static_cast<int>(c[lane] >> 8 & 31),
              clamp = static_cast<int>(c[lane] & 31);
    const int last = (lane & segment) | (clamp & ~segment), first = lane & segment;
    int from = 0;
    bool ok = false;
    switch (in.option) {
      case 0:
        from = lane - by, ok = from >= last;
        break;
      case 1:
        from = lane + by, ok = from <= last;
        break;
      case 2:
        from = lane ^ by, ok = from <= last;
        break;
      default:
        from = first | (by & ~segment), ok = from <= last;
        break;
    }
    if (!ok) from = lane;
    if (!(lanes >> from & 1))
      throw Fault(Answer::illegal_instruction, say("shfl.sync reads lane ", from, ", which is not active"));
    values[lane] = a[from];
    inside |= static_cast<uint32_t>(ok) << lane;
  }
  uint32_t* const d = warp.lanes<uint32_t>(in.at[0]);
  for (uint32_t left = lanes; left; left &= left - 1) d[std::countr_zero(left)] = values[std::countr_zero(left)];
  warp.set_predicate(in.at[1], inside, lanes);
}
void shfl(Assembly& a) {
  a.want_operands(5);
  const Operand& to = a.operand(0);
  const bool pair = to.kind == Operand::Kind::pair;
  a.destination(pair ? to.parts[0] : to, Type::b32);
  pair ? static_cast<void>(a.destination(to.parts[1], Type::pred)) : a.sink(Type::pred);
  for (std::size_t i = 1; i < 5; ++i) a.source(a.operand(i), Type::b32);
  const std::string_view mode = a.choice(1);
  a.in.option = mode == "up" ? 0 : mode == "down" ? 1 : mode == "bfly" ? 2 : 3;
  a.in.flow = Flow::pause;
  a.in.run = &shuffle;
}

uint32_t permuted(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (int k = 0; k < 4; ++k) {
    const uint32_t pick = selector >> 4 * k & 15;
    const auto byte = static_cast<uint32_t>(bytes >> 8 * (pick & 7) & 0xff);
    result |= (pick & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << 8 * k;
  }
  return result;
}
void prmt(Assembly& a) { a.in.run = &ternary<uint32_t, uint32_t, uint32_t, uint32_t, &permuted>; }

template <uint64_t kWindow, bool kTo>
uint64_t moved(uint64_t address) {
  return kTo ? address - kWindow : address + kWindow;
}
void cvta(Assembly& a) {
  const bool to = a.has(0);
  switch (space_named(a.choice(1))) {
    case Space::shared:
      a.in.run = to ? &unary<uint64_t, uint64_t, &moved<kSharedWindow, true>>
                    : &unary<uint64_t, uint64_t, &moved<kSharedWindow, false>>;
      break;
    case Space::local:
      a.in.run = to ? &unary<uint64_t, uint64_t, &moved<kLocalWindow, true>>
                    : &unary<uint64_t, uint64_t, &moved<kLocalWindow, false>>;
      break;
    case Space::parameter:
      a.in.run = to ? &unary<uint64_t, uint64_t, &moved<kParameterWindow, true>>
                    : &unary<uint64_t, uint64_t, &moved<kParameterWindow, false>>;
      break;
    default:
      a.in.run = &unary<uint64_t, uint64_t, &same<uint64_t>>;
      break;
  }
}
void isspacep(Assembly& a) {
  a.in.space = space_named(a.choice(0));
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    uint32_t result = 0;
    for (uint32_t i = 0; i < kLanes; ++i) {
      uint64_t address = warp.lanes<uint64_t>(in.at[1])[i];
      result |= static_cast<uint32_t>(resolve(Space::generic, address) == in.space) << i;
    }
    warp.set_predicate(in.at[0], result, lanes);
  };
}

void nothing(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {};
}
void zero_64(Assembly& a) {
  a.in.run = [](Warp& warp, const Instruction& in, uint32_t lanes) {
    each_lane(lanes, [&](uint32_t i) { warp.lanes<uint64_t>(in.at[0])[i] = 0; });
  };
}
// A cluster is one block here: its shared memory is the block's own.
void mapa(Assembly& a) {
  a.in.run =
      a.type() == Type::u32 ? &unary<uint32_t, uint32_t, &same<uint32_t>> : &unary<uint64_t, uint64_t, &same<uint64_t>>;
}

constexpr Rule kRules[] = {
    {"9.7.9.3", "mov", "b32|u32|s32|f32|b64|u64|s64|f64|b16|u16|s16|f16|bf16|pred", "*", &mov},
    {"9.7.9.6", "shfl", "sync up|down|bfly|idx b32", "*", &shfl},
    {"9.7.9.7", "prmt", "b32", "d a b c", &prmt},
    {"9.7.9.8", "ld", "$sem? $scope? $space? $cache? nc? $evict? L2::cache_hint? $prefetch? v2|v4|v8? $any", "*", &ld},
    {"9.7.9.11", "st", "$sem? $scope? $space? $cache? nc? $evict? L2::cache_hint? $prefetch? v2|v4|v8? $any", "*", &st},
    {"9.7.9.15", "prefetch", "global|local? L1|L2|L2::evict_last|L2::evict_normal", "[a]", &nothing},
    {"9.7.9.18", "createpolicy", "fractional L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged b64",
     "d a:f32?", &zero_64},
    {"9.7.9.19", "isspacep", "global|shared|shared::cta|local|param", "p a:u64", &isspacep},
    {"9.7.9.20", "cvta", "to? global|shared|shared::cta|local|const|param u64", "d a", &cvta},
    {"9.7.9.22", "mapa", "shared::cluster? u32|u64", "d a b:u32", &mapa},
};

}  // namespace

std::span<const Rule> data_movement_rules() { return kRules; }

}  // namespace attnrt::emulator
