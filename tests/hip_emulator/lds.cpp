// SPDX-License-Identifier: Apache-2.0
//
// LDS: what is reported, what is in order, copies on their way, transposing reads; and global memory.
#include <catch2/catch.hpp>

#include "program.hpp"

using namespace attnrt::hip_test;
using Words = std::vector<uint32_t>;

namespace {

const Words kNumbers = [] {
  Words all(256);
  for (uint32_t i = 0; i < 256; ++i) all[i] = i;
  return all;
}();
Options with(uint32_t threads, uint32_t lds, uint64_t seed = 0) {
  Options options;
  options.threads = threads;
  options.lds = lds;
  options.mode.seed = seed;
  return options;
}
// Each lane writes its number, then reads that of its mirror image in 128 threads.
std::string mirrored(const char* between) {
  return "  %a = shl i32 %lane, 2\n" + lds("p", "%a") + "  store i32 %lane, ptr addrspace(3) %p, align 4\n" + between +
         "  %m = sub i32 508, %a\n" + lds("q", "%m") + "  %r = load i32, ptr addrspace(3) %q, align 4\n" +
         give("r", "i32", 4);
}
// Bytes of LDS that lanes of one wave write, 4 each, and what follows.
std::string filled(const std::string& rest) {
  return "  %a = shl i32 %lane, 2\n" + lds("p", "%a") + "  store i32 %lane, ptr addrspace(3) %p, align 4\n" +
         std::string(kBarrier) + rest;
}

}  // namespace

TEST_CASE("a barrier orders what waves write and read, in every order of lanes") {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const Words got = run<uint32_t>(mirrored(kBarrier), kNumbers, 1, with(128, 512, seed));
    CHECK(got[0] == 127);
    CHECK(got[100] == 27);
  }
  for (uint64_t seed = 0; seed < 3; ++seed)
    CHECK_THAT(fault_of(mirrored(""), kNumbers, with(128, 512, seed)),
               Catch::Contains("a race: wave") || Catch::Contains("which nobody wrote"));
}

TEST_CASE("a write behind a read without a barrier is a race too, unless the value is the same") {
  // Wave 0 reads what wave 1 wrote before the barrier, and wave 1 writes it again.
  const auto again = [](const char* value) {
    return filled(
        "  %c = icmp ult i32 %lane, 64\n  br i1 %c, label %reads, label %writes\nreads:\n  %m = sub i32 508, %a\n" +
        lds("q", "%m") + "  %r = load i32, ptr addrspace(3) %q, align 4\n  br label %end\nwrites:\n  store i32 " +
        value + ", ptr addrspace(3) %p, align 4\n  br label %end\nend:\n");
  };
  CHECK_THAT(fault_of(again("77"), kNumbers, with(128, 512)),
             Catch::Contains("a race: wave 1 writes LDS address 256, which wave 0 read since the last barrier"));
  for (uint64_t seed = 1; seed < 4; ++seed) {
    CHECK_THAT(fault_of(again("77"), kNumbers, with(128, 512, seed)), Catch::Contains("a race: wave"));
    CHECK(fault_of(again("%lane"), kNumbers, with(128, 512, seed)) == "nothing");
  }
}

TEST_CASE("lanes of one wave are in order only where they have met") {
  const std::string meeting = "  %f = call i32 @llvm.amdgcn.readfirstlane.i32(i32 %lane)\n";
  const auto mirrored_64 = [](const std::string& between) {
    return "  %a = shl i32 %lane, 2\n" + lds("p", "%a") + "  store i32 %lane, ptr addrspace(3) %p, align 4\n" +
           between + "  %m = sub i32 252, %a\n" + lds("q", "%m") + "  %r = load i32, ptr addrspace(3) %q, align 4\n" +
           give("r", "i32", 4);
  };
  CHECK(run<uint32_t>(mirrored_64(meeting), kNumbers, 1, with(64, 256))[3] == 60);
  CHECK(run<uint32_t>(mirrored_64("  call void @llvm.amdgcn.wave.barrier()\n"), kNumbers, 1, with(64, 256))[3] == 60);
  CHECK_THAT(fault_of(mirrored_64(""), kNumbers, with(64, 256)),
             Catch::Contains("did not meet in between") || Catch::Contains("which nobody wrote"));
}

