// SPDX-License-Identifier: Apache-2.0
#include "message_pack.hpp"

#include <utility>

#include "fault.hpp"

namespace attnrt::emulator::amd {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  Packed value(int depth = 0);

 private:
  uint64_t big_endian(uint32_t bytes);
  std::string_view take(uint64_t bytes);
  Packed text(uint64_t bytes);
  Packed list(uint64_t count, int depth);
  Packed map(uint64_t count, int depth);
  std::string_view rest_;
};

std::string_view Reader::take(uint64_t bytes) {
  if (bytes > rest_.size()) throw TextFault("the metadata ends in the middle of a value");
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}
uint64_t Reader::big_endian(uint32_t bytes) {
  uint64_t value = 0;
  for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

Packed number(uint64_t value) {
  Packed out;
  out.kind = Packed::number;
  out.integer = value;
  return out;
}
Packed Reader::text(uint64_t bytes) {
  Packed out;
  out.kind = Packed::text;
  out.string = take(bytes);
  return out;
}
Packed Reader::list(uint64_t count, int depth) {
  Packed out;
  out.kind = Packed::list;
  if (count > rest_.size()) throw TextFault("the metadata ends in the middle of a list");
  for (uint64_t i = 0; i < count; ++i) out.items.push_back(value(depth + 1));
  return out;
}
Packed Reader::map(uint64_t count, int depth) {
  Packed out;
  out.kind = Packed::map;
  if (count > rest_.size()) throw TextFault("the metadata ends in the middle of a map");
  for (uint64_t i = 0; i < count; ++i) {
    Packed key = value(depth + 1);
    if (key.kind != Packed::text) throw TextFault("a key of the metadata is no string");
    out.keys.push_back(std::move(key.string));
    out.items.push_back(value(depth + 1));
  }
  return out;
}

Packed Reader::value(int depth) {
  if (depth > 16) throw TextFault("the metadata is nested too deeply");
  const auto head = static_cast<uint32_t>(big_endian(1));
  if (head < 0x80) return number(head);
  if (head < 0x90) return map(head & 15, depth);
  if (head < 0xa0) return list(head & 15, depth);
  if (head < 0xc0) return text(head & 31);
  if (head >= 0xe0) return number(static_cast<uint64_t>(static_cast<int8_t>(head)));
  switch (head) {
    case 0xc0:
      return {};
    case 0xc2:
    case 0xc3:
      return number(head & 1);
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return text(big_endian(1u << (head - 0xc4)));
    case 0xca:
    case 0xcb:
      take(head == 0xca ? 4 : 8);
      return number(0);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
      return number(big_endian(1u << (head - 0xcc)));
    case 0xd0:
      return number(static_cast<uint64_t>(static_cast<int8_t>(big_endian(1))));
    case 0xd1:
      return number(static_cast<uint64_t>(static_cast<int16_t>(big_endian(2))));
    case 0xd2:
      return number(static_cast<uint64_t>(static_cast<int32_t>(big_endian(4))));
    case 0xd3:
      return number(big_endian(8));
    case 0xd9:
    case 0xda:
    case 0xdb:
      return text(big_endian(1u << (head - 0xd9)));
    case 0xdc:
    case 0xdd:
      return list(big_endian(head == 0xdc ? 2 : 4), depth);
    case 0xde:
    case 0xdf:
      return map(big_endian(head == 0xde ? 2 : 4), depth);
    default:
      throw TextFault(say("the metadata has a value of kind ", head, ", which is not known"));
  }
}

}  // namespace

const Packed* Packed::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &items[i];
  return nullptr;
}
uint64_t Packed::number_of(std::string_view key, uint64_t otherwise) const {
  const Packed* const member = find(key);
  return member && member->kind == number ? member->integer : otherwise;
}
std::string Packed::text_of(std::string_view key) const {
  const Packed* const member = find(key);
  return member && member->kind == text ? member->string : std::string();
}

Packed unpack(std::string_view bytes) { return Reader(bytes).value(); }

}  // namespace attnrt::emulator::amd
