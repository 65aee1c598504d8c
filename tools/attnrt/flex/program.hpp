// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_FLEX_PROGRAM_HPP
#define ATTNRT_CLI_FLEX_PROGRAM_HPP
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "attnrt/flex.hpp"
#include "safetensors.hpp"

namespace attnrt::cli {

/// A program as users give it (docs/flex.md).
struct FlexFlags {
  std::string program;               ///< its text, or a file that holds it; "" = none
  std::vector<std::string> buffers;  ///< "doc=i32[num_tokens]"
};
void add_flex_flags(CLI::App& verb, FlexFlags& flags);

/// NULL where none was given. Throws Failure for a file that cannot be read, Error with line and column for a text that
/// is no program.
std::shared_ptr<const Flex> read_flex(const FlexFlags& flags);

/// A program's buffers from a file, where they are called "flex.NAME". Throws Failure where one is missing or has no
/// dtype that a buffer can have.
class FlexArrays {
 public:
  FlexArrays() = default;
  FlexArrays(const Flex& program, const Safetensors& file);
  FlexArrays(FlexArrays&&) = default;
  FlexArrays& operator=(FlexArrays&&) = default;
  const attnrt_flex_buffers* get() { return buffers_.get(); }

 private:
  std::vector<Array> arrays_;
  FlexBuffers buffers_;
};

}  // namespace attnrt::cli
#endif
