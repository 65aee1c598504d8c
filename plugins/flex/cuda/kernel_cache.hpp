// SPDX-License-Identifier: Apache-2.0
//
// kernel_cache.hpp: what NVRTC made, kept in files for other processes, since it takes seconds to make.
#ifndef ATTNRT_FLEX_CUDA_KERNEL_CACHE_HPP
#define ATTNRT_FLEX_CUDA_KERNEL_CACHE_HPP
#include <optional>
#include <string>

namespace attnrt::flex {

/// The folder for compiled kernels; empty: none are kept. Without it `attnrt/flex` in XDG_CACHE_HOME or in HOME's
/// .cache. Not believed where the process has more rights than its caller, for which nothing is kept at all.
constexpr const char* kCacheVariable = "ATTNRT_FLEX_CACHE";

/// A folder of compiled kernels, one a file. A file holds its whole key, so that it is never taken for another's, and a
/// checksum. What another user could have written is not read: the folder and its files belong to the effective user
/// and nobody else may write them. A file that is damaged or refused counts as missing and is written anew; a folder
/// that cannot be written costs time and nothing else. Files appear whole, by rename. [thread-safe]
class KernelCache {
 public:
  /// "" = nothing is kept. Neither read nor made before it is needed.
  explicit KernelCache(std::string folder) : folder_(std::move(folder)) {}
  /// The folder that the environment names now.
  static std::string place();

  std::optional<std::string> read(const std::string& key) const;
  void write(const std::string& key, const std::string& image) const;
  /// The file of a key, "" where nothing is kept.
  std::string path(const std::string& key) const;

 private:
  std::string folder_;
};

}  // namespace attnrt::flex
#endif
