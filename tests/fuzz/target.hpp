// SPDX-License-Identifier: Apache-2.0
//
// What every target shares: the entry that libFuzzer calls (llvm.org/docs/LibFuzzer.html) and replay.cpp stands in for,
// a promise that ends the process when it is broken, and values made from bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size);

namespace fuzz {

/// Ends the process, which is how a fuzzer is told of a finding.
inline void promise(bool kept, const char* what, std::string_view seen = "") {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s%s%.*s\n", what, seen.empty() ? "" : ": ", static_cast<int>(seen.size()),
               seen.data());
  std::abort();
}

/// A refusal is one printable line of bounded length, whatever the input held.
inline void promise_sentence(std::string_view text) {
  promise(!text.empty(), "a refusal says why");
  promise(text.size() <= 2048, "a refusal is at most 2 KiB long", text.substr(0, 200));
  for (const char c : text)
    promise(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a refusal is one printable line", text);
}

/// Values from bytes, in order; zeros once they are used up.
class Bytes {
 public:
  Bytes(const uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  template <class T>
  T take() {
    T value{};
    const std::size_t n = left_ < sizeof value ? left_ : sizeof value;
    if (n) std::memcpy(&value, data_, n);
    data_ += n;
    left_ -= n;
    return value;
  }
  /// 0 to n - 1.
  uint32_t below(uint32_t n) { return take<uint8_t>() % n; }
  /// A size as models have it most of the time, any number the rest.
  uint32_t number() {
    static constexpr uint32_t usual[] = {0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 512, 576, 1024};
    const uint8_t kind = take<uint8_t>();
    if (kind < 200) return usual[kind % (sizeof usual / sizeof *usual)];
    return kind < 250 ? take<uint16_t>() : take<uint32_t>();
  }

 private:
  const uint8_t* data_;
  std::size_t left_;
};

}  // namespace fuzz