TEST_CASE("addresses of LDS lie inside and are aligned as promised") {
  const std::string outside = lds("q", "256") + "  %r = load i32, ptr addrspace(3) %q, align 4\n";
  CHECK_THAT(fault_of(outside, kNumbers, with(64, 256)),
             Catch::Contains("a read of 4 bytes at LDS address 256, the workgroup has 256"));
  const std::string below = lds("q", "-4") + "  store i32 0, ptr addrspace(3) %q, align 4\n";
  CHECK_THAT(fault_of(below, kNumbers, with(64, 256)), Catch::Contains("a write of 4 bytes at LDS address 4294967292"));
  const std::string crooked = filled(lds("q", "4") + "  %r = load <2 x i32>, ptr addrspace(3) %q, align 8\n");
  CHECK_THAT(fault_of(crooked, kNumbers, with(64, 256)),
             Catch::Contains("a read at LDS address 4, promised is a multiple of 8"));
  CHECK_THAT(fault_of(lds("q", "8") + "  %r = load i32, ptr addrspace(3) %q, align 4\n", kNumbers, with(64, 256)),
             Catch::Contains("line 6, workgroup 0 0 0, wave 0, lane 0: a read of LDS address 8, which nobody wrote"));
}

TEST_CASE("a barrier that a part of a wave reaches, and a loop without end") {
  const std::string half = std::string("  %c = trunc i32 %lane to i1\n  br i1 %c, label %odd, label %even\nodd:\n") +
                           kBarrier + "  br label %even\neven:\n";
  CHECK_THAT(fault_of(half, kNumbers), Catch::Contains("0 want to meet, 32 wait at a barrier, 32 have ended"));
  Options few;
  few.mode.most_instructions = 1000;
  CHECK_THAT(
      fault_of("  br label %l\nl:\n  %x = load i32, ptr addrspace(1) %in, align 4\n  br label %l\nm:\n", kNumbers, few),
      Catch::Contains("does not end"));
}

TEST_CASE("copies to LDS land when they are waited for, and nobody touches their target before") {
  const std::string copy =
      "  %w = and i32 %lane, 64\n  %wb = shl i32 %w, 2\n  %s = shl i32 %lane, 2\n  %g = getelementptr i8, ptr "
      "addrspace(1) %in, i32 %s\n" +
      lds("t", "%wb") +
      "  call void @llvm.amdgcn.global.load.async.lds(ptr addrspace(1) %g, ptr addrspace(3) %t, i32 4, i32 0, i32 0)\n "
      " call void @llvm.amdgcn.asyncmark()\n";
  const std::string wait = "  call void @llvm.amdgcn.wait.asyncmark(i16 0)\n";
  const std::string read = "  %m = sub i32 508, %s\n" + lds("q", "%m") +
                           "  %r = load i32, ptr addrspace(3) %q, align 4\n" + give("r", "i32", 4);
  for (const bool late : {true, false}) {
    Options options = with(128, 512);
    options.mode.late = late;
    CHECK(run<uint32_t>(copy + wait + kBarrier + read, kNumbers, 1, options)[3] == 124);
    CHECK_THAT(fault_of(copy + kBarrier + read + wait, kNumbers, options),
               Catch::Contains("to which an asynchronous copy is on its way"));
    CHECK_THAT(fault_of(copy + wait + read, kNumbers, options),
               Catch::Contains("a race") || Catch::Contains("which nobody wrote"));
    CHECK_THAT(fault_of(copy, kNumbers, options),
               Catch::Contains("ends while a copy to LDS that it issued is on its way"));
  }
}

