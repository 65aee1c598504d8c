// SPDX-License-Identifier: Apache-2.0
//
// Products of a warp and of a warpgroup against sums in plain loops, with matrices of small whole numbers, whose sums
// are exact. How fragments and tiles lie is written here a second time, from the manual's figures.
#include <catch2/catch.hpp>

#include "element.hpp"
#include "machine.hpp"

using namespace attnrt::emulator;
using namespace attnrt::emulator::test;
using Catch::Contains;

namespace {

float a_at(uint32_t row, uint32_t k) { return static_cast<float>(static_cast<int>((row * 7 + k * 3) % 11) - 5); }
float b_at(uint32_t k, uint32_t column) { return static_cast<float>(static_cast<int>((k * 5 + column * 2) % 9) - 4); }
float product_at(uint32_t row, uint32_t column, uint32_t size, float start) {
  float sum = start;
  for (uint32_t k = 0; k < size; ++k) sum += a_at(row, k) * b_at(k, column);
  return sum;
}

// Row-major 16 x 16 of A at shared byte 0, row-major B [16, 8] at 512, both by ldmatrix; D to out[16, 8].
std::string warp_product(const std::string& type) {
  return "shl.b32 %r1, %t, 4;\nmov.u32 %r2, smem;\ncvt.u64.u32 %rd5, %r1;\n"
         // 32 lanes copy 1024 bytes
         "add.s64 %rd6, %rd1, %rd5;\nadd.u32 %r3, %r2, %r1;\n"
         "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd6];\nst.shared.v4.u32 [%r3], {%r4, %r5, %r6, %r7};\n"
         "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd6+512];\nst.shared.v4.u32 [%r3+512], {%r4, %r5, %r6, %r7};\n"
         "bar.sync 0;\n"
         // A: lane l gives row l % 16, half l / 16
         "and.b32 %r10, %t, 15;\nshl.b32 %r10, %r10, 5;\nshr.u32 %r11, %t, 4;\nshl.b32 %r11, %r11, 4;\nadd.u32 %r10, "
         "%r10, %r11;\nadd.u32 %r10, %r10, %r2;\n"
         "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%r10];\n"
         // B transposed: lane l gives row l of 16
         "and.b32 %r12, %t, 15;\nshl.b32 %r12, %r12, 4;\nadd.u32 %r12, %r12, %r2;\n"
         "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r24, %r25}, [%r12+512];\n"
         "mov.f32 %f1, 0f3F800000;\nmov.f32 %f2, %f1;\nmov.f32 %f3, %f1;\nmov.f32 %f4, %f1;\n"
         "mma.sync.aligned.m16n8k16.row.col.f32." +
         type + "." + type +
         ".f32 {%f1, %f2, %f3, %f4}, {%r20, %r21, %r22, %r23}, {%r24, %r25}, {%f1, %f2, %f3, %f4};\n"
         // lane l has rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next
         "shr.u32 %r30, %t, 2;\nand.b32 %r31, %t, 3;\nshl.b32 %r32, %r30, 5;\nshl.b32 %r33, %r31, 3;\nadd.u32 %r32, "
         "%r32, %r33;\n"
         "cvt.u64.u32 %rd7, %r32;\nadd.s64 %rd7, %rd7, %rd0;\nst.global.v2.f32 [%rd7], {%f1, %f2};\nst.global.v2.f32 "
         "[%rd7+256], {%f3, %f4};";
}

}  // namespace

TEST_CASE("9.7.14 ldmatrix and mma of 16-bit numbers") {
  for (const bool bfloat : {false, true}) {
    std::vector<uint16_t> in(512, 0);
    const auto code = [&](float x) { return bfloat ? to_bfloat(x) : to_half(x); };
    for (uint32_t r = 0; r < 16; ++r)
      for (uint32_t k = 0; k < 16; ++k) in[r * 16 + k] = code(a_at(r, k));
    for (uint32_t k = 0; k < 16; ++k)
      for (uint32_t n = 0; n < 8; ++n) in[256 + k * 8 + n] = code(b_at(k, n));
    Machine machine;
    machine.load(kernel(warp_product(bfloat ? "bf16" : "f16")));
    const uint64_t out = machine.room(512), data = machine.put(in);
    machine.launch("k", {1, 32, 2048}, out, data);
    const auto got = machine.get<float>(out, 128);
    for (uint32_t r = 0; r < 16; ++r)
      for (uint32_t n = 0; n < 8; ++n) CHECK(got[r * 8 + n] == product_at(r, n, 16, 1));
  }
}

