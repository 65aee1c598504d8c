// SPDX-License-Identifier: Apache-2.0
#include "bench/setup.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace attnrt::cli {
namespace {

constexpr int64_t kLatent = 512, kRope = 64;

Choice choose(Runtime& runtime, const attnrt_problem& problem, const std::string& variant) {
  if (variant.empty()) return runtime.select(problem);
  const ForceBackend force(runtime, variant);
  return runtime.select(problem);
}

int64_t blocks_of(int64_t keys, int64_t size) { return (keys + size - 1) / size; }

}  // namespace

attnrt_problem bench_problem(const Runtime& runtime, const BenchCase& c, uint32_t dtype, const BenchWish& wish) {
  attnrt_problem p = runtime.problem(wish.device.c_str());
  p.q_dtype = p.kv_dtype = p.out_dtype = dtype;
  if (wish.kv_dtype) p.kv_dtype = *wish.kv_dtype;
  if (p.kv_dtype == ATTNRT_INT8) p.features |= ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;  // without them it holds integers
  p.num_heads = static_cast<uint32_t>(c.num_heads);
  p.num_kv_heads = static_cast<uint32_t>(c.num_kv_heads);
  p.head_size_qk = static_cast<uint32_t>(c.head_size);
  p.head_size_v = static_cast<uint32_t>(c.head_size_v());
  p.causal = c.causal ? ATTNRT_CAUSAL_ALWAYS : ATTNRT_CAUSAL_NEVER;
  if (c.window > 0) {
    p.window_left = static_cast<int32_t>(c.window - 1);
    p.window_right = c.causal ? 0 : p.window_left;
  }
  p.softcap = static_cast<float>(c.softcap);
  if (c.sinks) p.features |= ATTNRT_FEATURE_SINKS;
  if (c.alibi) p.features |= ATTNRT_FEATURE_ALIBI;
  p.kv_layouts = wish.layout;
  p.block_size = wish.layout == ATTNRT_KV_CONTIGUOUS ? 0 : wish.block_size;
  if (wish.phase) p.phase = *wish.phase;
  if (wish.layout == ATTNRT_KV_CONTIGUOUS) p.phase = ATTNRT_PHASE_PREFILL;
  if (c.shared_prefix > 0 && c.hint) p.features |= ATTNRT_FEATURE_COMMON_PREFIX;
  if (c.uncompressed()) {
    p.phase = ATTNRT_PHASE_PREFILL;
    p.kv_layouts = ATTNRT_KV_CONTIGUOUS;
    p.block_size = 0;
  }
  if (c.latent()) {
    p.family = ATTNRT_FAMILY_MLA;
    p.phase = ATTNRT_PHASE_DECODE;
    p.decode_query_len = static_cast<uint32_t>(c.longest_query());
    p.kv_layouts = ATTNRT_KV_MLA_LATENT;
  }
  if (c.mla) {
    p.mla_kv_lora = kLatent;
    p.mla_rope = kRope;
    p.mla_nope = p.mla_v = 128;
  }
  return p;
}

BenchSetup::BenchSetup(Runtime& runtime, const BenchData& data, const BenchWish& wish, const attnrt_executor* pool)
    : data_(data),
      choice_(choose(runtime, bench_problem(runtime, data.shape, data.dtype, wish), wish.variant)),
      op_(runtime.op(choice_)),
      device_(choice_.problem(), pool),
      plan_(nullptr) {
  const BenchCase& c = data.shape;
  const int64_t bytes = sdk::dtype_bytes(data.dtype), tokens = c.num_tokens(), keys = c.num_keys();
  const attnrt_dtype dtype = sdk::to_dlpack(data.dtype);
  place_requests();
  const auto out_bytes = static_cast<std::size_t>(tokens * c.num_heads * c.head_size_v() * bytes);
  out_ = LargeBytes(out_bytes);
  device_.of(out_.data(), out_bytes);
  device_.of(data.k.data(), static_cast<std::size_t>(keys * c.num_kv_heads * c.head_size * bytes));
  q_ = Tensor(data.q.data(), dtype, {tokens, c.num_heads, c.head_size});
  out_rows_ = Tensor(out_.data(), dtype, {tokens, c.num_heads, c.head_size_v()});
  if (c.latent()) {
    k_ = Tensor(data.k.data(), dtype, {keys, 1, kLatent}, {c.head_size, c.head_size, 1});
    v_ = Tensor(data.k.data() + kLatent * bytes, dtype, {keys, 1, kRope}, {c.head_size, c.head_size, 1});
  } else {
    k_ = Tensor(data.k.data(), dtype, {keys, c.num_kv_heads, c.head_size});
    v_ = Tensor(data.v.data(), dtype, {keys, c.num_kv_heads, c.head_size_v()});
  }
  args_.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.mla ? 192 : c.head_size)));
  if (c.sinks) sinks_ = Tensor(data.sinks.data(), {c.num_heads});
  if (c.alibi) alibi_slopes_ = Tensor(data.alibi_slopes.data(), {c.num_heads});
  args_.sinks = sinks_.get();
  args_.alibi_slopes = alibi_slopes_.get();
  args_.q = q_.get();
  args_.out = out_rows_.get();
  if (block_size()) {
    fill_cache();
  } else {
    args_.k = k_.get();
    args_.v = v_.get();
  }
  plan_ = device_.plan(op_, limits());
  plan_.update(device_.of(batch()), device_.stream());
  placed_ = device_.of(args_);
  device_.finish();
  if (device_.copies()) timer_.emplace(*device_.memory(), [this] { plan_.run(placed_, device_.stream()); });
}

