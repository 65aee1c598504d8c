// SPDX-License-Identifier: Apache-2.0
//
// A code object as LLVM writes one for AMD, without machine code: headers and the note that describes a kernel.
#ifndef ATTNRT_TESTS_HIP_IMAGE_HPP
#define ATTNRT_TESTS_HIP_IMAGE_HPP
#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace attnrt::hip_test {

/// Values of MessagePack.
inline std::string packed(uint32_t number) {
  std::string out(1, static_cast<char>(0xce));
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
  return out;
}
inline std::string packed(const std::string& text) {
  return std::string({static_cast<char>(0xd9), static_cast<char>(text.size())}) + text;
}
inline std::string packed(const std::vector<std::string>& items) {
  std::string out(1, static_cast<char>(0x90 + items.size()));
  for (const std::string& item : items) out += item;
  return out;
}
struct Entry {
  std::string key, value;
};
inline std::string packed(const std::vector<Entry>& entries) {
  std::string out({static_cast<char>(0xde), 0, static_cast<char>(entries.size())});
  for (const Entry& entry : entries) out += packed(entry.key) + entry.value;
  return out;
}

/// What an image says.
struct ImageFacts {
  std::string name = "test";
  uint32_t machine = 0x54c;   ///< flags of the header: gfx942
  unsigned char version = 3;  ///< EI_ABIVERSION: 3 = code object version 5
  std::vector<uint32_t> argument_bytes = {8, 8};
  uint32_t lds = 0, most_threads = 256, wavefront = 64, spills = 0;
  std::vector<std::string> hidden = {"hidden_block_count_x"};
  uint32_t kernels = 1;
};

inline std::string image_of(const ImageFacts& facts) {
  std::vector<std::string> arguments;
  uint32_t offset = 0;
  const auto add = [&](uint32_t bytes, const std::string& kind) {
    offset = (offset + bytes - 1) / bytes * bytes;
    arguments.push_back(packed(
        std::vector<Entry>{{".offset", packed(offset)}, {".size", packed(bytes)}, {".value_kind", packed(kind)}}));
    offset += bytes;
  };
  for (const uint32_t bytes : facts.argument_bytes) add(bytes, bytes == 8 ? "global_buffer" : "by_value");
  for (const std::string& kind : facts.hidden) add(4, kind);
  const std::string kernel = packed(std::vector<Entry>{{".name", packed(facts.name)},
                                                       {".symbol", packed(facts.name + ".kd")},
                                                       {".args", packed(arguments)},
                                                       {".kernarg_segment_size", packed(offset)},
                                                       {".group_segment_fixed_size", packed(facts.lds)},
                                                       {".private_segment_fixed_size", packed(facts.spills * 4)},
                                                       {".max_flat_workgroup_size", packed(facts.most_threads)},
                                                       {".wavefront_size", packed(facts.wavefront)},
                                                       {".vgpr_count", packed(32u)},
                                                       {".vgpr_spill_count", packed(facts.spills)}});
  const std::string metadata =
      packed(std::vector<Entry>{{"amdhsa.kernels", packed(std::vector<std::string>(facts.kernels, kernel))}});
  Elf64_Nhdr note{7, static_cast<uint32_t>(metadata.size()), 32};
  std::string notes(reinterpret_cast<const char*>(&note), sizeof note);
  notes += std::string("AMDGPU\0\0", 8) + metadata;
  notes.resize((notes.size() + 3) / 4 * 4);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_OSABI] = 64;
  header.e_ident[EI_ABIVERSION] = facts.version;
  header.e_machine = 224;
  header.e_flags = facts.machine;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = notes.size();
  Elf64_Shdr section{};
  section.sh_type = SHT_NOTE;
  section.sh_offset = segment.p_offset;
  section.sh_size = notes.size();
  header.e_shoff = segment.p_offset + notes.size();
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
         std::string(reinterpret_cast<const char*>(&segment), sizeof segment) + notes +
         std::string(reinterpret_cast<const char*>(&section), sizeof section);
}

}  // namespace attnrt::hip_test
#endif
