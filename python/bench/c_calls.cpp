// SPDX-License-Identifier: Apache-2.0
//
// c_calls.cpp: a decode call as C and C++ programs make it, for overhead.py, which loads this by ctypes.
#include <attnrt/runtime.hpp>

#include <memory>
#include <vector>

namespace {

struct Layer {
  attnrt::Runtime runtime;
  attnrt::Op op;
  attnrt::KvCache cache;
  attnrt::Plan plan;
  attnrt::Batch batch;
  attnrt::Tensor k_cache = cache.k(), v_cache = cache.v();
  int64_t shape[3], strides[3];

  explicit Layer(int heads, int size, int keys)
      : op(runtime.op(runtime.select(runtime.decoder(heads, heads, size, ATTNRT_FP32, "cpu")))),
        cache(op.make_cache(keys / 16 + 2)),
        plan(op.plan(limits(keys))),
        batch(op.make_batch(limits(keys))),
        shape{1, heads, size},
        strides{int64_t{heads} * size, size, 1} {
    for (uint64_t i = 0; i < cache.bytes(); ++i) cache.data()[i] = std::byte{0};
    std::vector<int32_t> blocks;
    for (int32_t b = 0; b < cache.blocks_for(keys); ++b) blocks.push_back(b);
    batch.add({1, keys, blocks});
    plan.update(batch);
  }
  attnrt::Limits limits(int keys) const { return attnrt::Limits(1, 1, keys).with_cache(cache); }
  void run(void* q, void* out) const {
    attnrt_tensor query{
        q, {ATTNRT_DEVICE_CPU, 0}, 3, {2, 32, 1}, const_cast<int64_t*>(shape), const_cast<int64_t*>(strides), 0};
    attnrt_tensor output = query;
    output.data = out;
    auto args = attnrt::sized<attnrt_run_args>();
    args.scale = 0.125f;
    args.q = &query, args.out = &output, args.k_cache = k_cache.get(), args.v_cache = v_cache.get();
    plan.run(args);
  }
};
std::unique_ptr<Layer> layer;

}  // namespace

extern "C" void setup(int heads, int size, int keys) { layer = std::make_unique<Layer>(heads, size, keys); }
/// A loop in C.
extern "C" void loop(void* q, void* out, int64_t calls) {
  while (calls-- > 0) layer->run(q, out);
}
/// What a binding by ctypes calls: two tensors as it has them, pointer, shape, strides.
extern "C" void call(void* q, const int64_t* /*q_shape*/, const int64_t* /*q_strides*/, void* out,
                     const int64_t* /*out_shape*/, const int64_t* /*out_strides*/) {
  layer->run(q, out);
}
