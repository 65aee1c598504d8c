// SPDX-License-Identifier: Apache-2.0
#include "lds.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "fault.hpp"

namespace attnrt::emulator::amd {

void Lds::configure(uint32_t bytes, uint32_t granule, bool report_races, bool report_unwritten) {
  data_.resize(bytes);
  shift_ = static_cast<uint32_t>(std::countr_zero(granule));
  cells_.resize((std::size_t{bytes} + granule - 1) >> shift_);
  races_ = report_races;
  unwritten_ = report_unwritten;
}

void Lds::clear() {
  std::fill(data_.begin(), data_.end(), static_cast<char>(0xff));
  std::fill(cells_.begin(), cells_.end(), Cell{});
}

void Lds::want_inside(const char* what, uint32_t address, uint32_t bytes, uint32_t alignment) const {
  if (address > data_.size() || bytes > data_.size() - address)
    throw Fault(Answer::illegal_address, say("a ", what, " of ", bytes, " bytes at LDS address ", address,
                                             ", the workgroup has ", data_.size()));
  if (address % alignment)
    throw Fault(Answer::misaligned_address,
                say("a ", what, " at LDS address ", address, ", promised is a multiple of ", alignment));
}

void Lds::conflict(const char* did, uint32_t address, const Moment& when, const Access& other,
                   const char* other_did) const {
  const std::string who = other.wave == kMany ? "several waves" : say("wave ", other.wave);
  throw Fault(Answer::launch_failed, other.wave == when.wave
                                         ? say("lanes of wave ", when.wave, " ", did, " and ", other_did,
                                               " LDS address ", address, " and did not meet in between")
                                         : say("a race: wave ", when.wave, " ", did, " LDS address ", address,
                                               ", which ", who, " ", other_did, " since the last barrier"));
}

void Lds::check_read(Cell& cell, uint32_t address, const Moment& when) const {
  const Access& w = cell.written;
  if (cell.flying)
    throw Fault(Answer::launch_failed,
                say("a read of LDS address ", address, ", to which an asynchronous copy is on its way"));
  if (unwritten_ && !w.epoch)
    throw Fault(Answer::launch_failed, say("a read of LDS address ", address, ", which nobody wrote"));
  if (!races_) return;
  if (w.epoch == when.epoch && (w.wave != when.wave || (w.segment == when.segment && w.thread != when.thread)))
    conflict("reads", address, when, w, "wrote");
  Access& r = cell.read;
  if (r.epoch != when.epoch) {
    r = {when.epoch, when.segment, static_cast<uint16_t>(when.thread), static_cast<uint16_t>(when.wave)};
  } else {
    if (r.wave != when.wave) r.wave = kMany;
    if (r.segment != when.segment)
      r.segment = when.segment, r.thread = static_cast<uint16_t>(when.thread);
    else if (r.thread != when.thread)
      r.thread = kMany;
  }
}

void Lds::check_write(Cell& cell, uint32_t address, const Moment& when, bool same) const {
  if (cell.flying)
    throw Fault(Answer::launch_failed,
                say("a write to LDS address ", address, ", to which an asynchronous copy is on its way"));
  Access& w = cell.written;
  if (same && w.epoch) return;  // nobody can tell whether it happened
  const auto disordered = [&](const Access& other) {
    return other.epoch == when.epoch &&
           (other.wave != when.wave || (other.segment == when.segment && other.thread != when.thread));
  };
  if (races_ && disordered(w)) conflict("writes", address, when, w, "wrote");
  if (races_ && disordered(cell.read)) conflict("writes", address, when, cell.read, "read");
  w = {when.epoch, when.segment, static_cast<uint16_t>(when.thread), static_cast<uint16_t>(when.wave)};
}

const char* Lds::read(uint32_t address, uint32_t bytes, uint32_t alignment, const Moment& when) {
  want_inside("read", address, bytes, alignment);
  for (uint32_t i = address >> shift_; i <= (address + bytes - 1) >> shift_; ++i)
    check_read(cells_[i], i << shift_, when);
  return data_.data() + address;
}

void Lds::write(uint32_t address, uint32_t bytes, uint32_t alignment, const Moment& when, const char* value) {
  want_inside("write", address, bytes, alignment);
  for (uint32_t i = address >> shift_; i <= (address + bytes - 1) >> shift_; ++i) {
    const uint32_t at = std::max(i << shift_, address), end = std::min((i + 1) << shift_, address + bytes);
    check_write(cells_[i], at, when, std::memcmp(data_.data() + at, value + (at - address), end - at) == 0);
  }
  std::memcpy(data_.data() + address, value, bytes);
}

void Lds::expect(uint32_t address, uint32_t bytes, const Moment& when) {
  want_inside("copy", address, bytes, 4);
  for (uint32_t i = address >> shift_; i <= (address + bytes - 1) >> shift_; ++i) {
    check_write(cells_[i], i << shift_, when, false);
    cells_[i].flying = true;
  }
}

void Lds::land(uint32_t address, uint32_t bytes, const Moment& when, const char* value) {
  for (uint32_t i = address >> shift_; i <= (address + bytes - 1) >> shift_; ++i) {
    cells_[i].flying = false;
    cells_[i].written = {when.epoch, when.segment, static_cast<uint16_t>(when.thread),
                         static_cast<uint16_t>(when.wave)};
  }
  std::memcpy(data_.data() + address, value, bytes);
}

}  // namespace attnrt::emulator::amd
