// SPDX-License-Identifier: Apache-2.0
//
// What the emulators run lies beside the library that holds an image: for lib/x.so and ".ptx" in lib/x.ptx/, or in a
// folder that a variable names.
#ifndef ATTNRT_EMULATOR_BESIDE_HPP
#define ATTNRT_EMULATOR_BESIDE_HPP
#include <string>

namespace attnrt::emulator {

struct Beside {
  std::string text;
  std::string file;     ///< "" = not found
  std::string folders;  ///< where it was looked for, separated by colons
};

/// `image`: an address in the library.
Beside find_beside(const void* image, const char* suffix, const char* variable, const std::string& name);

}  // namespace attnrt::emulator
#endif
