// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_EMULATION_HPP
#define ATTNRT_CLI_EMULATION_HPP
#include <string>

namespace attnrt::cli {

/// From now on this process and its children see the SDK's emulator in place of the driver: "cuda:9.0". Before the
/// first plugin is loaded. Throws Failure where the emulator is not installed or cannot play such a device.
void emulate_device(const std::string& device);

/// "cuda" of "cuda:9.0".
inline std::string device_type_of(const std::string& device) { return device.substr(0, device.find(':')); }

}  // namespace attnrt::cli
#endif
