// SPDX-License-Identifier: Apache-2.0
#include "library.hpp"

#include <dlfcn.h>

#include <cstring>

#include "attnrt/fork.hpp"

namespace attnrt::cpu {
namespace {

constexpr const char* kFile = "libdnnl.so.2";

template <class Function>
bool find(void* library, const char* name, Function& entry) {
  void* symbol = dlsym(library, name);
  std::memcpy(&entry, &symbol, sizeof symbol);
  return symbol != nullptr;
}

/// Fills the table; "" or what is missing.
std::string load(OnednnLibrary& table) {
  void* library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* why = dlerror();
    return sdk::say("onednn is unavailable: ", kFile, " not found, wanted oneDNN 2 (Debian: libdnnl2): ",
                    why ? why : "no reason given");
  }
#define ATTNRT_ONEDNN_FIND_(name) \
  if (!find(library, "dnnl_" #name, table.name)) \
    return sdk::say("onednn is unavailable: ", kFile, " has no dnnl_" #name ", wanted oneDNN 2.6");
  ATTNRT_ONEDNN_FUNCTIONS(ATTNRT_ONEDNN_FIND_)
#undef ATTNRT_ONEDNN_FIND_
  // In the order in which the loader bound oneDNN's own calls: an OpenMP that the program has goes first.
  const auto find_openmp = [library](const char* name, auto& entry) {
    return find(RTLD_DEFAULT, name, entry) || find(library, name, entry);
  };
  if (!find_openmp("omp_get_max_threads", table.omp_get_max_threads) ||
      !find_openmp("omp_set_num_threads", table.omp_set_num_threads))
    return sdk::say("onednn is unavailable: ", kFile, " is built without OpenMP, wanted Debian's build, whose threads ",
                    "can be counted");
  return {};
}

struct Loaded {
  OnednnLibrary table;
  const std::string missing = load(table);
};
constinit sdk::Once<Loaded> once;

}  // namespace

const OnednnLibrary& onednn_library() {
  const Loaded& loaded = once.get([] { return Loaded(); });
  if (!loaded.missing.empty()) throw sdk::Error(ATTNRT_UNAVAILABLE, loaded.missing);
  return loaded.table;
}

}  // namespace attnrt::cpu
