// SPDX-License-Identifier: Apache-2.0
// Inspection on the bytes of a real plugin, whole, cut, changed and drowned in noise.
#include "inspect.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <random>

#include "attnrt/plugin.h"
#include "scratch.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Exactly `size` bytes on the heap, so that a sanitizer sees a read past them.
Inspection look(const std::string& bytes, std::size_t size) {
  return inspect_bytes(
      [&bytes, size](uint64_t offset, void* to, uint64_t n) {
        if (offset > size || n > size - offset) return false;
        std::memcpy(to, bytes.data() + offset, n);
        return true;
      },
      size);
}
Inspection look(const std::string& bytes) { return look(bytes, bytes.size()); }

const std::string& real() {
  static const std::string bytes = read_bytes(cpu_attn());
  return bytes;
}

/// A copy with one field of type T set.
template <class T>
std::string with(std::string bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}
template <class T>
T field(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::size_t note_offset() {
  const std::size_t owner = real().find(std::string("\x31\x54\x54\x41" "attnrt\0\0", 12));
  REQUIRE(owner != std::string::npos);
  return owner - offsetof(attnrt_note, type);
}

/// The offset of the first program header of a type.
std::size_t header_of(uint32_t type) {
  const auto at = field<Elf64_Off>(real(), offsetof(Elf64_Ehdr, e_phoff));
  for (std::size_t i = 0; i < field<uint16_t>(real(), offsetof(Elf64_Ehdr, e_phnum)); ++i)
    if (field<uint32_t>(real(), at + i * sizeof(Elf64_Phdr)) == type) return at + i * sizeof(Elf64_Phdr);
  FAIL("no such header");
  return 0;
}

}  // namespace

TEST_CASE("a whole plugin tells its name, version, ABI and build id") {
  const Inspection whole = inspect(cpu_attn());
  CHECK(whole.state == State::loaded);
  CHECK(whole.sentence == "");
  CHECK(whole.name == "cpu_attn");
  CHECK_FALSE(whole.version.empty());
  CHECK(whole.abi_major == ATTNRT_ABI_MAJOR);
  CHECK(whole.abi_minor == ATTNRT_ABI_MINOR);
  CHECK(whole.sanitizers == ATTNRT_SANITIZERS);
  CHECK(whole.build_id.size() == 40);
  CHECK(look(real()).build_id == whole.build_id);
}

TEST_CASE("a plugin cut anywhere is damaged") {
  std::vector<std::size_t> sizes;
  for (std::size_t n = 0; n < 1200; ++n) sizes.push_back(n);
  for (std::size_t n = 1200; n < real().size(); n += 4999) sizes.push_back(n);
  for (std::size_t back = 1; back < 70; ++back) sizes.push_back(real().size() - back);
  const std::size_t headers =
      sizeof(Elf64_Ehdr) + field<uint16_t>(real(), offsetof(Elf64_Ehdr, e_phnum)) * sizeof(Elf64_Phdr);
  for (const std::size_t n : sizes) {
    CAPTURE(n);
    const Inspection cut = look(real(), n);
    const char* fragment = n == 0                       ? "the file is empty"
                           : n < SELFMAG                ? "not an ELF file"
                           : n < sizeof(Elf64_Ehdr)     ? "cut inside the ELF header"
                           : n < headers                ? "cut inside the program headers"
                                                        : "cut: the section headers end at byte";
    CHECK(cut.state == (n < SELFMAG ? State::foreign : State::damaged));
    CHECK_THAT(cut.sentence, Contains(fragment));
  }
}

TEST_CASE("a plugin without section headers may be cut behind its last segment, not before") {
  std::string bytes = with<Elf64_Off>(real(), offsetof(Elf64_Ehdr, e_shoff), 0);
  uint64_t end = 0;
  const auto at = field<Elf64_Off>(bytes, offsetof(Elf64_Ehdr, e_phoff));
  for (std::size_t i = 0; i < field<uint16_t>(bytes, offsetof(Elf64_Ehdr, e_phnum)); ++i) {
    const auto p = field<Elf64_Phdr>(bytes, at + i * sizeof(Elf64_Phdr));
    if (p.p_type == PT_LOAD) end = std::max(end, p.p_offset + p.p_filesz);
  }
  CHECK(look(bytes, end).state == State::loaded);
  for (const std::size_t n : {end - 1, end / 2, end / 3, uint64_t{4096}}) {
    CAPTURE(n);
    CHECK(look(bytes, n).state == State::damaged);
    CHECK_THAT(look(bytes, n).sentence, Contains("cut: segment"));
  }
}

