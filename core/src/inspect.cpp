// SPDX-License-Identifier: Apache-2.0
#include "inspect.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "attnrt/base_size.hpp"
#include "descriptor.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

using namespace std::string_view_literals;

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#else
constexpr uint16_t kMachine = EM_NONE;
#endif

/// A note segment larger than this is not read: plugins carry a few hundred bytes of notes.
constexpr uint64_t kMaxNotes = 1 << 20;
constexpr uint16_t kMaxHeaders = 128;
/// Symbols are told apart by this many bytes of their names.
constexpr std::size_t kMaxName = 256;

Inspection verdict(State state, std::string sentence) {
  Inspection out;
  out.state = state;
  out.sentence = std::move(sentence);
  return out;
}

/// offset + size <= limit, without overflow.
bool inside(uint64_t offset, uint64_t size, uint64_t limit) { return offset <= limit && size <= limit - offset; }

std::string hex(const unsigned char* bytes, std::size_t n) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < n; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

template <std::size_t N>
std::string text_field(const char (&field)[N]) {
  return {field, strnlen(field, N)};
}

/// Walks one PT_NOTE segment: the attnrt note and the GNU build id.
void read_notes(const std::vector<unsigned char>& bytes, uint64_t alignment, Inspection& out, bool& found) {
  const auto aligned = [align = alignment == 8 ? uint64_t{8} : uint64_t{4}](uint64_t n) {
    return (n + align - 1) / align * align;
  };
  for (uint64_t at = 0; inside(at, sizeof(Elf64_Nhdr), bytes.size());) {
    Elf64_Nhdr header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    const uint64_t name = at + sizeof header, desc = name + aligned(header.n_namesz);
    if (!inside(name, header.n_namesz, bytes.size()) || !inside(desc, header.n_descsz, bytes.size())) return;
    const std::string_view owner(reinterpret_cast<const char*>(bytes.data() + name), header.n_namesz);
    if (owner == "GNU\0"sv && header.n_type == NT_GNU_BUILD_ID && header.n_descsz <= 64)
      out.build_id = hex(bytes.data() + desc, header.n_descsz);
    // Our note is written as one C struct, so its owner field is 8 bytes whatever the alignment says.
    constexpr std::size_t body = offsetof(attnrt_note, struct_size), base = sdk::base_size<attnrt_note>;
    if (owner == "attnrt\0"sv && header.n_type == ATTNRT_NOTE_TYPE && inside(at, base, bytes.size()) &&
        header.n_descsz >= base - body) {
      attnrt_note note{};
      std::memcpy(&note, bytes.data() + at, base);
      out.name = text_field(note.name);
      out.version = text_field(note.version);
      out.abi_major = note.abi_major;
      out.abi_minor = note.abi_minor;
      out.sanitizers = note.sanitizers;
      found = true;
    }
    at = desc + aligned(header.n_descsz);
  }
}

/// The first dynamic symbol that the file defines for others and that is not `wanted`, by its section table; "" = there is
/// none. Names are compared where they lie: tables may let thousands of symbols share one long name.
std::string foreign_export(const ReadAt& read, const Elf64_Ehdr& e, uint64_t size, std::string_view wanted) {
  std::vector<Elf64_Shdr> sections(e.e_shoff && e.e_shentsize == sizeof(Elf64_Shdr) ? e.e_shnum : 0);
  if (sections.empty() || !read(e.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr))) return "";
  for (const Elf64_Shdr& s : sections) {
    if (s.sh_type != SHT_DYNSYM || s.sh_link >= sections.size() || s.sh_size > kMaxNotes ||
        !inside(s.sh_offset, s.sh_size, size))
      continue;
    const Elf64_Shdr& names = sections[s.sh_link];
    if (names.sh_size == 0 || names.sh_size > kMaxNotes || !inside(names.sh_offset, names.sh_size, size)) continue;
    std::vector<Elf64_Sym> symbols(s.sh_size / sizeof(Elf64_Sym));
    std::string text(names.sh_size, '\0');
    if (!read(s.sh_offset, symbols.data(), symbols.size() * sizeof(Elf64_Sym)) ||
        !read(names.sh_offset, text.data(), text.size()))
      continue;
    for (const Elf64_Sym& symbol : symbols) {
      if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL || symbol.st_name >= text.size())
        continue;
      const char* name = text.c_str() + symbol.st_name;
      const std::string_view shown(name, strnlen(name, kMaxName));
      if (shown != wanted) return std::string(shown);
    }
    break;  // a library has one such table
  }
  return "";
}

std::string abi_text(uint32_t major, uint32_t minor) { return std::to_string(major) + "." + std::to_string(minor); }

}  // namespace

const char* state_name(State state) {
  constexpr const char* names[] = {"loaded",      "untrusted", "foreign", "damaged",    "incompatible",
                                   "quarantined", "crashed",   "timeout", "unresolved", "invalid",
                                   "unavailable", "shadowed",  "replaced",  "unprobed"};
  return names[static_cast<int>(state)];
}

