// SPDX-License-Identifier: Apache-2.0
//
// attnrt/batch.hpp: one step's requests, filled from lengths and block tables. Header-only, C++17.
#ifndef ATTNRT_BATCH_HPP
#define ATTNRT_BATCH_HPP
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attnrt/check.hpp"
#include "attnrt/limits.hpp"

namespace attnrt {

/// One request of a step: `batch.add({query_len, seq_len, blocks})`, the rest by name where a model needs it. A Request
/// that is a variable points to its blocks in a vector: a braced list dies with its own statement.
struct Request {
  int32_t query_len = 0;          ///< new tokens: rows of q, the last ones of the sequence
  int32_t seq_len = 0;            ///< context plus new tokens; without a cache less where queries see no key
  Span<int32_t> blocks{};         ///< its blocks of the cache in order, enough for its keys; none without a cache
  int32_t kv_len = -1;            ///< visible keys where they are not seq_len (cross attention), else -1
  std::optional<bool> causal{};   ///< with ATTNRT_CAUSAL_PER_REQUEST, where unset means causal
  int32_t window_prefix_len = 0;  ///< with the feature WINDOW_PREFIX: keys seen outside the window
  int32_t kv_start = -1;          ///< without a cache: its first row of k and v where rows lie unused between requests,
                                  ///< else -1 (right behind the keys of the one before)
};

/// An attnrt_batch with its arrays: offsets, maxima, host copies and slots follow from the requests. Everything is
/// allocated once, for the limits; clear() and add() allocate nothing. A plan reads these arrays until its next update:
/// leave the batch alone and alive until the last run of the step has finished. Steps in flight at once need a batch
/// each. [one thread at a time]
class Batch {
 public:
  /// For plans of an op with this problem (Op::problem) and these limits.
  Batch(const attnrt_problem& problem, const attnrt_limits& limits)
      : limits_(limits),
        block_size_(sdk::is_paged(problem.kv_layouts) ? static_cast<int32_t>(problem.block_size) : 0),
        decode_query_len_(problem.provides & ATTNRT_DECODES_FIRST ? static_cast<int32_t>(problem.decode_query_len)
                                                                  : -1),
        per_request_(problem.causal == ATTNRT_CAUSAL_PER_REQUEST),
        window_prefix_(problem.features & ATTNRT_FEATURE_WINDOW_PREFIX),
        on_cpu_(problem.device_type == ATTNRT_DEVICE_CPU) {
    const auto seqs = static_cast<std::size_t>(std::max(0, limits.max_seqs));
    query_start_loc_.reserve(seqs + 1);
    kv_start_loc_.reserve(seqs + 1);
    seq_lens_.reserve(seqs);
    kv_lens_.reserve(seqs);
    causal_.reserve(seqs);
    window_prefix_lens_.reserve(seqs);
    slots_.reserve(static_cast<std::size_t>(std::max(0, limits.max_tokens)));
    width_ = block_size_ ? std::max(0, limits.max_blocks_per_seq) : 0;
    block_table_.assign(seqs * static_cast<std::size_t>(width_), -1);
    clear();
  }

  /// No requests, for the next step.
  void clear() noexcept {
    query_start_loc_.assign(1, 0);
    kv_start_loc_.assign(1, 0);
    seq_lens_.clear();
    kv_lens_.clear();
    causal_.clear();
    window_prefix_lens_.clear();
    slots_.clear();
    max_query_len_ = max_seq_len_ = num_decodes_ = common_prefix_len_ = 0;
    own_kv_lens_ = false;
  }

  /// One more request. Throws INVALID, and leaves the batch as it was, where the limits have no room for it or it is at
  /// odds with itself. The ids of the blocks are checked by Plan::update.
  void add(const Request& request) {
    check(request, num_seqs(), num_tokens(), kv_start_loc_.back());
    push(request);
  }

  /// All requests at once, in place of those before: new tokens, lengths, and rows of `width` block ids each (no rows
  /// and width 0 without a cache). Throws INVALID as add does, and leaves the batch as it was.
  void assign(Span<int32_t> query_lens, Span<int32_t> seq_lens, Span<int32_t> block_table = {}, int32_t width = 0) {
    const std::size_t count = query_lens.size(), row = static_cast<std::size_t>(std::max(0, width));
    if (seq_lens.size() != count || block_table.size() != count * row)
      throw Error(ATTNRT_INVALID, sdk::say("batch: ", count, " query lengths, ", seq_lens.size(),
                                           " sequence lengths and ", block_table.size(), " block ids in rows of ",
                                           width, ", wanted a length and a row for each"));
    const auto request = [&](std::size_t r) {
      return Request{query_lens[r], seq_lens[r], {block_table.data() + r * row, row}, -1, {}, 0, -1};
    };
    int64_t tokens = 0, keys = 0;
    for (std::size_t r = 0; r < count; ++r) {
      check(request(r), static_cast<int64_t>(r), tokens, keys);
      tokens += query_lens[r];
      keys += seq_lens[r];
    }
    clear();
    for (std::size_t r = 0; r < count; ++r) push(request(r));
  }

