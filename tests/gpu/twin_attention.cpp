// SPDX-License-Identifier: Apache-2.0
//
// The twin of kernels/attention.py: the same tiles, parts and masks, in plain loops and fp32.
#include "launch_record.hpp"
#include "twin_rows.hpp"

namespace attnrt::fake {
namespace {

using namespace triton;

class Attention {
 public:
  Attention(const LaunchRecord& launch, const DeviceMemory& memory)
      : launch_(launch),
        b_(*launch.binary),
        rows_(memory),
        a_(launch.arguments<AttentionArguments>(kAttentionMembers)) {}

  void run() {
    num_seqs_ = rows_.number<int32_t>(a_.num_seqs_ptr, 0, "attention reads num_seqs");
    if (num_seqs_ <= 0) return;
    if (b_.even) want_even();
    group_ = a_.num_heads / a_.num_kv_heads;
    heads_a_tile_ = std::min<int32_t>(group_, static_cast<int32_t>(b_.block_m));
    tokens_a_tile_ = static_cast<int32_t>(b_.block_m) / heads_a_tile_;
    head_tiles_ = (group_ + heads_a_tile_ - 1) / heads_a_tile_;
    for (uint32_t z = 0; z < launch_.grid[2]; ++z)
      for (uint32_t y = 0; y < launch_.grid[1]; ++y)
        for (uint32_t x = 0; x < launch_.grid[0]; ++x)
          program(static_cast<int32_t>(x), static_cast<int32_t>(y), static_cast<int32_t>(z));
  }

 private:
  bool flag(int32_t bit) const { return a_.flags & bit; }
  int32_t loc(int32_t r) const {
    return rows_.number<int32_t>(a_.query_start_loc_ptr, r, "attention reads query_start_loc");
  }

  // What an aligned variant takes for granted.
  void want_even() const {
    const int32_t elements = sdk::dtype_bytes(b_.kv_dtype) == 1 ? 16 : 8;
    bool good = a_.head_size_qk % elements == 0 && a_.head_size_v % elements == 0;
    for (const uint64_t p : {a_.q_ptr, a_.k_ptr, a_.v_ptr, a_.out_ptr}) good &= p % 16 == 0;
    for (const int64_t s : {a_.q_stride_token, a_.q_stride_head, a_.out_stride_token, a_.out_stride_head})
      good &= s % 8 == 0;
    for (const int64_t s :
         {a_.k_stride_block, a_.k_stride_slot, a_.k_stride_head, a_.v_stride_block, a_.v_stride_slot, a_.v_stride_head})
      good &= s % elements == 0;
    if (!good) throw BadAccess("an aligned attention kernel was given operands that are not");
  }

  float scale_of(uint64_t ptr, bool present, int32_t r, int32_t head, int64_t by_request, int64_t by_head) const {
    return present ? rows_.number<float>(ptr, r * by_request + head * by_head, "attention reads a scale") : 1.0f;
  }

