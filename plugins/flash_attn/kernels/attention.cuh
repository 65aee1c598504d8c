// SPDX-License-Identifier: Apache-2.0
//
// attention.cuh: attention over a ragged batch, prefill, decode and mixed (data sheet)
//   algorithm FlashAttention-2 (arXiv:2307.08691); splits of the keys after Flash-Decoding
//   block     16 * kRowWarps rows of one KV head of one request (request.cuh). kKeyWarps share the keys of each tile,
//             each with a softmax of its own; their results are joined at the end, in ascending order
//   keys      in tiles at absolute multiples of kTile, from the first to the last that a row sees; kStages of them in
//             shared memory, copies of later ones under the products of this one, one barrier a tile. Paged (blocks of
//             16 n slots) or contiguous
//   splits    with num_splits > 1 block z takes the z-th part of these tiles (at least two) and leaves its result in
//             partial [T, Hq, num_splits, kHeadV] and partial_lse [T, Hq, num_splits] (natural log, without sinks),
//             which merge_splits joins. Parts depend on the request and its rows alone, never on its neighbours
//   result    out = sum p v / sum p in q's dtype, lse the natural log of the denominator, sink included
//   dtypes    q, out fp16 or bf16, k and v the same or e4m3; scores, sums and partials fp32; p is rounded to q's dtype
//             before it meets v
//   heads     padded with zeros to kHeadQk and kHeadV, which are constants; head sizes are multiples of 8
//   shared    (kRows * kHeadQk + kStages * kTile * (kHeadQk + kHeadV)) * 2 bytes
//   own rules a class in the place of StandardRules (mask.cuh) brings other masks and scores, and may leave tiles out
#ifndef ATTNRT_FLASH_ATTENTION_CUH
#define ATTNRT_FLASH_ATTENTION_CUH
#include "copy.cuh"
#include "epilogue.cuh"
#include "layout.cuh"
#include "mask.cuh"
#include "mma.cuh"
#include "request.cuh"
#include "softmax.cuh"

namespace attnrt::flash {

template <class Element_, class Rules_, Stored kStored_, int kHeadQk_, int kHeadV_, int kRowWarps_, int kKeyWarps_,
          int kTile_, int kStages_>
struct AttentionShape {
  static constexpr Stored kStored = kStored_;
  using Element = Element_;
  using Rules = Rules_;
  static constexpr int kHeadQk = kHeadQk_, kHeadV = kHeadV_, kRowWarps = kRowWarps_, kKeyWarps = kKeyWarps_;
  static constexpr int kTile = kTile_, kStages = kStages_;
  static constexpr int kRows = 16 * kRowWarps, kThreads = 32 * kRowWarps * kKeyWarps;
  static constexpr int kSpan = kTile / kKeyWarps;  // keys of a tile that one warp serves
  static constexpr int kQBytes = kRows * kHeadQk * 2, kKBytes = kTile * kHeadQk * 2, kVBytes = kTile * kHeadV * 2;
  static constexpr int kSharedBytes = kQBytes + kStages * (kKBytes + kVBytes);
  // Fragments of q stay in registers where there is room for them.
  static constexpr bool kKeepsQ = kHeadQk <= 128;
  static_assert(kSpan % 16 == 0 && kStages >= 2 && (kRowWarps == 1 || kKeyWarps == 1), "");
  static_assert((kKeyWarps - 1) * 32 * (kHeadV / 8 * 16 + 16) <= kStages * (kKBytes + kVBytes), "");
};

template <class Shape>
class Attention {
  using Element = typename Shape::Element;
  using Rules = typename Shape::Rules;
  using QLayout = RowLayout<Shape::kHeadQk>;
  using VLayout = RowLayout<Shape::kHeadV>;
  static constexpr int kThreads = Shape::kThreads, kTile = Shape::kTile, kSpan = Shape::kSpan;
  static constexpr int kUnrolled = Shape::kKeepsQ ? 4 : 2;  // copies whose addresses are live at once

