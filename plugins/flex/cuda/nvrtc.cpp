// SPDX-License-Identifier: Apache-2.0
#include "nvrtc.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "attnrt/fork.hpp"
#include "attnrt/plugin.hpp"

namespace attnrt::flex {
namespace {

using sdk::say;

/// Of the compiler's words.
constexpr std::size_t kMostLog = 600;

}  // namespace

struct Nvrtc::Loaded {
  Loaded() : why(library.load()) {}
  Nvrtc library;
  std::string why;  ///< it is not there; "" = it is
};

template <class Function>
bool Nvrtc::find(void* library, const char* name, Function& function) {
  void* const symbol = dlsym(library, name);
  std::memcpy(&function, &symbol, sizeof symbol);
  return symbol != nullptr;
}

std::string Nvrtc::load() {
  const char* const given = secure_getenv(kNvrtcVariable);
  void* library = nullptr;
  if (given && *given) {
    library = dlopen(given, RTLD_NOW | RTLD_LOCAL);
    if (!library) return say(kNvrtcVariable, " is ", given, ", which cannot be loaded");
  }
  for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13",
                           "/usr/local/cuda/lib64/libnvrtc.so.12"})
    if (!library) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return say("libnvrtc.so.13 and libnvrtc.so.12 not found, wanted one of them: it compiles the program; ",
               kNvrtcVariable, " names it where it is elsewhere");
  const bool whole = find(library, "nvrtcGetErrorString", error_) && find(library, "nvrtcVersion", version_) &&
                     find(library, "nvrtcGetNumSupportedArchs", num_archs_) &&
                     find(library, "nvrtcGetSupportedArchs", list_archs_) &&
                     find(library, "nvrtcCreateProgram", create_) && find(library, "nvrtcDestroyProgram", destroy_) &&
                     find(library, "nvrtcCompileProgram", compile_) &&
                     find(library, "nvrtcGetProgramLogSize", log_size_) && find(library, "nvrtcGetProgramLog", log_) &&
                     find(library, "nvrtcGetPTXSize", ptx_size_) && find(library, "nvrtcGetPTX", ptx_) &&
                     find(library, "nvrtcGetCUBINSize", cubin_size_) && find(library, "nvrtcGetCUBIN", cubin_);
  if (!whole) return "libnvrtc lacks a function of CUDA 12, wanted that version or later";
  int count = 0;
  if (version_(&major_, &minor_) || major_ < 12 || num_archs_(&count) || count <= 0)
    return say("libnvrtc is of CUDA ", version(), " for ", count,
               " architectures, wanted 12.0 or later and at least one");
  archs_.resize(static_cast<std::size_t>(count));
  if (const Result error = list_archs_(archs_.data())) return say("nvrtcGetSupportedArchs: ", error_(error));
  return {};
}

std::string Nvrtc::version() const { return say(major_, ".", minor_); }

const Nvrtc& Nvrtc::get() {
  static constinit sdk::Once<Loaded*> loaded;
  const Loaded& one = *loaded.get([] { return new Loaded; });
  if (!one.why.empty()) throw sdk::Error(ATTNRT_UNAVAILABLE, one.why);
  return one.library;
}

std::string Nvrtc::compile(const std::string& source, const std::vector<Header>& headers, uint32_t arch,
                           Target target) const {
  int known = 0;
  for (const int one : archs_)
    if (one <= static_cast<int>(arch)) known = std::max(known, one);
  if (known < 80 || (target == Target::cubin && known != static_cast<int>(arch)))
    throw sdk::Error(ATTNRT_UNAVAILABLE, say("NVRTC ", version(), " does not compile for compute capability ",
                                             arch / 10, ".", arch % 10, ", wanted a later one"));
  std::vector<const char*> names, texts;
  for (const Header& header : headers) names.push_back(header.name), texts.push_back(header.text);

  struct Held {
    const Nvrtc& library;
    ProgramObject* program = nullptr;
    ~Held() {
      if (program) library.destroy_(&program);
    }
  } held{*this};
  const auto want = [&](const char* call, Result error) {
    if (error) throw sdk::Error(ATTNRT_FAILED, say(call, " answered ", error, " (", error_(error), "), wanted 0"));
  };
  want("nvrtcCreateProgram",
       create_(&held.program, source.c_str(), "flex.cu", static_cast<int>(headers.size()), texts.data(), names.data()));
  const std::string option = say("--gpu-architecture=", target == Target::cubin ? "sm_" : "compute_", known);
  const char* const options[] = {option.c_str(), "--std=c++17"};
  if (compile_(held.program, 2, options)) {
    std::size_t size = 0;
    std::string log;
    if (log_size_(held.program, &size) == 0 && size > 0) {
      log.resize(size);
      if (log_(held.program, log.data())) log.clear();
      log.resize(std::min(std::strlen(log.c_str()), kMostLog));
    }
    throw sdk::Error(ATTNRT_FAILED, say("NVRTC ", version(), " refuses the kernel of a program: ", log));
  }
  std::size_t size = 0;
  std::string out;
  if (target == Target::cubin) {
    want("nvrtcGetCUBINSize", cubin_size_(held.program, &size));
    out.resize(size);
    want("nvrtcGetCUBIN", cubin_(held.program, out.data()));
  } else {
    want("nvrtcGetPTXSize", ptx_size_(held.program, &size));
    out.resize(size);  // the zero byte included
    want("nvrtcGetPTX", ptx_(held.program, out.data()));
  }
  return out;
}

}  // namespace attnrt::flex
