// SPDX-License-Identifier: Apache-2.0
#include "conformance/rig.hpp"

#include "attnrt/check.hpp"
#include "conformance/launch.hpp"

namespace attnrt::conformance {
namespace {

using sdk::say;

const attnrt_host& silent_host() {
  static const attnrt_host host = {
      sizeof(attnrt_host), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, nullptr, [](void*, int32_t, const char*) {}, nullptr};
  return host;
}

}  // namespace

std::string Sink::text(const char* call, attnrt_status status) const {
  const std::string words = this->words();
  return say(call, " answered ", status, words.empty() ? " without a word" : ": ", words);
}

Rig::Rig(const attnrt_variant& variant, Memory& memory, const attnrt_problem& problem)
    : variant_(variant), memory_(memory), problem_(problem) {
  Sink sink;
  status_ = variant.create(&variant, &silent_host(), &problem_, memory.device(), &op_, sink.get());
  reasons_ = sink.count();
  if (status_ != ATTNRT_OK || !op_) faults_.push_back({"create", sink.text("create", status_)});
  if (status_ != ATTNRT_OK) op_ = nullptr;
}

Rig::~Rig() {
  if (op_) variant_.destroy(op_);
}

Outcome Rig::run(const Operands& operands, const std::vector<const RequestData*>& requests, bool lse,
                 const Placement& placement, bool garbage) const {
  if (!op_) {
    Outcome out;
    out.faults = faults_;
    return out;
  }
  Launch launch(*this, operands, requests, lse, placement, garbage);
  if (launch.update() && launch.run()) launch.collect();
  return std::move(launch.outcome());
}

}  // namespace attnrt::conformance
