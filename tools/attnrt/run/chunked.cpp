// SPDX-License-Identifier: Apache-2.0
#include "run/chunked.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "failure.hpp"
#include "mirror.hpp"

namespace attnrt::cli {
namespace {

/// A paged cache in the layout that the op asked for, and who holds which block.
class Cache {
 public:
  Cache(const attnrt_kv_layout& layout, const RunFile& run, int64_t block_size)
      : block_size_(block_size), requests_(run.num_seqs()) {
    for (int64_t r = 0; r < requests_; ++r) width_ = std::max(width_, blocks_for(run.keys(r)));
    width_ = std::max<int64_t>(width_, 1);
    for (int64_t r = 0; r < requests_; ++r) num_blocks_ += blocks_for(run.keys(r));
    num_blocks_ += 1;  // block 0 stays free
    const uint64_t limit = std::max<uint64_t>(uint64_t{1} << 30, 8 * (run.k->data.size() + run.v->data.size()));
    if (layout.block_bytes == 0 || static_cast<uint64_t>(num_blocks_) > limit / layout.block_bytes)
      throw Failure(
          fmt::format("--block-size {} makes a cache of {} blocks of {} bytes, wanted at most {} bytes in all",
                      block_size, num_blocks_, layout.block_bytes, limit));
    data_.assign(static_cast<std::size_t>(num_blocks_) * layout.block_bytes, std::byte{0xFF});
    make_views(layout, run);
    hand_out(run);
  }

  int64_t num_blocks() const { return num_blocks_; }
  /// Puts the whole cache, poisoned as it is, where kernels find it.
  void place(Mirror& device) const { device.of(data_.data(), data_.size()); }
  int64_t width() const { return width_; }
  const attnrt_tensor* k() const { return k_.get(); }
  const attnrt_tensor* v() const { return native_ ? nullptr : v_.get(); }
  const int32_t* row(int64_t request) const { return table_.data() + request * width_; }
  /// The slot of a token of a request.
  int64_t slot(int64_t request, int64_t token) const {
    return int64_t{row(request)[token / block_size_]} * block_size_ + token % block_size_;
  }

 private:
  int64_t blocks_for(int64_t tokens) const { return (tokens + block_size_ - 1) / block_size_; }

  void make_views(const attnrt_kv_layout& layout, const RunFile& run) {
    native_ = layout.k_strides[0] == 0;
    if (native_) {
      k_ = Tensor(data_.data(), {1, 8, 1}, {num_blocks_, static_cast<int64_t>(layout.block_bytes)});
      return;
    }
    const attnrt_dtype dtype = dlpack_of(run.q.dtype);
    const auto view = [&](uint64_t offset, const int64_t* s, int64_t size) {
      return Tensor(data_.data() + offset, dtype, {num_blocks_, block_size_, run.num_kv_heads, size},
                    {s[0], s[1], s[2], 1});
    };
    k_ = view(0, layout.k_strides, run.head_size());
    v_ = view(layout.v_offset, layout.v_strides, run.head_size_v);
  }

  /// Walks the blocks with a stride that shares no factor with their number, so that neighbours lie apart.
  void hand_out(const RunFile& run) {
    const int64_t usable = num_blocks_ - 1;
    int64_t stride = usable / 2 + 1, next = 0;
    while (usable > 1 && std::gcd(stride, usable) != 1) ++stride;
    table_.assign(static_cast<std::size_t>(requests_ * width_), -1);
    for (int64_t r = 0; r < requests_; ++r)
      for (int64_t i = 0; i < blocks_for(run.keys(r)); ++i, next = (next + stride) % usable)
        table_[static_cast<std::size_t>(r * width_ + i)] = static_cast<int32_t>(1 + next);
  }

