// SPDX-License-Identifier: Apache-2.0
//
// nvrtc.hpp: CUDA's runtime compiler, loaded where a program is first compiled for a device: a machine without it runs
// all else. Nothing of CUDA's headers is needed. https://docs.nvidia.com/cuda/nvrtc
#ifndef ATTNRT_FLEX_CUDA_NVRTC_HPP
#define ATTNRT_FLEX_CUDA_NVRTC_HPP
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace attnrt::flex {

/// The library that is loaded in place of libnvrtc.so.13 or .12. Not believed where the process has more rights than
/// its caller.
constexpr const char* kNvrtcVariable = "ATTNRT_NVRTC";

/// A file that source may include by its name.
struct Header {
  const char* name;
  const char* text;
};

/// What is made of source: text that a driver compiles for its device, or machine code.
enum class Target { ptx, cubin };

/// [thread-safe]
class Nvrtc {
 public:
  /// The library, or an sdk::Error UNAVAILABLE with what is missing. Asked again it answers the same.
  static const Nvrtc& get();

  /// For the newest architecture it knows that is not newer than `arch`; a cubin for `arch` alone. Throws sdk::Error:
  /// UNAVAILABLE where it knows no such architecture, FAILED with the compiler's first lines where the source is
  /// refused. PTX ends with a zero byte.
  std::string compile(const std::string& source, const std::vector<Header>& headers, uint32_t arch,
                      Target target) const;

  /// "13.0".
  std::string version() const;

  Nvrtc(const Nvrtc&) = delete;
  Nvrtc& operator=(const Nvrtc&) = delete;

 private:
  struct ProgramObject;
  using Result = int;
  struct Loaded;
  Nvrtc() = default;
  std::string load();
  template <class Function>
  bool find(void* library, const char* name, Function& function);

  std::vector<int> archs_;
  int major_ = 0, minor_ = 0;
  const char* (*error_)(Result) = nullptr;
  Result (*version_)(int*, int*) = nullptr;
  Result (*num_archs_)(int*) = nullptr;
  Result (*list_archs_)(int*) = nullptr;
  Result (*create_)(ProgramObject**, const char*, const char*, int, const char* const*, const char* const*) = nullptr;
  Result (*destroy_)(ProgramObject**) = nullptr;
  Result (*compile_)(ProgramObject*, int, const char* const*) = nullptr;
  Result (*log_size_)(ProgramObject*, std::size_t*) = nullptr;
  Result (*log_)(ProgramObject*, char*) = nullptr;
  Result (*ptx_size_)(ProgramObject*, std::size_t*) = nullptr;
  Result (*ptx_)(ProgramObject*, char*) = nullptr;
  Result (*cubin_size_)(ProgramObject*, std::size_t*) = nullptr;
  Result (*cubin_)(ProgramObject*, char*) = nullptr;
};

}  // namespace attnrt::flex
#endif
