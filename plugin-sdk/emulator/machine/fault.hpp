// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong in a module's text or while a kernel runs. Both stay inside the emulator: the driver's face turns
// them into CUDA error codes and keeps their sentences.
#ifndef ATTNRT_EMULATOR_FAULT_HPP
#define ATTNRT_EMULATOR_FAULT_HPP
#include <sstream>
#include <stdexcept>
#include <string>

namespace attnrt::emulator {

/// All arguments written one behind the other.
template <class... Args>
std::string say(const Args&... args) {
  std::ostringstream text;
  (text << ... << args);
  return text.str();
}

/// A text that is no module: one sentence that begins with the line.
struct TextFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What the driver answers for a fault of a running kernel.
enum class Answer { launch_failed, illegal_address, misaligned_address, illegal_instruction, timeout };

/// A kernel did what a device forbids or what this machine reports: one sentence.
struct Fault : std::runtime_error {
  Fault(Answer given, const std::string& sentence) : std::runtime_error(sentence), answer(given) {}
  Answer answer;
};

}  // namespace attnrt::emulator
#endif