void BenchSetup::place_requests() {
  const int64_t size = block_size(), shared = size ? data_.shape.shared_prefix / size : 0;
  for (const auto& r : data_.shape.requests) {
    query_start_loc_.push_back(query_start_loc_.back() + static_cast<int32_t>(r.queries));
    kv_start_loc_.push_back(kv_start_loc_.back() + static_cast<int32_t>(r.keys));
    seq_lens_.push_back(static_cast<int32_t>(r.keys));
    if (size == 0) continue;
    num_blocks_ += blocks_of(r.keys, size) - (seq_lens_.size() > 1 ? shared : 0);
    table_width_ = std::max(table_width_, blocks_of(r.keys, size));
  }
  std::vector<int32_t> order(static_cast<std::size_t>(num_blocks_));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(3));
  block_table_.assign(static_cast<std::size_t>(table_width_) * seq_lens_.size(), -1);
  auto next = order.begin();
  for (std::size_t r = 0; r < seq_lens_.size() && size; ++r) {
    const int64_t first = r > 0 ? shared : 0, blocks = blocks_of(seq_lens_[r], size) - first;
    const auto to = block_table_.begin() + static_cast<std::ptrdiff_t>(r) * table_width_;
    std::copy_n(block_table_.begin(), first, to);
    std::copy_n(next, blocks, to + first);
    next += blocks;
  }
}

void BenchSetup::fill_cache() {
  const BenchCase& c = data_.shape;
  const attnrt_kv_layout layout = op_.kv_layout();
  const attnrt_dtype dtype = sdk::to_dlpack(layout.dtype);
  const int64_t size = layout.block_size, bytes = static_cast<int64_t>(layout.block_bytes);
  layout_id_ = layout.id;
  cache_ = LargeBytes(static_cast<std::size_t>(num_blocks_ * bytes));
  device_.of(cache_.data(), static_cast<std::size_t>(num_blocks_ * bytes));
  if (layout.kind == ATTNRT_KV_NATIVE) {
    k_cache_ = Tensor(cache_.data(), dtype, {num_blocks_, bytes});
  } else {
    const auto view = [&](std::byte* at, const int64_t* stride, int64_t width) {
      return Tensor(at, dtype, {num_blocks_, size, c.num_kv_heads, width}, {stride[0], stride[1], stride[2], 1});
    };
    k_cache_ = view(cache_.data(), layout.k_strides, c.head_size);
    if (!c.latent()) v_cache_ = view(cache_.data() + layout.v_offset, layout.v_strides, c.head_size);
  }
  args_.k_cache = k_cache_.get();
  if (!c.latent() && layout.kind != ATTNRT_KV_NATIVE) args_.v_cache = v_cache_.get();

  // Blocks that requests share are written once: two workers must not meet in one slot.
  std::vector<int64_t> slots;
  for (std::size_t r = 0; r < seq_lens_.size(); ++r)
    for (int64_t j = 0; j < seq_lens_[r]; ++j) {
      const auto at = static_cast<std::size_t>(static_cast<int64_t>(r) * table_width_ + j / size);
      const bool written = r > 0 && block_table_[at] == block_table_[static_cast<std::size_t>(j / size)];
      slots.push_back(written ? -1 : block_table_[at] * size + j % size);
    }
  const Tensor mapping(slots.data(), {static_cast<int64_t>(slots.size())});
  auto write = sized<attnrt_write_args>();
  write.k = k_.get();
  write.v = v_.get();
  write.slot_mapping = mapping.get();
  write.k_cache = args_.k_cache;
  write.v_cache = args_.v_cache;
  op_.write_kv(device_.of(write), device_.stream());
  device_.finish();  // the slots live as long as this call
}

attnrt_limits BenchSetup::limits() const {
  const BenchCase& c = data_.shape;
  auto limits = sized<attnrt_limits>();
  limits.num_workers = device_.num_workers();
  limits.max_seqs = static_cast<int32_t>(c.requests.size());
  limits.max_tokens = static_cast<int32_t>(c.num_tokens());
  limits.max_query_len = static_cast<int32_t>(c.longest_query());
  limits.max_seq_len = static_cast<int32_t>(c.longest_keys());
  if (block_size()) {
    limits.num_blocks = static_cast<int32_t>(num_blocks_);
    limits.max_blocks_per_seq = static_cast<int32_t>(table_width_);
  } else {
    limits.max_kv_tokens = static_cast<int32_t>(c.num_keys());
  }
  return limits;
}

attnrt_batch BenchSetup::batch() const {
  const BenchCase& c = data_.shape;
  const attnrt_limits most = limits();
  auto batch = sized<attnrt_batch>();
  batch.num_seqs = most.max_seqs;
  batch.num_tokens = most.max_tokens;
  batch.max_query_len = most.max_query_len;
  batch.max_seq_len = most.max_seq_len;
  batch.query_start_loc = batch.query_start_loc_host = query_start_loc_.data();
  batch.seq_lens = batch.seq_lens_host = seq_lens_.data();
  if (block_size()) {
    if (c.hint) batch.common_prefix_len = static_cast<int32_t>(c.shared_prefix);
    batch.block_table = block_table_.data();
    batch.block_table_stride = table_width_;
    batch.block_table_width = static_cast<int32_t>(table_width_);
  } else {
    batch.kv_start_loc = batch.kv_start_loc_host = kv_start_loc_.data();
  }
  return batch;
}

}  // namespace attnrt::cli
