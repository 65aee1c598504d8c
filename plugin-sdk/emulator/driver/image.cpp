// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "api.hpp"
#include "beside.hpp"
#include "fault.hpp"
#include "sha256.hpp"
#include "state.hpp"

namespace attnrt::emulator {
namespace {

constexpr uint32_t kFatMagic = 0xba55ed50, kFatWrapperMagic = 0x466243b1;
constexpr uint16_t kMachineCuda = 190;

template <class T>
T read(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The architecture of a cubin: the lowest byte of its flags, or since version 8 of its ABI the byte above.
uint32_t arch_of(const Elf64_Ehdr& header) {
  return header.e_ident[EI_ABIVERSION] >= 8 ? header.e_flags >> 8 & 0xff : header.e_flags & 0xff;
}
std::size_t size_of(const char* image, const Elf64_Ehdr& header) {
  std::size_t end = std::max<std::size_t>(header.e_shoff + std::size_t{header.e_shentsize} * header.e_shnum,
                                          header.e_phoff + std::size_t{header.e_phentsize} * header.e_phnum);
  for (uint16_t i = 0; i < header.e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(image + header.e_shoff + std::size_t{header.e_shentsize} * i);
    if (section.sh_type != SHT_NOBITS) end = std::max<std::size_t>(end, section.sh_offset + section.sh_size);
  }
  return end;
}

PtxText beside_cubin(const char* image, uint32_t arch) {
  const auto header = read<Elf64_Ehdr>(image);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachineCuda ||
      header.e_shentsize < sizeof(Elf64_Shdr))
    refuse(CUDA_ERROR_INVALID_IMAGE, "an ELF file that is no cubin");
  const uint32_t own = arch_of(header);
  // A cubin runs on devices of its major version and at least its minor one.
  if (own / 10 != arch / 10 || own > arch)
    refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, say("a cubin for sm_", own, ", the device is sm_", arch));
  const std::string name = sha256(image, size_of(image, header)) + ".ptx";
  const Beside found = find_beside(image, ".ptx", "ATTNRT_EMULATOR_PTX", name);
  if (found.file.empty())
    refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, say("the emulator runs PTX and has none for this cubin for sm_", own, ": ",
                                             name, " is in none of ", found.folders));
  return {found.text, found.file};
}

// An entry of a fat binary, as nvcc's fatbinary writes it: 16-bit kind (1 PTX, 2 cubin), 32-bit sizes of header and
// data, the architecture, flags of which some mean that the data is compressed.
PtxText from_fat_binary(const char* image, uint32_t arch) {
  const uint16_t header_bytes = read<uint16_t>(image + 6);
  const uint64_t bytes = read<uint64_t>(image + 8);
  const char *best = nullptr, *at = image + header_bytes, *const end = at + bytes;
  uint32_t best_arch = 0;
  uint64_t best_bytes = 0;
  bool compressed = false, any = false;
  while (at + 64 <= end) {
    const auto kind = read<uint16_t>(at);
    const auto entry_header = read<uint32_t>(at + 4);
    const auto entry_bytes = read<uint64_t>(at + 8);
    const auto entry_arch = read<uint32_t>(at + 28);
    const auto flags = read<uint64_t>(at + 40);
    if (entry_header < 64 || entry_bytes > static_cast<uint64_t>(end - at)) break;
    any = true;
    if (kind == 1 && entry_arch <= arch && entry_arch > best_arch) {
      compressed = (flags & 0xa000) != 0;
      best = at + entry_header;
      best_bytes = entry_bytes;
      best_arch = entry_arch;
    }
    at += entry_header + entry_bytes;
  }
  if (!any) refuse(CUDA_ERROR_INVALID_IMAGE, "a fat binary without entries");
  if (!best) refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, say("a fat binary without PTX for sm_", arch, " or older"));
  if (compressed)
    refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "the PTX of a fat binary is compressed, wanted nvcc --no-compress");
  PtxText found{std::string(best, best_bytes), "fat binary"};
  found.text.resize(std::strlen(found.text.c_str()));
  return found;
}

}  // namespace

PtxText ptx_of(const void* image, uint32_t arch) {
  if (!image) refuse(CUDA_ERROR_INVALID_VALUE, "no image");
  const char* bytes = static_cast<const char*>(image);
  const auto magic = read<uint32_t>(bytes);
  if (magic == kFatWrapperMagic) {
    bytes = read<const char*>(bytes + 8);
    return from_fat_binary(bytes, arch);
  }
  if (magic == kFatMagic) return from_fat_binary(bytes, arch);
  if (std::memcmp(bytes, ELFMAG, SELFMAG) == 0) return beside_cubin(bytes, arch);
  const unsigned char first = static_cast<unsigned char>(bytes[0]);
  if (first != '/' && first != '.' && first != ' ' && first != '\n' && first != '\t' && first != '\r')
    refuse(CUDA_ERROR_INVALID_IMAGE, "an image that is neither PTX nor a cubin nor a fat binary");
  return {bytes, "text"};
}

}  // namespace attnrt::emulator
