// SPDX-License-Identifier: Apache-2.0
//
// latent_wgmma.cuh: multi-head latent attention with the up-projection absorbed into q (DeepSeek-V2, arXiv:2405.04434)
// on 9.0 (data sheet)
//   rows      of the cache: kLatent columns that are key and value, and kRope that are key alone; one head for all
//   block     three warpgroups: one fetches rows, two serve the same 64 query rows (tokens and heads packed). Each of
//             these computes all scores and half of the value's columns: nothing passes between them, and the product
//             with q is done twice. 64 rows of 512 sums of fp32 are more than one warpgroup has registers for
//   keys      in tiles of 64, two of them in shared memory, fetched once for both products, in 72 KiB each
//   overlap   the next tile is fetched while this one is worked on, and the two warpgroups overlap each other as they
//             come: a decode waits for memory, so no product is kept in flight at the price of a tile
//   splits    of the keys as attention.cuh has them; results pass through partial where there are several
//   q         in one tensor [T, H, kLatent + kRope], or in two
//   shared    (64 * 576 + 2 * 64 * 576) * 2 + 1024 bytes
#ifndef ATTNRT_FLASH_LATENT_WGMMA_CUH
#define ATTNRT_FLASH_LATENT_WGMMA_CUH
#include "copy.cuh"
#include "epilogue.cuh"
#include "mask.cuh"
#include "request.cuh"
#include "ring.cuh"
#include "softmax.cuh"
#include "wgmma.cuh"

namespace attnrt::flash {

template <class Element_>
struct LatentShape {
  using Element = Element_;
  static constexpr int kLatent = 512, kRope = 64, kHeadQk = kLatent + kRope, kRows = 64, kTile = 64, kStages = 2;
  static constexpr int kGroupThreads = 128, kReaders = 2, kThreads = kGroupThreads * (kReaders + 1);
  static constexpr int kColumns = kLatent / kReaders;  // of the value that one warpgroup serves
  static constexpr int kTileBytes = kTile * kHeadQk * 2, kQBytes = kRows * kHeadQk * 2;
  static constexpr int kSharedBytes = kQBytes + kStages * kTileBytes + 1024;
};

template <class Shape>
class LatentAttention {
  using Element = typename Shape::Element;
  using Rules = StandardRules<false>;
  static constexpr int kTile = Shape::kTile, kStages = Shape::kStages;
  using Layout = PanelLayout<Shape::kHeadQk, 64>;  // of q and of a tile of keys
  using Scores = float[kTile / 8][4];
  using Sums = float[Shape::kColumns / 8][4];
  using Weights = unsigned[kTile / 16][4];

 public:
  __device__ LatentAttention(const AttentionArguments& g, char* shared)
      : g_(g),
        thread_(threadIdx.x % Shape::kGroupThreads),
        warp_(threadIdx.x / 32 % 4),
        lane_(threadIdx.x % 32),
        q_tile_(shared_address(shared)),
        tiles_(q_tile_ + Shape::kQBytes),
        ring_(tiles_ + kStages * Shape::kTileBytes) {}

  __device__ void run() {
    RowTile tile;
    if (!tile.find<Shape::kRows>(g_)) return;
    const Keys keys(g_, tile);
    const Spans spans(g_, tile, keys);
    begin_ = spans.low(tile.first_token);
    end_ = spans.high(tile.last_token);
    take_part(g_, begin_, end_, kTile, first_, count_);
    if (threadIdx.x == 0) ring_.init(Shape::kGroupThreads, 4 * Shape::kReaders);
    fetch_queries(tile);
    fence_async_proxy();
    __syncthreads();
    const int reader = static_cast<int>(threadIdx.x / Shape::kGroupThreads) - 1;
    if (reader < 0) {
      asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
      fill(tile, keys);
    } else {
      asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
      attend(tile, keys, spans, reader);
    }
  }

 private:
  // By all threads; done when they have met.
  __device__ void fetch_queries(const RowTile& tile) const {
    const bool aligned = g_.flags & kAligned;
#pragma unroll 1
    for (int i = threadIdx.x; i < Shape::kRows * Layout::kPieces; i += Shape::kThreads) {
      const int row = i / Layout::kPieces, piece = i % Layout::kPieces, rope = piece - Shape::kLatent / 8;
      int token, head;
      const bool there = tile.row(g_, row, token, head);
      const long long place = tile.query_start + token;
      const char* const from =
          rope < 0 ? g_.q_ptr + (place * g_.q_stride_token + head * g_.q_stride_head + piece * 8) * 2
                   : g_.q_rope_ptr + (place * g_.q_rope_stride_token + head * g_.q_rope_stride_head + rope * 8) * 2;
      copy_piece(q_tile_ + Layout::place(row, piece), there ? from : g_.q_ptr, there, aligned);
    }
    commit_copies();
    wait_copies<0>();
  }