  int64_t block_size_, requests_, width_ = 0, num_blocks_ = 0;
  bool native_ = false;
  Bytes data_;
  Tensor k_, v_;
  std::vector<int32_t> table_;
};

/// Rows [first, first + count) of a packed [N, H, D].
Tensor rows(const Array& array, int64_t first, int64_t count) {
  const int64_t width = array.shape[1] * array.shape[2];
  return Tensor(array.data.data() + static_cast<std::size_t>(first * width) * bytes_of(array.dtype),
                dlpack_of(array.dtype), {count, array.shape[1], array.shape[2]});
}

void copy_rows(const Array& from, int64_t at, Array& to, int64_t where, int64_t count) {
  const std::size_t row = from.shape[0] ? from.data.size() / static_cast<std::size_t>(from.shape[0]) : 0;
  if (count > 0)
    std::memcpy(to.data.data() + static_cast<std::size_t>(where) * row,
                from.data.data() + static_cast<std::size_t>(at) * row, static_cast<std::size_t>(count) * row);
}

/// Tokens [begin, end) of a request's keys, into the cache.
void write(const Op& op, const RunFile& run, const Cache& cache, int64_t request, int64_t begin, int64_t end,
           const Mirror& device) {
  if (begin >= end) return;
  const int64_t first = run.kv_start_loc[static_cast<std::size_t>(request)] + begin;
  std::vector<int64_t> slots;
  for (int64_t token = begin; token < end; ++token) slots.push_back(cache.slot(request, token));
  const Tensor k = rows(*run.k, first, end - begin), v = rows(*run.v, first, end - begin);
  const Tensor mapping(slots.data(), {end - begin});
  auto args = sized<attnrt_write_args>();
  args.k = k.get();
  args.v = v.get();
  args.slot_mapping = mapping.get();
  args.k_cache = cache.k();
  args.v_cache = cache.v();
  Mirror rows_there(&device);
  op.write_kv(rows_there.of(args), rows_there.stream());
  rows_there.finish();
}

/// One request's part of a step: queries [begin, end) of it.
struct Piece {
  int64_t request, begin, end;
};

/// The buffers of one step, reused by all.
class Step {
 public:
  Step(const RunFile& run, const Computed& result, int64_t capacity, const Cache& cache)
      : run_(run),
        cache_(cache),
        q_(make_array(run.q.dtype, {capacity, run.num_heads(), run.head_size()}, 0)),
        out_(make_array(run.q.dtype, {capacity, run.num_heads(), run.head_size_v}, 0xFF)) {
    if (result.lse) lse_ = make_array(Dtype::F32, {capacity, run.num_heads()}, 0xFF);
  }

  void run(Plan& plan, const std::vector<Piece>& pieces, float scale, Computed& result, const Mirror& device) {
    Mirror step(&device);
    std::vector<int32_t> starts{0}, lengths, table;
    auto batch = sized<attnrt_batch>();
    for (const Piece& piece : pieces) {
      const int64_t count = piece.end - piece.begin, query = query_start(piece.request);
      copy_rows(run_.q, query + piece.begin, q_, starts.back(), count);
      lengths.push_back(static_cast<int32_t>(context(piece.request) + piece.end));
      starts.push_back(starts.back() + static_cast<int32_t>(count));
      table.insert(table.end(), cache_.row(piece.request), cache_.row(piece.request) + cache_.width());
      batch.max_query_len = std::max(batch.max_query_len, static_cast<int32_t>(count));
      batch.max_seq_len = std::max(batch.max_seq_len, lengths.back());
    }
    batch.num_seqs = static_cast<int32_t>(pieces.size());
    batch.num_tokens = starts.back();
    batch.query_start_loc = batch.query_start_loc_host = starts.data();
    batch.seq_lens = batch.seq_lens_host = lengths.data();
    batch.block_table = table.data();
    batch.block_table_stride = cache_.width();
    batch.block_table_width = static_cast<int32_t>(cache_.width());
    plan.update(step.of(batch), step.stream());

    const Tensor q = rows(q_, 0, batch.num_tokens), out = rows(out_, 0, batch.num_tokens);
    Tensor lse;
    auto args = sized<attnrt_run_args>();
    args.scale = scale;
    args.q = q.get();
    args.out = out.get();
    args.k_cache = cache_.k();
    args.v_cache = cache_.v();
    if (lse_) {
      lse = Tensor(lse_->as<float>(), {batch.num_tokens, run_.num_heads()});
      args.lse = lse.get();
    }
    const Operands operands(run_, args);
    plan.run(step.of(args), step.stream());
    step.finish();
    step.fetch(out_.data.data());
    if (lse_) step.fetch(lse_->data.data());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const int64_t where = query_start(pieces[i].request) + pieces[i].begin, count = pieces[i].end - pieces[i].begin;
      copy_rows(out_, starts[i], result.out, where, count);
      if (lse_) copy_rows(*lse_, starts[i], *result.lse, where, count);
    }
  }

