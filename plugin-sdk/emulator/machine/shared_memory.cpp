// SPDX-License-Identifier: Apache-2.0
#include "shared_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "fault.hpp"
#include "instruction.hpp"

namespace attnrt::emulator {
namespace {

constexpr uint32_t kInFlight = 1u << 31;  ///< of a history in `writes_`: the warp whose copy has not landed

}  // namespace

void SharedMemory::configure(uint32_t base, uint32_t bytes, uint32_t granule, uint32_t warps, bool races,
                             bool unwritten) {
  base_ = base;
  num_warps_ = warps;
  races_ = races;
  unwritten_ = unwritten;
  shift_ = static_cast<uint32_t>(std::countr_zero(granule));
  if (bytes_ != bytes || !data_) {
    storage_ = std::make_unique<char[]>(bytes + 1024);
    data_ = storage_.get() + (1024 - reinterpret_cast<uintptr_t>(storage_.get()) % 1024) % 1024;
  }
  bytes_ = bytes;
  const std::size_t granules = (bytes + granule - 1) >> shift_;
  writes_.assign(races ? granules : 0, 0);
  reads_.assign(races ? granules : 0, 0);
}

void SharedMemory::clear() {
  std::memset(data_, 0xff, bytes_);
  std::fill(writes_.begin(), writes_.end(), 0);
  std::fill(reads_.begin(), reads_.end(), 0);
  histories_.assign(1, {});
  floor_ = 1;
  for (uint32_t i = 0; i < num_warps_; ++i) {
    State& state = warps_[i];
    state.clocks = {};
    state.clocks.known[i] = 1;
    changed(i);
  }
}

uint32_t SharedMemory::offset_of(uint64_t address, uint32_t size) const {
  if (address < base_ || address - base_ > bytes_ || size > bytes_ - (address - base_))
    throw Fault(Answer::illegal_address, say("an access of ", size, " bytes at shared address ", address,
                                             ", wanted one inside ", base_, " to ", base_ + bytes_));
  return static_cast<uint32_t>(address - base_);
}

uint32_t SharedMemory::add(History history) {
  histories_.push_back(std::move(history));
  return static_cast<uint32_t>(histories_.size() - 1);
}
void SharedMemory::changed(uint32_t warp) {
  State& state = warps_[warp];
  state.own_write = state.own_read = state.last_from = state.last_to = 0;
  state.joined_reads.clear();
  state.joined_writes.clear();
}
uint32_t SharedMemory::own_write(uint32_t warp) {
  State& state = warps_[warp];
  if (!state.own_write) state.own_write = add({{warp, state.clocks.known[warp], false}});
  return state.own_write;
}
uint32_t SharedMemory::own_read(uint32_t warp) {
  State& state = warps_[warp];
  if (!state.own_read) state.own_read = add({{warp, state.clocks.known[warp], false}});
  return state.own_read;
}

bool SharedMemory::ordered(const Access& access, uint32_t warp) const {
  return access.warp == warp || access.clock < warps_[warp].clocks.known[access.warp];
}
bool SharedMemory::all_ordered(uint32_t history, uint32_t warp) const {
  if (history < floor_) return true;
  return std::all_of(histories_[history].begin(), histories_[history].end(),
                     [&](const Access& access) { return ordered(access, warp); });
}

void SharedMemory::fail_race(uint32_t warp, const char* does, uint32_t granule, const Access& other,
                             const char* did) const {
  throw Fault(Answer::launch_failed,
              say("race: warp ", warp, " ", does, " shared address ", base_ + (granule << shift_), ", which warp ",
                  other.warp, " ", did, " without a barrier between"));
}

void SharedMemory::check_read(uint32_t warp, uint32_t granule, bool asynchronous) {
  const uint32_t history = writes_[granule];
  if (history == 0) {
    if (unwritten_)
      throw Fault(Answer::launch_failed,
                  say("warp ", warp, " reads shared address ", base_ + (granule << shift_), ", which nobody wrote"));
    return;
  }
  if (history & kInFlight)
    throw Fault(Answer::launch_failed, say("warp ", warp, " reads shared address ", base_ + (granule << shift_),
                                           ", where a copy of warp ", history & ~kInFlight, " is in flight"));
  const History& writers = histories_[history];
  const auto seen = std::find_if(writers.begin(), writers.end(), [&](const Access& a) { return ordered(a, warp); });
  if (history >= floor_ && seen == writers.end()) fail_race(warp, "reads", granule, writers.front(), "wrote");
  if (!asynchronous) return;
  const bool fenced = std::any_of(writers.begin(), writers.end(), [&](const Access& access) {
    return access.visible || access.clock < warps_[warp].clocks.fenced[access.warp];
  });
  if (!fenced)
    throw Fault(Answer::launch_failed,
                say("an asynchronous read of shared address ", base_ + (granule << shift_), ", which warp ",
                    writers.front().warp, " wrote, without fence.proxy.async behind the write"));
}

// The history that has this read too.
uint32_t SharedMemory::with_read(uint32_t warp, uint32_t history) {
  if (history < floor_) return own_read(warp);
  State& state = warps_[warp];
  if (state.last_to == history) return history;
  if (state.last_from == history) return state.last_to;
  const auto [place, fresh] = state.joined_reads.try_emplace(history, 0);
  if (fresh) {
    History joined = histories_[history];
    std::erase_if(joined, [&](const Access& access) { return access.warp == warp; });
    joined.push_back({warp, state.clocks.known[warp], false});
    place->second = add(std::move(joined));
    state.joined_reads[place->second] = place->second;
  }
  const uint32_t to = state.joined_reads[history];
  state.last_from = history;
  state.last_to = to;
  return to;
}

uint32_t SharedMemory::with_write(uint32_t warp, uint32_t history) {
  State& state = warps_[warp];
  const auto [place, fresh] = state.joined_writes.try_emplace(history, 0);
  if (fresh) {
    History joined = histories_[history];
    std::erase_if(joined, [&](const Access& access) { return access.warp == warp; });
    joined.push_back({warp, state.clocks.known[warp], false});
    place->second = add(std::move(joined));
  }
  return state.joined_writes[history];
}

const char* SharedMemory::read(uint32_t warp, uint64_t address, uint32_t size, bool asynchronous) {
  const uint32_t offset = offset_of(address, size);
  if (!races_) return data_ + offset;
  const uint32_t mine = warps_[warp].own_write, first = offset >> shift_, last = (offset + size - 1) >> shift_;
  for (uint32_t granule = first; granule <= last; ++granule) {
    const uint32_t history = writes_[granule];
    const bool plain = history != 0 && (history < floor_ || history == mine) && !asynchronous;
    if (!plain) check_read(warp, granule, asynchronous);
    reads_[granule] = with_read(warp, reads_[granule]);
  }
  return data_ + offset;
}

void SharedMemory::check_write(uint32_t warp, uint32_t granule, const void* from) {
  const uint32_t history = writes_[granule];
  if (history & kInFlight)
    throw Fault(Answer::launch_failed, say("warp ", warp, " writes shared address ", base_ + (granule << shift_),
                                           ", where a copy of warp ", history & ~kInFlight, " is in flight"));
  const uint32_t size = std::min(1u << shift_, bytes_ - (granule << shift_));
  const bool same = from && std::memcmp(data_ + (granule << shift_), from, size) == 0;
  if (!all_ordered(history, warp)) {
    if (!same)
      for (const Access& access : histories_[history])
        if (!ordered(access, warp)) fail_race(warp, "writes", granule, access, "wrote");
    writes_[granule] = with_write(warp, history);
    return;
  }
  if (!same && !all_ordered(reads_[granule], warp))
    for (const Access& access : histories_[reads_[granule]])
      if (!ordered(access, warp)) fail_race(warp, "writes", granule, access, "read");
  if (!same || all_ordered(reads_[granule], warp)) reads_[granule] = 0;
  writes_[granule] = own_write(warp);
}

void SharedMemory::note_write(uint32_t warp, uint32_t first, uint32_t last, const char* from) {
  const uint32_t mine = own_write(warp);
  for (uint32_t granule = first; granule <= last; ++granule) {
    const bool plain = (writes_[granule] < floor_ || writes_[granule] == mine) && reads_[granule] < floor_;
    if (plain) {
      writes_[granule] = mine;
      reads_[granule] = 0;
    } else {
      check_write(warp, granule, from ? from + ((granule - first) << shift_) : nullptr);
    }
  }
}

void SharedMemory::write(uint32_t warp, uint64_t address, const void* from, uint32_t size, Writer writer) {
  const uint32_t offset = offset_of(address, size);
  if (writer != Writer::lane)
    open_copy(warp, address, size, writer);
  else if (races_)
    note_write(warp, offset >> shift_, (offset + size - 1) >> shift_, static_cast<const char*>(from));
  std::memcpy(data_ + offset, from, size);
}

char* SharedMemory::update(uint32_t warp, uint64_t address, uint32_t size) {
  const uint32_t offset = offset_of(address, size);
  if (races_)
    for (uint32_t granule = offset >> shift_; granule <= (offset + size - 1) >> shift_; ++granule) {
      if (writes_[granule] == 0 || (writes_[granule] & kInFlight)) check_read(warp, granule, false);
      writes_[granule] = with_write(warp, writes_[granule]);
    }
  return data_ + offset;
}

void SharedMemory::begin_copy(uint32_t warp, uint64_t address, uint32_t size) {
  const uint32_t offset = offset_of(address, size);
  if (!races_) return;
  const uint32_t first = offset >> shift_, last = (offset + size - 1) >> shift_;
  note_write(warp, first, last, nullptr);
  for (uint32_t granule = first; granule <= last; ++granule) writes_[granule] = kInFlight | warp;
}

void SharedMemory::land_early(uint64_t address, const void* from, uint32_t size) {
  std::memcpy(data_ + offset_of(address, size), from, size);
}
void SharedMemory::open_copy(uint32_t warp, uint64_t address, uint32_t size, Writer writer) {
  const uint32_t offset = offset_of(address, size);
  if (!races_) return;
  const uint32_t history =
      writer == Writer::bulk ? add({{warp, warps_[warp].clocks.known[warp], true}}) : own_write(warp);
  for (uint32_t granule = offset >> shift_; granule <= (offset + size - 1) >> shift_; ++granule)
    if (writes_[granule] == (kInFlight | warp)) writes_[granule] = history;
}

void SharedMemory::release(uint32_t warp, Clocks& into) {
  State& state = warps_[warp];
  ++state.clocks.known[warp];  // what it did until now has a smaller clock
  changed(warp);
  into.join(state.clocks, num_warps_);
}
void SharedMemory::acquire(uint32_t warp, const Clocks& from) { warps_[warp].clocks.join(from, num_warps_); }
void SharedMemory::fence_proxy(uint32_t warp) {
  State& state = warps_[warp];
  ++state.clocks.known[warp];
  changed(warp);
  state.clocks.fenced = state.clocks.known;
}
void SharedMemory::meet_all(uint32_t warps) {
  Clocks all;
  for (uint32_t i = 0; i < num_warps_; ++i)
    if (warps >> i & 1) release(i, all);
  for (uint32_t i = 0; i < num_warps_; ++i)
    if (warps >> i & 1) acquire(i, all);
  floor_ = static_cast<uint32_t>(histories_.size());
}

}  // namespace attnrt::emulator
