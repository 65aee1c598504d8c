// SPDX-License-Identifier: Apache-2.0
#include "conformance/batch.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "attnrt/check.hpp"
#include "conformance/number.hpp"

namespace attnrt::conformance {
namespace {

constexpr attnrt_dtype i32{0, 32, 1};

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }
int32_t i32_of(std::size_t n) { return static_cast<int32_t>(n); }

}  // namespace

Buffer& Shelf::raw(std::size_t bytes, uint8_t poison, std::size_t alignment) {
  return buffers_.emplace_back(memory_, bytes, poison, alignment);
}
Buffer& Shelf::pinned(std::size_t bytes, std::size_t alignment) {
  return buffers_.emplace_back(memory_.pinned(), bytes, uint8_t{0xff}, alignment);
}

const attnrt_tensor* Shelf::tensor(const void* data, attnrt_dtype dtype, std::initializer_list<int64_t> shape,
                                   std::initializer_list<int64_t> strides) {
  return tensors_.emplace_back(const_cast<void*>(data), memory_.device(), dtype, shape, strides).get();
}

const attnrt_tensor* Shelf::rows(const std::vector<float>& values, int64_t rows, int64_t heads, int64_t d,
                                 uint32_t dtype, int64_t pad, int64_t extra_rows) {
  const int64_t stride = heads * d + pad, bytes = sdk::dtype_bytes(dtype);
  std::vector<uint8_t> image(at((rows + extra_rows) * stride * bytes),
                             dtype == ATTNRT_FP8_E4M3FNUZ ? uint8_t{0x80} : uint8_t{0xff});
  for (int64_t r = 0; r < rows; ++r)
    encode_row(dtype, values.data() + r * heads * d, at(heads * d), image.data() + r * stride * bytes);
  return tensor(put(image), sdk::to_dlpack(dtype), {rows + extra_rows, heads, d}, {stride, d, 1});
}

bool Shelf::ok() const {
  return std::all_of(buffers_.begin(), buffers_.end(), [](const Buffer& b) { return b.ok(); });
}

std::size_t Shelf::guard_damage() const {
  std::size_t sum = 0;
  for (const Buffer& buffer : buffers_) sum += buffer.guard_damage();
  return sum;
}

void Shelf::name(const void* data, const char* what) {
  for (Buffer& buffer : buffers_)
    if (data && buffer.data() == data) buffer.name(what);
}
void Shelf::name(const attnrt_tensor* tensor, const char* what) {
  if (tensor) name(tensor->data, what);
}

std::string Shelf::damaged() const {
  std::string names;
  for (const Buffer& buffer : buffers_)
    if (buffer.guard_damage()) names += (names.empty() ? "" : ", ") + std::string(buffer.name());
  return names;
}

void name_arguments(Shelf& shelf, const attnrt_batch& b, const attnrt_memory& w, const attnrt_run_args& a) {
  const std::pair<const void*, const char*> pieces[] = {{b.query_start_loc, "batch.query_start_loc"},
                                                        {b.seq_lens, "batch.seq_lens"},
                                                        {b.kv_start_loc, "batch.kv_start_loc"},
                                                        {b.kv_lens, "batch.kv_lens"},
                                                        {b.causal, "batch.causal"},
                                                        {b.window_prefix_lens, "batch.window_prefix_lens"},
                                                        {b.block_table, "batch.block_table"},
                                                        {w.plan, "workspace.plan"},
                                                        {w.pinned, "workspace.pinned"},
                                                        {w.scratch, "workspace.scratch"}};
  for (const auto& [data, what] : pieces) shelf.name(data, what);
  const std::pair<const attnrt_tensor*, const char*> tensors[] = {{a.q, "q"},
                                                                  {a.q_rope, "q_rope"},
                                                                  {a.k, "k"},
                                                                  {a.v, "v"},
                                                                  {a.out, "out"},
                                                                  {a.lse, "lse"},
                                                                  {a.k_scale, "k_scale"},
                                                                  {a.v_scale, "v_scale"},
                                                                  {a.sinks, "sinks"},
                                                                  {a.alibi_slopes, "alibi_slopes"},
                                                                  {a.dense_mask, "dense_mask"},
                                                                  {a.tree_mask, "tree_mask"},
                                                                  {a.prefix_ranges, "prefix_ranges"},
                                                                  {a.sparse_indices, "sparse_indices"}};
  for (const auto& [tensor, what] : tensors) shelf.name(tensor, what);
}

