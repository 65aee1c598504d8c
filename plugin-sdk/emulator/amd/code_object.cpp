// SPDX-License-Identifier: Apache-2.0
#include "code_object.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "fault.hpp"
#include "message_pack.hpp"

namespace attnrt::emulator::amd {
namespace {

constexpr uint16_t kMachineAmd = 224;
constexpr unsigned char kOsHsa = 64;
constexpr uint32_t kNoteMetadata = 32;

bool is_amd(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_OSABI] == kOsHsa && header.e_machine == kMachineAmd;
}

template <class T>
T read(std::string_view image, uint64_t at) {
  T value;
  if (at > image.size() || sizeof value > image.size() - at)
    throw TextFault("the code object ends before what its headers name");
  std::memcpy(&value, image.data() + at, sizeof value);
  return value;
}
std::string_view part(std::string_view image, uint64_t at, uint64_t bytes) {
  if (at > image.size() || bytes > image.size() - at)
    throw TextFault("the code object ends before what its headers name");
  return image.substr(at, bytes);
}

// EF_AMDGPU_MACH_*
uint32_t arch_of(uint32_t machine) {
  switch (machine) {
    case 0x3f:
      return 0x90a;
    case 0x4c:
      return 0x942;
    case 0x4f:
      return 0x950;
    default:
      return 0;
  }
}

KernelInfo kernel_of(const Packed& of) {
  KernelInfo kernel;
  kernel.name = of.text_of(".name");
  kernel.symbol = of.text_of(".symbol");
  if (kernel.name.empty() || kernel.symbol.empty()) throw TextFault("a kernel without a name or a symbol");
  const auto number = [&](const char* key) { return static_cast<uint32_t>(of.number_of(key)); };
  kernel.segment_bytes = number(".kernarg_segment_size");
  kernel.lds_bytes = number(".group_segment_fixed_size");
  kernel.private_bytes = number(".private_segment_fixed_size");
  kernel.most_threads = number(".max_flat_workgroup_size");
  kernel.wavefront = number(".wavefront_size");
  kernel.vgprs = number(".vgpr_count");
  kernel.agprs = number(".agpr_count");
  kernel.sgprs = number(".sgpr_count");
  kernel.vgpr_spills = number(".vgpr_spill_count");
  kernel.sgpr_spills = number(".sgpr_spill_count");
  if (kernel.wavefront != 32 && kernel.wavefront != 64)
    throw TextFault(say(kernel.name, " has waves of ", kernel.wavefront, " lanes, wanted 32 or 64"));
  const Packed* const arguments = of.find(".args");
  for (const Packed& argument : arguments ? arguments->items : std::vector<Packed>()) {
    const std::string kind = argument.text_of(".value_kind");
    const Parameter place{static_cast<uint32_t>(argument.number_of(".offset")),
                          static_cast<uint32_t>(argument.number_of(".size"))};
    if (place.offset > kernel.segment_bytes || place.bytes > kernel.segment_bytes - place.offset)
      throw TextFault(
          say("an argument of ", kernel.name, " lies behind the ", kernel.segment_bytes, " bytes of its segment"));
    if (kind.rfind("hidden_", 0) == 0) {
      kernel.hidden.push_back(kind);
    } else {
      kernel.parameters.push_back(place);
      kernel.explicit_bytes = std::max(kernel.explicit_bytes, place.offset + place.bytes);
    }
  }
  return kernel;
}

// Notes: sizes of name and description, a type, then both, each filled to a multiple of 4.
std::string_view metadata_of(std::string_view image, const Elf64_Ehdr& header) {
  for (uint32_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = read<Elf64_Phdr>(image, header.e_phoff + uint64_t{i} * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_NOTE) continue;
    std::string_view notes = part(image, segment.p_offset, segment.p_filesz);
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
      const auto note = read<Elf64_Nhdr>(notes, 0);
      const uint64_t name_bytes = (uint64_t{note.n_namesz} + 3) / 4 * 4, bytes = (uint64_t{note.n_descsz} + 3) / 4 * 4;
      const std::string_view name = part(notes, sizeof note, note.n_namesz),
                             text = part(notes, sizeof note + name_bytes, note.n_descsz);
      if (note.n_type == kNoteMetadata && name.substr(0, 6) == "AMDGPU") return text;
      notes.remove_prefix(std::min<uint64_t>(notes.size(), sizeof note + name_bytes + bytes));
    }
  }
  throw TextFault("a code object without the note that describes its kernels");
}

}  // namespace

std::size_t code_object_size(const void* image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  if (!is_amd(header) || header.e_shentsize != sizeof(Elf64_Shdr)) return 0;
  std::size_t end = std::max<std::size_t>(header.e_shoff + std::size_t{header.e_shentsize} * header.e_shnum,
                                          header.e_phoff + std::size_t{header.e_phentsize} * header.e_phnum);
  for (uint32_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, static_cast<const char*>(image) + header.e_shoff + std::size_t{i} * sizeof section,
                sizeof section);
    if (section.sh_type != SHT_NOBITS) end = std::max<std::size_t>(end, section.sh_offset + section.sh_size);
  }
  return end;
}

CodeObject read_code_object(std::string_view image) {
  const auto header = read<Elf64_Ehdr>(image, 0);
  if (!is_amd(header)) throw TextFault("an image that is no code object for AMD's devices");
  CodeObject out;
  out.machine = header.e_flags & 0xff;
  out.arch = arch_of(out.machine);
  out.version = header.e_ident[EI_ABIVERSION] + 2u;
  if (header.e_phentsize != sizeof(Elf64_Phdr))
    throw TextFault(say("program headers of ", header.e_phentsize, " bytes"));
  const Packed metadata = unpack(metadata_of(image, header));
  const Packed* const kernels = metadata.find("amdhsa.kernels");
  if (!kernels || kernels->kind != Packed::list) throw TextFault("metadata without amdhsa.kernels");
  for (const Packed& kernel : kernels->items) out.kernels.push_back(kernel_of(kernel));
  return out;
}

}  // namespace attnrt::emulator::amd
