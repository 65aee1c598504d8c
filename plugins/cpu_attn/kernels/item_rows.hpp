// SPDX-License-Identifier: Apache-2.0
//
// item_rows.hpp: the rows of an item, (KV head, query, head of the group), in strips of as many as are multiplied
// together, each of one KV head, and what they see of a tile of keys. Heads with the same keys stand side by side;
// where a block-sparse pattern differs by head, the queries of a head do, so that a strip skips what its head does not
// see.
#ifndef ATTNRT_CPU_ATTN_ITEM_ROWS_HPP
#define ATTNRT_CPU_ATTN_ITEM_ROWS_HPP
#include <cstdint>

#include "../simd/panel_layout.hpp"
#include "row_mask.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

struct Strip {
  int row, rows;
  int kv_head;         ///< of the item's
  int64_t begin, end;  ///< columns of the tile that its rows see; begin a multiple of kGranule
};

class ItemRows {
 public:
  ItemRows(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head)
      : mask_(call, item.request), width_(call.shape.tile_keys), count_(item.rows * item.heads) {
    cut_strips(item);
    item.is_prefix() ? fill_prefix(call, item, kv_head) : fill(call, item, kv_head);
  }

  const RowMask& mask() const { return mask_; }
  int32_t count() const { return count_; }
  /// Counted from the first query of the item's request.
  int64_t query(int32_t row) const { return query_[row]; }
  int64_t head(int32_t row) const { return head_[row]; }
  /// Of a row of a prefix item.
  int32_t request(int32_t row) const { return request_[row]; }
  int num_strips() const { return num_strips_; }
  const Strip& strip(int i) const { return strips_[i]; }

  /// The keys that the rows see lie in it, and what the batch alone tells of that: splits are counted from there.
  KeySpan seen() const { return seen_; }
  KeySpan reach() const { return reach_; }

  /// What each row sees of a tile; false where none sees anything. `worker`: PairProgram.
  bool place(int64_t tile, const void* worker) {
    const bool was_whole = whole_;
    tile_ = tile;
    const cpu::PairProgram::Seen seen_by_program = look(tile, worker);
    if (seen_by_program == cpu::PairProgram::Seen::kNone) {
      whole_ = false;
      return false;
    }
    const bool partial = seen_by_program == cpu::PairProgram::Seen::kSome;
    whole_ = !partial && common_.begin <= tile && tile + width_ <= common_.end;
    if (whole_) {
      if (!was_whole) see_all();
      return true;
    }
    bool any = false;
    int64_t last_query = -1;
    MaskedColumns seen{};
    for (int i = 0; i < num_strips_; ++i) {
      Strip& strip = strips_[i];
      int64_t low = width_, high = 0;
      for (int row = strip.row; row < strip.row + strip.rows; ++row) {
        if (query_[row] != last_query || mask_.by_head()) {
          last_query = query_[row];
          seen = mask_.columns(last_query, head_[row], tile, width_);
          seen.holes = seen.holes || partial;
        }
        columns_[row] = seen;
        if (seen.begin >= seen.end) continue;
        low = seen.begin < low ? seen.begin : low;
        high = seen.end > high ? seen.end : high;
      }
      strip.begin = low / kGranule * kGranule;
      strip.end = high;
      any = any || low < high;
    }
    return any;
  }
  /// After place.
  const MaskedColumns& columns(int32_t row) const { return columns_[row]; }
  int64_t tile() const { return tile_; }
  /// Does every row see all of the tile?
  bool sees_all() const { return whole_; }

 private:
  void cut_strips(const cpu::AttentionItem& item) {
    const int strips = (item.rows + kStripRows - 1) / kStripRows;  // of a KV head
    num_strips_ = strips * item.heads;
    for (int i = 0, at = 0; i < num_strips_; ++i) {
      strips_[i].kv_head = i / strips;
      strips_[i].row = at;
      if constexpr (kStripRows == kTileRows)
        strips_[i].rows = item.rows / strips + (i % strips < item.rows % strips ? 1 : 0);
      else  // a tile's time is that of all its rows
        strips_[i].rows = i % strips < strips - 1 ? kStripRows : item.rows - (strips - 1) * kStripRows;
      at += strips_[i].rows;
    }
  }