  void program(int32_t block, int32_t y, int32_t part) {
    const int32_t request =
        find_request(num_seqs_, block, [&](int32_t r) { return int64_t{loc(r)} / tokens_a_tile_ + r; });
    const int32_t query_start = loc(request), query_len = loc(request + 1) - query_start;
    const int32_t first_token = (block - (query_start / tokens_a_tile_ + request)) * tokens_a_tile_;
    if (first_token >= query_len || first_token < 0) return;
    const int32_t last_token = std::min(first_token + tokens_a_tile_, query_len) - 1;
    const int32_t kv_head = y / head_tiles_, first_head = y % head_tiles_ * heads_a_tile_;
    const int32_t position = rows_.number<int32_t>(a_.seq_lens_ptr, request, "attention reads seq_lens") - query_len;
    int32_t kv_start = 0, num_keys = position + query_len;
    if (!flag(kPaged)) {
      kv_start = rows_.number<int32_t>(a_.kv_start_loc_ptr, request, "attention reads kv_start_loc");
      num_keys = rows_.number<int32_t>(a_.kv_start_loc_ptr, request + 1, "attention reads kv_start_loc") - kv_start;
    }
    if (flag(kKvLens)) num_keys = rows_.number<int32_t>(a_.kv_lens_ptr, request, "attention reads kv_lens");
    bool causal = flag(kCausal);
    if (flag(kPerRequest)) causal = rows_.number<uint8_t>(a_.causal_ptr, request, "attention reads causal") != 0;
    const int64_t far = 0x3fffffff, left = a_.window_left >= 0 ? a_.window_left : far,
                  right = a_.window_right >= 0 ? a_.window_right : far;
    const int64_t ahead = causal ? std::min<int64_t>(right, 0) : right;
    int64_t begin = std::max<int64_t>(position + first_token - left, 0);
    int64_t end = std::min<int64_t>(position + last_token + (flag(kTree) ? right : ahead) + 1, num_keys);
    if (flag(kPrefix)) {
      begin = 0;
      end = num_keys;
    }
    const int64_t tile = b_.tile;
    int64_t first_tile = begin / tile, tiles = std::max<int64_t>((end + tile - 1) / tile - first_tile, 0);
    if (a_.num_splits > 1) {
      const int64_t each = std::max<int64_t>((tiles + a_.num_splits - 1) / a_.num_splits, 2);
      first_tile += part * each;
      tiles = std::min(tiles - part * each, each);
    }
    struct Row {
      int32_t token, head;
      float slope = 0;
      int32_t low = -1, high = -1;
      std::vector<float> q;
      RowState state;
    };
    std::vector<Row> rows;
    const int64_t dqk = a_.head_size_qk, dv = a_.head_size_v;
    const float scale =
        a_.softmax_scale *
        scale_of(a_.q_scale_ptr, flag(kQScale), request, kv_head, a_.q_scale_stride_request, a_.q_scale_stride_head) *
        scale_of(a_.k_scale_ptr, flag(kKScale), request, kv_head, a_.k_scale_stride_request, a_.k_scale_stride_head);
    for (int32_t i = 0; i < tokens_a_tile_ * heads_a_tile_; ++i) {
      Row row{first_token + i / heads_a_tile_,
              first_head + i % heads_a_tile_,
              0,
              -1,
              -1,
              std::vector<float>(static_cast<std::size_t>(dqk)),
              {}};
      if (row.token > last_token || row.head >= group_) continue;
      row.head += kv_head * group_;
      const int64_t at = query_start + row.token;
      rows_.load(a_.q_ptr, at * a_.q_stride_token + row.head * a_.q_stride_head, b_.q_dtype, dqk, row.q.data(),
                 "attention reads q");
      row.state.acc.assign(static_cast<std::size_t>(dv), 0);
      if (flag(kAlibi)) row.slope = rows_.number<float>(a_.alibi_slopes_ptr, row.head, "attention reads alibi_slopes");
      if (flag(kPrefix)) {
        row.low = rows_.number<int32_t>(a_.prefix_ranges_ptr, at * 2, "attention reads prefix_ranges");
        row.high = rows_.number<int32_t>(a_.prefix_ranges_ptr, at * 2 + 1, "attention reads prefix_ranges");
      }
      if (a_.num_splits == 1 && flag(kSinks)) {
        const uint32_t dtype = flag(kSinksQDtype) ? b_.q_dtype : static_cast<uint32_t>(ATTNRT_FP32);
        rows_.load(flag(kSinksQDtype) ? a_.sinks_q_ptr : a_.sinks_ptr, row.head, dtype, 1, &row.state.top,
                   "attention reads sinks");
        row.state.total = 1;
      }
      rows.push_back(std::move(row));
    }
    std::vector<float> k(static_cast<std::size_t>(tile * dqk)), v(static_cast<std::size_t>(tile * dv)),
        score(static_cast<std::size_t>(tile));
    for (int64_t t = first_tile; t < first_tile + tiles; ++t) {
      const int64_t from = std::max(t * tile, begin), to = std::min((t + 1) * tile, end);
      for (int64_t j = from; j < to; ++j) {
        int64_t block_id = 0, slot = kv_start + j;
        if (flag(kPaged)) {
          block_id = rows_.number<int32_t>(a_.block_table_ptr, request * a_.block_table_stride + j / a_.block_size,
                                           "attention reads block_table");
          slot = j % a_.block_size;
        }
        rows_.load(a_.k_ptr, block_id * a_.k_stride_block + slot * a_.k_stride_slot + kv_head * a_.k_stride_head,
                   b_.kv_dtype, dqk, &k[static_cast<std::size_t>((j - from) * dqk)], "attention reads k");
        rows_.load(a_.v_ptr, block_id * a_.v_stride_block + slot * a_.v_stride_slot + kv_head * a_.v_stride_head,
                   b_.kv_dtype, dv, &v[static_cast<std::size_t>((j - from) * dv)], "attention reads v");
      }
      for (Row& row : rows) {
        for (int64_t j = from; j < to; ++j) {
          const int64_t distance = j - (position + row.token), in_tree = j - (num_keys - query_len);
          const bool tree = flag(kTree) && in_tree >= 0;
          bool seen = distance >= -left && distance <= right && (distance <= ahead || tree);
          seen |= row.low >= 0 && j >= row.low && j <= row.high;
          float& s = score[static_cast<std::size_t>(j - from)];
          s = kNothing;
          if (!seen) continue;
          s = dot(row.q.data(), &k[static_cast<std::size_t>((j - from) * dqk)], dqk) * scale;
          if (a_.softcap > 0) s = a_.softcap * std::tanh(s / a_.softcap);
          if (flag(kAlibiSqrt))
            s += row.slope * -std::sqrt(static_cast<float>(std::max<int64_t>(-distance, 0)));
          else if (flag(kAlibi))
            s += row.slope * static_cast<float>(distance);
          if (tree)
            s += rows_.number<float>(
                a_.tree_mask_ptr,
                request * a_.tree_stride_request + row.token * a_.tree_stride_row + in_tree * a_.tree_stride_key,
                "attention reads tree_mask");
        }
        if (to > from) row.state.fold(score.data(), v.data(), to - from, dv);
      }
    }
    const float v_scale =
        scale_of(a_.v_scale_ptr, flag(kVScale), request, kv_head, a_.v_scale_stride_request, a_.v_scale_stride_head);
    for (Row& row : rows) {
      const int64_t at = query_start + row.token;
      for (float& x : row.state.acc) x = x * v_scale / (row.state.total > 0 ? row.state.total : 1.0f);
      if (a_.num_splits > 1) {
        const int64_t place = (at * a_.num_heads + row.head) * a_.num_splits + part;
        rows_.set(a_.partial_lse_ptr, place, row.state.lse(), "attention writes partial_lse");
        rows_.store(a_.partial_ptr, place * b_.head_size_v, ATTNRT_FP32, dv, row.state.acc.data(),
                    "attention writes partial");
        continue;
      }
      if (flag(kLse))
        rows_.set(a_.lse_ptr, at * a_.lse_stride_token + row.head * a_.lse_stride_head, row.state.lse(),
                  "attention writes lse");
      rows_.store(a_.out_ptr, at * a_.out_stride_token + row.head * a_.out_stride_head, b_.q_dtype, dv,
                  row.state.acc.data(), "attention writes out");
    }
  }

  const LaunchRecord& launch_;
  const gpu::KernelImage& b_;
  Rows rows_;
  AttentionArguments a_;
  int32_t num_seqs_ = 0, group_ = 1, heads_a_tile_ = 1, tokens_a_tile_ = 1, head_tiles_ = 1;
};

}  // namespace

void run_attention(const LaunchRecord& launch, const DeviceMemory& memory) { Attention(launch, memory).run(); }

}  // namespace attnrt::fake