 public:
  __device__ Attention(const AttentionArguments& g, char* shared)
      : g_(g),
        thread_(threadIdx.x),
        row_warp_(threadIdx.x / 32 % Shape::kRowWarps),
        key_warp_(threadIdx.x / 32 / Shape::kRowWarps),
        lane_(threadIdx.x % 32),
        shared_(shared),
        q_tile_(shared_address(shared)),
        stages_(q_tile_ + Shape::kQBytes) {}

  __device__ void run() {
    RowTile tile;
    if (!tile.find<Shape::kRows>(g_)) return;
    const Keys keys(g_, tile);
    const Spans spans(g_, tile, keys);
    const Rules rules(g_, spans, tile);

    // Which keys any row sees, and which all rows see: tokens ascend, and so do their intervals.
    const int reach_begin = spans.low(tile.first_token), reach_end = spans.high(tile.last_token);
    const int full_begin = spans.low(tile.last_token), full_end = spans.high(tile.first_token);
    int first, count;
    take_part(g_, reach_begin, reach_end, kTile, first, count);
    const int end = first + count;

    typename Rules::Row rows[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int token, head;
      const bool live = tile.row(g_, row_of(half), token, head);
      rows[half] = rules.row(keys, token, head, live);
    }
    const float scale = g_.softmax_scale *
                        scale_of(g_, kQScale, g_.q_scale_ptr, tile, g_.q_scale_stride_request, g_.q_scale_stride_head) *
                        scale_of(g_, kKScale, g_.k_scale_ptr, tile, g_.k_scale_stride_request, g_.k_scale_stride_head) *
                        Rules::unit();

    fetch_queries(tile);
    commit_copies();
    // Where tiles are left out, the next one to be fetched walks ahead of the one in work, each in the place of its
    // turn.
    int walked = first;
    if (Rules::kSparse) first = walked = next_tile(rules, first, end);
    const auto fetch = [&](int t, int turn) {
      const int wanted = Rules::kSparse ? walked : t;
      if (wanted < end) {
        fetch_keys(tile, keys, wanted, place_of(turn, wanted), reach_begin, reach_end);
        if (Rules::kSparse) walked = next_tile(rules, wanted + 1, end);
      }
      commit_copies();
    };
    for (int ahead = 0; ahead < Shape::kStages - 1; ++ahead) fetch(first + ahead, ahead);
    wait_copies<Shape::kStages - 1>();
    __syncthreads();
    unsigned q[Shape::kKeepsQ ? Shape::kHeadQk / 16 : 1][4];
    if (Shape::kKeepsQ) {
#pragma unroll
      for (int d = 0; d < Shape::kHeadQk / 16; ++d) load_query(q[Shape::kKeepsQ ? d : 0], d);
    }

    float sums[Shape::kHeadV / 8][4] = {};
    Softmax softmax;
    const bool works = row_warp_ * 16 < tile.live_rows;
    for (int t = first, turn = 0; t < end; t = next_tile(rules, t + 1, end), ++turn) {
      wait_copies<Shape::kStages - 2>();
      __syncthreads();
      fetch(t + Shape::kStages - 1, turn + Shape::kStages - 1);
      if (!works) continue;
      float scores[kSpan / 8][4] = {};
      multiply_keys(scores, q, place_of(turn, t));
      const int key = t * kTile + key_warp_ * kSpan + lane_ % 4 * 2;
      const bool masked = t * kTile < full_begin || (t + 1) * kTile > full_end;
      judge(rules, rows, scores, scale, key, masked);
      hide(rules, rows, scores, key, t);
      float fade[2];
      if (softmax.rise(scores, fade)) Softmax::scale(sums, fade);
      softmax.exponentiate(scores);
      multiply_values(sums, scores, place_of(turn, t));
    }
    wait_copies<0>();
    softmax.gather();
    if (Shape::kKeyWarps > 1) {
      __syncthreads();
      join(softmax, sums);
      if (key_warp_ != 0) return;
    }
    if (!works) return;
    const float v_scale =
        scale_of(g_, kVScale, g_.v_scale_ptr, tile, g_.v_scale_stride_request, g_.v_scale_stride_head);
#pragma unroll
    for (int half = 0; half < 2; ++half)
      store_row<Element, Shape::kHeadV>(g_, tile, row_of(half), half, lane_ % 4, softmax, sums, v_scale);
  }

