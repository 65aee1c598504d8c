// SPDX-License-Identifier: Apache-2.0
// The owning cache: its views, its memory, what it refuses.
#include "engine.hpp"

using Catch::Matchers::Contains;

TEST_CASE("a cache is as its layout tells") {
  const attnrt::Runtime rt(only_plugins());
  for (const uint32_t kind : {ATTNRT_KV_NHD, ATTNRT_KV_HND}) {
    const attnrt::Op op = rt.op(rt.select(rt.decoder(4, 2, 32, ATTNRT_BF16, "cpu").with_kv_layouts(kind)));
    attnrt::KvCache cache = op.make_cache(5);
    const attnrt_kv_layout layout = op.kv_layout();
    CHECK(cache.num_blocks() == 5);
    CHECK(cache.block_size() == static_cast<int32_t>(layout.block_size));
    CHECK(cache.blocks_for(0) == 0);
    CHECK(cache.blocks_for(cache.block_size()) == 1);
    CHECK(cache.blocks_for(cache.block_size() + 1) == 2);
    CHECK(cache.bytes() == 5 * layout.block_bytes);
    CHECK(reinterpret_cast<uintptr_t>(cache.data()) % layout.alignment == 0);
    const attnrt::Tensor k = cache.k(), v = cache.v();
    CHECK(k.get()->data == cache.data());
    CHECK(v.get()->data == cache.data() + layout.v_offset);
    for (const attnrt::Tensor* t : {&k, &v}) {
      CHECK(t->ndim() == 4);
      CHECK(t->size(0) == 5);
      CHECK(t->size(1) == cache.block_size());
      CHECK(t->size(2) == 2);
      CHECK(t->size(3) == 32);
      CHECK(attnrt::sdk::dtype_of(t->get()->dtype) == ATTNRT_BF16);
      const int64_t* strides = t->get()->strides;
      const int64_t last = (t->size(0) - 1) * strides[0] + (t->size(1) - 1) * strides[1] + strides[2] + 31;
      CHECK(static_cast<const std::byte*>(t->get()->data) + last * 2 < cache.data() + cache.bytes());
    }
  }
}

TEST_CASE("a cache moves with its memory and copies whole blocks") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.decoder(4, 2, 32, ATTNRT_FP32, "cpu")));
  attnrt::KvCache one = op.make_cache(3);
  const std::byte* memory = one.data();
  attnrt::KvCache cache = std::move(one);
  CHECK(cache.data() == memory);
  const auto bytes = static_cast<std::ptrdiff_t>(cache.layout().block_bytes);
  std::fill(cache.data(), cache.data() + bytes, std::byte{7});
  std::fill(cache.data() + bytes, cache.data() + 3 * bytes, std::byte{1});
  cache.copy_block(0, 2);
  CHECK(std::equal(cache.data(), cache.data() + bytes, cache.data() + 2 * bytes));
  CHECK(cache.data()[bytes] == std::byte{1});
  CHECK_THAT(refused([&] { cache.copy_block(0, 3); }), Contains("copy_block: block is 3, wanted 0 to 2"));
  CHECK_THAT(refused([&] { cache.copy_block(-1, 0); }), Contains("copy_block: block is -1"));
}

TEST_CASE("caches that cannot be") {
  const attnrt::Runtime rt(only_plugins());
  const attnrt::Op op = rt.op(rt.select(rt.decoder(4, 2, 32, ATTNRT_FP32, "cpu")));
  CHECK_THAT(refused([&] { op.make_cache(0); }), Contains("make_cache: num_blocks is 0, wanted 1 to 2147483646"));
  CHECK_THAT(refused([&] { op.make_cache(-3); }), Contains("num_blocks is -3"));
  CHECK_THAT(refused([&] { op.make_cache(INT64_MAX); }), Contains("num_blocks is 9223372036854775807"));
  const attnrt::Op big = rt.op(rt.select(rt.decoder(128, 128, 512, ATTNRT_FP32, "cpu")));
  CHECK_THAT(refused([&] { big.make_cache(INT32_MAX - 1); }, ATTNRT_NO_MEMORY), Contains("cannot be had"));
  const attnrt::Op encoder = rt.op(rt.select(rt.encoder(4, 4, 32, ATTNRT_FP32, "cpu")));
  CHECK_THAT(refused([&] { encoder.make_cache(4); }), Contains("the op has no cache"));

  attnrt_problem elsewhere = op.problem();
  elsewhere.device_type = ATTNRT_DEVICE_CUDA;
  CHECK_THAT(refused([&] { attnrt::KvCache(elsewhere, op.kv_layout(), 4); }, ATTNRT_UNSUPPORTED),
             Contains("the op is on device type 2, wanted the CPU: allocate num_blocks * kv_layout().block_bytes"));
  attnrt_kv_layout strange = op.kv_layout();
  strange.kind = ATTNRT_KV_XPACKED;
  strange.id = "xpacked";
  CHECK_THAT(refused([&] { attnrt::KvCache(op.problem(), strange, 4); }, ATTNRT_UNSUPPORTED),
             Contains("the layout is xpacked, wanted one whose keys are [block, slot, head, dim] by strides"));
}
