// SPDX-License-Identifier: Apache-2.0
//
// attnrt/diag.hpp: both ends of an attnrt_diag. `DiagSink` is the host's: it keeps what a call said, whatever that was.
// `Diag` is the plugin's: it adds sentences and counts them. Header-only, C++17.
#ifndef ATTNRT_DIAG_HPP
#define ATTNRT_DIAG_HPP
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/plugin.h"

namespace attnrt::sdk {

namespace detail {
/// Bytes of the character that `text` begins with; 0 where it begins with no printable character of UTF-8: a control
/// code, a byte that is no UTF-8, an overlong form, a surrogate or a number past the last one.
constexpr std::size_t printable_character(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  uint32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const uint32_t least = length == 2 ? 0xa0 : length == 3 ? 0x800 : 0x10000;  // 0x80 to 0x9f are control codes
  return code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? length : 0;
}
}  // namespace detail

/// Text that somebody else wrote, fit for a line of a terminal, a log or JSON: valid UTF-8 on one line, of at most
/// `limit` bytes and then "..."; every byte that is no part of a printable character becomes '?'. [thread-safe]
inline std::string printable(std::string_view text, std::size_t limit = 1024) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = detail::printable_character(text.substr(i, 4));
    if (out.size() + (length ? length : 1) > limit) return out + "...";
    if (length) out.append(text, i, length);
    else out += '?';
    i += length ? length : 1;
  }
  return out;
}

/// The same for a C string that may be NULL, which is "". Reads no more of it than is kept.
inline std::string printable(const char* text, std::size_t limit = 1024) {
  return text ? printable(std::string_view(text, strnlen(text, limit + 4)), limit) : std::string();
}

/// The host's end: collects what one call says. Takes anything: NULL and empty texts, texts of any length and bytes,
/// any number of them. Keeps at most 64 sentences, each printable and of at most 1024 bytes, and no more once they have
/// 4096 bytes together. [one thread per object]
class DiagSink {
 public:
  struct Sentence {
    attnrt_why why;    ///< as it was given, perhaps none that is known
    std::string text;  ///< "" where none was given
  };
  enum class Keep { sentences, count };  ///< `count` keeps no text and never allocates

  explicit DiagSink(Keep keep = Keep::sentences) noexcept
      : keep_(keep), face_{sizeof(attnrt_diag), 0, this, &DiagSink::add} {}
  DiagSink(const DiagSink&) = delete;
  DiagSink& operator=(const DiagSink&) = delete;

  const attnrt_diag* get() const noexcept { return &face_; }
  /// How often something was added, kept or not.
  std::size_t count() const noexcept { return count_; }
  /// How often it was a text that is neither NULL nor empty.
  std::size_t worded() const noexcept { return worded_; }
  const std::vector<Sentence>& sentences() const noexcept { return sentences_; }

  /// The texts that were kept, joined by "; ", and how many more there were. "" where there was none.
  std::string text() const {
    std::string all;
    std::size_t more = worded_;
    for (const Sentence& s : sentences_) {
      if (s.text.empty()) continue;
      all += all.empty() ? s.text : "; " + s.text;
      --more;
    }
    return more && !all.empty() ? all + "; and " + std::to_string(more) + " more" : all;
  }

 private:
  static constexpr std::size_t most_sentences = 64, most_bytes = 4096;
  static void add(void* self, attnrt_why why, const char* text) noexcept {
    if (!self) return;
    DiagSink& sink = *static_cast<DiagSink*>(self);
    ++sink.count_;
    sink.worded_ += text && *text;
    if (sink.keep_ == Keep::count || sink.sentences_.size() >= most_sentences || sink.bytes_ >= most_bytes) return;
    try {
      sink.sentences_.push_back({why, printable(text)});
      sink.bytes_ += sink.sentences_.back().text.size();
    } catch (...) {  // memory is short: the sentence is lost, the status stays
    }
  }
  Keep keep_;
  std::size_t count_ = 0, worded_ = 0, bytes_ = 0;
  std::vector<Sentence> sentences_;
  attnrt_diag face_;
};

/// The plugin's end: a typed face on the host's sink that counts what was added. A sink that is NULL hears nothing.
class Diag {
 public:
  explicit Diag(const attnrt_diag* sink) noexcept : sink_(sink) {}
  void add(attnrt_why why, const std::string& text) const { add(why, text.c_str()); }
  void add(attnrt_why why, const char* text) const {
    ++count_;
    if (sink_ && sink_->add) sink_->add(sink_->self, why, text ? text : "");
  }
  /// Adds the sentence and returns INVALID.
  attnrt_status invalid(const std::string& text) const {
    add(ATTNRT_WHY_OTHER, text);
    return ATTNRT_INVALID;
  }
  /// Adds the sentence and returns false, for the checks of check.hpp.
  bool fail(const std::string& text) const { return invalid(text) == ATTNRT_OK; }
  int count() const noexcept { return count_; }

 private:
  const attnrt_diag* sink_;
  mutable int count_ = 0;
};

}  // namespace attnrt::sdk
#endif