TEST_CASE("9.7.14 mma of tf32 and fp8 by fragments from registers") {
  const auto run = [](const std::string& shape, uint32_t per, uint32_t size, auto code) {
    // word r of lane l: row (r & 1) * 8 + l / 4, elements from (r >> 1) * 4 * per + (l % 4) * per
    const uint32_t in_a = size / (4 * per) * 2, in_b = in_a / 2;
    std::vector<uint32_t> words(32 * (in_a + in_b), 0);
    for (uint32_t l = 0; l < 32; ++l)
      for (uint32_t e = 0; e < per; ++e) {
        for (uint32_t r = 0; r < in_a; ++r)
          words[r * 32 + l] |= code(a_at((r & 1) * 8 + l / 4, (r >> 1) * 4 * per + l % 4 * per + e)) << (32 / per * e);
        for (uint32_t r = 0; r < in_b; ++r)
          words[(in_a + r) * 32 + l] |= code(b_at(r * 4 * per + l % 4 * per + e, l / 4)) << (32 / per * e);
      }
    std::string body = "mul.wide.u32 %rd5, %t, 4;\nadd.s64 %rd6, %rd1, %rd5;\n", a, b;
    for (uint32_t r = 0; r < in_a + in_b; ++r) {
      body += "ld.global.u32 %r" + std::to_string(r) + ", [%rd6+" + std::to_string(128 * r) + "];\n";
      (r < in_a ? a : b) += (r && r != in_a ? ", %r" : "%r") + std::to_string(r);
    }
    body += "mov.f32 %f1, 0f00000000;\nmma.sync.aligned." + shape + " {%f2, %f3, %f4, %f5}, {" + a + "}, {" + b +
            "}, {%f1, %f1, %f1, %f1};\n"
            "mul.wide.u32 %rd7, %t, 16;\nadd.s64 %rd7, %rd7, %rd0;\nst.global.v4.f32 [%rd7], {%f2, %f3, %f4, %f5};";
    Machine machine;
    machine.load(kernel(body));
    const uint64_t out = machine.room(512), data = machine.put(words);
    machine.launch("k", {}, out, data);
    const auto got = machine.get<float>(out, 128);
    for (uint32_t l = 0; l < 32; ++l)
      for (uint32_t r = 0; r < 4; ++r)
        CHECK(got[l * 4 + r] == product_at((r >> 1) * 8 + l / 4, l % 4 * 2 + (r & 1), size, 0));
  };
  run("m16n8k8.row.col.f32.tf32.tf32.f32", 1, 8, [](float x) { return as_bits(x); });
  run("m16n8k4.row.col.f32.tf32.tf32.f32", 1, 4, [](float x) { return as_bits(x); });
  run("m16n8k32.row.col.f32.e4m3.e4m3.f32", 4, 32, [](float x) { return uint32_t{to_fp8(x, 4)}; });
  run("m16n8k32.row.col.f32.e5m2.e5m2.f32", 4, 32, [](float x) { return uint32_t{to_fp8(x, 5)}; });
  run("m16n8k8.row.col.f32.f16.f16.f32", 2, 8, [](float x) { return uint32_t{to_half(x)}; });
}

TEST_CASE("9.7.14.5.16 stmatrix is ldmatrix backwards") {
  for (const char* trans : {"", ".trans"}) {
    const std::string body =
        "shl.b32 %r1, %t, 4;\nmov.u32 %r2, smem;\nadd.u32 %r3, %r2, %r1;\ncvt.u64.u32 %rd5, %r1;\nadd.s64 %rd6, %rd1, "
        "%rd5;\n"
        "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd6];\nst.shared.v4.u32 [%r3], {%r4, %r5, %r6, %r7};\nbar.sync 0;\n"
        "ldmatrix.sync.aligned.m8n8.x4" +
        std::string(trans) +
        ".shared.b16 {%r10, %r11, %r12, %r13}, [%r3];\n"
        "stmatrix.sync.aligned.m8n8.x4" +
        std::string(trans) +
        ".shared.b16 [%r3+512], {%r10, %r11, %r12, %r13};\nbar.sync 0;\n"
        "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r3+512];\nadd.s64 %rd7, %rd0, %rd5;\nst.global.v4.u32 [%rd7], {%r4, "
        "%r5, %r6, %r7};";
    std::vector<uint16_t> in(256);
    for (uint32_t i = 0; i < 256; ++i) in[i] = static_cast<uint16_t>(i * 251 + 3);
    Machine machine;
    machine.load(kernel(body));
    const uint64_t out = machine.room(512), data = machine.put(in);
    machine.launch("k", {1, 32, 1024}, out, data);
    CHECK(machine.get<uint16_t>(out, 256) == in);
  }
}

