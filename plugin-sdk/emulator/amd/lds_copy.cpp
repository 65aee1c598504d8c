// SPDX-License-Identifier: Apache-2.0
//
// gfx950's transposing reads of LDS and copies from global memory to LDS (CDNA4 ISA, 11; LLVM's IntrinsicsAMDGPU.td).
#include <algorithm>
#include <iterator>

#include "fault.hpp"
#include "intrinsic.hpp"
#include "operand.hpp"
#include "workgroup.hpp"

namespace attnrt::emulator::amd {
namespace {

// Sixteen lanes read a tile of 8 / bytes rows and 16 columns, a lane 8 bytes of one row; each gets a column.
template <uint32_t bytes>
void transposed(const WaveCall& call) {
  constexpr uint32_t rows = 8 / bytes, lanes_a_row = 16 / rows;
  char data[64][8];
  Workgroup& group = *call.wave.group;
  for (uint32_t l = 0; l < call.lanes; ++l) {
    const auto address = static_cast<uint32_t>(operand<uint64_t>(call.in[l], 0) - kLdsBase);
    std::memcpy(data[l], group.lds().read(address, 8, 8, group.moment(call.wave.lanes[l])), 8);
  }
  for (uint32_t l = 0; l < call.lanes; ++l) {
    const uint32_t column = l % 16;
    for (uint32_t row = 0; row < rows; ++row)
      std::memcpy(call.out[l] + row * bytes,
                  data[l - column + lanes_a_row * row + column / rows] + column % rows * bytes, bytes);
  }
}

// source, target (the same in all lanes; each writes behind the one before it), bytes, offset, cache policy
void copy(Lane& lane, const char* in, char*, uint32_t) {
  const uint32_t bytes = operand<uint32_t>(in, 2), offset = operand<uint32_t>(in, 3);
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 12 && bytes != 16)
    throw Fault(Answer::illegal_instruction, say("a copy to LDS of ", bytes, " bytes a lane"));
  Workgroup& group = *lane.wave->group;
  const auto address = static_cast<uint32_t>(operand<uint64_t>(in, 1) - kLdsBase) + offset + lane.index * bytes;
  const uint64_t source = operand<uint64_t>(in, 0) + offset;
  const char* const early = group.global().read(source, bytes);
  group.lds().expect(address, bytes, group.moment(lane));
  lane.copies.push_back({source, address, lane.marks, std::string(early, bytes)});
}

void mark(Lane& lane, const char*, char*, uint32_t) { ++lane.marks; }

// All but the last so many groups land.
void wait_mark(Lane& lane, const char* in, char*, uint32_t) {
  const uint32_t left = operand<uint16_t>(in, 0);
  Workgroup& group = *lane.wave->group;
  const auto landed = [&](const LdsCopy& copy) {
    if (copy.group + left >= lane.marks) return false;
    const auto bytes = static_cast<uint32_t>(copy.bytes.size());
    group.lds().land(copy.address, bytes, group.moment(lane),
                     group.launch().mode.late ? group.global().read(copy.source, bytes) : copy.bytes.data());
    return true;
  };
  lane.copies.erase(std::remove_if(lane.copies.begin(), lane.copies.end(), landed), lane.copies.end());
}

constexpr Rule kRules[] = {
    {.name = "llvm.amdgcn.ds.read.tr16.b64.v4f16", .together = &transposed<2>},
    {.name = "llvm.amdgcn.ds.read.tr16.b64.v4bf16", .together = &transposed<2>},
    {.name = "llvm.amdgcn.ds.read.tr16.b64.v4i16", .together = &transposed<2>},
    {.name = "llvm.amdgcn.ds.read.tr8.b64.v2i32", .together = &transposed<1>},
    {.name = "llvm.amdgcn.global.load.async.lds", .effect = &copy},
    {.name = "llvm.amdgcn.asyncmark", .effect = &mark},
    {.name = "llvm.amdgcn.wait.asyncmark", .effect = &wait_mark},
};

}  // namespace

Rules lds_copy_rules() { return {std::begin(kRules), std::end(kRules)}; }

}  // namespace attnrt::emulator::amd