  /// A hint that all requests share this many keys at the start of their tables; 0, as after clear(), is none.
  void set_common_prefix_len(int32_t keys) noexcept { common_prefix_len_ = keys; }

  /// Tokens of a block of the cache that its tables are for, 0 without a cache.
  int32_t block_size() const noexcept { return block_size_; }
  int32_t num_seqs() const noexcept { return static_cast<int32_t>(seq_lens_.size()); }
  int32_t num_tokens() const noexcept { return query_start_loc_.back(); }
  /// [num_seqs + 1] where each request's rows of q begin.
  Span<int32_t> query_start_loc() const noexcept { return query_start_loc_; }
  /// [num_seqs]
  Span<int32_t> seq_lens() const noexcept { return seq_lens_; }
  /// [num_seqs, max_blocks_per_seq]
  Span<int32_t> block_table() const noexcept {
    return {block_table_.data(), seq_lens_.size() * static_cast<std::size_t>(width_)};
  }
  /// What Op::write takes: int64 [num_tokens], the slot of each new token, -1 (skipped) for those of a request with a
  /// kv_len of its own, whose keys are not its tokens. Valid like the arrays.
  Tensor slots() const { return Tensor(slots_.data(), {static_cast<int64_t>(slots_.size())}); }

  /// What the mask of the problem's program reads, for all batches from now on; NULL = nothing. Lives as the arrays do.
  void set_flex(const attnrt_flex_buffers* buffers) noexcept { flex_ = buffers; }

  /// The C form. Its pointers are to this batch's arrays. On a device only the host copies are set: copy the arrays
  /// there and set the other pointers.
  attnrt_batch view() const noexcept {
    auto b = sized<attnrt_batch>();
    b.num_seqs = num_seqs();
    b.num_tokens = num_tokens();
    b.max_query_len = max_query_len_;
    b.max_seq_len = max_seq_len_;
    b.num_decodes = num_decodes_;
    b.common_prefix_len = common_prefix_len_;
    b.query_start_loc_host = query_start_loc_.data();
    b.seq_lens_host = seq_lens_.data();
    b.kv_start_loc_host = block_size_ ? nullptr : kv_start_loc_.data();
    b.kv_lens_host = own_kv_lens_ ? kv_lens_.data() : nullptr;
    b.causal_host = per_request_ ? causal_.data() : nullptr;
    b.block_table_width = width_;
    b.block_table_stride = width_;
    b.flex = flex_;
    if (!on_cpu_) return b;
    b.query_start_loc = b.query_start_loc_host;
    b.seq_lens = b.seq_lens_host;
    b.kv_start_loc = b.kv_start_loc_host;
    b.kv_lens = b.kv_lens_host;
    b.causal = b.causal_host;
    b.block_table = block_size_ ? block_table_.data() : nullptr;
    b.window_prefix_lens = window_prefix_ ? window_prefix_lens_.data() : nullptr;
    return b;
  }