  int64_t query_start(int64_t request) const { return run_.query_start_loc[static_cast<std::size_t>(request)]; }
  int64_t queries(int64_t request) const { return query_start(request + 1) - query_start(request); }
  /// Keys before a request's first query.
  int64_t context(int64_t request) const { return run_.keys(request) - queries(request); }

 private:
  const RunFile& run_;
  const Cache& cache_;
  Array q_, out_;
  std::optional<Array> lse_;
};

}  // namespace

void check_chunked(const RunFile& run, const attnrt_problem& problem) {
  const auto want = [&run](bool fine, const char* sentence) {
    if (!fine) throw Failure(fmt::format("{}: {}", run.path, sentence));
  };
  want(!run.paged(), "it has a cache, wanted k and v without one for --chunk");
  want(problem.mla_kv_lora == 0, "mla is true, wanted a file of the standard family for --chunk");
  want(problem.attn_type == ATTNRT_ATTN_DECODER && problem.causal == ATTNRT_CAUSAL_ALWAYS,
       "it is not a causal decoder's, wanted attn_type decoder and causal true for --chunk");
  want(!run.attn_mask, "it has attn_mask, wanted a file without one for --chunk");
  want(run.kv_lens.empty(), "it has kv_lens, wanted all keys visible for --chunk");
  const int64_t requests = run.num_seqs();
  int64_t query = 0, key = 0;
  for (int64_t r = 0; r < requests; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const int64_t queries = int64_t{run.query_start_loc[i + 1]} - run.query_start_loc[i], keys = run.keys(r);
    if (run.query_start_loc[i] != query || run.kv_start_loc[i] != key || queries < 0 || keys < queries ||
        run.seq_lens[i] != keys)
      throw Failure(
          fmt::format("{}: request {} has {} queries, {} keys and seq_len {}, wanted offsets that ascend from 0, as "
                      "many tokens as keys, and no more queries, for --chunk",
                      run.path, r, queries, keys, run.seq_lens[i]));
    query += queries;
    key += keys;
  }
  if (query != run.num_tokens())
    throw Failure(
        fmt::format("{}: query_start_loc ends at {}, wanted {}, the rows of q", run.path, query, run.num_tokens()));
}

Computed compute_chunked(const Op& op, const Choice& choice, const RunFile& run, float scale, int64_t chunk,
                         const Effort& effort) {
  const attnrt_problem& problem = choice.problem();
  const Cache cache(op.kv_layout(), run, problem.block_size);
  Mirror device(problem, effort.pool);
  cache.place(device);
  Computed result = unwritten(run, problem);
  const int64_t requests = run.num_seqs();
  int64_t longest = 0;
  for (int64_t r = 0; r < requests; ++r) longest = std::max(longest, run.keys(r));
  Step step(run, result, std::min(run.num_tokens(), requests * std::min(chunk, run.num_tokens())), cache);

  auto limits = sized<attnrt_limits>();
  limits.num_workers = device.num_workers();
  limits.max_seqs = static_cast<int32_t>(requests);
  limits.max_tokens = static_cast<int32_t>(run.num_tokens());
  limits.max_query_len = static_cast<int32_t>(std::min(chunk, run.num_tokens()));
  limits.max_seq_len = static_cast<int32_t>(longest);
  limits.num_blocks = static_cast<int32_t>(cache.num_blocks());
  limits.max_blocks_per_seq = static_cast<int32_t>(cache.width());
  Plan plan = device.plan(op, limits);

  result.milliseconds = median_time(effort.repeat, [&] {
    for (int64_t r = 0; r < requests; ++r) write(op, run, cache, r, 0, step.context(r), device);
    for (int64_t begin = 0;; begin += chunk) {
      std::vector<Piece> pieces;
      for (int64_t r = 0; r < requests; ++r) {
        const int64_t end = std::min(begin + chunk, step.queries(r));
        if (begin >= end) continue;
        pieces.push_back({r, begin, end});
        write(op, run, cache, r, step.context(r) + begin, step.context(r) + end, device);
      }
      if (pieces.empty()) return;
      step.run(plan, pieces, scale, result, device);
    }
  });
  return result;
}

}  // namespace attnrt::cli
