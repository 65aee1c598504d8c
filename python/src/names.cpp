// SPDX-License-Identifier: Apache-2.0
#include "names.hpp"

#include <string_view>

#include "attnrt/dtype.hpp"
#include "attnrt/error.hpp"
#include "attnrt/say.hpp"

namespace attnrt::python {
namespace {

struct Dtype {
  attnrt_dtype dlpack;
  std::string_view name, other;
};
constexpr Dtype kDtypes[] = {{{2, 32, 1}, "fp32", "float32"},
                             {{2, 16, 1}, "fp16", "float16"},
                             {{4, 16, 1}, "bf16", "bfloat16"},
                             {{10, 8, 1}, "fp8_e4m3", "float8_e4m3fn"},
                             {{11, 8, 1}, "fp8_e4m3fnuz", "float8_e4m3fnuz"},
                             {{12, 8, 1}, "fp8_e5m2", "float8_e5m2"},
                             {{0, 8, 1}, "int8", ""},
                             {{2, 64, 1}, "fp64", "float64"},
                             {{0, 16, 1}, "int16", ""},
                             {{0, 32, 1}, "int32", ""},
                             {{0, 64, 1}, "int64", ""},
                             {{1, 8, 1}, "uint8", ""},
                             {{1, 16, 1}, "uint16", ""},
                             {{1, 32, 1}, "uint32", ""},
                             {{1, 64, 1}, "uint64", ""},
                             {{6, 8, 1}, "bool", ""}};

/// The name in "bf16", torch.bfloat16, numpy.float32 and numpy.dtype("float32").
std::string name_of(nb::handle dtype) {
  if (nb::isinstance<nb::str>(dtype)) return nb::cast<std::string>(dtype);
  std::string text =
      nb::cast<std::string>(nb::hasattr(dtype, "__name__") ? nb::object(dtype.attr("__name__")) : nb::str(dtype));
  return text.substr(text.rfind('.') + 1);
}

std::string all(const sdk::Words& words) {
  std::string text;
  for (const sdk::Word& word : words) text += (text.empty() ? "" : ", ") + std::string(word.name);
  return text;
}

}  // namespace

uint64_t value_of(const char* what, const sdk::Words& words, const std::string& word) {
  for (const sdk::Word& known : words)
    if (word == known.name) return known.value;
  throw Error(ATTNRT_INVALID, sdk::say(what, " is '", word, "', wanted one of ", all(words)));
}

uint64_t bits_of(const char* what, const sdk::Words& words, nb::handle word_or_words) {
  if (nb::isinstance<nb::str>(word_or_words)) return value_of(what, words, nb::cast<std::string>(word_or_words));
  uint64_t bits = 0;
  for (nb::handle word : nb::iter(word_or_words)) bits |= value_of(what, words, nb::cast<std::string>(nb::str(word)));
  return bits;
}

nb::tuple words_of(const sdk::Words& words, uint64_t bits) {
  nb::list list;
  for (const sdk::Word& word : words)
    if (bits & word.value) list.append(word.name);
  return nb::tuple(list);
}

attnrt_dtype dlpack_dtype(const char* what, nb::handle dtype) {
  const std::string name = name_of(dtype);
  std::string names;
  for (const Dtype& known : kDtypes) {
    if (name == known.name || (!known.other.empty() && name == known.other)) return known.dlpack;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  throw Error(ATTNRT_INVALID, sdk::say(what, ": the dtype is '", name, "', wanted one of ", names));
}

uint32_t dtype_number(const char* what, nb::handle dtype) {
  const std::string name = name_of(dtype);
  for (const Dtype& known : kDtypes) {
    const int number = sdk::dtype_of(known.dlpack);
    if (number >= 0 && (name == known.name || (!known.other.empty() && name == known.other)))
      return static_cast<uint32_t>(number);
  }
  throw Error(ATTNRT_INVALID, sdk::say(what, " is '", name, "', wanted one of ", all(sdk::words::dtypes)));
}

std::string dtype_text(attnrt_dtype dtype) {
  for (const Dtype& known : kDtypes)
    if (known.dlpack.code == dtype.code && known.dlpack.bits == dtype.bits && dtype.lanes == 1)
      return std::string(known.name);
  return sdk::say("code ", static_cast<int>(dtype.code), " of ", static_cast<int>(dtype.bits), " bits");
}

}  // namespace attnrt::python
