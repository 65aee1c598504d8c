// SPDX-License-Identifier: Apache-2.0
// Any text as a program of FLEX_ATTENTION. What is refused has a sentence with a line and a column of the text; what is
// taken has a canonical form that reads back to it, is printed as text that means it again, and means the same after it
// was simplified.
#include <charconv>

#include "attnrt/flex/canonical.hpp"
#include "attnrt/flex/evaluate.hpp"
#include "flex/parser.hpp"
#include "flex/print.hpp"
#include "target.hpp"

using namespace attnrt::flex;
namespace core = attnrt::core;
using fuzz::promise;

namespace {

/// "flex:LINE:COLUMN: " of a place in the text, or the canonical form's own sentence.
void promise_place(std::string_view text, std::string_view sentence) {
  fuzz::promise_sentence(sentence);
  if (sentence.starts_with("flex: the canonical form of a flex program has an error at byte ")) return;
  promise(sentence.starts_with("flex:"), "a refusal begins with the program's name", sentence);
  int32_t line = 0, column = 0;
  const char* const end = sentence.data() + sentence.size();
  const auto first = std::from_chars(sentence.data() + 5, end, line);
  promise(first.ec == std::errc() && first.ptr != end && *first.ptr == ':', "a refusal has a line", sentence);
  const auto second = std::from_chars(first.ptr + 1, end, column);
  promise(second.ec == std::errc() && std::string_view(second.ptr, 2) == ": ", "a refusal has a column", sentence);
  std::string_view rest = text;
  for (int32_t i = 1; i < line; ++i) {
    const std::size_t stop = rest.find('\n');
    promise(stop != rest.npos, "the line is one of the text", sentence);
    rest.remove_prefix(stop + 1);
  }
  rest = rest.substr(0, rest.find('\n'));
  promise(line >= 1 && column >= 1 && static_cast<std::size_t>(column) <= rest.size() + 1,
          "the column is one of the line", sentence);
}

/// Tensors of three elements a dimension.
struct Tensors {
  explicit Tensors(const Program& program) {
    for (std::size_t i = 0; i < std::size(memory); ++i) memory[i] = static_cast<int32_t>(i * 2654435761u) >> (i % 28);
    for (std::size_t i = 0; i < program.buffers.size(); ++i) {
      views[i].data = memory;
      int64_t step = 1;
      for (std::size_t d = program.buffers[i].extents.size(); d-- > 0; step *= 3) {
        views[i].shape[d] = 3;
        views[i].strides[d] = step;
      }
    }
  }
  int32_t memory[81];
  BufferView views[kMaxBuffers];
};

bool same(float a, float b) { return a != a ? b != b : Value::of(a).bits == Value::of(b).bits; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const core::Result<Program> read = core::parse_flex(text, "flex", {});
  if (!read) {
    promise(read.error().code == ATTNRT_INVALID, "what is no program is INVALID");
    promise_place(text, read.error().text);
    return 0;
  }
  const Program& program = *read;
  const std::string canonical = write_canonical(program);
  Program again;
  const std::string why = read_canonical(canonical, again);
  promise(why.empty(), "the canonical form is read", why);
  promise(again == program, "the canonical form is read back to its program", canonical);

  const std::string printed = core::print_flex(program);
  const core::Result<Program> reread = core::parse_flex(printed, "printed", {});
  if (!reread) promise(false, "what is printed is read", reread.error().text);
  promise(write_canonical(*reread) == canonical, "what is printed means the same", printed);

  const Program simple = simplify(program);
  if (simple.mask != Program::kNone || simple.score != Program::kNone) {
    const std::string refused = read_canonical(write_canonical(simple), again);
    promise(refused.empty() && again == simple, "a simplified program is a program", refused);
  }
  const Tensors tensors(program);
  Evaluator written(program, tensors.views), simplified(simple, tensors.views);
  for (const Pair& pair : {Pair{0, 0, 0, 0, 0.0f}, Pair{1, 3, 70, 69, -1.5f}, Pair{2, 1, 5, 1000, 30.0f}}) {
    promise(written.visible(pair) == simplified.visible(pair), "a simplified mask shows the same", printed);
    promise(same(written.score(pair), simplified.score(pair)), "a simplified score is the same", printed);
  }
  return 0;
}
