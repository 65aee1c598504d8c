// SPDX-License-Identifier: Apache-2.0
//
// 9.7.9.25.5 Bulk copies of boxes of tensors, in tiled mode: cp.async.bulk.tensor. What lies outside of the tensor
// arrives as the map's fill and is never written; a barrier counts the whole box.
#include <memory>
#include <string>

#include "access.hpp"
#include "async_copy.hpp"
#include "chapters.hpp"
#include "tensor_map.hpp"

namespace attnrt::emulator {
namespace {

constexpr uint32_t kBoxAlignment = 128;  // of the place in shared memory

TensorMap map_at(Warp& warp, uint64_t address, uint32_t dimensions, uint32_t lane) {
  if (address % 64)
    throw Fault(Answer::misaligned_address, say("a tensor map at address ", address, ", wanted a multiple of 64"));
  char bytes[kTensorMapBytes];
  if (resolve(Space::generic, address) == Space::parameter)
    std::memcpy(bytes, warp.block().parameter(address, kTensorMapBytes), kTensorMapBytes);
  else
    std::memcpy(bytes, warp.block().read_global(address, kTensorMapBytes), kTensorMapBytes);
  TensorMap map;
  std::memcpy(&map, bytes, sizeof map);
  if (map.mark != kTensorMapMark)
    throw Fault(Answer::illegal_instruction,
                say("lane ", lane, ": the tensor map was not made by cuTensorMapEncodeTiled"));
  if (map.rank != dimensions)
    throw Fault(Answer::illegal_instruction,
                say("a tensor map of ", uint32_t{map.rank}, " dimensions, the instruction has ", dimensions));
  return map;
}

void read_coordinates(Warp& warp, const Instruction& in, uint32_t first, uint32_t lane,
                      int32_t (&to)[kMostDimensions]) {
  for (uint32_t i = 0; i < in.count; ++i) to[i] = warp.lanes<int32_t>(in.at[first + i])[lane];
}

uint32_t box_place(Warp& warp, uint32_t place, bool narrow, int64_t displacement, uint32_t lane) {
  uint64_t address = address_of(warp, place, narrow, displacement, lane);
  if (!narrow) resolve(Space::generic, address);
  if (address % kBoxAlignment)
    throw Fault(Answer::misaligned_address,
                say("a box of a tensor at shared address ", address, ", wanted a multiple of ", kBoxAlignment));
  return static_cast<uint32_t>(address);
}

// Calls body(offset in the box, shared address, bytes) for the pieces of a row, which swizzling keeps whole.
template <class Body>
void each_piece(const TensorMap& map, uint32_t place, uint32_t row, Body body) {
  const uint32_t bytes = map.row_bytes();
  for (uint32_t at = 0; at < bytes; at += 16) body(at, map.swizzled(place + row * bytes + at));
}

// ---- from global to shared memory: [to], [map, {coordinates}], [barrier]

std::string fetch(Warp& warp, const TensorMap& map, const int32_t* coordinates, uint32_t place) {
  const uint32_t row_bytes = map.row_bytes();
  std::string image(map.box_bytes(), '\0'), line(row_bytes, '\0');
  for (uint32_t row = 0; row < map.rows(); ++row) {
    const BoxRow inside = box_row(map, coordinates, row);
    line.assign(row_bytes, static_cast<char>(map.fill));
    if (const uint32_t bytes = (inside.end - inside.begin) * map.element_bytes)
      std::memcpy(line.data() + inside.begin * map.element_bytes, warp.block().read_global(inside.address, bytes),
                  bytes);
    each_piece(map, place, row,
               [&](uint32_t at, uint32_t to) { std::memcpy(image.data() + (to - place), line.data() + at, 16); });
  }
  return image;
}

void tensor_in_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    const uint32_t to = box_place(warp, in.at[0], in.narrow, in.displacement, i);
    const TensorMap map = map_at(warp, address_of(warp, in.at[1], false, in.displacement_2, i), in.count, i);
    uint64_t barrier = address_of(warp, in.at[2], in.option & 1, 0, i);
    if (!(in.option & 1)) resolve(Space::generic, barrier);
    want_aligned(barrier, 8);
    int32_t coordinates[kMostDimensions] = {};
    read_coordinates(warp, in, 3, i, coordinates);
    warp.block().transaction(warp, barrier);
    warp.block().shared().begin_copy(warp.index(), to, map.box_bytes());
    warp.block().add_bulk({warp.index(), to, fetch(warp, map, coordinates, to), barrier});
  }
}