namespace {

// Where element (row, k) of a tile lies, by the swizzle in use: rows of 128, 64 or 32 bytes, whose 16-byte pieces are
// exchanged by the number of the row in its group of eight; without one, core matrices of 8 rows of 16 bytes.
struct Tile {
  uint32_t row_bytes;  // 16 = no swizzle
  uint32_t k_major(uint32_t row, uint32_t k) const {
    if (row_bytes == 16) return row / 8 * 128 + row % 8 * 16 + k * 2 / 16 * 2048 + k * 2 % 16;
    const uint32_t pieces = row_bytes / 16, line = row * row_bytes / 128;  // lines of 128 bytes
    const uint32_t piece = k * 2 / 16 ^ (line & (pieces - 1));
    return row * row_bytes + piece * 16 + k * 2 % 16;
  }
  // rows along memory: for each group of 64 rows, k in lines of 128 bytes
  uint32_t mn_major_128(uint32_t row, uint32_t k) const {
    return row / 64 * 2048 + k * 128 + ((row % 64 / 8) ^ (k & 7)) * 16 + row % 8 * 2;
  }
  uint64_t mode() const { return row_bytes == 128 ? 1 : row_bytes == 64 ? 2 : row_bytes == 32 ? 3 : 0; }
};
uint64_t descriptor(uint32_t address, uint32_t leading, uint32_t stride, uint64_t mode) {
  return uint64_t{address >> 4} | uint64_t{leading >> 4} << 16 | uint64_t{stride >> 4} << 32 | mode << 62;
}

// 128 lanes copy 16 KiB to shared memory, which begins at 1024; A at 0, B at 8192; then `product` with D in %f0 to %f7.
std::string group_product(const std::string& product) {
  return "shl.b32 %r1, %t, 4;\nmov.u32 %r2, smem;\nadd.u32 %r3, %r2, %r1;\ncvt.u64.u32 %rd5, %r1;\nadd.s64 %rd6, %rd1, "
         "%rd5;\nmov.u32 %r9, 0;\n"
         "COPY:\nld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd6];\nst.shared.v4.u32 [%r3], {%r4, %r5, %r6, "
         "%r7};\nadd.s64 %rd6, %rd6, 2048;\nadd.u32 %r3, %r3, 2048;\n"
         "add.u32 %r9, %r9, 1;\nsetp.lt.u32 %p1, %r9, 8;\n@%p1 bra COPY;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n"
         "mov.f32 %f0, 0f40000000;\nmov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\nmov.f32 %f3, %f0;\nmov.f32 %f4, "
         "%f0;\nmov.f32 %f5, %f0;\nmov.f32 %f6, %f0;\nmov.f32 %f7, %f0;\n" +
         product +
         // warp w has rows 16 w ..; out [64, 16]
         "\nshr.u32 %r30, %t, 5;\nand.b32 %r31, %t, 31;\nshr.u32 %r32, %r31, 2;\nand.b32 %r33, %r31, 3;\nshl.b32 %r30, "
         "%r30, 10;\nshl.b32 %r32, %r32, 6;\n"
         "shl.b32 %r33, %r33, 3;\nadd.u32 %r30, %r30, %r32;\nadd.u32 %r30, %r30, %r33;\ncvt.u64.u32 %rd7, "
         "%r30;\nadd.s64 %rd7, %rd7, %rd0;\n"
         "st.global.v2.f32 [%rd7], {%f0, %f1};\nst.global.v2.f32 [%rd7+512], {%f2, %f3};\nst.global.v2.f32 [%rd7+32], "
         "{%f4, %f5};\nst.global.v2.f32 [%rd7+544], {%f6, %f7};";
}
std::string wgmma(uint64_t a, uint64_t b, const char* scale, int trans_a, int trans_b) {
  return "mov.u64 %rd20, " + std::to_string(a) + ";\nmov.u64 %rd21, " + std::to_string(b) +
         ";\n"
         "wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%f0, %f1, %f2, %f3, %f4, %f5, %f6, %f7}, %rd20, %rd21, " +
         scale + ", 1, 1, " + std::to_string(trans_a) + ", " + std::to_string(trans_b) + ";\n";
}
void put_half(std::vector<char>& image, uint32_t at, float value) {
  const uint16_t bits = to_half(value);
  std::memcpy(image.data() + at, &bits, 2);
}
const char kFence[] = "wgmma.fence.sync.aligned;\n", kCommit[] = "wgmma.commit_group.sync.aligned;\n",
           kWait[] = "wgmma.wait_group.sync.aligned 0;\n";

}  // namespace

