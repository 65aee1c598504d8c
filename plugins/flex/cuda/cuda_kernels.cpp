// SPDX-License-Identifier: Apache-2.0
#include "cuda_kernels.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <tuple>

#include "../../flash_attn/arguments.hpp"
#include "attnrt/fork.hpp"
#include "attnrt/plugin.hpp"
#include "kernel_cache.hpp"
#include "kernel_text.hpp"
#include "print_cuda.hpp"

namespace attnrt::flex {
namespace {

using sdk::say;

using Image = std::shared_ptr<const std::string>;

/// What a file of the cache is known by: everything that the result depends on.
std::string key_of(const std::string& source, uint32_t arch, Target target) {
  std::string key =
      say("NVRTC ", Nvrtc::get().version(), target == Target::ptx ? " ptx " : " cubin ", arch, "\n", source);
  for (const Header& header : kernel_text()) key += say("\n", header.name, "\n", header.text);
  return key;
}

/// From the cache's file, or compiled and kept there.
Image make_image(const std::string& source, uint32_t arch, Target target) {
  const KernelCache files(KernelCache::place());
  const std::string key = key_of(source, arch, target);
  if (std::optional<std::string> kept = files.read(key)) return std::make_shared<const std::string>(std::move(*kept));
  auto made = std::make_shared<const std::string>(Nvrtc::get().compile(source, kernel_text(), arch, target));
  files.write(key, *made);
  return made;
}

/// What was compiled, by source, architecture and form. Never destroyed: the driver may be gone by then.
class Compiled {
 public:
  Image get(const std::string& source, uint32_t arch, Target target) {
    const Key key(source, arch, target);
    if (Image found = find(key)) return found;
    // Without the lock: it takes seconds. Two threads may do it twice, the first one's is kept.
    Image fresh = make_image(source, arch, target);
    const sdk::LoadLock lock;
    Entry& entry = made_.try_emplace(key, Entry{std::move(fresh), 0}).first->second;
    entry.used = ++time_;
    const Image out = entry.image;
    give_back();
    return out;
  }
  static Compiled& all() {
    static constinit sdk::Once<Compiled*> one;
    return *one.get([] { return new Compiled; });
  }

 private:
  using Key = std::tuple<std::string, uint32_t, Target>;
  struct Entry {
    Image image;
    uint64_t used;
  };

  Image find(const Key& key) {
    const sdk::LoadLock lock;
    const auto found = made_.find(key);
    if (found == made_.end()) return nullptr;
    found->second.used = ++time_;
    return found->second.image;
  }

  // Those that no op has, but for the latest.
  void give_back() {
    std::vector<std::map<Key, Entry>::iterator> idle;
    for (auto it = made_.begin(); it != made_.end(); ++it)
      if (it->second.image.use_count() == 1) idle.push_back(it);
    if (idle.size() <= kKeptKernels) return;
    std::sort(idle.begin(), idle.end(), [](auto a, auto b) { return a->second.used > b->second.used; });
    for (std::size_t i = kKeptKernels; i < idle.size(); ++i) {
      gpu::Device::unload(idle[i]->second.image->data());
      made_.erase(idle[i]);
    }
  }

