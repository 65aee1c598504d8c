// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_TESTS_CLI_SCRATCH_HPP
#define ATTNRT_TESTS_CLI_SCRATCH_HPP
#include <unistd.h>

#include <filesystem>
#include <string>

/// A folder of one test, gone with it.
class Scratch {
 public:
  explicit Scratch(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("attnrt-cli-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

#endif
