// SPDX-License-Identifier: Apache-2.0
//
// flash_attn_trial KIND ARCH ROWS THREADS SHARED PITCH ATTENTION.ptx MERGE.ptx: runs a kernel on the PTX machine and
// compares it with float64, in each choice that a device leaves open. Prints what is wrong first; exit status 0:
// nothing, 1: something.
//   KIND     few, many, wgmma (fp16 or bf16), e4m3 (fp16 over a cache of bytes), latent
//   SHARED   bytes of dynamic shared memory; PITCH: floats of a partial row
// The table of blocks, slots and rows that nobody may read hold NaN and numbers far outside.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "../emulator/machine.hpp"
#include "arguments.hpp"
#include "attnrt/say.hpp"
#include "problems.hpp"

namespace attnrt::flash::test {
namespace {

using emulator::Launch, emulator::Mode, emulator::test::Machine;

std::string read(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// How a kernel is launched.
struct Shape {
  uint32_t arch, rows, threads, shared, pitch;
  std::string text, merge;
};

/// A problem in the machine's memory.
class Trial {
 public:
  Trial(const Problem& problem, const Shape& shape) : p_(problem), shape_(shape), machine_(shape.arch) { place(); }

  std::string run(const Mode& mode) {
    const auto heads_a_tile = std::min<uint32_t>(static_cast<uint32_t>(a_.group), shape_.rows);
    const uint32_t tokens = shape_.rows / heads_a_tile,
                   head_tiles = (static_cast<uint32_t>(a_.group) + heads_a_tile - 1) / heads_a_tile;
    const auto num_seqs = static_cast<uint32_t>(p_.requests.size()), num_tokens = static_cast<uint32_t>(p_.tokens());
    const uint32_t grid[] = {num_tokens / tokens + num_seqs, static_cast<uint32_t>(p_.kv_heads) * head_tiles,
                             static_cast<uint32_t>(p_.splits)};
    if (std::string why = launch(shape_.text,
                                 p_.latent               ? "latent_wgmma"
                                 : shape_.threads == 384 ? "attention_wgmma"
                                                         : "attention",
                                 grid, shape_.threads, shape_.shared, &a_, sizeof a_, mode);
        !why.empty())
      return why;
    if (p_.splits > 1) {
      MergeSplitsArguments m{};
      m.out_ptr = a_.out_ptr, m.lse_ptr = a_.lse_ptr, m.partial_ptr = a_.partial_ptr,
      m.partial_lse_ptr = a_.partial_lse_ptr;
      m.query_start_loc_ptr = a_.query_start_loc_ptr, m.num_seqs_ptr = a_.num_seqs_ptr, m.sinks_ptr = a_.sinks_ptr;
      m.flags = a_.flags, m.num_heads = a_.num_heads, m.head_size_v = a_.head_size_v;
      m.pitch = static_cast<int32_t>(shape_.pitch), m.num_splits = a_.num_splits;
      m.out_stride_token = a_.out_stride_token, m.out_stride_head = a_.out_stride_head;
      m.lse_stride_token = a_.lse_stride_token, m.lse_stride_head = a_.lse_stride_head;
      const uint32_t merge_grid[] = {num_tokens, static_cast<uint32_t>(p_.heads), 1};
      if (std::string why = launch(shape_.merge, "merge_splits", merge_grid, 64, 0, &m, sizeof m, mode); !why.empty())
        return why;
    }
    return judge();
  }

 private:
  std::string launch(const std::string& text, const char* kernel, const uint32_t (&grid)[3], uint32_t threads,
                     uint32_t shared, const void* arguments, std::size_t bytes, const Mode& mode) {
    if (std::string why = machine_.refusal(text); !why.empty()) return why;
    Launch launch;
    launch.module = &machine_.module();
    launch.kernel = machine_.module().kernel(kernel);
    launch.memory = &machine_.memory();
    std::copy(grid, grid + 3, launch.grid);
    launch.threads[0] = threads;
    launch.dynamic_shared = shared;
    launch.arch = shape_.arch;
    launch.arguments.assign(static_cast<const char*>(arguments), bytes);
    launch.mode = mode;
    launch.mode.most_instructions = 1 << 22;
    if (!launch.kernel) return std::string("there is no kernel ") + kernel;
    try {
      run_grid(launch);
    } catch (const emulator::Fault& fault) {
      return fault.what();
    }
    // A partial tile's zeros and its masks have no neighbours to share wavefronts with: what counts is a tile's layout.
    const emulator::Coverage coverage = coverage_of(*launch.kernel);
    if (mode.count_wavefronts && coverage.wavefronts * 10 > coverage.ideal_wavefronts * 11)
      return sdk::say("bank conflicts: ", coverage.wavefronts, " wavefronts of shared memory, ",
                      coverage.ideal_wavefronts, " at best");
    return {};
  }

  // Rows of K or V [keys, kv_heads, size] into a cache [block, slot, head, size] or into rows with a gap, a NaN where
  // nothing is.
  uint64_t put_keys(const std::vector<uint16_t>& rows, int size, int64_t& stride_block, int64_t& stride_slot,
                    int64_t& stride_head) {
    const int gap = p_.block_size ? 0 : 8, row = p_.kv_heads * (size + gap);
    const std::size_t slots = p_.block_size ? blocks_ * static_cast<std::size_t>(p_.block_size) : keys_;
    std::vector<uint16_t> cache(slots * static_cast<std::size_t>(row), p_.e4m3 ? 0x7f : 0x7fff);
    stride_head = size + gap, stride_slot = row, stride_block = int64_t{row} * p_.block_size;
    for (std::size_t j = 0; j < keys_; ++j)
      for (int h = 0; h < p_.kv_heads; ++h)
        for (int d = 0; d < size; ++d)
          cache[slot_of_[j] * static_cast<std::size_t>(row) + static_cast<std::size_t>(h * (size + gap) + d)] =
              rows[(j * static_cast<std::size_t>(p_.kv_heads) + static_cast<std::size_t>(h)) *
                       static_cast<std::size_t>(size) +
                   static_cast<std::size_t>(d)];
    if (!p_.e4m3) return machine_.put(cache);
    return machine_.put(std::vector<uint8_t>(cache.begin(), cache.end()));
  }

  void place() {
    std::vector<int> starts = {0}, lengths, own, key_starts = {0}, table;
    const int width = 24;
    for (const Request& r : p_.requests) {
      const int keys = p_.own_keys(r);
      starts.push_back(starts.back() + r.queries), key_starts.push_back(key_starts.back() + keys);
      lengths.push_back(r.keys), own.push_back(keys);
      for (int j = 0; j < keys && !p_.block_size; ++j) slot_of_.push_back(keys_ + static_cast<std::size_t>(j));
      for (int b = 0; b < width && p_.block_size; ++b) {
        const bool there = b * p_.block_size < keys;
        table.push_back(there ? static_cast<int>(blocks_ ^ 1) : 1 << 20);  // neighbours change places
        for (int j = b * p_.block_size; j < std::min(keys, (b + 1) * p_.block_size); ++j)
          slot_of_.push_back((blocks_ ^ 1) * static_cast<std::size_t>(p_.block_size) +
                             static_cast<std::size_t>(j % p_.block_size));
        blocks_ += there;
      }
      keys_ += static_cast<std::size_t>(keys);
    }
    blocks_ += blocks_ % 2;
    const auto tokens = static_cast<std::size_t>(p_.tokens()), heads = static_cast<std::size_t>(p_.heads);
    AttentionArguments& a = a_;
    a.q_ptr = machine_.put(p_.q);
    a.q_rope_ptr = a.q_ptr + 2 * 512;
    a.q_stride_head = a.q_rope_stride_head = p_.head_size,
    a.q_stride_token = a.q_rope_stride_token = int64_t{p_.head_size} * p_.heads;
    a.k_ptr = put_keys(p_.k, p_.head_size, a.k_stride_block, a.k_stride_slot, a.k_stride_head);
    a.v_ptr = p_.latent ? 0 : put_keys(p_.v, p_.head_size_v, a.v_stride_block, a.v_stride_slot, a.v_stride_head);
    a.out_ptr = machine_.put(std::vector<uint16_t>(p_.out.size(), 0x7fff));
    a.out_stride_head = p_.head_size_v, a.out_stride_token = int64_t{p_.head_size_v} * p_.heads;
    a.lse_ptr = machine_.put(std::vector<float>(tokens * heads, NAN));
    a.lse_stride_token = p_.heads, a.lse_stride_head = 1;
    const std::size_t parts = tokens * heads * static_cast<std::size_t>(p_.splits);
    a.partial_ptr = machine_.room(parts * shape_.pitch * sizeof(float)),
    a.partial_lse_ptr = machine_.room(parts * sizeof(float));
    a.query_start_loc_ptr = machine_.put(starts), a.seq_lens_ptr = machine_.put(lengths),
    a.kv_lens_ptr = machine_.put(own);
    a.kv_start_loc_ptr = machine_.put(key_starts);
    a.block_table_ptr = p_.block_size ? machine_.put(table) : 0, a.block_table_stride = width;
    a.num_seqs_ptr = machine_.put(std::vector<int>{static_cast<int>(p_.requests.size())});
    a.sinks_ptr = p_.sinks ? machine_.put(p_.sink) : 0, a.alibi_slopes_ptr = p_.alibi ? machine_.put(p_.slope) : 0;
    if (p_.e4m3) a.k_scale_ptr = machine_.put(p_.k_scale), a.v_scale_ptr = machine_.put(p_.v_scale);
    a.k_scale_stride_request = a.v_scale_stride_request = p_.kv_heads,
    a.k_scale_stride_head = a.v_scale_stride_head = 1;
    a.softmax_scale = p_.scale(), a.softcap = p_.softcap, a.window_left = p_.window_left,
    a.window_right = p_.window_right;
    a.num_heads = p_.heads, a.group = p_.heads / p_.kv_heads, a.head_size_qk = p_.head_size,
    a.head_size_v = p_.head_size_v;
    a.sixteens = std::max(1, p_.block_size / 16), a.num_splits = p_.splits;
    a.cp_size = p_.cp_size, a.cp_rank = p_.cp_rank, a.cp_interleave = p_.cp_interleave;
    a.flags = kLse | kAligned | kAlignedOut | (p_.causal ? kCausal : 0) | (p_.block_size ? kPaged : 0) |
              (p_.sinks ? kSinks : 0) | (p_.alibi ? kAlibi : 0) | (p_.cp_size > 1 ? kKvLens : 0) |
              (p_.e4m3 ? kKScale | kVScale : 0);
  }

  std::string judge() {
    const auto out = machine_.get<uint16_t>(a_.out_ptr, p_.out.size());
    const auto lse = machine_.get<float>(a_.lse_ptr, p_.lse.size());
    const double u = roundoff(p_.element);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double got = static_cast<double>(widen(p_.element, out[i]));
      const double allowed = p_.decisive ? u / 4 : 4 * u * p_.bound[i];
      if (!(std::fabs(got - p_.out[i]) <= allowed))
        return sdk::say("out is ", got, ", wanted ", p_.out[i], " within ", allowed);
    }
    for (std::size_t i = 0; i < lse.size(); ++i) {
      const double got = static_cast<double>(lse[i]), wanted = p_.lse[i];
      const bool same = std::isinf(wanted) ? got == wanted : std::fabs(got - wanted) <= 2e-4 + 1e-5 * std::fabs(wanted);
      if (!same) return sdk::say("lse is ", got, ", wanted ", wanted);
    }
    return {};
  }

  const Problem& p_;
  const Shape& shape_;
  Machine machine_;
  AttentionArguments a_{};
  std::vector<std::size_t> slot_of_;  // of each key
  std::size_t blocks_ = 0, keys_ = 0;
};

int run(char** words) {
  const Shape shape{static_cast<uint32_t>(std::atoi(words[2])),
                    static_cast<uint32_t>(std::atoi(words[3])),
                    static_cast<uint32_t>(std::atoi(words[4])),
                    static_cast<uint32_t>(std::atoi(words[5])),
                    static_cast<uint32_t>(std::atoi(words[6])),
                    read(words[7]),
                    read(words[8])};
  const std::vector<Problem> all = problems(words[1]);
  for (const bool late : {true, false})
    for (const uint64_t seed : {uint64_t{0}, uint64_t{7}})
      for (const Problem& problem : all) {
        Mode mode;
        mode.late = late, mode.seed = seed, mode.threads = 1;
        mode.count_wavefronts = late && seed == 0 && problem.block_size && problem.requests[0].queries > 1;
        const std::string why = Trial(problem, shape).run(mode);
        if (why.empty()) continue;
        std::printf("%s (late=%d, seed=%d): %s\n", problem.name, late, static_cast<int>(seed), why.c_str());
        return 1;
      }
  std::printf("%zu problems are right\n", all.size());
  return all.empty() ? 1 : 0;
}

}  // namespace
}  // namespace attnrt::flash::test

int main(int argc, char** argv) {
  if (argc != 9) {
    std::fprintf(stderr, "usage: %s KIND ARCH ROWS THREADS SHARED PITCH ATTENTION.ptx MERGE.ptx\n", argv[0]);
    return 2;
  }
  return attnrt::flash::test::run(argv);
}