TEST_CASE("each foreign, damaged or incompatible field has its sentence") {
  const std::size_t note = note_offset(), load = header_of(PT_LOAD), dynamic = header_of(PT_DYNAMIC),
                    notes = header_of(PT_NOTE);
  const std::size_t p_offset = offsetof(Elf64_Phdr, p_offset), p_size = offsetof(Elf64_Phdr, p_filesz);
  const auto other =
      static_cast<uint32_t>(ATTNRT_SANITIZERS & ATTNRT_SAN_ADDRESS ? ATTNRT_SAN_THREAD : ATTNRT_SAN_ADDRESS);
  constexpr uint64_t absurd = UINT64_MAX - 8;
  const struct {
    std::string bytes;
    State state;
    const char* fragment;
  } table[] = {
      {with<uint8_t>(real(), EI_CLASS, ELFCLASS32), State::foreign, "a 32-bit file, wanted 64 bits"},
      {with<uint8_t>(real(), EI_DATA, ELFDATA2MSB), State::foreign, "a big-endian file, wanted little-endian"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_machine), EM_PPC64), State::foreign,
       "built for ELF machine 21, wanted"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_type), ET_EXEC), State::foreign,
       "ELF type 2, wanted 3 (shared object)"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_type), ET_REL), State::foreign, "ELF type 1"},
      {with<char>(real(), note + offsetof(attnrt_note, owner), 'b'), State::foreign, "no attnrt note"},
      {with<uint32_t>(real(), note + offsetof(attnrt_note, type), 7), State::foreign, "no attnrt note"},
      {with<uint32_t>(real(), note + offsetof(attnrt_note, descsz), 4), State::foreign, "no attnrt note"},
      {with<uint32_t>(real(), note + offsetof(attnrt_note, descsz), UINT32_MAX), State::foreign, "no attnrt note"},
      {with<uint32_t>(real(), note + offsetof(attnrt_note, namesz), UINT32_MAX), State::foreign, "no attnrt note"},
      {with<uint32_t>(real(), note + offsetof(attnrt_note, abi_major), ATTNRT_ABI_MAJOR + 1), State::incompatible,
       "built for plugin ABI 2.1, wanted 1.1: rebuild it"},
      {with<uint32_t>(real(), note + offsetof(attnrt_note, sanitizers), other), State::incompatible,
       "sanitizer, this process runs without it"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_phnum), 0), State::damaged, "no program headers"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_phentsize), 8), State::damaged,
       "no program headers of the usual size"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_phnum), UINT16_MAX), State::damaged, "program headers"},
      {with<uint64_t>(real(), offsetof(Elf64_Ehdr, e_phoff), absurd), State::damaged, "cut inside the program headers"},
      {with<uint64_t>(real(), offsetof(Elf64_Ehdr, e_shoff), absurd), State::damaged, "cut: the section headers"},
      {with<uint16_t>(real(), offsetof(Elf64_Ehdr, e_shnum), UINT16_MAX), State::damaged, "cut: the section headers"},
      {with<uint64_t>(real(), load + p_offset, absurd), State::damaged, "cut: segment"},
      {with<uint64_t>(real(), load + p_size, absurd), State::damaged, "cut: segment"},
      {with<uint64_t>(real(), dynamic + p_offset, real().size() - 8), State::damaged, "cut: segment"},
      {with<uint64_t>(real(), notes + p_size, absurd), State::damaged, "cut: segment"},
      {with<uint32_t>(real(), dynamic, PT_NULL), State::damaged, "no loadable or no dynamic segment"},
  };
  for (const auto& row : table) {
    const Inspection seen = look(row.bytes);
    CAPTURE(row.fragment, seen.sentence);
    CHECK(state_name(seen.state) == std::string(state_name(row.state)));
    CHECK_THAT(seen.sentence, Contains(row.fragment));
  }
}

TEST_CASE("files that are no plugin") {
  const Scratch one;
  alarm(20);  // a FIFO must not be waited for
  const auto expect = [](const fs::path& file, State state, const char* fragment) {
    const Inspection seen = inspect(file);
    CAPTURE(file, seen.sentence);
    CHECK(seen.state == state);
    CHECK_THAT(seen.sentence, Contains(fragment));
  };
  expect(one.write("text.so", "INPUT(libc.so.6)\n"), State::foreign, "not an ELF file, wanted a shared object");
  expect(one.write("empty.so", ""), State::foreign, "the file is empty");
  expect(one.write("four.so", ELFMAG), State::damaged, "cut inside the ELF header: 4 bytes");
  fs::create_directory(one.path() / "folder.so");
  expect(one.path() / "folder.so", State::foreign, "a folder, wanted a file");
  fs::create_symlink(one.path() / "nowhere", one.path() / "dangling.so");
  expect(one.path() / "dangling.so", State::damaged, "cannot be opened: No such file");
  REQUIRE(mkfifo((one.path() / "fifo.so").c_str(), 0600) == 0);
  expect(one.path() / "fifo.so", State::foreign, "not a regular file");
  expect("/dev/zero", State::foreign, "not a regular file");
  Dl_info libc{};
  REQUIRE(dladdr(reinterpret_cast<const void*>(&std::strlen), &libc) != 0);
  expect(fs::canonical(libc.dli_fname), State::foreign, "no attnrt note, wanted a library made with attnrt_add_plugin");
  alarm(0);
}

