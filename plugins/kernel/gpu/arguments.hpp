// SPDX-License-Identifier: Apache-2.0
//
// arguments.hpp: kernel arguments by name. A kernel's parameters stand in its compiler's order; the host knows them as
// members of a struct. The two are matched by name once, when an op is created; a launch copies members to their places
// in a block on the stack and allocates nothing.
#ifndef ATTNRT_KERNEL_GPU_ARGUMENTS_HPP
#define ATTNRT_KERNEL_GPU_ARGUMENTS_HPP
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "device.hpp"

namespace attnrt::gpu {

/// A member of the host's struct: its kernel name and what it is.
struct Member {
  const char* name;
  char type;  ///< p pointer, l int64, i int32, f fp32
  uint32_t offset;
};

constexpr uint32_t bytes_of(char type) { return type == 'p' || type == 'l' ? 8 : 4; }

struct Grid {
  uint32_t x = 1, y = 1, z = 1;
};

/// A kernel whose arguments are members of a host struct. [thread-safe]
class Launcher {
 public:
  Launcher() = default;

  /// `parameters` in the kernel's order, each with `name` and `type`; two hidden pointers follow them. Throws
  /// sdk::Error FAILED where the host does not know a name or its type: kernel and host are of different builds then.
  template <class Parameter, std::size_t N>
  Launcher(Function function, const char* kernel, const Parameter* parameters, uint32_t count,
           const Member (&members)[N])
      : function_(function) {
    for (uint32_t i = 0; i < count; ++i) {
      const Member* found = nullptr;
      for (const Member& member : members)
        if (std::strcmp(member.name, parameters[i].name) == 0) found = &member;
      if (!found || found->type != parameters[i].type)
        throw sdk::Error(ATTNRT_FAILED,
                         sdk::say("kernel ", kernel, " has a parameter ", parameters[i].name, " of type '",
                                  std::string(1, parameters[i].type), "', wanted one that the host knows"));
      const uint32_t bytes = bytes_of(found->type);
      size_ = (size_ + bytes - 1) / bytes * bytes;
      moves_.push_back({found->offset, size_, bytes});
      size_ += bytes;
    }
    size_ = (size_ + 7) / 8 * 8 + 16;
    if (size_ > sizeof(Block))
      throw sdk::Error(ATTNRT_FAILED, sdk::say("kernel ", kernel, " wants ", size_,
                                               " bytes of arguments, wanted at most ", sizeof(Block)));
  }

  bool loaded() const noexcept { return function_.handle != nullptr; }

  /// Enqueues the kernel; nothing where the grid is empty. Throws sdk::Error.
  void launch(const CudaDriver& driver, Grid grid, const void* arguments, sdk::CuStream stream) const {
    if (!grid.x || !grid.y || !grid.z) return;
    Block block;
    const char* const from = static_cast<const char*>(arguments);
    for (const Move& move : moves_) {
      if (move.bytes == 8)
        std::memcpy(block.bytes + move.to, from + move.from, 8);
      else
        std::memcpy(block.bytes + move.to, from + move.from, 4);
    }
    std::memset(block.bytes + size_ - 16, 0, 16);  // no kernel here uses scratch of the launch
    std::size_t size = size_;
    void* extra[] = {sdk::kCuLaunchBuffer, block.bytes, sdk::kCuLaunchBufferSize, &size, nullptr};
    want(driver, "cuLaunchKernel",
         driver.launch(function_.handle, grid.x, grid.y, grid.z, function_.threads, 1, 1, function_.shared_bytes,
                       stream, nullptr, extra));
  }

 private:
  struct Move {
    uint32_t from, to, bytes;
  };
  struct alignas(8) Block {
    char bytes[1024];
  };
  Function function_;
  std::vector<Move> moves_;
  uint32_t size_ = 0;
};

}  // namespace attnrt::gpu
#endif