Inspection inspect_bytes(const ReadAt& read, uint64_t size) {
  Elf64_Ehdr e{};
  if (size == 0) return verdict(State::foreign, "the file is empty, wanted an ELF shared object");
  unsigned char magic[SELFMAG] = {};
  if (size < SELFMAG || !read(0, magic, SELFMAG) || std::memcmp(magic, ELFMAG, SELFMAG) != 0)
    return verdict(State::foreign, "not an ELF file, wanted a shared object");
  if (size < sizeof e || !read(0, &e, sizeof e))
    return verdict(State::damaged, "cut inside the ELF header: " + std::to_string(size) + " bytes");
  if (e.e_ident[EI_CLASS] != ELFCLASS64) return verdict(State::foreign, "a 32-bit file, wanted 64 bits");
  if (e.e_ident[EI_DATA] != ELFDATA2LSB) return verdict(State::foreign, "a big-endian file, wanted little-endian");
  if (e.e_machine != kMachine)
    return verdict(State::foreign,
                   "built for ELF machine " + std::to_string(e.e_machine) + ", wanted " + std::to_string(kMachine));
  if (e.e_type != ET_DYN)
    return verdict(State::foreign, "ELF type " + std::to_string(e.e_type) + ", wanted 3 (shared object)");
  if (e.e_phentsize != sizeof(Elf64_Phdr) || e.e_phnum == 0)
    return verdict(State::damaged, "no program headers of the usual size");
  if (e.e_phnum > kMaxHeaders)
    return verdict(State::damaged, std::to_string(e.e_phnum) + " program headers, wanted at most 128");
  if (!inside(e.e_phoff, uint64_t{e.e_phnum} * sizeof(Elf64_Phdr), size))
    return verdict(State::damaged, "cut inside the program headers: " + std::to_string(size) + " bytes");
  if (e.e_shoff && !inside(e.e_shoff, uint64_t{e.e_shnum} * e.e_shentsize, size))
    return verdict(State::damaged, "cut: the section headers end at byte " +
                                       std::to_string(e.e_shoff + uint64_t{e.e_shnum} * e.e_shentsize) + " of " +
                                       std::to_string(size));

  Inspection out;
  bool found = false, dynamic = false, load = false;
  for (uint64_t i = 0; i < e.e_phnum; ++i) {
    Elf64_Phdr p{};
    if (!read(e.e_phoff + i * sizeof p, &p, sizeof p))
      return verdict(State::damaged, "the program headers cannot be read");
    if (p.p_type != PT_LOAD && p.p_type != PT_DYNAMIC && p.p_type != PT_NOTE) continue;
    if (!inside(p.p_offset, p.p_filesz, size))
      return verdict(State::damaged, "cut: segment " + std::to_string(i) + " wants " + std::to_string(p.p_filesz) +
                                         " bytes at " + std::to_string(p.p_offset) + " of " + std::to_string(size));
    load |= p.p_type == PT_LOAD;
    dynamic |= p.p_type == PT_DYNAMIC;
    if (p.p_type != PT_NOTE || p.p_filesz > kMaxNotes) continue;
    std::vector<unsigned char> bytes(p.p_filesz);
    if (!read(p.p_offset, bytes.data(), bytes.size())) return verdict(State::damaged, "the notes cannot be read");
    read_notes(bytes, p.p_align, out, found);
  }
  if (!load || !dynamic) return verdict(State::damaged, "no loadable or no dynamic segment");
  if (!found) {
    out.state = State::foreign;
    out.sentence = "no attnrt note, wanted a library made with attnrt_add_plugin";
    return out;
  }
  for (const auto& [what, text] : {std::pair("name", &out.name), std::pair("version", &out.version)})
    if (!is_word(*text)) {
      out.state = State::invalid;
      out.sentence = std::string("the attnrt note's ") + what + " is '" + printable(*text) +
                     "', wanted letters, digits, '_', '.' and '-'";
      text->assign(printable(*text));
      return out;
    }
  if (const std::string name = foreign_export(read, e, size, ATTNRT_PLUGIN_QUERY); !name.empty()) {
    out.state = State::invalid;
    out.sentence =
        "exports " + printable(name, 200) + ", wanted " ATTNRT_PLUGIN_QUERY " alone: build it with attnrt_add_plugin";
    return out;
  }
  const auto incompatible = [&out](std::string sentence) {
    out.state = State::incompatible;
    out.sentence = std::move(sentence);
    return out;
  };
  if (out.abi_major != ATTNRT_ABI_MAJOR)
    return incompatible("built for plugin ABI " + abi_text(out.abi_major, out.abi_minor) + ", wanted " +
                        abi_text(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR) + ": rebuild it with this version's SDK");
  constexpr uint32_t ours = ATTNRT_SANITIZERS;
  if (const uint32_t foreign = out.sanitizers & ~ours)
    return incompatible("built with the " + join(names_of(words::sanitizers, foreign)) +
                        " sanitizer, this process runs without it: rebuild the plugin without, or the host with it");
  return out;
}

Inspection inspect(int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return verdict(State::damaged, std::string("cannot be read: ") + std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return verdict(State::foreign, S_ISDIR(info.st_mode) ? "a folder, wanted a file" : "not a regular file");
  Inspection out = inspect_bytes(
      [descriptor](uint64_t offset, void* to, uint64_t size) {
        auto* at = static_cast<char*>(to);
        while (size) {
          const ssize_t got = pread(descriptor, at, size, static_cast<off_t>(offset));
          if (got < 0 && errno == EINTR) continue;
          if (got <= 0) return false;
          at += got;
          offset += static_cast<uint64_t>(got);
          size -= static_cast<uint64_t>(got);
        }
        return true;
      },
      static_cast<uint64_t>(info.st_size));
  if (out.build_id.empty())
    out.build_id = std::to_string(info.st_size) + ":" + std::to_string(info.st_mtim.tv_sec) + "." +
                   std::to_string(info.st_mtim.tv_nsec);
  return out;
}

Inspection inspect(const std::filesystem::path& file) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const Descriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!opened) return verdict(State::damaged, std::string("cannot be opened: ") + std::strerror(errno));
  return inspect(opened.get());
}

}  // namespace attnrt::core
