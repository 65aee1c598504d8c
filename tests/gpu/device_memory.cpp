// SPDX-License-Identifier: Apache-2.0
#include "device_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "attnrt/check.hpp"

namespace attnrt::fake {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSpace = std::size_t{16} << 30;  ///< addresses; pages that nobody touched cost nothing

std::size_t pages(std::size_t bytes) { return (std::max<std::size_t>(bytes, 1) + kPage - 1) / kPage * kPage; }

}  // namespace

DeviceMemory::DeviceMemory() : last_(pieces_.end()) {
  file_ = memfd_create("attnrt-fake-device", MFD_CLOEXEC);
  if (file_ < 0 || ftruncate(file_, static_cast<off_t>(kSpace)) != 0)
    throw std::runtime_error("there is no memory for a fake device");
  closed_ = static_cast<char*>(mmap(nullptr, kSpace, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file_, 0));
  open_ = static_cast<char*>(mmap(nullptr, kSpace, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_, 0));
  if (closed_ == MAP_FAILED || open_ == MAP_FAILED)
    throw std::runtime_error("there are no addresses for a fake device");
  free_[reinterpret_cast<uint64_t>(closed_)] = kSpace;
}

DeviceMemory::~DeviceMemory() {
  munmap(closed_, kSpace);
  munmap(open_, kSpace);
  close(file_);
}

uint64_t DeviceMemory::allocate(std::size_t bytes) {
  const std::size_t size = pages(bytes) + kPage;  // the last page belongs to nobody
  if (used_ + bytes > limit) return 0;
  const auto found =
      std::find_if(free_.begin(), free_.end(), [size](const auto& range) { return range.second >= size; });
  if (found == free_.end()) return 0;
  const uint64_t address = found->first;
  const std::size_t left = found->second - size;
  free_.erase(found);
  if (left) free_[address + size] = left;
  pieces_[address] = bytes;
  used_ += bytes;
  return address;
}

bool DeviceMemory::release(uint64_t address) {
  const auto found = pieces_.find(address);
  if (found == pieces_.end()) return false;
  const std::size_t size = pages(found->second) + kPage;
  used_ -= found->second;
  last_ = pieces_.end();
  pieces_.erase(found);
  fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            static_cast<off_t>(address - reinterpret_cast<uint64_t>(closed_)), static_cast<off_t>(size));
  auto here = free_.emplace(address, size).first;
  if (const auto next = std::next(here); next != free_.end() && address + size == next->first) {
    here->second += next->second;
    free_.erase(next);
  }
  if (here != free_.begin())
    if (const auto before = std::prev(here); before->first + before->second == address) {
      before->second += here->second;
      free_.erase(here);
    }
  return true;
}

std::map<uint64_t, std::size_t>::const_iterator DeviceMemory::piece(uint64_t address) const {
  if (last_ != pieces_.end() && address >= last_->first && address <= last_->first + last_->second) return last_;
  auto found = pieces_.upper_bound(address);
  if (found == pieces_.begin()) return pieces_.end();
  return last_ = --found;
}

bool DeviceMemory::holds(uint64_t address, std::size_t bytes) const {
  const auto found = piece(address);
  return found != pieces_.end() && address - found->first <= found->second &&
         bytes <= found->second - (address - found->first);
}

char* DeviceMemory::at(uint64_t address, std::size_t bytes, const char* what) const {
  if (!holds(address, bytes)) {
    const auto near = piece(address);
    throw BadAccess(near == pieces_.end() ? sdk::say(what, " at address ", address, ", where nothing is allocated")
                                          : sdk::say(what, " of ", bytes, " bytes at ", address - near->first,
                                                     " of a piece of ", near->second, " bytes"));
  }
  return open_ + (address - reinterpret_cast<uint64_t>(closed_));
}

}  // namespace attnrt::fake
