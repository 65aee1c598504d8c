// SPDX-License-Identifier: Apache-2.0
//
// Attention over fp32, one query and one head at a time, with the softmax kept online over the keys (Milakov and
// Gimelshein, arXiv:1805.02867) and all sums in double. Decoder and encoder_only, K and V packed or in a paged NHD
// cache.
#ifndef EXAMPLE_ATTN_KERNELS_PLAIN_HPP
#define EXAMPLE_ATTN_KERNELS_PLAIN_HPP
#include <algorithm>
#include <attnrt/kv_layout.hpp>
#include <attnrt/plugin.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

namespace example_attn {

/// First element of a tensor.
template <class T>
T* data_of(const attnrt_tensor& t) {
  return reinterpret_cast<T*>(static_cast<char*>(t.data) + t.byte_offset);
}

/// Where the rows of K or V of one request lie. The last dimension of a row is dense.
class Rows {
 public:
  /// Packed [S, Hkv, D]: the request's rows start at `first`.
  static Rows packed(const attnrt_tensor& t, int64_t first) {
    return Rows(data_of<const float>(t) + first * t.strides[0], nullptr, 1, 0, t.strides[0], t.strides[1]);
  }
  /// Paged [num_blocks, block_size, Hkv, D]: `table` names the request's blocks in order.
  static Rows paged(const attnrt_tensor& t, const int32_t* table, int64_t block_size) {
    return Rows(data_of<const float>(t), table, block_size, t.strides[0], t.strides[1], t.strides[2]);
  }
  const float* row(int64_t key, int64_t kv_head) const noexcept {
    const float* at = base_ + kv_head * head_stride_;
    return table_ ? at + table_[key / block_size_] * block_stride_ + key % block_size_ * slot_stride_
                  : at + key * slot_stride_;
  }

 private:
  Rows(const float* base, const int32_t* table, int64_t block_size, int64_t block, int64_t slot, int64_t head)
      : base_(base),
        table_(table),
        block_size_(block_size),
        block_stride_(block),
        slot_stride_(slot),
        head_stride_(head) {}
  const float* base_;
  const int32_t* table_;
  int64_t block_size_, block_stride_, slot_stride_, head_stride_;
};

class PlainKernel {
 public:
  explicit PlainKernel(const attnrt::sdk::CreateInfo& info) : problem_(info.problem) {}

  /// The block of NHD that all backends share, or none.
  static attnrt_kv_layout kv_layout(const attnrt_problem& p) { return attnrt::sdk::affine_layout(p); }

  /// A plan keeps, for each query token, the request it belongs to; each worker has one row to sum in.
  attnrt_workspace workspace(const attnrt_limits& limits) const {
    attnrt_workspace sizes{};
    sizes.struct_size = sizeof(sizes);
    sizes.plan_bytes = static_cast<uint64_t>(limits.max_tokens) * sizeof(int32_t);
    sizes.plan_alignment = alignof(int32_t);
    sizes.pinned_alignment = 1;
    sizes.scratch_bytes = uint64_t{limits.num_workers} * problem_.head_size_v * sizeof(double);
    sizes.scratch_alignment = alignof(double);
    return sizes;
  }

  struct Plan {
    Plan(const PlainKernel&, const attnrt_limits& limits, const attnrt_memory& memory)
        : request_of(static_cast<int32_t*>(memory.plan)),
          sums(static_cast<double*>(memory.scratch)),
          num_workers(limits.num_workers) {}
    void update(const attnrt_batch& now, attnrt_stream) {
      batch = now;
      for (int32_t r = 0; r < now.num_seqs; ++r)
        std::fill(request_of + now.query_start_loc[r], request_of + now.query_start_loc[r + 1], r);
    }
    int32_t* request_of;
    double* sums;
    uint32_t num_workers;
    attnrt_batch batch{};
  };

  void run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
    const attnrt::sdk::Executor executor(stream);
    if (executor.num_workers() > plan.num_workers)
      throw attnrt::sdk::Error(ATTNRT_INVALID,
                               attnrt::sdk::say("the executor has ", executor.num_workers(),
                                                " workers, wanted at most limits.num_workers ", plan.num_workers));
    const int64_t heads = problem_.num_heads;
    // The body is called from the engine's threads, across the C ABI, so it must not throw.
    const auto body = [&](int64_t begin, int64_t end, uint32_t worker) noexcept {
      double* sums = plan.sums + int64_t{worker} * problem_.head_size_v;
      for (int64_t i = begin; i < end; ++i) one_row(plan, args, i / heads, i % heads, sums);
    };
    executor.parallel_for(plan.batch.num_tokens * heads, 16, body);
  }

