// SPDX-License-Identifier: Apache-2.0
//
// A line of LLVM's textual IR (LangRef), in pieces.
#ifndef ATTNRT_EMULATOR_AMD_TOKEN_HPP
#define ATTNRT_EMULATOR_AMD_TOKEN_HPP
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace attnrt::emulator::amd {

struct Token {
  enum Kind {
    word,       ///< keywords, types, labels: "load", "i32", ".lr.ph"
    local,      ///< %5, %.lr.ph
    global,     ///< @llvm.smin.i32
    number,     ///< 5, -1, 1.5e+00, f0x3FB8AA3B, -inf, +nan(0x3F)
    string,     ///< "workgroup"
    attribute,  ///< #0
    metadata,   ///< !5, !amdgpu.noclobber
    mark        ///< one of ( ) < > [ ] { } , = : *
  };
  Kind kind;
  std::string_view text;
  bool is(std::string_view wanted) const { return text == wanted; }
};
using Tokens = std::vector<Token>;

/// The pieces of a line without its comment; they point into it. Throws TextFault where a character begins none.
Tokens tokens_of(std::string_view line);

/// The place behind the mark that closes the one at `open`. Throws TextFault where there is none.
std::size_t behind_closing(const Tokens& tokens, std::size_t open);

}  // namespace attnrt::emulator::amd
#endif
