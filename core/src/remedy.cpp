// SPDX-License-Identifier: Apache-2.0
#include "remedy.hpp"

namespace attnrt::core {
namespace {

/// What a missing part asks for, by the dynamic loader's words, which are the same in every locale: it translates none
/// of them before the program asks it to.
std::string for_missing_part(const std::string& said) {
  if (said.find("undefined symbol: ") != std::string::npos)
    return "rebuild the plugin and link it with the library that defines this symbol, or install the version of that "
           "library for which it was built";
  if (said.find("' not found (required by") != std::string::npos)
    return "install this version of the library, or rebuild the plugin on this system";
  if (said.find("cannot open shared object file") != std::string::npos)
    return "install the missing library, or put it where the loader looks (LD_LIBRARY_PATH, rpath)";
  return "mend what the loader says, or rebuild the plugin on this system";
}

}  // namespace

std::string remedy(const PluginFile& file) {
  if (!file.remedy.empty()) return file.remedy;
  const std::string name = file.inspection.name.empty() ? "NAME" : file.inspection.name;
  switch (file.state) {
    case State::untrusted:
      return "chmod o-w the file and its folder, chown them, or pass --trust-any";
    case State::foreign:
      return "remove the file from the plugin folder, or build it with attnrt_add_plugin for this machine";
    case State::damaged:
      return "copy the file again; install by rename, never in place";
    case State::incompatible:
      return "rebuild the plugin against this version's SDK";
    case State::quarantined:
    case State::crashed:
    case State::timeout:
      return "report it to the plugin's author, with this sentence; once it is mended: attnrt forgive " + name;
    case State::unresolved:
      return for_missing_part(file.sentence);
    case State::invalid:
      return "report it to the plugin's author, with this sentence";
    case State::unavailable:
      return "nothing, unless this machine has the device: then install its driver";
    case State::shadowed:
      return "remove one of the two files";
    case State::replaced:
      return "restart the process";
    case State::unprobed:
      return "let this process start attnrt-probe: its own limits, a container's rules or a mount may forbid it";
    case State::loaded:
      break;
  }
  return "";
}

}  // namespace attnrt::core
