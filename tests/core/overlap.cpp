// SPDX-License-Identifier: Apache-2.0
// overlap.hpp: which strides let elements share memory, and which tensors lie in each other.
#include "attnrt/overlap.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

using attnrt::sdk::Footprint;

namespace {

struct View {
  std::vector<int64_t> shape, strides;
  attnrt_tensor face{};
  View(std::vector<int64_t> sizes, std::vector<int64_t> steps, uint8_t bits = 32, uint64_t offset = 0)
      : shape(std::move(sizes)), strides(std::move(steps)) {
    face = {reinterpret_cast<void*>(uintptr_t{1} << 20),
            {ATTNRT_DEVICE_CUDA, 0},
            static_cast<int32_t>(shape.size()),
            {2, bits, 1},
            shape.data(),
            strides.data(),
            offset};
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  /// Each byte of each element; false where one comes twice.
  bool bytes(std::set<int64_t>& all, std::size_t dim = 0, int64_t at = 0) const {
    if (dim < shape.size()) {
      bool once = true;
      for (int64_t i = 0; i < shape[dim]; ++i) once &= bytes(all, dim + 1, at + i * strides[dim]);
      return once;
    }
    bool once = true;
    const int64_t size = face.dtype.bits / 8, first = static_cast<int64_t>(face.byte_offset) + at * size;
    for (int64_t b = 0; b < size; ++b) once &= all.insert(first + b).second;
    return once;
  }
};

bool nested(std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t row_bytes = 0) {
  return Footprint(View(std::move(shape), std::move(strides)).face, row_bytes).nested();
}

}  // namespace

TEST_CASE("strides that nest are told from those that do not") {
  CHECK(nested({33, 8, 64}, {512, 64, 1}));
  CHECK(nested({33, 8, 64}, {64, 33 * 64, 1}));  // head after head
  CHECK(nested({33, 8, 64}, {1000, 100, 1}));
  CHECK(nested({1, 8, 64}, {0, 64, 1}));  // the stride of a single element does not matter
  CHECK(nested({33, 8, 1}, {8, 1, 0}));
  CHECK(nested({0, 8, 64}, {0, 0, 0}));
  CHECK_FALSE(nested({33, 8, 64}, {512, 0, 1}));
  CHECK_FALSE(nested({33, 8, 64}, {0, 64, 1}));
  CHECK_FALSE(nested({33, 8, 64}, {512, 63, 1}));
  CHECK_FALSE(nested({33, 8, 64}, {511, 64, 1}));
  CHECK_FALSE(nested({33, 8, 64}, {512, 64, 0}));
  CHECK_FALSE(nested({2, 2}, {INT64_MAX / 2, 1}));  // ends past the address space
  CHECK_FALSE(nested({4, 4, 4}, {INT64_MAX / 4, INT64_MAX / 4, 1}));
  CHECK(nested({8, 16, 2, 64}, {4096, 128, 64, 1}));
  CHECK_FALSE(nested({8, 16, 2, 64}, {4096, 128, 64, 1}, 260));  // something lies behind each row
  CHECK(nested({8, 16, 2, 64}, {4096, 136, 65, 1}, 260));
}

TEST_CASE("nested strides never share a byte, and tensors within each other are found") {
  uint32_t last = 1;
  const auto below = [&last](uint32_t n) {
    return static_cast<int64_t>((last = last * 1664525u + 1013904223u) >> 8) % n;
  };
  int shared = 0, apart = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto view = [&](int dims) {
      std::vector<int64_t> shape, strides;
      for (int i = 0; i < dims; ++i) {
        shape.push_back(1 + below(4));
        strides.push_back(below(2) ? 1 + below(30) : below(5));
      }
      return View(shape, strides, below(2) ? 32 : 16, static_cast<uint64_t>(4 * below(40)));
    };
    const View a = view(3), b = view(2);
    std::set<int64_t> of_a, of_b;
    const bool once = a.bytes(of_a), b_once = b.bytes(of_b);
    const Footprint fa(a.face), fb(b.face);
    if (fa.nested()) REQUIRE(once);
    if (fb.nested()) REQUIRE(b_once);
    if (!fa.nested() || !fb.nested()) continue;
    bool common = false;
    for (const int64_t byte : of_b) common |= of_a.count(byte) > 0;
    REQUIRE(fa.shares(fb) == common);
    REQUIRE(fb.shares(fa) == common);
    ++(common ? shared : apart);
  }
  CHECK(shared > 100);
  CHECK(apart > 100);
}

TEST_CASE("an lse may lie in the gaps that out leaves") {
  const View out({5, 4, 64}, {4 * 65, 65, 1}), gaps({5, 4}, {4 * 65, 65}, 32, 64 * 4),
      over({5, 4}, {4 * 65, 65}, 32, 63 * 4);
  CHECK_FALSE(Footprint(out.face).shares(Footprint(gaps.face)));
  CHECK(Footprint(out.face).shares(Footprint(over.face)));
}