  void write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
    const int64_t* slots = data_of<const int64_t>(*args.slot_mapping);
    const auto body = [&](int64_t begin, int64_t end, uint32_t) noexcept {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t slot = slots[i * args.slot_mapping->strides[0]];
        if (slot < 0) continue;
        copy_row(*args.k, i, *args.k_cache, slot, problem_.head_size_qk);
        copy_row(*args.v, i, *args.v_cache, slot, problem_.head_size_v);
      }
    };
    attnrt::sdk::Executor(stream).parallel_for(args.slot_mapping->shape[0], 16, body);
  }

 private:
  /// One row of out and lse. `sums` has room for a row.
  void one_row(const Plan& plan, const attnrt_run_args& args, int64_t token, int64_t head,
               double* sums) const noexcept {
    const attnrt_batch& batch = plan.batch;
    const int32_t request = plan.request_of[token];
    const bool paged = attnrt::sdk::is_paged(problem_.kv_layouts);
    const int32_t* table = paged ? batch.block_table + request * batch.block_table_stride : nullptr;
    const Rows k = paged ? Rows::paged(*args.k_cache, table, problem_.block_size)
                         : Rows::packed(*args.k, batch.kv_start_loc[request]);
    const Rows v = paged ? Rows::paged(*args.v_cache, table, problem_.block_size)
                         : Rows::packed(*args.v, batch.kv_start_loc[request]);
    const int64_t kv_head = head / (problem_.num_heads / problem_.num_kv_heads);
    const float* q = data_of<const float>(*args.q) + token * args.q->strides[0] + head * args.q->strides[1];
    float* out = data_of<float>(*args.out) + token * args.out->strides[0] + head * args.out->strides[1];

    const int64_t qk_size = problem_.head_size_qk, v_size = problem_.head_size_v;
    const int64_t keys = visible_keys(batch, request, token);
    constexpr double none = -std::numeric_limits<double>::infinity();
    double top = none, sum = 0;  // the largest score so far, and the sum of exp(score - top); `sums` the same times v
    std::fill_n(sums, v_size, 0.0);
    for (int64_t j = 0; j < keys; ++j) {
      const float* k_row = k.row(j, kv_head);
      const float* v_row = v.row(j, kv_head);
      double dot = 0;
      for (int64_t d = 0; d < qk_size; ++d) dot += double{q[d]} * k_row[d];
      const double score = args.scale * dot;
      if (score == none) continue;
      if (score > top) {
        const double shrink = std::exp(top - score);
        sum *= shrink;
        for (int64_t d = 0; d < v_size; ++d) sums[d] *= shrink;
        top = score;
      }
      const double weight = std::exp(score - top);
      sum += weight;
      for (int64_t d = 0; d < v_size; ++d) sums[d] += weight * v_row[d];
    }
    for (int64_t d = 0; d < v_size; ++d) out[d] = sum == 0 ? 0.0f : static_cast<float>(sums[d] / sum);
    if (args.lse)
      data_of<float>(*args.lse)[token * args.lse->strides[0] + head * args.lse->strides[1]] =
          static_cast<float>(top + std::log(sum));
  }

  /// Keys [0, n) that a query sees: all of its request, or, when causal, those up to its own position.
  int64_t visible_keys(const attnrt_batch& batch, int32_t request, int64_t token) const noexcept {
    int64_t keys = batch.seq_lens[request];
    if (!attnrt::sdk::is_paged(problem_.kv_layouts))
      keys = batch.kv_start_loc[request + 1] - batch.kv_start_loc[request];
    if (batch.kv_lens) keys = batch.kv_lens[request];
    if (problem_.causal == ATTNRT_CAUSAL_NEVER) return keys;
    const int64_t after = batch.query_start_loc[request + 1] - token;  // this query and those behind it
    return std::min(keys, batch.seq_lens[request] - after + 1);
  }

  void copy_row(const attnrt_tensor& from, int64_t row, const attnrt_tensor& cache, int64_t slot, int64_t size) const {
    const int64_t block = slot / problem_.block_size, in_block = slot % problem_.block_size;
    for (int64_t h = 0; h < problem_.num_kv_heads; ++h)
      std::copy_n(
          data_of<const float>(from) + row * from.strides[0] + h * from.strides[1], size,
          data_of<float>(cache) + block * cache.strides[0] + in_block * cache.strides[1] + h * cache.strides[2]);
  }

  attnrt_problem problem_;
};

}  // namespace example_attn
#endif
