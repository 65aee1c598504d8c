// SPDX-License-Identifier: Apache-2.0
//
// Code objects: what is read of them, and that nothing is read behind them.
#include "code_object.hpp"

#include <catch2/catch.hpp>

#include "fault.hpp"
#include "image.hpp"
#include "message_pack.hpp"

using namespace attnrt::hip_test;
using attnrt::emulator::TextFault;
namespace amd = attnrt::emulator::amd;

namespace {

std::string refused(const std::string& image) {
  try {
    amd::read_code_object(image);
  } catch (const TextFault& fault) {
    return fault.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a code object says which kernel it holds and what it needs") {
  ImageFacts facts;
  facts.argument_bytes = {8, 4, 8};
  facts.lds = 1024;
  facts.spills = 3;
  const std::string image = image_of(facts);
  CHECK(amd::code_object_size(image.data()) == image.size());
  const amd::CodeObject object = amd::read_code_object(image);
  CHECK(object.arch == 0x942);
  CHECK(object.version == 5);
  REQUIRE(object.kernels.size() == 1);
  const amd::KernelInfo& kernel = object.kernels[0];
  CHECK(kernel.name == "test");
  CHECK(kernel.symbol == "test.kd");
  REQUIRE(kernel.parameters.size() == 3);
  CHECK(kernel.parameters[2].offset == 16);
  CHECK(kernel.explicit_bytes == 24);
  CHECK(kernel.segment_bytes == 28);
  CHECK(kernel.hidden == std::vector<std::string>{"hidden_block_count_x"});
  CHECK(kernel.lds_bytes == 1024);
  CHECK(kernel.private_bytes == 12);
  CHECK(kernel.vgpr_spills == 3);
  CHECK(kernel.most_threads == 256);
  CHECK(kernel.vgprs == 32);
}

TEST_CASE("architectures are told by the machine in the flags") {
  ImageFacts facts;
  for (const auto& [machine, arch] : {std::pair(0x54fu, 0x950u), {0x53fu, 0x90au}, {0x541u, 0u}}) {
    facts.machine = machine;
    CHECK(amd::read_code_object(image_of(facts)).arch == arch);
  }
}

TEST_CASE("what is no code object is refused, and one that is cut off or damaged reads nothing behind it") {
  const std::string image = image_of({});
  CHECK(refused("") == "the code object ends before what its headers name");
  std::string other = image;
  other[18] = 62;  // x86-64
  CHECK(refused(other) == "an image that is no code object for AMD's devices");
  CHECK(amd::code_object_size(other.data()) == 0);
  // Each in memory of its own, so that a sanitizer sees a read behind it.
  const std::size_t behind_notes = image.size() - sizeof(Elf64_Shdr);
  for (std::size_t size = 0; size < behind_notes; ++size) CHECK(refused(std::string(image.data(), size)) != "nothing");
  uint64_t random = 1;
  int refusals = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = image;
    for (int j = 0; j < 3; ++j) {
      random = random * 6364136223846793005ull + 1442695040888963407ull;
      damaged[(random >> 33) % damaged.size()] = static_cast<char>(random >> 24);
    }
    refusals += refused(damaged) != "nothing";
  }
  CHECK(refusals > 1000);
}

TEST_CASE("metadata nested without end, or with lengths that are none") {
  CHECK_THROWS_WITH(amd::unpack(std::string(1000, static_cast<char>(0x91))), "the metadata is nested too deeply");
  CHECK_THROWS_WITH(amd::unpack("\xdd\xff\xff\xff\xff"), "the metadata ends in the middle of a list");
  CHECK_THROWS_WITH(amd::unpack("\xd9\x05"
                                "abc"),
                    "the metadata ends in the middle of a value");
  CHECK_THROWS_WITH(amd::unpack("\x81\x01\x02"), "a key of the metadata is no string");
  CHECK_THROWS_WITH(amd::unpack("\xc1"), "the metadata has a value of kind 193, which is not known");
  CHECK(amd::unpack("\x81\xa1"
                    "a\xcd\x01\x02")
            .number_of("a") == 258);
}
