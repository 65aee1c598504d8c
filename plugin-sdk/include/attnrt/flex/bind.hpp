// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex/bind.hpp: the tensors of a call as the buffers of a program: counts, dtypes, ranks and extents are
// checked. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_FLEX_BIND_HPP
#define ATTNRT_FLEX_BIND_HPP
#include <cstdint>
#include <string>

#include "attnrt/base_size.hpp"
#include "attnrt/dtype.hpp"
#include "attnrt/flex/evaluate.hpp"
#include "attnrt/plugin.h"

namespace attnrt::flex {

/// Is a DLPack dtype that of an element: bool also as an unsigned byte.
inline bool is_element(attnrt_dtype type, Element element) {
  if (type.lanes != 1) return false;
  switch (element) {
    case Element::i32:
      return type.code == 0 && type.bits == 32;
    case Element::f32:
      return sdk::dtype_of(type) == ATTNRT_FP32;
    case Element::fp16:
      return sdk::dtype_of(type) == ATTNRT_FP16;
    case Element::bf16:
      return sdk::dtype_of(type) == ATTNRT_BF16;
    case Element::boolean:
      return type.bits == 8 && (type.code == 6 || type.code == 1);
  }
  return false;
}

/// Fills views[i] for each buffer. `tensors`: `count` of them. A buffer for which wanted(i) is false may be NULL, and
/// has no data then. Empty, or one sentence that begins with the buffer's name.
template <class Wanted>
std::string bind(const Program& program, const attnrt_tensor* const* tensors, std::size_t count, Wanted&& wanted,
                 BufferView* views) {
  using sdk::say;
  if (count != program.buffers.size())
    return say("flex has ", count, " buffers, wanted the program's ", program.buffers.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Buffer& buffer = program.buffers[i];
    const attnrt_tensor* const tensor = tensors ? tensors[i] : nullptr;
    views[i] = BufferView{};
    if (!tensor || !tensor->data) {
      if (tensor || wanted(i)) return say("flex buffer ", buffer.name, " is NULL, wanted its tensor");
      continue;
    }
    if (!is_element(tensor->dtype, buffer.element))
      return say("flex buffer ", buffer.name, " has another dtype, wanted ", info(buffer.element).name);
    if (static_cast<std::size_t>(tensor->ndim) != buffer.extents.size())
      return say("flex buffer ", buffer.name, " has ", tensor->ndim, " dimensions, wanted ", buffer.extents.size());
    views[i].data = static_cast<const char*>(tensor->data) + tensor->byte_offset;
    for (std::size_t d = 0; d < buffer.extents.size(); ++d) {
      views[i].shape[d] = tensor->shape[d];
      views[i].strides[d] = tensor->strides[d];
      if (tensor->shape[d] < 0 || (buffer.extents[d].size && tensor->shape[d] != buffer.extents[d].size))
        return say("flex buffer ", buffer.name, " has ", tensor->shape[d], " elements in dimension ", d, ", wanted ",
                   buffer.extents[d].size);
    }
  }
  // One name, one size.
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t d = 0; d < program.buffers[i].extents.size(); ++d) {
      const Extent& extent = program.buffers[i].extents[d];
      if (extent.symbol.empty() || !views[i].data) continue;
      for (std::size_t k = 0; k <= i; ++k)
        for (std::size_t e = 0; e < program.buffers[k].extents.size(); ++e)
          if (program.buffers[k].extents[e].symbol == extent.symbol && views[k].data &&
              views[k].shape[e] != views[i].shape[d])
            return say("flex buffer ", program.buffers[i].name, " has ", views[i].shape[d], " elements for ",
                       extent.symbol, ", wanted the ", views[k].shape[e], " of buffer ", program.buffers[k].name);
    }
  return {};
}

}  // namespace attnrt::flex
#endif
