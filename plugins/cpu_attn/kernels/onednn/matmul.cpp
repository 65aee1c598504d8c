// SPDX-License-Identifier: Apache-2.0
#include "matmul.hpp"

#include <algorithm>

namespace attnrt::cpu {
namespace {

void want(const char* call, dnnl_status_t status) { OnednnLibrary::want(call, status); }

dnnl_memory_desc_t matrix(const OnednnLibrary& library, int64_t rows, int64_t columns, int64_t row_stride,
                          int64_t column_stride, dnnl_data_type_t type) {
  const dnnl_dims_t sizes = {rows, columns}, strides = {row_stride, column_stride};
  dnnl_memory_desc_t m;
  want("memory_desc_init_by_strides", library.memory_desc_init_by_strides(&m, 2, sizes, type, strides));
  return m;
}

/// Products in the arithmetic that they were asked in, no memory of oneDNN's own; `adds`: to what the result holds.
class Attributes {
 public:
  Attributes(const OnednnLibrary& library, bool adds) : library_(library) {
    want("primitive_attr_create", library_.primitive_attr_create(&attributes_));
    want("primitive_attr_set_scratchpad_mode",
         library_.primitive_attr_set_scratchpad_mode(attributes_, dnnl_scratchpad_mode_user));
    want("primitive_attr_set_fpmath_mode",
         library_.primitive_attr_set_fpmath_mode(attributes_, dnnl_fpmath_mode_strict));
    want("post_ops_create", library_.post_ops_create(&post_));
    if (adds) want("post_ops_append_sum", library_.post_ops_append_sum(post_, 1.0f));
    want("primitive_attr_set_post_ops", library_.primitive_attr_set_post_ops(attributes_, post_));
  }
  ~Attributes() {
    if (post_) library_.post_ops_destroy(post_);
    if (attributes_) library_.primitive_attr_destroy(attributes_);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const_dnnl_primitive_attr_t get() const { return attributes_; }

 private:
  const OnednnLibrary& library_;
  dnnl_primitive_attr_t attributes_ = nullptr;
  dnnl_post_ops_t post_ = nullptr;
};

}  // namespace

TileMatmuls::TileMatmuls(const TileShape& shape) : library_(onednn_library()) {
  const OneThread alone(library_);  // code is generated for the number of threads that there are now
  const dnnl_data_type_t type = shape.bf16 ? dnnl_bf16 : dnnl_f32;
  const int64_t weight_stride = shape.bf16 ? 2 * shape.keys : shape.keys;
  try {
    want("engine_create", library_.engine_create(&engine_, dnnl_cpu, 0));
    for (std::size_t i = 0; i < kMatmulRows.size(); ++i) {
      const int64_t rows = kMatmulRows[i], qk = shape.head_size_qk, v = shape.head_size_v;
      scores_[i].source = matrix(library_, rows, qk, qk, 1, type);
      scores_[i].weights = matrix(library_, qk, shape.keys, 1, qk, type);
      scores_[i].result = matrix(library_, rows, shape.keys, shape.keys, 1, dnnl_f32);
      make(scores_[i], false);
      values_[i].source = matrix(library_, rows, shape.keys, weight_stride, 1, type);
      values_[i].weights = matrix(library_, shape.keys, v, v, 1, type);
      values_[i].result = matrix(library_, rows, v, shape.acc_stride, 1, dnnl_f32);
      make(values_[i], true);
    }
  } catch (...) {
    release();
    throw;
  }
  scratchpad_bytes_ = (scratchpad_bytes_ + 63) / 64 * 64;
}

TileMatmuls::~TileMatmuls() { release(); }

void TileMatmuls::make(Product& product, bool adds) {
  const Attributes attributes(library_, adds);
  dnnl_matmul_desc_t matmul;
  want("matmul_desc_init",
       library_.matmul_desc_init(&matmul, &product.source, &product.weights, nullptr, &product.result));
  dnnl_primitive_desc_t description = nullptr;
  want("primitive_desc_create",
       library_.primitive_desc_create(&description, &matmul, attributes.get(), engine_, nullptr));
  if (const auto* scratchpad = library_.primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0))
    product.scratchpad = *scratchpad;
  const dnnl_status_t made = library_.primitive_create(&product.primitive, description);
  library_.primitive_desc_destroy(description);
  want("primitive_create", made);
  scratchpad_bytes_ = std::max(scratchpad_bytes_, library_.memory_desc_get_size(&product.scratchpad));
}

void TileMatmuls::release() {
  for (auto* products : {&scores_, &values_})
    for (Product& p : *products)
      if (p.primitive) library_.primitive_destroy(p.primitive);
  if (engine_) library_.engine_destroy(engine_);
}

WorkerMatmuls::WorkerMatmuls(const TileMatmuls& matmuls, const TileMemory& memory) : op_(matmuls) {
  const OneThread alone(op_.library_);
  try {
    want("stream_create", op_.library_.stream_create(&stream_, op_.engine_, dnnl_stream_default_flags));
    for (std::size_t i = 0; i < kMatmulRows.size(); ++i) {
      bind(op_.scores_[i], memory.q, memory.k, memory.scores, memory.scratchpad, scores_[i]);
      bind(op_.values_[i], memory.scores, memory.v, memory.acc, memory.scratchpad, values_[i]);
    }
  } catch (...) {
    release();
    throw;
  }
}

WorkerMatmuls::~WorkerMatmuls() { release(); }

void WorkerMatmuls::bind(const TileMatmuls::Product& product, void* source, void* weights, void* result,
                         void* scratchpad, Arguments& arguments) {
  const auto place = [&](const dnnl_memory_desc_t& description, void* data) {
    memories_.reserve(memories_.size() + 1);
    dnnl_memory_t memory = nullptr;
    want("memory_create", op_.library_.memory_create(&memory, &description, op_.engine_, data));
    memories_.push_back(memory);
    return memory;
  };
  arguments = {{{DNNL_ARG_SRC, place(product.source, source)},
                {DNNL_ARG_WEIGHTS, place(product.weights, weights)},
                {DNNL_ARG_DST, place(product.result, result)},
                {DNNL_ARG_SCRATCHPAD, place(product.scratchpad, scratchpad)}}};
}

void WorkerMatmuls::release() {
  for (dnnl_memory_t memory : memories_) op_.library_.memory_destroy(memory);
  if (stream_) op_.library_.stream_destroy(stream_);
}

}  // namespace attnrt::cpu