  void fill(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head) {
    const int32_t group = call.shape.group;
    const int64_t end = item.first_row + item.rows;
    int32_t row = 0;
    const auto put = [&](int64_t query, int64_t head) {
      query_[row] = static_cast<int32_t>(query);
      head_[row++] = static_cast<int32_t>(head);
    };
    for (int32_t h = kv_head; h < kv_head + item.heads; ++h) {
      if (mask_.by_head() && group > 1) {
        for (int64_t head = 0; head < group; ++head)
          for (int64_t at = item.first_row + (head - item.first_row % group + group) % group; at < end; at += group)
            put(at / group, h * group + head);
      } else {
        int64_t query = item.first_row / group, head = item.first_row % group;
        for (int64_t at = item.first_row; at < end; ++at) {
          put(query, h * group + head);
          if (++head == group) ++query, head = 0;
        }
      }
    }
    const int64_t first = item.first_row / group, last = (end - 1) / group;
    first_query_ = first, last_query_ = last;
    first_head_ = kv_head * group, last_head_ = (kv_head + item.heads) * group - 1;
    reach_ = {mask_.mask().reach(first).begin, mask_.mask().reach(last).end};
    seen_ = {mask_.hull(first).begin, mask_.hull(last).end};
    if (call.masks.ranges.data)
      for (int64_t q = first; q <= last; ++q) {
        const KeySpan s = mask_.hull(q);
        seen_.begin = s.begin < seen_.begin ? s.begin : seen_.begin;
        seen_.end = s.end > seen_.end ? s.end : seen_.end;
      }
    // Spans that are all there is to a mask move forward with the query.
    if (mask_.plain()) common_ = {mask_.mask().span(last).begin, mask_.mask().span(first).end};
    if (item.continues_prefix()) seen_.begin = reach_.begin = item.prefix_keys;
  }

  /// The rows of a prefix item, all of which see all keys of the prefix.
  void fill_prefix(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head) {
    const int32_t* first = call.batch->query_start_loc;
    const int32_t group = call.shape.group;
    int32_t row = 0;
    for (int32_t s = item.first_member; s < item.first_member + item.num_members; ++s) {
      const cpu::PrefixMember& member = call.members[s];
      for (int32_t i = 0; i < member.rows; ++i, ++row) {
        request_[row] = member.request;
        query_[row] = first[member.request] - first[item.request] + i / group;
        head_[row] = kv_head * group + i % group;
      }
    }
    seen_ = reach_ = common_ = {0, item.prefix_keys};
  }

  cpu::PairProgram::Seen look(int64_t tile, const void* worker) const {
    const int64_t end = tile + width_ < seen_.end ? tile + width_ : seen_.end;
    return mask_.look(first_query_, last_query_, first_head_, last_head_, tile, end, worker);
  }

  void see_all() {
    for (int32_t row = 0; row < count_; ++row) columns_[row] = {0, static_cast<int32_t>(width_), false};
    for (int i = 0; i < num_strips_; ++i) {
      strips_[i].begin = 0;
      strips_[i].end = width_;
    }
  }

  const RowMask mask_;
  const int64_t width_;
  const int32_t count_;
  int num_strips_;
  KeySpan seen_, reach_;
  int64_t first_query_ = 0, last_query_ = 0, first_head_ = 0, last_head_ = 0;
  KeySpan common_{0, 0};  ///< keys that every row sees, as far as is known before a tile is looked at
  bool whole_ = false;    ///< the last tile lay in it
  int64_t tile_ = 0;      ///< the last one
  Strip strips_[(cpu::kMaxItemRows + (kTileRows - 1) * cpu::kMaxItemHeads) / kTileRows + 1];
  int32_t query_[cpu::kMaxItemRows], head_[cpu::kMaxItemRows], request_[cpu::kMaxItemRows];
  MaskedColumns columns_[cpu::kMaxItemRows];
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