TEST_CASE("transposing reads give a column of sixteen lanes' rows") {
  const auto transposed = [](const char* function, const char* type, const std::vector<unsigned char>& bytes) {
    return run<unsigned char>(
        "  %a = shl i32 %lane, 3\n  %g = getelementptr i8, ptr addrspace(1) %in, i32 %a\n  %v = load <2 x i32>, ptr "
        "addrspace(1) %g, align 8\n" +
            lds("p", "%a") + "  store <2 x i32> %v, ptr addrspace(3) %p, align 8\n" + kBarrier + "  %r = call " + type +
            " @llvm.amdgcn." + function + "(ptr addrspace(3) %p)\n" + give("r", type, 8),
        bytes, 8, with(64, 512));
  };
  // Sixteen lanes hold 4 rows of 16 numbers, row r and column c being 16 * r + c.
  std::vector<unsigned char> in(512);
  for (uint32_t i = 0; i < 256; ++i) in[2 * i] = static_cast<unsigned char>(i);
  const auto by_16 = transposed("ds.read.tr16.b64.v4f16", "<4 x half>", in);
  const auto number = [&](uint32_t lane, uint32_t i) { return by_16[8 * lane + 2 * i]; };
  CHECK(number(0, 0) == 0);
  CHECK(number(0, 1) == 16);
  CHECK(number(5, 3) == 53);
  CHECK(number(16, 0) == 64);  // the next sixteen lanes have a tile of their own
  CHECK(number(31, 2) == 111);
  // Sixteen lanes hold 8 rows of 16 bytes.
  for (uint32_t i = 0; i < 512; ++i) in[i] = static_cast<unsigned char>(i);
  const auto by_8 = transposed("ds.read.tr8.b64.v2i32", "<2 x i32>", in);
  CHECK(by_8[0] == 0);
  CHECK(by_8[1] == 16);
  CHECK(by_8[8 * 9 + 7] == 121);
  CHECK(by_8[8 * 17 + 2] == 161);
}

TEST_CASE("global memory is checked to the byte") {
  const std::string behind =
      "  %p = getelementptr i8, ptr addrspace(1) %in, i32 1021\n  %r = load i32, ptr addrspace(1) %p, align 1\n";
  CHECK_THAT(fault_of(behind, kNumbers),
             Catch::Contains("a read of 4 bytes at") && Catch::Contains("1021 bytes into a piece of 1024"));
  const std::string wild =
      "  %n = ptrtoint ptr addrspace(1) %in to i64\n  %m = xor i64 %n, 17592186044416\n  %p = inttoptr i64 %m to ptr "
      "addrspace(1)\n"
      "  store i32 1, ptr addrspace(1) %p, align 4\n";
  CHECK_THAT(fault_of(wild, kNumbers), Catch::Contains("a write of 4 bytes at") && Catch::Contains("far from all"));
  const std::string crooked =
      "  %p = getelementptr i8, ptr addrspace(1) %in, i32 4\n  %r = load <4 x i32>, ptr addrspace(1) %p, align 16\n";
  CHECK_THAT(fault_of(crooked, kNumbers), Catch::Contains("behind a multiple of 16, which is promised"));
  const std::string unwritten = "  %r = load i32, ptr addrspace(1) %out, align 4\n";
  CHECK_THAT(fault_of(unwritten, kNumbers), Catch::Contains("which nobody wrote"));
}

TEST_CASE("workgroups run on several threads, each with LDS of its own") {
  Options options = with(64, 256);
  options.groups = 20;
  const std::string body =
      "  %g = call i32 @llvm.amdgcn.workgroup.id.x()\n  %v = add i32 %g, %lane\n  %a = shl i32 %lane, 2\n" +
      lds("p", "%a") + "  store i32 %v, ptr addrspace(3) %p, align 4\n" + kBarrier + "  %m = sub i32 252, %a\n" +
      lds("q", "%m") +
      "  %r = load i32, ptr addrspace(3) %q, align 4\n  %o = shl i32 %g, 8\n  %oo = add i32 %o, %a\n"
      "  %t = getelementptr i8, ptr addrspace(1) %out, i32 %oo\n  store i32 %r, ptr addrspace(1) %t, align 4\n";
  const Words got = run<uint32_t>(body, kNumbers, 1, options);
  CHECK(got[0] == 63);
  CHECK(got[19 * 64 + 60] == 22);
}
