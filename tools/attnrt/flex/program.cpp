// SPDX-License-Identifier: Apache-2.0
#include "flex/program.hpp"

#include <spdlog/fmt/fmt.h>

#include <filesystem>

#include "failure.hpp"
#include "regular_file.hpp"

namespace attnrt::cli {
namespace {

constexpr uint64_t kMostBytes = 1 << 20;

attnrt_dtype dtype_of(const Array& array, const std::string& name, const std::string& path) {
  switch (array.dtype) {
    case Dtype::I32:
      return {0, 32, 1};
    case Dtype::F32:
      return {2, 32, 1};
    case Dtype::F16:
      return {2, 16, 1};
    case Dtype::BF16:
      return {4, 16, 1};
    case Dtype::BOOL:
      return {6, 8, 1};
    default:
      throw Failure(fmt::format("{}: {} is {}, wanted I32, F32, F16, BF16 or BOOL", path, name, name_of(array.dtype)));
  }
}

}  // namespace

void add_flex_flags(CLI::App& verb, FlexFlags& flags) {
  verb.add_option(
          "--flex", flags.program,
          "A mask and a score of your own, or a file that holds them: 'mask: q_idx - kv_idx < 64'; docs/flex.md "
          "has the language")
      ->type_name("PROGRAM")
      ->group("The problem");
  verb.add_option("--flex-buffer", flags.buffers, "A buffer that the program reads: 'doc=i32[num_tokens]'")
      ->type_name("NAME=TYPE")
      ->group("The problem")
      ->needs("--flex");
}

std::shared_ptr<const Flex> read_flex(const FlexFlags& flags) {
  if (flags.program.empty()) return nullptr;
  std::error_code error;
  if (!std::filesystem::exists(flags.program, error)) {
    if (flags.program.find(':') == std::string::npos)
      throw Failure(fmt::format(
          "--flex is '{}', wanted a file that is there, or a program such as 'mask: kv_idx <= q_idx'", flags.program));
    return std::make_shared<const Flex>(flags.program, flags.buffers, "--flex");
  }
  const core::Result<std::string> text = core::read_regular_file(flags.program, kMostBytes);
  if (!text) throw Failure(text.error().text + ", wanted a program for --flex");
  return std::make_shared<const Flex>(*text, flags.buffers, flags.program);
}

FlexArrays::FlexArrays(const Flex& program, const Safetensors& file) {
  std::vector<std::string> names;
  for (const std::string& buffer : program.buffers()) names.push_back("flex." + buffer);
  std::vector<Tensor> tensors;
  for (const std::string& name : names) {
    if (!file.has(name)) throw Failure(fmt::format("{} has no tensor {}, wanted it for --flex", file.path(), name));
    arrays_.push_back(file.read(name));
  }
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    const Array& array = arrays_[i];
    tensors.emplace_back(array.data.data(), dtype_of(array, names[i], file.path()), TensorShape(array.shape));
  }
  buffers_ = FlexBuffers(std::move(tensors));
}

}  // namespace attnrt::cli