  // ---- the warpgroup that fetches

  __device__ void fill(const RowTile& tile, const Keys& keys) const {
    for (int t = 0; t < count_; ++t) {
      ring_.wait_empty(t);
      fetch(keys, t);
      if (t > 0) {
        wait_copies<1>();
        fence_async_proxy();
        arrive(ring_.full(t - 1));
      }
    }
    if (count_ == 0) return;
    wait_copies<0>();
    fence_async_proxy();
    arrive(ring_.full(count_ - 1));
  }
  __device__ void fetch(const Keys& keys, int t) const {
    const bool aligned = g_.flags & kAligned;
#pragma unroll 2
    for (int i = thread_; i < kTile * Layout::kPieces; i += Shape::kGroupThreads) {
      const int row = i / Layout::kPieces, piece = i % Layout::kPieces, key = (first_ + t) * kTile + row;
      const bool there = key >= begin_ && key < end_;
      long long block;
      int slot;
      keys.find(g_, key, there, block, slot);
      const long long element = block * g_.k_stride_block + slot * g_.k_stride_slot + piece * 8;
      copy_piece(tile_at(t) + Layout::place(row, piece), g_.k_ptr + (there ? element * 2 : 0), there, aligned);
    }
    commit_copies();
  }

  // ---- a warpgroup that reads

  __device__ void attend(const RowTile& tile, const Keys& keys, const Spans& spans, int reader) const {
    const Rules rules(g_, spans, tile);
    typename Rules::Row rows[2];
    const int first_row = warp_ * 16 + lane_ / 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int token, head;
      const bool live = tile.row(g_, first_row + half * 8, token, head);
      rows[half] = rules.row(keys, token, head, live);
    }
    const float scale = g_.softmax_scale * Rules::unit();
    const int full_begin = spans.low(tile.last_token), full_end = spans.high(tile.first_token);

    Sums sums = {};
    Softmax softmax;
    Weights p;
    Scores scores;
    float fade[2];
    for (int t = 0; t < count_; ++t) {
      ring_.wait_full(t);
      settle(scores);
      fence_products();
      multiply_keys(scores, t);
      commit_products();
      wait_products<0>();
      settle(scores);
      const int key = (first_ + t) * kTile;
      judge(rules, rows, scores, scale, key + lane_ % 4 * 2, key < full_begin || key + kTile > full_end);
      if (softmax.rise(scores, fade)) Softmax::scale(sums, fade);
      softmax.exponentiate(scores);
      pack_weights<Element>(p, scores);
      settle(sums);
      settle(p);
      fence_products();
      multiply_values(sums, p, t, reader);
      commit_products();
      wait_products<0>();
      settle(sums);
      release(ring_.empty(t));
    }
    softmax.gather();
#pragma unroll
    for (int half = 0; half < 2; ++half)
      store_row<Element, Shape::kLatent>(g_, tile, first_row + half * 8, half, lane_ % 4, softmax, sums, 1.f,
                                         reader * Shape::kColumns);
  }

  __device__ unsigned tile_at(unsigned t) const { return tiles_ + t % kStages * Shape::kTileBytes; }
  __device__ void release(unsigned barrier) const {
    __syncwarp();
    if (lane_ == 0) arrive(barrier);
  }
  __device__ void multiply_keys(Scores& scores, int t) const {
    multiply_all_rows<Element, Shape::kHeadQk, Layout::kPanelBytes, Layout::kPanelBytes>(scores, q_tile_, tile_at(t));
  }
  __device__ void multiply_values(Sums& sums, const Weights& p, int t, int reader) const {
    multiply_all_keys<Element, Layout::kPanelBytes>(sums, p,
                                                    tile_at(t) + reader * (Shape::kColumns / 64) * Layout::kPanelBytes);
  }

  const AttentionArguments& g_;
  const int thread_, warp_, lane_;  // in the warpgroup
  const unsigned q_tile_, tiles_;
  const Ring<kStages> ring_;
  int begin_ = 0, end_ = 0;    // keys that any row sees
  int first_ = 0, count_ = 0;  // tiles
};

}  // namespace attnrt::flash
#endif