BatchArrays::BatchArrays(Shelf& shelf, const attnrt_problem& p, const std::vector<const RequestData*>& requests,
                         const BlockTable* table, const Placement& placement) {
  query_start_loc = {0};
  kv_start_loc = {0};
  int32_t longest_query = 0, longest = 0, decodes = 0, shared = INT32_MAX;
  for (const RequestData* r : requests) {
    query_start_loc.push_back(query_start_loc.back() + r->query_len);
    kv_start_loc.push_back(kv_start_loc.back() + r->num_keys);
    seq_lens.push_back(r->seq_len);
    kv_lens.push_back(r->num_keys);
    causal.push_back(r->causal);
    window_prefix_lens.push_back(r->window_prefix);
    longest_query = std::max(longest_query, r->query_len);
    longest = std::max({longest, r->seq_len, r->num_keys});
    if (r->query_len > 0) shared = std::min(shared, r->shared_keys);
    decodes += r->query_len <= static_cast<int32_t>(p.decode_query_len);
  }
  for (int32_t i = 0; i < placement.pad_seqs; ++i) {
    query_start_loc.push_back(query_start_loc.back());
    kv_start_loc.push_back(kv_start_loc.back());
    seq_lens.push_back(0);
    kv_lens.push_back(0);
    causal.push_back(0);
    window_prefix_lens.push_back(0);
  }
  const int32_t seqs = i32_of(seq_lens.size());
  const bool own_lens = table && (p.cp_size > 1 || p.attn_type == ATTNRT_ATTN_ENCODER_DECODER);
  batch.struct_size = sizeof(batch);
  batch.num_seqs = seqs;
  batch.num_tokens = query_start_loc.back();
  batch.max_query_len = longest_query;
  batch.max_seq_len = longest;
  batch.num_decodes = p.provides & ATTNRT_DECODES_FIRST ? decodes : 0;
  batch.common_prefix_len = placement.tell_prefix && shared != INT32_MAX ? shared : 0;
  batch.query_start_loc = shelf.put(query_start_loc);
  batch.seq_lens = shelf.put(seq_lens);
  if (!table) batch.kv_start_loc = shelf.put(kv_start_loc);
  if (own_lens) batch.kv_lens = shelf.put(kv_lens);
  if (p.causal == ATTNRT_CAUSAL_PER_REQUEST) batch.causal = shelf.put(causal);
  if (p.features & ATTNRT_FEATURE_WINDOW_PREFIX) batch.window_prefix_lens = shelf.put(window_prefix_lens);
  if (table) {
    batch.block_table = shelf.put(table->ids);
    batch.block_table_stride = table->stride;
    batch.block_table_width = table->width;
  }
  if (p.provides & (ATTNRT_HOST_LENGTHS | ATTNRT_HOST_LENGTHS_UPPER_BOUND)) {
    batch.query_start_loc_host = query_start_loc.data();
    batch.seq_lens_host = seq_lens.data();
    if (batch.kv_start_loc) batch.kv_start_loc_host = kv_start_loc.data();
    if (batch.kv_lens) batch.kv_lens_host = kv_lens.data();
    if (batch.causal) batch.causal_host = causal.data();
  }
  limits.struct_size = sizeof(limits);
  limits.num_workers = placement.workers;
  limits.max_seqs = seqs + 1;
  limits.max_tokens = batch.num_tokens + placement.pad_tokens;
  limits.max_query_len = longest_query + 1;
  limits.max_seq_len = longest + 5;
  limits.max_kv_tokens = table ? 0 : kv_start_loc.back();
  limits.num_blocks = table ? table->num_blocks : 0;
  limits.max_blocks_per_seq = table ? table->width : 0;
}