 private:
  /// Request number r, behind `tokens` query tokens and `keys` rows of k and v.
  void check(const Request& q, int64_t r, int64_t tokens, int64_t keys) const {
    const auto fail = [r](const auto&... parts) {
      throw Error(ATTNRT_INVALID, sdk::say("batch: request ", r, " ", parts...));
    };
    if (r >= limits_.max_seqs) fail("is one too many, wanted at most max_seqs ", limits_.max_seqs);
    if (q.query_len < 0 || q.query_len > limits_.max_query_len)
      fail("has query_len ", q.query_len, ", wanted 0 to max_query_len ", limits_.max_query_len);
    const int32_t least = block_size_ == 0 ? 0 : q.query_len;  // the new tokens' own keys lie in the cache
    if (q.seq_len < least || q.seq_len > limits_.max_seq_len)
      fail("has seq_len ", q.seq_len, ", wanted ", least, block_size_ == 0 ? "" : " (its query)", " to max_seq_len ",
           limits_.max_seq_len);
    if (tokens + q.query_len > limits_.max_tokens)
      fail("has query_len ", q.query_len, ", wanted at most ", limits_.max_tokens - tokens, " of max_tokens ",
           limits_.max_tokens);
    if (q.kv_len < -1 || q.kv_len > limits_.max_seq_len)
      fail("has kv_len ", q.kv_len, ", wanted 0 to max_seq_len ", limits_.max_seq_len, " or -1 (seq_len)");
    if (q.causal && !per_request_) fail("has causal set, wanted a problem with CAUSAL_PER_REQUEST");
    if (q.window_prefix_len != 0 && !window_prefix_)
      fail("has window_prefix_len ", q.window_prefix_len, ", wanted a problem with the feature WINDOW_PREFIX");
    const int64_t own = keys_of(q);
    if (q.kv_start != -1) {
      if (block_size_ != 0) fail("has kv_start ", q.kv_start, ", wanted -1: its keys lie in blocks of a cache");
      if (q.kv_start < keys)
        fail("has kv_start ", q.kv_start, ", wanted at least ", keys, ", where the one before ends");
      keys = q.kv_start;
    }
    if (block_size_ == 0) {
      if (!q.blocks.empty()) fail("has ", q.blocks.size(), " blocks, wanted none: the op has no cache");
      if (keys + own > limits_.max_kv_tokens)
        fail("has ", own, " keys, wanted at most ", limits_.max_kv_tokens - keys, " of max_kv_tokens ",
             limits_.max_kv_tokens);
      return;
    }
    const int64_t wanted = blocks_for(own);
    if (static_cast<int64_t>(q.blocks.size()) < wanted)
      fail("has ", q.blocks.size(), " blocks, wanted ", wanted, " for ", own, " keys in blocks of ", block_size_);
    if (wanted > width_)
      fail("needs ", wanted, " blocks for ", own, " keys, wanted at most max_blocks_per_seq ", width_);
  }

  /// A request that was checked. The vectors have room.
  void push(const Request& q) {
    const std::size_t r = seq_lens_.size();
    if (q.query_len <= decode_query_len_ && num_decodes_ == num_seqs()) ++num_decodes_;
    query_start_loc_.push_back(query_start_loc_.back() + q.query_len);
    seq_lens_.push_back(q.seq_len);
    kv_lens_.push_back(keys_of(q));
    own_kv_lens_ |= q.kv_len >= 0 || q.kv_start >= 0;
    causal_.push_back(q.causal.value_or(true));
    window_prefix_lens_.push_back(q.window_prefix_len);
    max_query_len_ = std::max(max_query_len_, q.query_len);
    max_seq_len_ = std::max(max_seq_len_, q.seq_len);
    if (block_size_ == 0) {
      if (q.kv_start >= 0) kv_start_loc_.back() = q.kv_start;  // kv_lens tell where the one before ends
      kv_start_loc_.push_back(kv_start_loc_.back() + keys_of(q));
      return;
    }
    std::copy_n(q.blocks.begin(), blocks_for(keys_of(q)),
                block_table_.begin() + static_cast<std::ptrdiff_t>(r * static_cast<std::size_t>(width_)));
    for (int32_t at = q.seq_len - q.query_len; at < q.seq_len; ++at)
      slots_.push_back(q.kv_len >= 0 ? -1
                                     : int64_t{q.blocks[static_cast<std::size_t>(at / block_size_)]} * block_size_ +
                                           at % block_size_);
  }

  static int32_t keys_of(const Request& q) noexcept { return q.kv_len >= 0 ? q.kv_len : q.seq_len; }
  int64_t blocks_for(int64_t keys) const noexcept { return (keys + block_size_ - 1) / block_size_; }

  attnrt_limits limits_;
  int32_t block_size_;  // 0: no cache
  int32_t decode_query_len_;
  bool per_request_, window_prefix_, on_cpu_, own_kv_lens_ = false;
  int32_t width_ = 0, max_query_len_ = 0, max_seq_len_ = 0, num_decodes_ = 0, common_prefix_len_ = 0;
  std::vector<int32_t> query_start_loc_, kv_start_loc_, seq_lens_, kv_lens_, window_prefix_lens_, block_table_;
  std::vector<uint8_t> causal_;
  std::vector<int64_t> slots_;
  const attnrt_flex_buffers* flex_ = nullptr;
};

}  // namespace attnrt
#endif
