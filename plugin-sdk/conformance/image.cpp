// SPDX-License-Identifier: Apache-2.0
#include "conformance/image.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "attnrt/check.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

// The entries of the dynamic section that lead to the symbols.
struct Dynamic {
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  const uint32_t* gnu_hash = nullptr;
  const uint32_t* hash = nullptr;

  explicit Dynamic(const link_map& map) {
    for (const ElfW(Dyn)* d = map.l_ld; d->d_tag != DT_NULL; ++d) {
      // glibc has relocated these already where it could write them.
      const auto at = d->d_un.d_ptr < map.l_addr ? d->d_un.d_ptr + map.l_addr : d->d_un.d_ptr;
      if (d->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(at);
      if (d->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(at);
      if (d->d_tag == DT_GNU_HASH) gnu_hash = reinterpret_cast<const uint32_t*>(at);
      if (d->d_tag == DT_HASH) hash = reinterpret_cast<const uint32_t*>(at);
    }
  }

  // Both hash tables tell how many symbols there are.
  std::size_t count() const {
    if (hash) return hash[1];
    if (!gnu_hash) return 0;
    const uint32_t buckets = gnu_hash[0], first = gnu_hash[1], bloom = gnu_hash[2];
    const uint32_t* bucket = gnu_hash + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t* chain = bucket + buckets;
    uint32_t last = 0;
    for (uint32_t b = 0; b < buckets; ++b) last = std::max(last, bucket[b]);
    if (last < first) return first;
    while (!(chain[last - first] & 1u)) ++last;
    return last + 1;
  }
};

std::optional<attnrt_note> find_note(const link_map& map) {
  struct Search {
    ElfW(Addr) base;
    std::optional<attnrt_note> found;
  } search{map.l_addr, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* arg) {
        Search& s = *static_cast<Search*>(arg);
        if (info->dlpi_addr != s.base) return 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& header = info->dlpi_phdr[i];
          if (header.p_type != PT_NOTE) continue;
          const char* at = reinterpret_cast<const char*>(s.base + header.p_vaddr);
          for (const char* end = at + header.p_memsz; at + sizeof(ElfW(Nhdr)) <= end;) {
            ElfW(Nhdr) note;
            std::memcpy(&note, at, sizeof note);
            const std::size_t size = sizeof note + (note.n_namesz + 3) / 4 * 4 + (note.n_descsz + 3) / 4 * 4;
            if (note.n_type == ATTNRT_NOTE_TYPE && size >= sizeof(attnrt_note)) {
              s.found.emplace();
              std::memcpy(&*s.found, at, sizeof(attnrt_note));
            }
            at += size;
          }
        }
        return 1;
      },
      &search);
  return search.found;
}

link_map* map_of(void* handle) {
  link_map* map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map : nullptr;
}

void check_note(const link_map& map, const attnrt_plugin& p, Findings& out) {
  const std::optional<attnrt_note> note = find_note(map);
  if (!note) {
    out.push_back({"note", p.name, false, "the library has no ELF note 'attnrt', wanted ATTNRT_PLUGIN_NOTE"});
    return;
  }
  const std::string name(note->name, strnlen(note->name, sizeof note->name));
  const std::string version(note->version, strnlen(note->version, sizeof note->version));
  const bool same =
      name == p.name && version == p.version && note->abi_major == p.abi_major && note->abi_minor == p.abi_minor;
  out.push_back({"note", p.name, same,
                 say("the note says ", name, " ", version, " ABI ", note->abi_major, ".", note->abi_minor,
                     ", the table ", p.name, " ", p.version, " ABI ", p.abi_major, ".", p.abi_minor)});
}

}  // namespace

std::vector<std::string> exported_symbols(void* handle) {
  std::vector<std::string> out;
  const link_map* map = map_of(handle);
  if (!map) return out;
  const Dynamic dynamic(*map);
  if (!dynamic.symbols || !dynamic.names) return out;
  for (std::size_t i = 1; i < dynamic.count(); ++i) {
    const ElfW(Sym)& symbol = dynamic.symbols[i];
    const auto binding = ELF64_ST_BIND(symbol.st_info);
    const auto visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || binding == STB_LOCAL) continue;
    if (visibility == STV_DEFAULT || visibility == STV_PROTECTED) out.emplace_back(dynamic.names + symbol.st_name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Findings check_image(void* handle, const attnrt_plugin& p) {
  Findings out;
  const link_map* map = map_of(handle);
  if (!map) return {{"exports", p.name, false, "the dynamic linker does not know the library"}};
  std::string list;
  const std::vector<std::string> symbols = exported_symbols(handle);
  for (const std::string& name : symbols) list += (list.empty() ? "" : ", ") + name;
  // A sanitizer's own symbols are exported by every library built with it.
  const bool one = (symbols.size() == 1 && symbols[0] == ATTNRT_PLUGIN_QUERY) || ATTNRT_SANITIZERS;
  out.push_back(
      {"exports", p.name, one, say("exports ", list, one ? "" : say(", wanted ", ATTNRT_PLUGIN_QUERY, " alone"))});
  check_note(*map, p, out);
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = dlsym(handle, ATTNRT_PLUGIN_QUERY);
  std::memcpy(&query, &symbol, sizeof query);
  const bool pure = query && query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR) == &p &&
                    query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR + 1) == &p && !query(ATTNRT_ABI_MAJOR + 1000, 0);
  out.push_back(
      {"query", p.name, pure,
       pure ? "the same table for each minor of its major, none for another major"
            : "query must answer the same table each time, for any minor of its major, and NULL for another major"});
  return out;
}

}  // namespace attnrt::conformance