TEST_CASE("9.7.15 wgmma with every swizzle, K-major") {
  for (const uint32_t row_bytes : {16u, 32u, 64u, 128u})
    for (const bool late : {false, true}) {
      const Tile tile{row_bytes};
      std::vector<char> image(16384, 0);
      for (uint32_t k = 0; k < 16; ++k) {
        for (uint32_t r = 0; r < 64; ++r) put_half(image, tile.k_major(r, k), a_at(r, k));
        for (uint32_t n = 0; n < 16; ++n) put_half(image, 8192 + tile.k_major(n, k), b_at(k, n));
      }
      const uint32_t leading = row_bytes == 16 ? 2048 : 16, stride = row_bytes == 16 ? 128 : 8 * row_bytes;
      const uint64_t a = descriptor(1024, leading, stride, tile.mode()),
                     b = descriptor(1024 + 8192, leading, stride, tile.mode());
      Machine machine;
      machine.mode.late = late;
      machine.load(kernel(group_product(kFence + wgmma(a, b, "1", 0, 0) + wgmma(a, b, "1", 0, 0) + kCommit + kWait)));
      const uint64_t out = machine.room(4096), data = machine.put(image);
      machine.launch("k", {1, 128, 16384}, out, data);
      const auto got = machine.get<float>(out, 1024);
      int wrong = 0;
      for (uint32_t r = 0; r < 64; ++r)
        for (uint32_t n = 0; n < 16; ++n) wrong += got[r * 16 + n] != 2 * product_at(r, n, 16, 0) + 2;
      INFO("rows of " << row_bytes << " bytes, late " << late);
      CHECK(wrong == 0);
    }
}

TEST_CASE("9.7.15 wgmma with transposed matrices, and without what D held") {
  const Tile tile{128};
  std::vector<char> image(16384, 0);
  for (uint32_t k = 0; k < 16; ++k) {
    for (uint32_t r = 0; r < 64; ++r) put_half(image, tile.mn_major_128(r, k), a_at(r, k));
    for (uint32_t n = 0; n < 16; ++n) put_half(image, 8192 + tile.mn_major_128(n, k), b_at(k, n));
  }
  const uint64_t a = descriptor(1024, 2048, 1024, 1), b = descriptor(1024 + 8192, 2048, 1024, 1);
  Machine machine;
  machine.load(kernel(group_product(kFence + wgmma(a, b, "0", 1, 1) + kCommit + kWait)));
  const uint64_t out = machine.room(4096), data = machine.put(image);
  machine.launch("k", {1, 128, 16384}, out, data);
  const auto got = machine.get<float>(out, 1024);
  int wrong = 0;
  for (uint32_t r = 0; r < 64; ++r)
    for (uint32_t n = 0; n < 16; ++n) wrong += got[r * 16 + n] != product_at(r, n, 16, 0);
  CHECK(wrong == 0);
}

TEST_CASE("9.7.15.7 a wgmma that is not fenced, waited for or left alone is told") {
  const uint64_t a = descriptor(1024, 16, 1024, 1), b = descriptor(1024 + 8192, 16, 1024, 1);
  const auto fault = [&](const std::string& product, const std::string& cut = "") {
    std::string body = group_product(product);
    if (!cut.empty()) body.erase(body.find(cut), cut.size());
    Machine machine;
    machine.load(kernel(body));
    const uint64_t out = machine.room(4096), data = machine.put(std::vector<char>(16384));
    return machine.fault("k", {1, 128, 16384}, out, data);
  };
  CHECK(fault(kFence + wgmma(a, b, "1", 0, 0) + kCommit + kWait).empty());
  CHECK_THAT(fault(wgmma(a, b, "1", 0, 0) + kCommit + kWait), Contains("without wgmma.fence"));
  CHECK_THAT(fault(kFence + wgmma(a, b, "1", 0, 0) + kCommit), Contains("a product is in flight"));
  CHECK_THAT(fault(kFence + wgmma(a, b, "1", 0, 0) + kCommit + "mov.f32 %f3, 0f00000000;\n" + kWait),
             Contains("accumulators"));
  CHECK_THAT(fault(kFence + wgmma(a, b, "1", 0, 0) + kCommit + kWait, "fence.proxy.async.shared::cta;\n"),
             Contains("without fence.proxy.async"));
  CHECK_THAT(fault(kFence + wgmma(a, b, "1", 0, 0) + kCommit + kWait, "bar.sync 0;\n"),
             Contains("race") || Contains("nobody wrote"));
}
