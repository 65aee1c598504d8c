// SPDX-License-Identifier: Apache-2.0
//
// prefix_state.hpp: the softmax state of rows between the pass that attends their common prefix and the pass
// in which each request continues by itself. It is what the rows would have there anyway: the fold of the splits that
// lie in the prefix, and the state inside the split that the prefix ends in.
#ifndef ATTNRT_CPU_ATTN_PREFIX_STATE_HPP
#define ATTNRT_CPU_ATTN_PREFIX_STATE_HPP
#include <cstdint>

#include "../simd/panel_fold.hpp"
#include "attention.hpp"
#include "panel_scratch.hpp"

namespace attnrt::kernel::ATTNRT_KERNEL_ISA {

/// How the rows of an item begin and end; items without a common prefix begin with nothing and fold all their splits.
class PrefixState {
 public:
  /// `width`: accumulated dims of a row.
  PrefixState(const cpu::AttentionCall& call, const cpu::AttentionItem& item, int32_t kv_head, int64_t width)
      : call_(call),
        item_(item),
        kv_head_(kv_head),
        width_(width),
        open_split_(item.prefix_keys % cpu::kSplitKeys == 0 ? -1 : item.prefix_keys / cpu::kSplitKeys) {}

  /// Before the first split is folded.
  void open_total(const PanelRows& total) const { begin(total, item_.prefix_keys >= cpu::kSplitKeys, false); }
  /// Before the first tile of a split.
  void open_part(const PanelRows& part, int64_t split) const { begin(part, split == open_split_, true); }
  /// After a split's last tile.
  void add(const PanelRows& total, const PanelRows& part, int64_t split) const {
    if (item_.is_prefix() && split == open_split_)
      leave(part, true);
    else
      fold_rows(total, part, int64_t{item_.rows} * item_.heads, width_);
  }
  /// The end of a prefix item. `open`: these are their rows inside the split that the prefix ends in.
  void leave(const PanelRows& rows, bool open) const {
    int64_t row = 0;
    for (int32_t s = item_.first_member; s < item_.first_member + item_.num_members; row += call_.members[s++].rows)
      copy_rows(state(s, kv_head_, open), 0, rows, row, call_.members[s].rows, width_);
  }

 private:
  void begin(const PanelRows& rows, bool inside, bool open) const {
    if (!inside || !item_.continues_prefix()) return clear_rows(rows, int64_t{item_.rows} * item_.heads, width_);
    for (int32_t h = 0; h < item_.heads; ++h)
      copy_rows(rows, h * item_.rows, state(item_.first_member, kv_head_ + h, open), 0, item_.rows, width_);
  }
  PanelRows state(int32_t s, int32_t kv_head, bool open) const {
    const cpu::PrefixMember& member = call_.members[s];
    const int64_t floats = panel_split_floats(call_.shape, member.rows);
    return panel_rows(call_.states + member.state + (2 * kv_head + open) * floats, member.rows);
  }

  const cpu::AttentionCall& call_;
  const cpu::AttentionItem& item_;
  const int32_t kv_head_;
  const int64_t width_;
  const int64_t open_split_;  ///< the one that the prefix ends in, -1 = it ends with a split
};

}  // namespace attnrt::kernel::ATTNRT_KERNEL_ISA
#endif
