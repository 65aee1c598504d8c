// SPDX-License-Identifier: Apache-2.0
//
// names.hpp: enumerations of plugin.h as the words of words.hpp, and dtypes as numpy and torch write them.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <string>

#include "attnrt/plugin.h"
#include "attnrt/words.hpp"

namespace attnrt::python {

namespace nb = nanobind;

/// The value of a word. Throws INVALID with the words there are.
uint64_t value_of(const char* what, const sdk::Words& words, const std::string& word);
/// The bits of one word or of several, "nhd", ("nhd", "hnd").
uint64_t bits_of(const char* what, const sdk::Words& words, nb::handle word_or_words);
/// The words of a mask, as a tuple.
nb::tuple words_of(const sdk::Words& words, uint64_t bits);

/// ATTNRT_FP32 ... of "bf16", "bfloat16", torch.bfloat16, numpy.float32, numpy.dtype("float32"). Throws INVALID.
uint32_t dtype_number(const char* what, nb::handle dtype);
/// Any element type that a tensor may have, integers and bool too, as DLPack has it. Throws INVALID.
attnrt_dtype dlpack_dtype(const char* what, nb::handle dtype);
/// "bf16", "int64", "bool".
std::string dtype_text(attnrt_dtype dtype);

}  // namespace attnrt::python