void give_operands(Shelf& shelf, const attnrt_problem& p, const Operands& o,
                   const std::vector<const RequestData*>& requests, const BatchArrays& arrays, bool sinks_in_q_dtype,
                   attnrt_run_args& args) {
  const int64_t heads = p.num_heads;
  const attnrt_dtype f32 = sdk::to_dlpack(ATTNRT_FP32);
  args.scale = o.scale;
  if (!o.sinks.empty()) {
    const uint32_t dtype = sinks_in_q_dtype ? p.q_dtype : static_cast<uint32_t>(ATTNRT_FP32);
    std::vector<uint8_t> image(at(heads) * sdk::dtype_bytes(dtype));
    encode_row(dtype, o.sinks.data(), at(heads), image.data());
    args.sinks = shelf.tensor(shelf.put(image), sdk::to_dlpack(dtype), {heads});
  }
  if (!o.alibi_slopes.empty()) args.alibi_slopes = shelf.tensor(shelf.put(o.alibi_slopes), f32, {heads});
  const auto scale = [&](const std::vector<float>& values) -> const attnrt_tensor* {
    if (values.empty()) return nullptr;
    return shelf.tensor(shelf.put(values), f32, {1, static_cast<int64_t>(values.size())},
                        {0, values.size() > 1 ? 1 : 0});
  };
  args.k_scale = scale(o.k_scale);
  args.v_scale = scale(o.v_scale);
  if (o.block_sparse.block) args.block_sparse = &o.block_sparse;

  const int64_t seqs = arrays.batch.num_seqs, tokens = arrays.limits.max_tokens;
  const int64_t queries = arrays.batch.max_query_len, keys = arrays.batch.max_seq_len;
  // What belongs to no request is NaN, or an odd byte.
  const MaskForm& form = o.mask;
  if (p.features & ATTNRT_FEATURE_DENSE_MASK) {
    const int64_t mask_seqs = form.one_request ? 1 : seqs, mask_heads = form.one_head ? 1 : heads;
    const int64_t rows = form.one_row ? 1 : queries, columns = form.one_column ? 1 : keys;
    const int64_t row = form.turned ? 1 : columns, key = form.turned ? rows : 1;
    const uint32_t dtype = form.type == MaskForm::Type::kFp16   ? ATTNRT_FP16
                           : form.type == MaskForm::Type::kBf16 ? ATTNRT_BF16
                                                                : ATTNRT_FP32;
    const std::size_t bytes = form.type == MaskForm::Type::kBool ? 1 : sdk::dtype_bytes(dtype);
    std::vector<uint8_t> image(at(mask_seqs * mask_heads * rows * columns) * bytes, 0xff);
    for (std::size_t r = 0; r < requests.size(); ++r)
      for (int64_t h = 0; h < mask_heads; ++h)
        for (int64_t i = 0; i < requests[r]->query_len; ++i)
          for (int64_t j = 0; j < requests[r]->num_keys; ++j) {
            const float x = requests[r]->dense_mask[at((h * requests[r]->query_len + i) * requests[r]->num_keys + j)];
            const int64_t place = form.one_request ? 0 : static_cast<int64_t>(r);
            const int64_t cell = (form.one_row ? 0 : i * row) + (form.one_column ? 0 : j * key);
            uint8_t* to = &image[at((place * mask_heads + h) * rows * columns + cell) * bytes];
            if (bytes == 1)
              *to = x == 0.0f;
            else
              encode(dtype, x, to);
          }
    args.dense_mask = shelf.tensor(shelf.put(image), bytes == 1 ? attnrt_dtype{6, 8, 1} : sdk::to_dlpack(dtype),
                                   {mask_seqs, mask_heads, rows, columns},
                                   {mask_heads * rows * columns, rows * columns, row, key});
  }
  if (p.features & ATTNRT_FEATURE_TREE_MASK) {
    // One tree for all: that of the longest query, whose first tokens are everybody's.
    const int64_t trees = form.one_request ? 1 : seqs;
    const int64_t row = form.turned ? 1 : queries, key = form.turned ? queries : 1;
    std::vector<float> mask(at(trees * queries * queries), NAN);
    for (std::size_t r = 0; r < requests.size(); ++r)
      for (int64_t i = 0; i < requests[r]->query_len; ++i)
        for (int64_t j = 0; j < requests[r]->query_len; ++j)
          mask[at((form.one_request ? 0 : static_cast<int64_t>(r)) * queries * queries + i * row + j * key)] =
              requests[r]->tree_mask[at(i * requests[r]->query_len + j)];
    args.tree_mask =
        shelf.tensor(shelf.put(mask), f32, {trees, queries, queries}, {queries * queries, row, key});
  }
  const auto per_token = [&](std::vector<int32_t> RequestData::*member, int64_t columns) {
    std::vector<int32_t> all;
    for (const RequestData* r : requests) all.insert(all.end(), (r->*member).begin(), (r->*member).end());
    all.resize(at(tokens * columns), 0x7fffffff);
    return shelf.tensor(shelf.put(all), i32, {tokens, columns});
  };
  if (p.features & ATTNRT_FEATURE_MM_PREFIX) args.prefix_ranges = per_token(&RequestData::prefix_ranges, 2);
  if (p.sparse_topk) args.sparse_indices = per_token(&RequestData::sparse_indices, p.sparse_topk);
}

}  // namespace attnrt::conformance
