// SPDX-License-Identifier: Apache-2.0
//
// errors.hpp: attnrt::Error as the exceptions of attnrt.errors.
#pragma once
#include "attnrt/error.hpp"
#include "attnrt/runtime.hpp"

namespace attnrt::python {

/// No backend can serve a problem; the choice has every reason.
class NoBackend : public Error {
 public:
  NoBackend(const std::string& text, Choice choice) : Error(ATTNRT_UNSUPPORTED, text), choice_(std::move(choice)) {}
  const Choice& choice() const noexcept { return choice_; }

 private:
  Choice choice_;
};

/// From here on they become Python's.
void translate_errors();

}  // namespace attnrt::python
