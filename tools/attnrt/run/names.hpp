// SPDX-License-Identifier: Apache-2.0
//
// run/names.hpp: what the tensors and metadata keys of a run file are called, here and in the programs that files are
// dumped from.
#ifndef ATTNRT_CLI_RUN_NAMES_HPP
#define ATTNRT_CLI_RUN_NAMES_HPP
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "safetensors.hpp"

namespace attnrt::cli {

/// A name with its other spellings.
struct RunName {
  const char* name;
  std::vector<const char*> aliases;
  const char* needs = nullptr;  ///< without what a tensor of this name has no use; nullptr = it always has one
};

/// All names of tensors and of metadata keys that `attnrt run` understands. [thread-safe]
const std::vector<RunName>& tensor_names();
const std::vector<RunName>& metadata_names();

/// Whether a name is the file's own business: it begins with "extra.".
bool is_extra(std::string_view name);

/// Whether a tensor is a buffer of the flex program: it begins with "flex.".
bool is_flex_buffer(std::string_view name);

/// Finds things in a file by their name here, however the file spells them.
class RunNames {
 public:
  /// Throws Failure for a tensor or key that is not understood, and where one thing stands there in two spellings.
  explicit RunNames(const Safetensors& file);

  /// How the file spells it; nullptr = it has no such tensor or key.
  const std::string* tensor(std::string_view name) const;
  const std::string* key(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> tensors_, keys_;
};

}  // namespace attnrt::cli
#endif
