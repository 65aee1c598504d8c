// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_LOADED_MODULE_HPP
#define ATTNRT_EMULATOR_LOADED_MODULE_HPP
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "block.hpp"
#include "state.hpp"

namespace attnrt::emulator {

struct Function;

/// A module of CUDA's, loaded.
struct LoadedModule {
  Context* context;
  std::unique_ptr<Module> module;
  std::string from;  ///< where its PTX was found
  std::map<std::string, std::unique_ptr<Function>> functions;
};
struct Function {
  LoadedModule* owner;
  const Kernel* kernel;
  uint32_t max_dynamic_shared;
};

}  // namespace attnrt::emulator
#endif
