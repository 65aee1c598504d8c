// SPDX-License-Identifier: Apache-2.0
//
// attnrt/flex.hpp: a mask and a score that a user writes, and the tensors that they read. Header-only, C++17.
//
//     attnrt::Flex documents("mask: doc[q_idx] == doc[kv_idx]", {"doc=i32[num_tokens]"});
//     documents.give(problem);
#ifndef ATTNRT_FLEX_HPP
#define ATTNRT_FLEX_HPP
#include <string>
#include <utility>
#include <vector>

#include "attnrt/error.hpp"
#include "attnrt/handle.hpp"
#include "attnrt/tensor.hpp"

namespace attnrt {

/// A program (docs/flex.md). Lives until the problems that name it were selected and their ops created. [thread-safe]
class Flex {
 public:
  /// `buffers`: declarations beside those of the text. `name` stands before line and column in errors. Throws INVALID.
  explicit Flex(const std::string& text, const std::vector<std::string>& buffers = {},
                const std::string& name = "flex") {
    std::vector<const char*> declared;
    for (const std::string& buffer : buffers) declared.push_back(buffer.c_str());
    attnrt_flex* program = nullptr;
    check(attnrt_flex_parse(text.c_str(), name.c_str(), declared.data(), static_cast<uint32_t>(declared.size()),
                            &program));
    program_.reset(program);
  }

  /// Makes it the program of a problem, with the feature's bit.
  void give(attnrt_problem& problem) const noexcept {
    problem.flex = get();
    problem.features |= ATTNRT_FEATURE_FLEX;
  }
  /// For problem.flex, which is read where problem.features has FLEX.
  const attnrt_flex_program* get() const noexcept { return attnrt_flex_bytes(program_.get()); }
  /// In the order in which tensors are given.
  std::vector<std::string> buffers() const {
    std::vector<std::string> out;
    for (uint32_t i = 0; const char* name = attnrt_flex_buffer(program_.get(), i); ++i) out.emplace_back(name);
    return out;
  }
  /// The program as text; `simplified`: as kernels run it.
  std::string text(bool simplified = false) const {
    attnrt_text* text = nullptr;
    check(attnrt_flex_print(program_.get(), simplified, &text));
    const detail::Handle<attnrt_text> owned(text);
    return attnrt_text_data(text);
  }

 private:
  detail::Handle<attnrt_flex> program_;
};

/// The tensors of a program's buffers, in its order, for attnrt_batch.flex and RunArgs::flex.
class FlexBuffers {
 public:
  FlexBuffers() = default;
  explicit FlexBuffers(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {}

  /// Valid while this object lives and is not changed.
  const attnrt_flex_buffers* get() {
    pointers_.clear();
    for (const Tensor& tensor : tensors_) pointers_.push_back(tensor.get());
    view_ = {sizeof view_, static_cast<uint32_t>(pointers_.size()), pointers_.data(), nullptr};
    return &view_;
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<const attnrt_tensor*> pointers_;
  attnrt_flex_buffers view_{};
};

}  // namespace attnrt
#endif
