// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "fault.hpp"
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

bool read_file(const std::string& path, std::string& text) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  std::ostringstream all;
  all << file.rdbuf();
  text = all.str();
  return true;
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
  PtxText found;
  std::string folders;
  Dl_info info{};
  if (dladdr(image, &info) && info.dli_fname) {
    folders = info.dli_fname;
    if (folders.size() > 3 && folders.compare(folders.size() - 3, 3, ".so") == 0) folders.resize(folders.size() - 3);
    folders += ".ptx";
  }
  if (const char* more = std::getenv("ATTNRT_EMULATOR_PTX")) folders = folders.empty() ? more : folders + ":" + more;
  std::istringstream list(folders);
  for (std::string folder; std::getline(list, folder, ':');)
    if (read_file(folder + "/" + name, found.text)) {
      found.from = folder + "/" + name;
      return found;
    }
  refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
         say("the emulator runs PTX and has none for this cubin for sm_", own, ": ", name, " is in none of ", folders));
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

std::string sha256(const void* data, std::size_t bytes) {
  static constexpr uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string text(static_cast<const char*>(data), bytes);
  text += static_cast<char>(0x80);
  while (text.size() % 64 != 56) text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(static_cast<uint64_t>(bytes) * 8 >> shift);
  const auto rotate = [](uint32_t x, int by) { return x >> by | x << (32 - by); };
  for (std::size_t at = 0; at < text.size(); at += 64) {
    uint32_t w[64];
    for (std::size_t i = 0; i < 16; ++i) w[i] = __builtin_bswap32(read<uint32_t>(text.data() + at + 4 * i));
    for (std::size_t i = 16; i < 64; ++i) {
      const uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      const uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t v[8];
    std::copy(std::begin(h), std::end(h), v);
    for (std::size_t i = 0; i < 64; ++i) {
      const uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
      const uint32_t first = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
      const uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
      const uint32_t second = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      std::copy_backward(v, v + 7, v + 8);
      v[4] += first;
      v[0] = first + second;
    }
    for (int i = 0; i < 8; ++i) h[i] += v[i];
  }
  std::string digest;
  for (const uint32_t word : h)
    for (int shift = 28; shift >= 0; shift -= 4) digest += "0123456789abcdef"[word >> shift & 15];
  return digest;
}

}  // namespace attnrt::emulator
