// SPDX-License-Identifier: Apache-2.0
#include "memory_map.hpp"

#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <mutex>

#include "fault.hpp"

namespace attnrt::emulator {
namespace {

// Set in addresses of device memory: the host cannot follow them, and they stay below 2^48 as real ones do.
constexpr uint64_t kDeviceBit = uint64_t{1} << 47;
constexpr std::size_t kPage = 4096;

char* map_pages(std::size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return pages == MAP_FAILED ? nullptr : static_cast<char*>(pages);
}

}  // namespace

GlobalMemory::~GlobalMemory() {
  for (const auto& [address, owned] : pieces_)
    if (owned.mapped) munmap(owned.piece.data, owned.mapped);
}

// Data and shadow lie in one mapping with a page between and behind them.
uint64_t GlobalMemory::allocate(std::size_t bytes) {
  const std::unique_lock lock(mutex_);
  if (!bytes || bytes > limit_ - used_) return 0;
  const std::size_t half = (bytes + 2 * kPage - 1) / kPage * kPage;
  char* data = map_pages(2 * half);
  if (!data) return 0;
  // A page that nobody wrote reads as zeros; poison shows where small kernels forget to fill what they read.
  if (bytes <= (std::size_t{1} << 26)) std::memset(data, 0xff, bytes);
  const uint64_t address = reinterpret_cast<uint64_t>(data) | kDeviceBit;
  pieces_[address] = {{address, address + bytes, data, reinterpret_cast<unsigned char*>(data + half)}, 2 * half};
  used_ += bytes;
  return address;
}

void GlobalMemory::add_host(void* data, std::size_t bytes) {
  const std::unique_lock lock(mutex_);
  const uint64_t address = reinterpret_cast<uint64_t>(data);
  pieces_[address] = {{address, address + bytes, static_cast<char*>(data), nullptr}, 0};
}

bool GlobalMemory::release(uint64_t address) {
  const std::unique_lock lock(mutex_);
  const auto found = pieces_.find(address);
  if (found == pieces_.end()) return false;
  const Owned& owned = found->second;
  if (owned.mapped) {
    used_ -= owned.piece.end - owned.piece.begin;
    munmap(owned.piece.data, owned.mapped);
  }
  pieces_.erase(found);
  return true;
}

uint64_t GlobalMemory::used() const {
  const std::shared_lock lock(mutex_);
  return used_;
}

bool GlobalMemory::find(uint64_t address, Piece& piece) const {
  const std::shared_lock lock(mutex_);
  auto found = pieces_.upper_bound(address);
  if (found == pieces_.begin()) return false;
  --found;
  if (address > found->second.piece.end) return false;
  piece = found->second.piece;
  return true;
}

char* GlobalMemory::at(uint64_t address, std::size_t bytes, bool writes) const {
  Piece piece;
  if (!find(address, piece) || !piece.holds(address, bytes)) return nullptr;
  if (writes && piece.written) std::memset(piece.written + (address - piece.begin), 1, bytes);
  return piece.data + (address - piece.begin);
}

std::string GlobalMemory::whereabouts(uint64_t address) const {
  const std::shared_lock lock(mutex_);
  const auto hex = [](uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return std::string(text);
  };
  auto next = pieces_.upper_bound(address);
  std::string place = hex(address) + ", ";
  if (next != pieces_.begin()) {
    const Piece& piece = std::prev(next)->second.piece;
    const uint64_t size = piece.end - piece.begin;
    if (address < piece.end) return place + say(address - piece.begin, " bytes into a piece of ", size);
    if (address - piece.end < (1u << 20)) return place + say(address - piece.end, " bytes behind a piece of ", size);
  }
  if (next != pieces_.end() && next->first - address < (1u << 20))
    return place + say(next->first - address, " bytes in front of a piece of ",
                       next->second.piece.end - next->second.piece.begin);
  return place + "far from all that is allocated";
}

uint64_t GlobalMemory::place(const std::string& name, std::size_t bytes, std::size_t alignment,
                             const std::string& initial) {
  const uint64_t address = allocate(bytes ? bytes : 1);
  if (!address || alignment > kPage) throw Fault(Answer::launch_failed, say("there is no memory for variable ", name));
  if (char* data = at(address, initial.size(), true)) std::memcpy(data, initial.data(), initial.size());
  return address;
}

}  // namespace attnrt::emulator