  std::map<Key, Entry> made_;
  uint64_t time_ = 0;
};

template <const auto& members>
void set_parameters(gpu::KernelImage& image) {
  static constexpr std::size_t count = sizeof members / sizeof members[0];
  static constexpr auto list = [] {
    std::array<gpu::Parameter, count> made{};
    for (std::size_t i = 0; i < count; ++i) made[i] = {members[i].name, members[i].type};
    return made;
  }();
  image.parameters = list.data();
  image.num_parameters = count;
}

const char* element_name(uint32_t dtype) { return dtype == ATTNRT_FP16 ? "Half" : "Bfloat"; }

bool is_bent(const attnrt_problem& p) { return p.softcap > 0 || (p.features & ATTNRT_FEATURE_ALIBI); }

}  // namespace

bool masks_by_head(const Program& program) {
  return program.mask != Program::kNone && dependences(program)[static_cast<std::size_t>(program.mask)] & kOnH;
}

std::string kernel_source(const attnrt_problem& p, const Program& program, const CudaShape& shape, const char* kernel) {
  return say("#define ELEMENT ", element_name(p.q_dtype), "\n#define BENT ", is_bent(p) ? "true" : "false",
             "\n#define HEADS ", masks_by_head(program) ? "true" : "false", "\n#define BUFFERS ",
             std::max<std::size_t>(program.buffers.size(), 1), "\n#define HEAD_QK ", shape.head_qk, "\n#define HEAD_V ",
             shape.head_v, "\n#define ROW_WARPS ", shape.row_warps, "\n#define KEY_WARPS ", shape.key_warps,
             "\n#define ROWS ", shape.rows(), "\n#define TILE ", shape.tile, "\n#define STAGES ", shape.stages,
             "\n#define SHARED_BYTES ", shape.shared_bytes(), "\n#define BLOCKS ", shape.blocks,
             "\n#include \"operators.cuh\"\n\n", print_cuda(program), "\n#include \"", kernel, "\"\n");
}

CudaKernels::CudaKernels(gpu::Device& device, const attnrt_problem& p, const Program& program) {
  const bool invariant = p.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT, decodes = p.phase == ATTNRT_PHASE_DECODE;
  const uint32_t rows = p.num_heads / p.num_kv_heads * std::max(p.decode_query_len, 1u);
  gpu::KernelImage image{};
  image.arch = device.arch();
  image.q_dtype = image.kv_dtype = image.out_dtype = p.q_dtype;
  for (const bool few : {true, false}) {
    if (few ? invariant && !decodes : invariant && decodes && rows <= 16) continue;
    const CudaShape& shape = few ? shape_of(kFewShapes, p.head_size_qk, p.head_size_v)
                                 : shape_of(kManyShapes, p.head_size_qk, p.head_size_v);
    image.kernel = image.symbol = "attention";
    image.head_size_qk = shape.head_qk;
    image.head_size_v = shape.head_v;
    image.block_m = shape.rows();
    image.tile = shape.tile;
    image.features = 1;
    image.warps = shape.warps();
    image.stages = shape.stages;
    image.shared_bytes = shape.shared_bytes();
    add(device, image, kernel_source(p, program, shape, "flex_attention.cuh"));
    image.shared_bytes = 0;
    if (program.mask == Program::kNone) continue;
    image.kernel = image.symbol = "block_mask";
    image.warps = 4;
    add(device, image, kernel_source(p, program, shape, "block_mask.cuh"));
  }
  image.head_size_qk = 0;
  image.head_size_v = kWidestHead;
  image.block_m = image.tile = image.features = image.stages = 0;
  const std::string element = say("#define ELEMENT ", element_name(p.q_dtype), "\n");
  const auto row_kernel = [&](const char* name, uint32_t warps) {
    image.kernel = image.symbol = name;
    image.warps = warps;
    add(device, image, say(element, "#include \"", name, ".cu\"\n"));
  };
  set_parameters<flash::detail::MergeSplitsArgumentsTable::members>(image);
  row_kernel("merge_splits", 2);
  set_parameters<flash::detail::MergeStatesArgumentsTable::members>(image);
  if (p.features & ATTNRT_FEATURE_LSE) row_kernel("merge_states", 2);
  set_parameters<flash::detail::WriteKvArgumentsTable::members>(image);
  if (p.kv_layouts & ~ATTNRT_KV_CONTIGUOUS) row_kernel("write_kv", 1);
}

void CudaKernels::add(gpu::Device& device, gpu::KernelImage image, const std::string& source) {
  const auto load = [&](Target target) {
    const Image& made = held_.emplace_back(Compiled::all().get(source, device.arch(), target));
    image.image = reinterpret_cast<const unsigned char*>(made->data());
    image.image_size = made->size();
    image.ptx = target == Target::ptx;
    device.load({image.image, image.symbol, image.warps * device.warp_size(), image.shared_bytes});
  };
  try {
    load(Target::ptx);
  } catch (const sdk::Error& error) {
    if (error.status() != ATTNRT_UNAVAILABLE) throw;
    load(Target::cubin);  // a driver that is older than the compiler takes its machine code, not its text
  }
  images_.push_back(image);
}

const gpu::KernelImage* CudaKernels::block_mask(uint32_t rows) const {
  for (const gpu::KernelImage& image : images_)
    if (image.block_m == rows && std::string_view(image.kernel) == "block_mask") return &image;
  return nullptr;
}

}  // namespace attnrt::flex