 private:
  __device__ int row_of(int half) const { return row_warp_ * 16 + half * 8 + lane_ / 4; }
  // Tile t is the turn-th that is visited.
  static __device__ int place_of(int turn, int t) { return (Rules::kSparse ? turn : t) % Shape::kStages; }
  __device__ unsigned k_tile(int place) const { return stages_ + place * (Shape::kKBytes + Shape::kVBytes); }
  __device__ unsigned v_tile(int place) const { return k_tile(place) + Shape::kKBytes; }

  __device__ void fetch_queries(const RowTile& tile) const {
    constexpr int pieces = QLayout::kPieces;
    const bool aligned = g_.flags & kAligned;
#pragma unroll 1
    for (int i = thread_; i < Shape::kRows * pieces; i += kThreads) {
      const int row = i / pieces, piece = i % pieces;
      int token, head;
      const bool there = tile.row(g_, row, token, head) && piece * 8 < g_.head_size_qk;
      const long long element = (tile.query_start + token) * g_.q_stride_token + head * g_.q_stride_head + piece * 8;
      copy_piece(q_tile_ + QLayout::place(row, piece), g_.q_ptr + (there ? element * 2 : 0), there, aligned);
    }
  }

  // Keys and values of tile t. Where both have one width a thread serves the same places of both.
  __device__ void fetch_keys(const RowTile& tile, const Keys& keys, int t, int place, int begin, int end) const {
    const bool aligned = g_.flags & kAligned;
    const auto piece_of = [&](unsigned to, const char* from, int size, int piece, bool there, long long element) {
      there &= piece * 8 < size;
      copy_stored<Element, Shape::kStored>(
          to, from + (there ? (element + piece * 8) * kStoredBytes<Shape::kStored> : 0), there, aligned);
    };
    const auto rows = [&](int pieces, bool key_too, bool value_too) {
#pragma unroll kUnrolled
      for (int i = thread_; i < kTile * pieces; i += kThreads) {
        const int row = i / pieces, piece = i % pieces, key = t * kTile + row;
        const bool there = key >= begin && key < end;
        long long block;
        int slot;
        keys.find(g_, key, there, block, slot);
        if (key_too)
          piece_of(k_tile(place) + QLayout::place(row, piece), g_.k_ptr, g_.head_size_qk, piece, there,
                   block * g_.k_stride_block + slot * g_.k_stride_slot + tile.kv_head * g_.k_stride_head);
        if (value_too)
          piece_of(v_tile(place) + VLayout::place(row, piece), g_.v_ptr, g_.head_size_v, piece, there,
                   block * g_.v_stride_block + slot * g_.v_stride_slot + tile.kv_head * g_.v_stride_head);
      }
    };
    if (Shape::kHeadQk == Shape::kHeadV) {
      rows(QLayout::kPieces, true, true);
    } else {
      rows(QLayout::kPieces, true, false);
      rows(VLayout::kPieces, false, true);
    }
  }

  __device__ void load_query(unsigned (&a)[4], int d) const {
    load_matrices(a, q_tile_ + QLayout::place(row_warp_ * 16 + lane_ % 16, d * 2 + lane_ / 16));
  }

  template <int kKept>
  __device__ void multiply_keys(float (&scores)[kSpan / 8][4], const unsigned (&q)[kKept][4], int place) const {
    const unsigned tile = k_tile(place);
    const auto multiply = [&](const unsigned(&a)[4], int d) {
#pragma unroll
      for (int n = 0; n < kSpan / 16; ++n) {
        unsigned b[4];
        const int row = key_warp_ * kSpan + n * 16 + lane_ / 16 * 8 + lane_ % 8;
        load_matrices(b, tile + QLayout::place(row, d * 2 + lane_ / 8 % 2));
        Element::multiply(scores[2 * n], a, b[0], b[1]);
        Element::multiply(scores[2 * n + 1], a, b[2], b[3]);
      }
    };
#pragma unroll
    for (int d = 0; d < Shape::kHeadQk / 16; ++d) {
      if (Shape::kKeepsQ) {
        multiply(q[Shape::kKeepsQ ? d : 0], d);
      } else {
        unsigned a[4];
        load_query(a, d);
        multiply(a, d);
      }
    }
  }

