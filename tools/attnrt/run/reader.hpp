// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_READER_HPP
#define ATTNRT_CLI_RUN_READER_HPP
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "run/names.hpp"
#include "safetensors.hpp"

namespace attnrt::cli {

constexpr int64_t kAny = -1;                                        ///< a size that is free
constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - 1;  ///< lengths and offsets of the API are int32

/// Reads a run file's tensors by their name here and says what is wrong with them, in the file's own spelling.
class RunReader {
 public:
  /// Both outlive it.
  RunReader(const Safetensors& file, const RunNames& names) : file_(file), names_(names) {}

  bool has(std::string_view name) const { return names_.tensor(name) != nullptr; }
  /// The file's spelling; the name itself where the file has no such tensor.
  std::string spelling(const char* name) const { return has(name) ? *names_.tensor(name) : name; }
  /// For a tensor that is there.
  const Entry& entry(const char* name) const { return file_.header().tensors.at(spelling(name)); }

  /// A tensor of one of the dtypes and of this shape, kAny where a size is free; `words` is the shape for the sentence.
  /// Throws Failure.
  Array take(const char* name, std::initializer_list<Dtype> dtypes, const Shape& want, const char* words);
  std::optional<Array> maybe(const char* name, std::initializer_list<Dtype> dtypes, const Shape& want,
                             const char* words);
  /// A tensor of any shape. Throws Failure.
  Array take_any(const char* name, std::initializer_list<Dtype> dtypes, const char* words);
  /// F32, F16 or BF16 as F32, which holds all of their numbers.
  std::optional<Array> maybe_floats(const char* name, const Shape& want, const char* words);
  std::vector<int32_t> lengths(const char* name, int64_t count, const char* words);

  /// Leaves a tensor unread on purpose.
  void skip(const char* name) { read_.insert(name); }
  /// Throws Failure for a tensor that nobody has read: what is in the file counts or is named.
  void want_all_read() const;
  /// Throws Failure: the tensor's dtype and shape, or that it is missing, and what was wanted.
  [[noreturn]] void refuse(const char* name, const std::string& wanted) const;

 private:
  const Safetensors& file_;
  const RunNames& names_;
  std::set<std::string, std::less<>> read_;
};

/// F32 from F32, F16 or BF16.
Array widened(Array array);

}  // namespace attnrt::cli
#endif
