// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

#include "judged.hpp"
#include "log.hpp"
#include "options.hpp"

namespace attnrt::core {

/// Plugin name -> the digest that its file must have.
using Pins = std::map<std::string, std::string>;

/// What the questions told that are asked of a file before any of it runs.
struct Judgement {
  Judged file;
  State state = State::loaded;  ///< `loaded`: it may go on to the probe
  std::string sentence;
  std::string remedy;    ///< what to do about it; "" = what its state always asks for
  bool passing = false;  ///< this process lacks descriptors or memory: nothing was learned about the file
};

/// Opens a file once and asks who may write it and every folder and link on the way, what its ELF headers say and, where
/// it is pinned, for its digest: all of the same open file. [thread-safe]
Judgement judge(const std::filesystem::path& path, const Options& options, const Pins& pins, const Log& log);

}  // namespace attnrt::core