  __device__ void multiply_values(float (&sums)[Shape::kHeadV / 8][4], const float (&p)[kSpan / 8][4],
                                  int place) const {
    const unsigned tile = v_tile(place);
#pragma unroll
    for (int n = 0; n < kSpan / 16; ++n) {
      const unsigned a[4] = {Element::pack(p[2 * n][0], p[2 * n][1]), Element::pack(p[2 * n][2], p[2 * n][3]),
                             Element::pack(p[2 * n + 1][0], p[2 * n + 1][1]),
                             Element::pack(p[2 * n + 1][2], p[2 * n + 1][3])};
#pragma unroll
      for (int d = 0; d < Shape::kHeadV / 16; ++d) {
        unsigned b[4];
        load_transposed(b, tile + VLayout::place(key_warp_ * kSpan + n * 16 + lane_ % 16, d * 2 + lane_ / 16));
        Element::multiply(sums[2 * d], a, b[0], b[1]);
        Element::multiply(sums[2 * d + 1], a, b[2], b[3]);
      }
    }
  }

  // The first warp takes over what the others have, fragment by fragment, through the memory of keys that are done.
  __device__ void join(Softmax& softmax, float (&sums)[Shape::kHeadV / 8][4]) const {
    constexpr int fragments = Shape::kHeadV / 8 + 1;
    float4* const place = reinterpret_cast<float4*>(shared_ + Shape::kQBytes) + lane_;
    if (key_warp_ > 0) {
      float4* const own = place + (key_warp_ - 1) * fragments * 32;
      own[0] = make_float4(softmax.level[0], softmax.level[1], softmax.total[0], softmax.total[1]);
#pragma unroll
      for (int n = 0; n < Shape::kHeadV / 8; ++n)
        own[(n + 1) * 32] = make_float4(sums[n][0], sums[n][1], sums[n][2], sums[n][3]);
    }
    __syncthreads();
    if (key_warp_ > 0) return;
#pragma unroll 1
    for (int warp = 1; warp < Shape::kKeyWarps; ++warp) {
      const float4* const other = place + (warp - 1) * fragments * 32;
      const float4 state = other[0];
      const float levels[2] = {state.x, state.y}, totals[2] = {state.z, state.w};
      float mine[2], theirs[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float top = fmaxf(softmax.level[half], levels[half]), from = top == -kInfinity ? 0 : top;
        mine[half] = exp2_approx(softmax.level[half] - from);
        theirs[half] = exp2_approx(levels[half] - from);
        softmax.level[half] = top;
        softmax.total[half] = softmax.total[half] * mine[half] + totals[half] * theirs[half];
      }
#pragma unroll
      for (int n = 0; n < Shape::kHeadV / 8; ++n) {
        if (n % 8 == 0) __syncwarp();  // keeps the compiler from reading all of them first, into registers it lacks
        const float4 fragment = other[(n + 1) * 32];
        sums[n][0] = sums[n][0] * mine[0] + fragment.x * theirs[0];
        sums[n][1] = sums[n][1] * mine[0] + fragment.y * theirs[0];
        sums[n][2] = sums[n][2] * mine[1] + fragment.z * theirs[1];
        sums[n][3] = sums[n][3] * mine[1] + fragment.w * theirs[1];
      }
    }
  }

  const AttentionArguments& g_;
  const int thread_, row_warp_, key_warp_, lane_;
  char* const shared_;
  const unsigned q_tile_, stages_;
};

}  // namespace attnrt::flash
#endif
