// SPDX-License-Identifier: Apache-2.0
#include "amd_devices.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>

#include "attnrt/fork.hpp"
#include "file_text.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

constexpr unsigned kMostNodes = 1024;

struct Node {
  uint64_t number = 0, unique_id = 0;
  uint32_t arch = 0;
};

/// The number behind a key in a node's properties, a line each.
uint64_t property(std::string_view text, std::string_view key) {
  uint64_t value = 0;
  const std::size_t at = text.find(key);
  if (at != std::string_view::npos && (at == 0 || text[at - 1] == '\n'))
    std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  return value;
}

/// What a node's properties say. Its target version is 90402 for gfx942; processors have none.
Node read_node(uint64_t number, std::string_view text) {
  Node node;
  node.number = number;
  node.unique_id = property(text, "unique_id ");
  // Digits of the name read as hexadecimal: 11, 0, 0 is gfx1100 and 0x1100.
  const uint64_t version = property(text, "gfx_target_version "), major = version / 10000;
  node.arch = static_cast<uint32_t>((major / 10 << 4 | major % 10) << 8 | (version / 100 % 100) << 4 | version % 100);
  return node;
}

/// The GPUs among the nodes of the topology, in the order of their numbers, which is HIP's.
std::vector<Node> read_nodes(const std::filesystem::path& folder, std::error_code& error) {
  std::vector<Node> out;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    uint64_t number = 0;
    const std::string name = it->path().filename().string();
    std::from_chars(name.data(), name.data() + name.size(), number);
    const Node node = read_node(number, read_text(it->path() / "properties").value_or(""));
    if (node.arch) out.push_back(node);
  }
  std::sort(out.begin(), out.end(), [](const Node& a, const Node& b) { return a.number < b.number; });
  return out;
}

/// Asks a library in the place of HIP for its nodes. "" or why it cannot be asked.
std::string ask_stand_in(const std::filesystem::path& file, std::vector<Node>& nodes, bool& answers) {
  const sdk::LoadLock lock;
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return "ATTNRT_HIP_DRIVER is " + file.string() + ", which cannot be loaded";
  const auto node_at = reinterpret_cast<const char* (*)(unsigned)>(dlsym(library, "attnrt_kfd_node"));
  answers = node_at != nullptr;
  for (unsigned i = 0; answers && i < kMostNodes; ++i) {
    const char* const text = node_at(i);
    if (!text) break;
    if (const Node node = read_node(i, text); node.arch) nodes.push_back(node);
  }
  return "";
}

const Node* find(const std::vector<Node>& nodes, std::string_view word) {
  const char *const begin = word.data(), *const end = begin + word.size();
  if (word.starts_with("GPU-")) {
    uint64_t id = 0;
    const auto [at, error] = std::from_chars(begin + 4, end, id, 16);
    for (const Node& node : nodes)
      if (error == std::errc{} && at == end && node.unique_id && node.unique_id == id) return &node;
    return nullptr;
  }
  std::size_t index = 0;
  const auto [at, error] = std::from_chars(begin, end, index);
  return error == std::errc{} && at == end && index < nodes.size() ? &nodes[index] : nullptr;
}

/// Keeps what a list names, in its order, up to its first wrong word or one that comes again.
void choose(std::vector<Node>& nodes, std::string_view list) {
  std::vector<Node> chosen;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string_view word = list.substr(begin, end - begin);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    const Node* const found = find(nodes, word);
    const auto again = [found](const Node& node) { return node.number == found->number; };
    if (!found || std::any_of(chosen.begin(), chosen.end(), again)) break;
    chosen.push_back(*found);
    begin = end + 1;
  }
  nodes = std::move(chosen);
}

/// Why programs of this user cannot reach the devices: "" or a sentence.
std::string unreachable(const std::filesystem::path& device) {
  const int file = open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0)
    return device.string() + " cannot be opened (" + std::generic_category().message(errno) +
           "), wanted read and write access: membership of the group render";
  close(file);
  return "";
}

}  // namespace

std::vector<DeviceReport> amd_devices(const VisibleDevices& visible, const AmdPlaces& places) {
  std::vector<DeviceReport> out;
  const auto absent = [&out](std::string why) {
    DeviceReport r;
    r.device.type = ATTNRT_DEVICE_ROCM;
    r.sentence = "no ROCm device: " + std::move(why);
    out.push_back(std::move(r));
    return out;
  };
  std::error_code error;
  std::vector<Node> nodes;
  bool played = false;
  if (!places.stand_in.empty())
    if (std::string why = ask_stand_in(places.stand_in, nodes, played); !why.empty()) return absent(std::move(why));
  if (!played) nodes = read_nodes(places.nodes, error);
  if (error) return absent("/sys/class/kfd (the amdgpu driver) not found");
  if (nodes.empty()) return absent("the driver lists none");
  const struct {
    const char* name;
    const std::optional<std::string>& list;
  } filters[] = {
      {"ROCR_VISIBLE_DEVICES", visible.rocr},
      {visible.hip ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES", visible.hip ? visible.hip : visible.cuda}};
  for (const auto& filter : filters) {
    if (!filter.list) continue;
    choose(nodes, *filter.list);
    if (nodes.empty()) return absent(std::string(filter.name) + " is '" + *filter.list + "', which names none");
  }
  if (std::string why = played ? "" : unreachable(places.device); !why.empty()) return absent(std::move(why));
  for (const Node& node : nodes)
    out.push_back({{ATTNRT_DEVICE_ROCM, static_cast<int32_t>(out.size()), node.arch, 0},
                   true,
                   "AMD GPU",
                   arch_name(ATTNRT_DEVICE_ROCM, node.arch)});
  return out;
}

}  // namespace attnrt::core
