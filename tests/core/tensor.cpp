// SPDX-License-Identifier: Apache-2.0
// Tensor: a value that never points into another one.
#include "attnrt/tensor.hpp"

#include "engine.hpp"

using Catch::Matchers::Contains;

namespace {

bool own(const attnrt::Tensor& t) {
  const auto* begin = reinterpret_cast<const char*>(&t);
  const auto inside = [&](const int64_t* p) {
    return reinterpret_cast<const char*>(p) >= begin && reinterpret_cast<const char*>(p) < begin + sizeof t;
  };
  return inside(t.get()->shape) && inside(t.get()->strides);
}

}  // namespace

TEST_CASE("copies, moves and temporaries carry their own shape") {
  std::vector<float> data(24);
  attnrt::Tensor a(data.data(), {2, 3, 4});
  CHECK(own(a));
  std::vector<attnrt::Tensor> many;
  for (int i = 0; i < 20; ++i) many.push_back(a);  // grows: elements move
  for (const attnrt::Tensor& t : many) {
    CHECK(own(t));
    CHECK(t.get()->strides[0] == 12);
  }
  attnrt::Tensor b;
  CHECK_FALSE(b);
  CHECK(b.get() == nullptr);
  {
    const attnrt::Tensor c(data.data(), attnrt::DtypeOf<float>::value, {3, 4}, {8, 2});
    b = c;
  }
  CHECK(own(b));
  CHECK(b.size(0) == 3);
  CHECK(b.size(2) == 0);
  CHECK(b.get()->strides[1] == 2);
  CHECK(own(attnrt::Tensor(data, {24})));
}

TEST_CASE("sizes of any integer type, or of a container") {
  std::vector<float> data(24);
  const unsigned char four = 4;
  const attnrt::Tensor t(data, {data.size() / 12, 3, four});
  CHECK(t.size(0) == 2);
  CHECK(t.get()->strides[0] == 12);
  const std::vector<int64_t> sizes{4, 6};
  CHECK(attnrt::Tensor(data, sizes).size(1) == 6);
}

TEST_CASE("const elements are read and never written") {
  std::vector<float> data(4);
  const std::vector<float>& constant = data;
  CHECK_FALSE(attnrt::Tensor(data, {4}).read_only());
  attnrt::Tensor t(constant, {4});
  CHECK(t.read_only());
  CHECK(attnrt::Tensor(constant.data(), {4}).read_only());
  CHECK(attnrt::Tensor(t).read_only());
  attnrt::RunArgs args(t, t, t, t);
  CHECK_THAT(refused([&] { (void)args.view(1); }),
             Contains("out is made of const elements, wanted memory that may be"));
  args.out = attnrt::Tensor(data, {4});
  CHECK(args.view(1).out != nullptr);
  args.lse = t;
  CHECK_THAT(refused([&] { (void)args.view(1); }), Contains("lse is made of const elements"));
  attnrt::WriteArgs write;
  write.v_cache = t;
  CHECK_THAT(refused([&] { (void)write.view(); }), Contains("v_cache is made of const elements"));
}

TEST_CASE("a tensor on a device") {
  float x = 0;
  const attnrt::Tensor here(&x, {1});
  const attnrt::Tensor there = here.on({ATTNRT_DEVICE_CUDA, 1});
  CHECK(here.get()->device.type == ATTNRT_DEVICE_CPU);
  CHECK(there.get()->device.type == ATTNRT_DEVICE_CUDA);
  CHECK(there.get()->device.id == 1);
  CHECK(attnrt::Tensor(&x, {2, 32, 1}, {1}, {}, {ATTNRT_DEVICE_ROCM, 0}).get()->device.type == ATTNRT_DEVICE_ROCM);
}

TEST_CASE("a shape that the data cannot hold, and one of too many dimensions") {
  const std::vector<float> data(6);
  CHECK_THAT(refused([&] {
               attnrt::Tensor(data, {2, 4});
             }),
             Contains("the shape has 8 elements and the vector 6, wanted at least as many"));
  CHECK_THAT(refused([&] { attnrt::Tensor(data.data(), attnrt::TensorShape(std::vector<int64_t>(9, 1))); }),
             Contains("it has 9 dimensions, wanted at most 8"));
  CHECK_THAT(refused([&] {
               attnrt::Tensor(data.data(), {2, 32, 1}, {2, 3}, {1});
             }),
             Contains("the shape has 2 dimensions and there are 1 strides, wanted one for each or none"));
  static_assert(!std::is_constructible_v<attnrt::Tensor, std::vector<float>&&, attnrt::TensorShape>);
}