TEST_CASE("a file without a build id is told apart by size and time") {
  const Scratch one;
  const std::size_t id = real().find(std::string("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16));
  REQUIRE(id != std::string::npos);
  const Inspection seen = inspect(one.write("a.so", with<char>(real(), id + 12, 'X')));
  CHECK(seen.state == State::loaded);
  CHECK_THAT(seen.build_id, Contains(std::to_string(real().size()) + ":"));
}

TEST_CASE("flipped bytes cost a sentence at most") {
  std::minstd_rand engine(20240607);
  const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  std::string bytes = real();
  const std::size_t note = note_offset();
  int told[16] = {};
  for (int round = 0; round < 6000; ++round) {
    std::vector<std::pair<std::size_t, char>> undo;
    for (uint32_t flips = 1 + random() % 6; flips; --flips) {
      const uint32_t kind = random() % 8;
      const std::size_t at = kind < 5   ? random() % 1024
                             : kind < 7 ? note + random() % sizeof(attnrt_note)
                                        : random() % bytes.size();
      undo.emplace_back(at, bytes[at]);
      bytes[at] = static_cast<char>(random() % 3   ? random()
                                    : random() % 2 ? 0xff
                                                   : static_cast<uint32_t>(bytes[at]) ^ 1u << random() % 8);
    }
    const Inspection seen = look(bytes);
    ++told[static_cast<int>(seen.state)];
    if (seen.sentence.empty() != (seen.state == State::loaded)) FAIL_CHECK("round " << round << ": " << seen.sentence);
    std::for_each(undo.rbegin(), undo.rend(), [&](const auto& change) { bytes[change.first] = change.second; });
  }
  REQUIRE(bytes == real());
  for (const State state : {State::loaded, State::foreign, State::damaged, State::incompatible}) {
    CAPTURE(state_name(state));
    CHECK(told[static_cast<int>(state)] > 10);
  }
  CHECK(told[static_cast<int>(State::loaded)] + told[static_cast<int>(State::foreign)] +
            told[static_cast<int>(State::damaged)] + told[static_cast<int>(State::incompatible)] +
            told[static_cast<int>(State::invalid)] ==
        6000);
}

TEST_CASE("thousands of symbol tables do not keep the host busy") {
  constexpr std::size_t count = 60000;
  std::string bytes = real();
  bytes = with<uint64_t>(bytes, offsetof(Elf64_Ehdr, e_shoff), bytes.size());
  bytes = with<uint16_t>(bytes, offsetof(Elf64_Ehdr, e_shnum), count);
  Elf64_Shdr s{};
  s.sh_type = SHT_DYNSYM;
  s.sh_size = 1 << 20;
  for (std::size_t i = 0; i < count; ++i) bytes.append(reinterpret_cast<const char*>(&s), sizeof s);
  const auto start = std::chrono::steady_clock::now();
  look(bytes);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("thousands of note headers do not keep the host busy") {
  constexpr std::size_t count = 60000;
  std::string bytes = real().substr(0, sizeof(Elf64_Ehdr));
  bytes = with<uint16_t>(bytes, offsetof(Elf64_Ehdr, e_phnum), count);
  bytes = with<uint64_t>(bytes, offsetof(Elf64_Ehdr, e_shoff), 0);
  Elf64_Phdr p{};
  p.p_type = PT_NOTE;
  p.p_filesz = 1 << 20;
  bytes = with<uint64_t>(bytes, offsetof(Elf64_Ehdr, e_phoff), sizeof(Elf64_Ehdr));
  for (std::size_t i = 0; i < count; ++i) bytes.append(reinterpret_cast<const char*>(&p), sizeof p);
  const auto start = std::chrono::steady_clock::now();
  CHECK(look(bytes).state == State::damaged);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("thousands of symbols that share a long name do not keep the host busy") {
  constexpr std::size_t count = 43690, name = 1 << 20;
  std::string bytes = real();
  bytes.resize((bytes.size() + 7) / 8 * 8);
  const std::size_t text = bytes.size();
  bytes.append(name - 1, 'a').push_back('\0');
  const std::size_t symbols = bytes.size();
  Elf64_Sym symbol{};
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
  symbol.st_shndx = 1;
  for (std::size_t i = 0; i < count; ++i) bytes.append(reinterpret_cast<const char*>(&symbol), sizeof symbol);
  const std::size_t sections = bytes.size();
  Elf64_Shdr table[3]{};
  table[1].sh_type = SHT_DYNSYM;
  table[1].sh_offset = symbols;
  table[1].sh_size = count * sizeof symbol;
  table[1].sh_link = 2;
  table[1].sh_entsize = sizeof symbol;
  table[2].sh_type = SHT_STRTAB;
  table[2].sh_offset = text;
  table[2].sh_size = name;
  bytes.append(reinterpret_cast<const char*>(table), sizeof table);
  bytes = with<uint64_t>(bytes, offsetof(Elf64_Ehdr, e_shoff), sections);
  bytes = with<uint16_t>(bytes, offsetof(Elf64_Ehdr, e_shnum), 3);
  const auto start = std::chrono::steady_clock::now();
  const Inspection seen = look(bytes);
  CHECK(seen.state == State::invalid);
  CHECK_THAT(seen.sentence, Contains("exports aaaa") && Contains("wanted attnrt_plugin_query alone"));
  CHECK(seen.sentence.size() < 500);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}