void place_coordinates(Assembly& a, const Operand& address, std::string_view dimensions) {
  a.in.count = static_cast<uint32_t>(dimensions[0] - '0');
  const auto coordinates = address.parts.empty() ? std::span<const Operand>() : a.elements(address.parts[0]);
  if (coordinates.size() != a.in.count) a.fail(say(coordinates.size(), " coordinates, wanted ", uint32_t{a.in.count}));
  for (const Operand& coordinate : coordinates) a.source(coordinate, Type::s32);
}

void tensor_in(Assembly& a) {  // async bulk tensor dim to from tile? completion hint?
  if (a.arch() < 90) a.fail("cp.async.bulk.tensor is for sm_90 and later");
  a.want_operands(a.has(8) ? 4 : 3);
  a.address(a.operand(0));
  a.address(a.operand(1), true);
  const bool narrow = a.in.narrow;
  const int64_t displacement = a.in.displacement;
  a.address(a.operand(2));
  if (a.in.displacement) a.fail("the address of a barrier has no displacement here");
  a.in.option = a.in.narrow;
  a.in.narrow = narrow;
  a.in.displacement = displacement;
  if (a.in.narrow_2) a.fail("the address of a tensor map has 64 bits");
  place_coordinates(a, a.operand(1), a.choice(3));
  a.shared_access(8);
  a.in.run = &tensor_in_run;
}

// ---- from shared to global memory: [map, {coordinates}], [from]

void tensor_out_run(Warp& warp, const Instruction& in, uint32_t lanes) {
  for (uint32_t left = lanes; left; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    auto box = std::make_shared<TensorBox>();
    box->map = map_at(warp, address_of(warp, in.at[0], false, in.displacement, i), in.count, i);
    read_coordinates(warp, in, 2, i, box->coordinates);
    const uint32_t from = box_place(warp, in.at[1], in.narrow_2, in.displacement_2, i);
    warp.block().shared().read(warp.index(), from, box->map.box_bytes(), true);
    for (uint32_t row = 0; row < box->map.rows(); ++row) {
      const BoxRow inside = box_row(box->map, box->coordinates, row);
      if (inside.begin < inside.end)
        warp.block().want_global(inside.address, (inside.end - inside.begin) * box->map.element_bytes);
    }
    add_store(warp, {warp.store_group, from, box->map.box_bytes(), 0, box, false});
  }
}
void tensor_out(Assembly& a) {  // async bulk tensor dim global shared::cta tile? bulk_group hint?
  if (a.arch() < 90) a.fail("cp.async.bulk.tensor is for sm_90 and later");
  a.want_operands(a.has(8) ? 3 : 2);
  a.address(a.operand(0));
  if (a.in.narrow) a.fail("the address of a tensor map has 64 bits");
  a.address(a.operand(1), true);
  place_coordinates(a, a.operand(0), a.choice(3));
  a.shared_access(16);
  a.in.run = &tensor_out_run;
}

void nothing(Assembly& a) {
  a.in.run = [](Warp&, const Instruction&, uint32_t) {};
}

constexpr Rule kRules[] = {
    {"9.7.9.25.5.2", "cp",
     "async bulk tensor 1d|2d|3d|4d|5d shared::cluster|shared::cta global tile? mbarrier::complete_tx::bytes "
     "L2::cache_hint?",
     "*", &tensor_in},
    {"9.7.9.25.5.2", "cp", "async bulk tensor 1d|2d|3d|4d|5d global shared::cta tile? bulk_group L2::cache_hint?", "*",
     &tensor_out},
    {"9.7.9.25.5.4", "cp", "async bulk prefetch tensor 1d|2d|3d|4d|5d L2 global tile? L2::cache_hint?", "*", &nothing},
    {"9.7.9.15", "prefetch", "const|param? tensormap", "[a]", &nothing},
};

}  // namespace

void land_box(Warp& warp, const PendingStore& store) {
  const TensorMap& map = store.box->map;
  const char* const from = warp.block().shared().read(warp.index(), store.from, store.bytes, true);
  std::string line(map.row_bytes(), '\0');
  for (uint32_t row = 0; row < map.rows(); ++row) {
    const BoxRow inside = box_row(map, store.box->coordinates, row);
    const uint32_t bytes = (inside.end - inside.begin) * map.element_bytes;
    if (!bytes) continue;
    each_piece(map, store.from, row,
               [&](uint32_t at, uint32_t piece) { std::memcpy(line.data() + at, from + (piece - store.from), 16); });
    std::memcpy(warp.block().write_global(inside.address, bytes), line.data() + inside.begin * map.element_bytes,
                bytes);
  }
}

std::span<const Rule> tensor_copy_rules() { return kRules; }

}  // namespace attnrt::emulator
