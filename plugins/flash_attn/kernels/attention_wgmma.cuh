// SPDX-License-Identifier: Apache-2.0
//
// attention_wgmma.cuh: attention for many rows on 9.0 (data sheet)
//   algorithm FlashAttention-3 (arXiv:2407.08608): warp specialisation, softmax under asynchronous products
//   block     three warpgroups: one fetches keys and values, two serve 64 rows each of one KV head of one request
//   keys      in tiles at absolute multiples of kTile; rings of kStages tiles of keys and as many of values, filled by
//             cp.async of 16 bytes, so that pages of any multiple of 16 slots and contiguous rows are read alike
//   overlap   a warpgroup issues q k^T of the next tile and p v of this one together, and works on the next tile's
//             softmax while p v is under way; the two warpgroups overlap each other as they come
//   e4m3      keys and values become elements of q's dtype on their way to shared memory
//   registers 40 for those who fetch, 232 for the others (setmaxnreg)
//   distance  to the paper: no tensor maps and no clusters, no turns between the two warpgroups, results are stored
//             from registers; e4m3 is not multiplied as such
//   result, splits, heads, own rules: as attention.cuh has them; partials too
//   shared    (kRows * kHeadQk + kStages * kTile * (kHeadQk + kHeadV)) * 2 + 1024 bytes
#ifndef ATTNRT_FLASH_ATTENTION_WGMMA_CUH
#define ATTNRT_FLASH_ATTENTION_WGMMA_CUH
#include "copy.cuh"
#include "epilogue.cuh"
#include "mask.cuh"
#include "request.cuh"
#include "ring.cuh"
#include "softmax.cuh"
#include "wgmma.cuh"

namespace attnrt::flash {

template <class Element_, class Rules_, Stored kStored_, int kHeadQk_, int kHeadV_, int kTile_, int kStages_>
struct WarpgroupShape {
  static constexpr Stored kStored = kStored_;
  using Element = Element_;
  using Rules = Rules_;
  static constexpr int kHeadQk = kHeadQk_, kHeadV = kHeadV_, kTile = kTile_, kStages = kStages_;
  static constexpr int kGroupThreads = 128, kReaders = 2, kRows = 64 * kReaders;
  static constexpr int kThreads = kGroupThreads * (kReaders + 1);
  static constexpr int kQBytes = kRows * kHeadQk * 2, kKBytes = kTile * kHeadQk * 2, kVBytes = kTile * kHeadV * 2;
  static constexpr int kSharedBytes = kQBytes + kStages * (kKBytes + kVBytes) + 1024;
};

template <class Shape>
class WarpgroupAttention {
  using Element = typename Shape::Element;
  using Rules = typename Shape::Rules;
  static constexpr int kTile = Shape::kTile, kStages = Shape::kStages;
  static constexpr int kBytes = kStoredBytes<Shape::kStored>;  // of an element of K and V
  using QLayout = PanelLayout<Shape::kHeadQk, Shape::kRows>;
  using KLayout = PanelLayout<Shape::kHeadQk, kTile>;
  using VLayout = PanelLayout<Shape::kHeadV, kTile>;
  using Scores = float[kTile / 8][4];
  using Sums = float[Shape::kHeadV / 8][4];
  using Weights = unsigned[kTile / 16][4];

 public:
  __device__ WarpgroupAttention(const AttentionArguments& g, char* shared)
      : g_(g),
        thread_(threadIdx.x % Shape::kGroupThreads),
        warp_(threadIdx.x / 32 % 4),
        lane_(threadIdx.x % 32),
        q_tile_(shared_address(shared)),
        k_tiles_(q_tile_ + Shape::kQBytes),
        v_tiles_(k_tiles_ + kStages * Shape::kKBytes),
        key_ring_(v_tiles_ + kStages * Shape::kVBytes),
        value_ring_(v_tiles_ + kStages * Shape::kVBytes + Ring<kStages>::kBytes) {}

