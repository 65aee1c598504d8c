// SPDX-License-Identifier: Apache-2.0
//
// launcher.hpp: launches with kernel arguments by name. A kernel's parameters stand in its compiler's order; the host
// knows them as members of a struct (arguments.hpp). The two are matched by name once, when an op is created; a launch
// copies members to their places in a block on the stack and allocates nothing.
#ifndef ATTNRT_GPU_LAUNCHER_HPP
#define ATTNRT_GPU_LAUNCHER_HPP
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "arch.hpp"
#include "arguments.hpp"
#include "device.hpp"
#include "kernel_table.hpp"

namespace attnrt::gpu {

struct Grid {
  uint32_t x = 1, y = 1, z = 1;
};

/// A kernel whose arguments are members of a host struct. [thread-safe]
class Launcher {
 public:
  Launcher() = default;

  /// The kernel of an image, loaded on the device, with the members of the host's struct. Throws sdk::Error:
  /// UNAVAILABLE where `image` is NULL (none was compiled for the device), FAILED where the host does not know a
  /// parameter's name or type: kernel and host are of different builds then.
  template <std::size_t N>
  Launcher(Device& device, const KernelImage* image, const char* kernel, const Member (&members)[N]) {
    if (!image)
      throw sdk::Error(ATTNRT_UNAVAILABLE,
                       sdk::say("no kernel ", kernel, " was compiled for ", arch_text(device.type(), device.arch())));
    if (image->global_scratch_bytes)
      throw sdk::Error(ATTNRT_FAILED,
                       sdk::say("kernel ", kernel, " wants ", image->global_scratch_bytes,
                                " bytes of scratch a program, wanted none: launches give it no address"));
    device_ = &device;
    function_ = device.load({image->image, image->symbol, image->warps * device.warp_size(), image->shared_bytes});
    for (uint32_t i = 0; i < image->num_parameters; ++i) {
      const Parameter& parameter = image->parameters[i];
      const Member* found = nullptr;
      for (const Member& member : members)
        if (std::strcmp(member.name, parameter.name) == 0) found = &member;
      if (!found || found->type != parameter.type)
        throw sdk::Error(ATTNRT_FAILED, sdk::say("kernel ", kernel, " has a parameter ", parameter.name, " of type '",
                                                 std::string(1, parameter.type), "', wanted one that the host knows"));
      const uint32_t bytes = bytes_of(found->type);
      size_ = (size_ + bytes - 1) / bytes * bytes;
      moves_.push_back({found->offset, size_, bytes});
      size_ += bytes;
    }
    appended_ = image->appended_bytes;
    size_ = (size_ + 7) / 8 * 8 + appended_;
    if (size_ > sizeof(Block))
      throw sdk::Error(ATTNRT_FAILED, sdk::say("kernel ", kernel, " wants ", size_,
                                               " bytes of arguments, wanted at most ", sizeof(Block)));
  }

  bool loaded() const noexcept { return function_.handle != nullptr; }

  /// Enqueues the kernel, whatever context the thread has; nothing where the grid is empty. Throws sdk::Error.
  void launch(const GpuDriver& driver, Grid grid, const void* arguments, sdk::GpuStream stream) const {
    if (!grid.x || !grid.y || !grid.z) return;
    Block block;
    const char* const from = static_cast<const char*>(arguments);
    for (const Move& move : moves_) {
      if (move.bytes == 8)
        std::memcpy(block.bytes + move.to, from + move.from, 8);
      else
        std::memcpy(block.bytes + move.to, from + move.from, 4);
    }
    std::memset(block.bytes + size_ - appended_, 0, appended_);
    launch_block(driver, grid, block.bytes, size_, stream);
  }

  /// The same with arguments that lie as the kernel wants them, for one whose parameters are a struct that the host has
  /// too. `block` is not written.
  void launch_block(const GpuDriver& driver, Grid grid, const void* block, std::size_t size,
                    sdk::GpuStream stream) const {
    if (!grid.x || !grid.y || !grid.z) return;
    void* extra[] = {sdk::kGpuLaunchBuffer, const_cast<void*>(block), sdk::kGpuLaunchBufferSize, &size,
                     driver.launch_end};
    const Device::Current current(*device_);
    want(driver, &sdk::GpuCallNames::launch,
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
  const Device* device_ = nullptr;
  Function function_;
  std::vector<Move> moves_;
  uint32_t size_ = 0;
  uint32_t appended_ = 0;  ///< bytes behind the host's own arguments
};

}  // namespace attnrt::gpu
#endif
