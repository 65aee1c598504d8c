// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

/// A private folder, removed with all it holds.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "attnrt-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = std::filesystem::canonical(name);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }
  /// Puts a copy of a file there by rename, as an installer does: a library that is loaded must not change in place.
  std::filesystem::path install(const std::filesystem::path& from, const std::string& name) const {
    std::filesystem::copy_file(from, path_ / "incoming");
    std::filesystem::rename(path_ / "incoming", path_ / name);
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// One of the plugins that tests/core builds.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(ATTNRT_TEST_FIXTURES) / ("fixture_" + name + ".so");
}
inline std::filesystem::path cpu_attn() { return std::filesystem::path(ATTNRT_TEST_PLUGINS) / "cpu_attn.so"; }

/// An environment variable for the time of a test; nothing = not set.
class EnvironmentVariable {
 public:
  EnvironmentVariable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before;
    set(value);
  }
  ~EnvironmentVariable() { set(before_); }
  EnvironmentVariable(const EnvironmentVariable&) = delete;
  EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;

 private:
  void set(const std::optional<std::string>& value) const {
    if (value) setenv(name_, value->c_str(), 1);
    else unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};