  __device__ void run() {
    RowTile tile;
    if (!tile.find<Shape::kRows>(g_)) return;
    const Keys keys(g_, tile);
    const Spans spans(g_, tile, keys);
    begin_ = spans.low(tile.first_token);
    end_ = spans.high(tile.last_token);
    take_part(g_, begin_, end_, kTile, first_, count_);
    // A warpgroup without live rows goes home.
    const int readers = tile.live_rows > 64 ? 2 : 1;
    if (threadIdx.x == 0) {
      key_ring_.init(Shape::kGroupThreads, 4 * readers);
      value_ring_.init(Shape::kGroupThreads, 4 * readers);
    }
    fetch_queries(tile);
    fence_async_proxy();
    __syncthreads();
    const int reader = static_cast<int>(threadIdx.x / Shape::kGroupThreads) - 1;
    if (reader < 0) {
      asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
      fill(tile, keys);
    } else {
      asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
      if (reader < readers) attend(tile, keys, spans, reader);
    }
  }

 private:
  // By all threads; done when they have met.
  __device__ void fetch_queries(const RowTile& tile) const {
    const bool aligned = g_.flags & kAligned;
#pragma unroll 1
    for (int i = threadIdx.x; i < Shape::kRows * QLayout::kPieces; i += Shape::kThreads) {
      const int row = i / QLayout::kPieces, piece = i % QLayout::kPieces;
      int token, head;
      const bool there = tile.row(g_, row, token, head) && piece * 8 < g_.head_size_qk;
      const long long element = (tile.query_start + token) * g_.q_stride_token + head * g_.q_stride_head + piece * 8;
      copy_piece(q_tile_ + QLayout::place(row, piece), g_.q_ptr + (there ? element * 2 : 0), there, aligned);
    }
    commit_copies();
    wait_copies<0>();
  }

  // ---- the warpgroup that fetches

  struct Rows {
    const char* from;
    long long stride_block, stride_slot;
    int size;
  };
  template <class Layout>
  __device__ void fetch(const Keys& keys, const Rows& rows, unsigned to, int t) const {
    const bool aligned = g_.flags & kAligned;
#pragma unroll(kBytes == 2 ? 2 : 4)
    for (int i = thread_; i < kTile * Layout::kPieces; i += Shape::kGroupThreads) {
      const int row = i / Layout::kPieces, piece = i % Layout::kPieces, key = (first_ + t) * kTile + row;
      const bool there = key >= begin_ && key < end_;
      long long block;
      int slot;
      keys.find(g_, key, there, block, slot);
      const bool read = there && piece * 8 < rows.size;
      const long long element = block * rows.stride_block + slot * rows.stride_slot + piece * 8;
      copy_stored<Element, Shape::kStored>(to + Layout::place(row, piece), rows.from + (read ? element * kBytes : 0),
                                           read, aligned);
    }
    commit_copies();
  }
  __device__ void fill(const RowTile& tile, const Keys& keys) const {
    const Rows k{g_.k_ptr + tile.kv_head * g_.k_stride_head * kBytes, g_.k_stride_block, g_.k_stride_slot,
                 g_.head_size_qk};
    const Rows v{g_.v_ptr + tile.kv_head * g_.v_stride_head * kBytes, g_.v_stride_block, g_.v_stride_slot,
                 g_.head_size_v};
    // Tiles in the order in which they are read; one is told as full when the next one is on its way.
    for (int t = 0; t <= count_; ++t) {
      if (t < count_) {
        key_ring_.wait_empty(t);
        fetch<KLayout>(keys, k, k_tile(t), t);
      }
      if (t > 1) told<1>(value_ring_, t - 2, t < count_);
      if (t > 0) {
        value_ring_.wait_empty(t - 1);
        fetch<VLayout>(keys, v, v_tile(t - 1), t - 1);
      }
      if (t < count_) told<1>(key_ring_, t, t > 0);
    }
    if (count_ > 0) told<0>(value_ring_, count_ - 1, false);
  }
  // Group by group: `more`: one more group was begun behind this one.
  template <int kPending>
  __device__ void told(const Ring<kStages>& ring, int tile, bool more) const {
    if (more)
      wait_copies<kPending>();
    else
      wait_copies<0>();
    fence_async_proxy();
    arrive(ring.full(tile));
  }

  // ---- a warpgroup that reads

