// SPDX-License-Identifier: Apache-2.0
// Any bytes as a plugin file. The inspector asks for no byte outside of it, gives each file one state and one sentence,
// and what it lets pass is a whole library by a second reading of its headers.
#include "inspect.hpp"

#include <elf.h>

#include <algorithm>
#include <vector>

#include "attnrt/plugin.h"
#include "target.hpp"

namespace core = attnrt::core;
using fuzz::promise;

namespace {

core::Inspection look(const uint8_t* data, std::size_t size) {
  return core::inspect_bytes(
      [data, size](uint64_t offset, void* to, uint64_t bytes) {
        promise(offset <= size && bytes <= size - offset, "the inspector reads within the file");
        if (bytes) std::memcpy(to, data + offset, bytes);
        return true;
      },
      size);
}

bool same(const core::Inspection& a, const core::Inspection& b) {
  return a.state == b.state && a.sentence == b.sentence && a.name == b.name && a.version == b.version &&
         a.build_id == b.build_id && a.abi_major == b.abi_major && a.abi_minor == b.abi_minor &&
         a.sanitizers == b.sanitizers;
}

bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const core::Inspection out = look(data, size);
  promise(same(out, look(data, size)), "the same file gets the same answer");
  if (out.state != core::State::loaded) {
    promise(out.state == core::State::foreign || out.state == core::State::damaged ||
                out.state == core::State::incompatible || out.state == core::State::invalid,
            "a file that is only read is foreign, damaged, incompatible or invalid");
    fuzz::promise_sentence(out.sentence);
    return 0;
  }
  promise(out.sentence.empty(), "nothing is said against a good file", out.sentence);
  promise(out.abi_major == ATTNRT_ABI_MAJOR, "the ABI's major is this host's");
  promise((out.sanitizers & ~ATTNRT_SANITIZERS) == 0, "no sanitizer that this process lacks");
  promise(is_word(out.name) && is_word(out.version), "name and version are words", out.name + " " + out.version);
  promise(out.build_id.size() <= 128 && out.build_id.find_first_not_of("0123456789abcdef") == std::string::npos,
          "the build id is hex");

  promise(size >= sizeof(Elf64_Ehdr) && std::memcmp(data, "\177ELF\2\1", 6) == 0, "a 64-bit little-endian ELF file");
  Elf64_Ehdr e;
  std::memcpy(&e, data, sizeof e);
  promise(e.e_type == ET_DYN && e.e_phnum > 0 && e.e_phentsize == sizeof(Elf64_Phdr),
          "a shared object with program headers");
  uint64_t end = e.e_phoff + uint64_t{e.e_phnum} * sizeof(Elf64_Phdr);
  promise(e.e_phoff <= size && end <= size, "the program headers lie within the file");
  bool load = false, dynamic = false, note = false;
  for (uint64_t i = 0; i < e.e_phnum; ++i) {
    Elf64_Phdr p;
    std::memcpy(&p, data + e.e_phoff + i * sizeof p, sizeof p);
    if (p.p_type != PT_LOAD && p.p_type != PT_DYNAMIC && p.p_type != PT_NOTE) continue;
    promise(p.p_offset <= size && p.p_filesz <= size - p.p_offset, "segments lie within the file");
    end = std::max(end, p.p_offset + p.p_filesz);
    load |= p.p_type == PT_LOAD;
    dynamic |= p.p_type == PT_DYNAMIC;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + p.p_offset, p.p_filesz);
    note |= p.p_type == PT_NOTE && bytes.find(out.name) != std::string_view::npos &&
            bytes.find(std::string_view("attnrt\0", 7)) != std::string_view::npos;
  }
  promise(load && dynamic && note, "something to load, something dynamic, and the note that names it");
  if (e.e_shoff) end = std::max(end, e.e_shoff + uint64_t{e.e_shnum} * e.e_shentsize);
  promise(look(data, end - 1).state == core::State::damaged, "one byte less is damaged");
  return 0;
}
