// SPDX-License-Identifier: Apache-2.0
#include "run/reader.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "element.hpp"
#include "failure.hpp"

namespace attnrt::cli {
namespace {

std::string names_of(std::initializer_list<Dtype> dtypes) {
  std::string out;
  for (const Dtype dtype : dtypes) out += fmt::format("{}{}", out.empty() ? "" : " or ", name_of(dtype));
  return out;
}

std::string wanted(std::initializer_list<Dtype> dtypes, const Shape& want, const char* words) {
  std::string sizes;
  for (const int64_t size : want)
    sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size == kAny ? std::string("any") : std::to_string(size));
  return fmt::format("{} {} = [{}]", names_of(dtypes), words, sizes);
}

bool among(Dtype dtype, std::initializer_list<Dtype> dtypes) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

}  // namespace

void RunReader::refuse(const char* name, const std::string& wanted) const {
  if (!has(name)) throw Failure(fmt::format("{} has no tensor '{}', wanted {}", file_.path(), name, wanted));
  const Entry& found = entry(name);
  throw Failure(fmt::format("{}: tensor '{}' is {} {}, wanted {}", file_.path(), spelling(name), name_of(found.dtype),
                            text_of(found.shape), wanted));
}

Array RunReader::take(const char* name, std::initializer_list<Dtype> dtypes, const Shape& want, const char* words) {
  bool fits = has(name) && among(entry(name).dtype, dtypes) && entry(name).shape.size() == want.size();
  for (std::size_t i = 0; fits && i < want.size(); ++i) {
    const int64_t size = entry(name).shape[i];
    fits = (want[i] == kAny || want[i] == size) && size <= kMost;
  }
  if (!fits) refuse(name, wanted(dtypes, want, words));
  read_.insert(name);
  return file_.read(spelling(name));
}

std::optional<Array> RunReader::maybe(const char* name, std::initializer_list<Dtype> dtypes, const Shape& want,
                                      const char* words) {
  return has(name) ? std::optional<Array>(take(name, dtypes, want, words)) : std::nullopt;
}

Array RunReader::take_any(const char* name, std::initializer_list<Dtype> dtypes, const char* words) {
  if (!has(name) || !among(entry(name).dtype, dtypes)) refuse(name, fmt::format("{} {}", names_of(dtypes), words));
  read_.insert(name);
  return file_.read(spelling(name));
}

std::optional<Array> RunReader::maybe_floats(const char* name, const Shape& want, const char* words) {
  if (!has(name)) return std::nullopt;
  return widened(take(name, {Dtype::F32, Dtype::F16, Dtype::BF16}, want, words));
}

std::vector<int32_t> RunReader::lengths(const char* name, int64_t count, const char* words) {
  const Array array = take(name, {Dtype::I32}, {count}, words);
  return {array.as<int32_t>(), array.as<int32_t>() + array.elements()};
}

void RunReader::want_all_read() const {
  for (const RunName& known : tensor_names())
    if (has(known.name) && !read_.count(known.name))
      throw Failure(fmt::format("{}: tensor '{}' has no use here, wanted it with {} only", file_.path(),
                                spelling(known.name), known.needs ? known.needs : "what it belongs to"));
}

Array widened(Array array) {
  if (array.dtype == Dtype::F32) return array;
  Array wide = make_array(Dtype::F32, array.shape, 0);
  for (int64_t i = 0; i < array.elements(); ++i) wide.as<float>()[i] = static_cast<float>(element(array, i));
  return wide;
}

}  // namespace attnrt::cli