  __device__ void attend(const RowTile& tile, const Keys& keys, const Spans& spans, int reader) const {
    const Rules rules(g_, spans, tile);
    typename Rules::Row rows[2];
    const int first_row = reader * 64 + warp_ * 16 + lane_ / 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int token, head;
      const bool live = tile.row(g_, first_row + half * 8, token, head);
      rows[half] = rules.row(keys, token, head, live);
    }
    const float scale = g_.softmax_scale * Rules::unit() *
                        scale_of(g_, kQScale, g_.q_scale_ptr, tile, g_.q_scale_stride_request, g_.q_scale_stride_head) *
                        scale_of(g_, kKScale, g_.k_scale_ptr, tile, g_.k_scale_stride_request, g_.k_scale_stride_head);
    const int full_begin = spans.low(tile.last_token), full_end = spans.high(tile.first_token);
    const unsigned q = q_tile_ + reader * 64 * 128;

    Sums sums = {};
    Softmax softmax;
    Weights p;
    Scores scores;
    float fade[2];
    const auto weigh = [&](int t) {
      const int key = (first_ + t) * kTile;
      judge(rules, rows, scores, scale, key + lane_ % 4 * 2, key < full_begin || key + kTile > full_end);
      const bool rises = softmax.rise(scores, fade);
      softmax.exponentiate(scores);
      return rises;
    };
    if (count_ > 0) {
      key_ring_.wait_full(0);
      fence_products();
      multiply_keys(scores, q, 0);
      commit_products();
      wait_products<0>();
      settle(scores);
      release(key_ring_.empty(0));
      weigh(0);
      pack_weights<Element>(p, scores);
      for (int t = 1; t < count_; ++t) {
        key_ring_.wait_full(t);
        settle(scores);
        settle(sums);
        settle(p);
        fence_products();
        multiply_keys(scores, q, t);
        commit_products();
        value_ring_.wait_full(t - 1);
        fence_products();
        multiply_values(sums, p, t - 1);
        commit_products();
        wait_products<1>();
        settle(scores);
        release(key_ring_.empty(t));
        const bool rises = weigh(t);
        wait_products<0>();
        settle(sums);
        release(value_ring_.empty(t - 1));
        if (rises) Softmax::scale(sums, fade);
        pack_weights<Element>(p, scores);
      }
      value_ring_.wait_full(count_ - 1);
      settle(sums);
      settle(p);
      fence_products();
      multiply_values(sums, p, count_ - 1);
      commit_products();
      wait_products<0>();
      settle(sums);
    }
    softmax.gather();
    const float v_scale =
        scale_of(g_, kVScale, g_.v_scale_ptr, tile, g_.v_scale_stride_request, g_.v_scale_stride_head);
#pragma unroll
    for (int half = 0; half < 2; ++half)
      store_row<Element, Shape::kHeadV>(g_, tile, first_row + half * 8, half, lane_ % 4, softmax, sums, v_scale);
  }

  __device__ unsigned k_tile(unsigned t) const { return k_tiles_ + t % kStages * Shape::kKBytes; }
  __device__ unsigned v_tile(unsigned t) const { return v_tiles_ + t % kStages * Shape::kVBytes; }
  __device__ void release(unsigned barrier) const {
    __syncwarp();
    if (lane_ == 0) arrive(barrier);
  }

  __device__ void multiply_keys(Scores& scores, unsigned q, int t) const {
    multiply_all_rows<Element, Shape::kHeadQk, QLayout::kPanelBytes, KLayout::kPanelBytes>(scores, q, k_tile(t));
  }
  __device__ void multiply_values(Sums& sums, const Weights& p, int t) const {
    multiply_all_keys<Element, VLayout::kPanelBytes>(sums, p, v_tile(t));
  }

  const AttentionArguments& g_;
  const int thread_, warp_, lane_;  // in the warpgroup
  const unsigned q_tile_, k_tiles_, v_tiles_;
  const Ring<kStages> key_ring_, value_ring_;
  int begin_ = 0, end_ = 0;    // keys that any row sees
  int first_ = 0, count_ = 0;  // tiles
};

}  // namespace attnrt::flash
#endif
