// SPDX-License-Identifier: Apache-2.0
//
// soak [SECONDS [FOLDER]]: eight threads select, create, plan, run and destroy over random problems while another
// rescans and a fixed set of files comes and goes: every .so of FOLDER (else copies of the built plugins), a text and a
// cut library. 300 seconds by default. Prints operations, faults and memory (resident, allocated) after each of ten
// rounds; exit status 1 where a call failed, an output was wrong, or resident memory grew by a tenth and 16 MiB after
// the first round.
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "attnrt/runtime.hpp"

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Tally {
  std::atomic<uint64_t> selections{0}, refused{0}, ops{0}, plans{0}, runs{0}, tokens{0}, rescans{0}, files{0};
  std::atomic<uint64_t> faults{0};
  std::mutex mutex;
  std::string first_fault;

  void fault(const std::string& text) {
    if (faults.fetch_add(1)) return;
    const std::lock_guard lock(mutex);
    first_fault = text;
  }
};

double resident_mib() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

/// A problem and batches for it. Every value row is 1, so every output must be 1 whatever the weights are.
class Layer {
 public:
  explicit Layer(std::mt19937& random) : random_(random) {}

  void once(attnrt::Runtime& runtime, const attnrt_executor* pool, Tally& tally) {
    attnrt_problem p = runtime.problem("cpu");
    p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_FP32;
    p.num_kv_heads = one_of({1, 2, 4});
    p.num_heads = p.num_kv_heads * one_of({1, 2, 3});
    p.head_size_qk = p.head_size_v = one_of({32, 64, 128, 80, 520});  // no backend has 520
    p.kv_layouts = one_of({ATTNRT_KV_NHD, ATTNRT_KV_HND, ATTNRT_KV_CONTIGUOUS});
    const bool paged = p.kv_layouts != ATTNRT_KV_CONTIGUOUS;
    p.block_size = paged ? one_of({8, 16, 64}) : 0;
    p.softcap = one_of({0, 1}) ? 30.0f : 0.0f;
    if (one_of({0, 1})) {
      p.window_left = static_cast<int32_t>(one_of({0, 5, 40}));
      p.window_right = 0;
    }
    ++tally.selections;
    const attnrt::Choice choice = runtime.try_select(p);
    if (!choice) {
      ++tally.refused;
      if (p.head_size_qk != 520) tally.fault(choice.explain());
      return;
    }
    ++tally.ops;
    const attnrt::Op op = runtime.op(choice);
    const int32_t seqs = static_cast<int32_t>(one_of({1, 2, 5}));
    auto limits = attnrt::sized<attnrt_limits>();
    limits.num_workers = pool ? pool->num_workers : 1;
    limits.max_seqs = seqs;
    limits.max_tokens = limits.max_query_len = limits.max_seq_len = 64 * seqs;
    const int32_t width = paged ? static_cast<int32_t>((64u + p.block_size - 1) / p.block_size) : 0;
    limits.num_blocks = width * seqs;
    limits.max_blocks_per_seq = width;
    limits.max_kv_tokens = paged ? 0 : 64 * seqs;
    ++tally.plans;
    attnrt::Plan plan = op.plan(limits);
    for (int step = 0; step < 3; ++step) {
      run(p, op, plan, seqs, width, pool);
      ++tally.runs;
      tally.tokens += static_cast<uint64_t>(tokens_);
      for (const float x : out_)
        if (!(std::abs(x - 1) < 1e-4f)) {
          tally.fault("an output is " + std::to_string(x) + ", wanted 1");
          break;
        }
    }
  }

 private:
  uint32_t one_of(std::initializer_list<uint32_t> values) { return values.begin()[random_() % values.size()]; }

  void run(const attnrt_problem& p, const attnrt::Op& op, attnrt::Plan& plan, int32_t seqs, int32_t width,
           const attnrt_executor* pool) {
    std::vector<int32_t> starts{0}, kv_starts{0}, lens, table;
    std::vector<int64_t> slots;
    for (int32_t r = 0; r < seqs; ++r) {
      const int32_t length = static_cast<int32_t>(1 + random_() % 64);
      const int32_t queries = static_cast<int32_t>(1 + random_() % static_cast<uint32_t>(length));
      lens.push_back(length);
      starts.push_back(starts.back() + queries);
      kv_starts.push_back(kv_starts.back() + length);
      for (int32_t b = 0; b < width; ++b) table.push_back((b + 1) * seqs - 1 - r);
      for (int32_t j = 0; width && j < length; ++j) {
        const int32_t size = static_cast<int32_t>(p.block_size);
        const int32_t block = table[static_cast<std::size_t>(r * width + j / size)];
        slots.push_back(int64_t{block} * size + j % size);
      }
    }
    tokens_ = starts.back();
    const int64_t keys = kv_starts.back(), heads = p.num_heads, kv_heads = p.num_kv_heads, size = p.head_size_qk;
    const int64_t blocks = int64_t{width} * seqs, slot_count = p.block_size;
    const auto amount = [](int64_t n) { return static_cast<std::size_t>(n); };
    std::vector<float> q(amount(tokens_ * heads * size)), k(amount(keys * kv_heads * size)), v(k.size(), 1.0f);
    std::uniform_real_distribution<float> any(-2, 2);
    for (float& x : q) x = any(random_);
    for (float& x : k) x = any(random_);
    out_.assign(q.size(), -7.0f);
    const attnrt::Tensor qt(q.data(), {tokens_, heads, size}), kt(k.data(), {keys, kv_heads, size}),
        vt(v.data(), {keys, kv_heads, size}), out(out_.data(), {tokens_, heads, size});
    auto batch = attnrt::sized<attnrt_batch>();
    batch.num_seqs = seqs;
    batch.num_tokens = static_cast<int32_t>(tokens_);
    batch.max_query_len = batch.max_seq_len = 64;
    batch.query_start_loc = batch.query_start_loc_host = starts.data();
    batch.seq_lens = batch.seq_lens_host = lens.data();
    auto args = attnrt::sized<attnrt_run_args>();
    args.scale = 1 / std::sqrt(static_cast<float>(size));
    args.q = qt.get();
    args.out = out.get();
    if (!width) {
      batch.kv_start_loc = batch.kv_start_loc_host = kv_starts.data();
      args.k = kt.get();
      args.v = vt.get();
      plan.update(batch, pool);
      plan.run(args, pool);
      return;
    }
    // What nobody wrote is NaN: a read of it shows.
    std::vector<float> pages(amount(blocks * slot_count * kv_heads * size), std::nanf("")), v_pages(pages);
    const bool hnd = p.kv_layouts == ATTNRT_KV_HND;
    const int64_t block = slot_count * kv_heads * size;
    const attnrt::Tensor kc(pages.data(), {2, 32, 1}, {blocks, slot_count, kv_heads, size},
                            {block, hnd ? size : kv_heads * size, hnd ? slot_count * size : size, 1}),
        vc(v_pages.data(), {2, 32, 1}, {blocks, slot_count, kv_heads, size},
           {block, hnd ? size : kv_heads * size, hnd ? slot_count * size : size, 1}),
        mapping(slots.data(), {keys});
    auto write = attnrt::sized<attnrt_write_args>();
    write.k = kt.get();
    write.v = vt.get();
    write.slot_mapping = mapping.get();
    write.k_cache = args.k_cache = kc.get();
    write.v_cache = args.v_cache = vc.get();
    batch.block_table = table.data();
    batch.block_table_stride = batch.block_table_width = width;
    op.write_kv(write, pool);
    plan.update(batch, pool);
    plan.run(args, pool);
  }

  std::mt19937& random_;
  std::vector<float> out_;
  int64_t tokens_ = 0;
};

/// The files that come and go: content by name.
std::vector<std::pair<std::string, fs::path>> fixed_set(const fs::path& from, const fs::path& made) {
  std::vector<std::pair<std::string, fs::path>> set;
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    // Those that hang cost ten seconds of waiting each; tests/bad_plugins has them.
    if (entry.path().extension() != ".so" || name.starts_with("hang_")) continue;
    set.emplace_back("guest_" + name, entry.path());
  }
  std::ofstream(made / "text") << "not a library\n";
  if (!set.empty()) {
    fs::copy_file(set.front().second, made / "cut");
    fs::resize_file(made / "cut", fs::file_size(made / "cut") / 2);
    set.emplace_back("cut.so", made / "cut");
  }
  set.emplace_back("text.so", made / "text");
  return set;
}

int soak(int seconds, const fs::path& guests, const fs::path& scratch) {
  attnrt::Options options;
  options.cache_folder = (scratch / "cache").string();
  options.read_environment = false;
  const std::string list = attnrt::Runtime(options).list();  // the first folder is the default one
  const std::size_t at = list.find("\"path\":\"") + 8;
  const fs::path home = list.substr(at, list.find('"', at) - at);
  fs::create_directories(scratch / "plugins");
  fs::create_directories(scratch / "made");
  for (const auto& entry : fs::directory_iterator(home))
    fs::copy_file(entry.path(), scratch / "plugins" / entry.path().filename());
  const auto set = fixed_set(guests.empty() ? home : guests, scratch / "made");

  options.plugin_path = (scratch / "plugins").string();
  attnrt::Runtime runtime(options);
  Tally tally;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      Layer layer(random);
      while (!stop) try {
          layer.once(runtime, random() % 4 ? nullptr : runtime.executor(2), tally);
        } catch (const std::exception& e) {
          tally.fault(e.what());
        }
    });
  threads.emplace_back([&] {
    std::mt19937 random(99);
    while (!stop) try {
        for (int i = 0; i < 8; ++i, ++tally.files) {
          const auto& [name, from] = set[random() % set.size()];
          if (fs::remove(scratch / "plugins" / name)) continue;
          fs::copy_file(from, scratch / "incoming", fs::copy_options::overwrite_existing);
          fs::rename(scratch / "incoming", scratch / "plugins" / name);  // never written in place
        }
        runtime.rescan();
        ++tally.rescans;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      } catch (const std::exception& e) {
        tally.fault(e.what());
      }
  });

  double first = 0, last = 0;
  const auto start = Clock::now();
  for (int round = 1; round <= 10; ++round) {
    std::this_thread::sleep_until(start + std::chrono::milliseconds(100LL * seconds * round));
    last = resident_mib();
    if (round == 1) first = last;
    // Allocated at this moment, so with what eight layers hold just now.
    const double used = static_cast<double>(mallinfo2().uordblks) / (1 << 20);
    std::printf("%4d s  %7.1f MiB, %5.1f allocated  %9llu runs  %6llu rescans  %llu faults\n", seconds * round / 10,
                last, used, static_cast<unsigned long long>(tally.runs),
                static_cast<unsigned long long>(tally.rescans),
                static_cast<unsigned long long>(tally.faults));
    std::fflush(stdout);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const auto print = [](const char* what, const std::atomic<uint64_t>& n) {
    std::printf("%-28s %llu\n", what, static_cast<unsigned long long>(n.load()));
  };
  print("selections", tally.selections);
  print("  refused, as they should", tally.refused);
  print("ops created and destroyed", tally.ops);
  print("plans created and destroyed", tally.plans);
  print("runs, each output checked", tally.runs);
  print("query tokens", tally.tokens);
  print("rescans", tally.rescans);
  print("files added or removed", tally.files);
  std::printf("%-28s %zu\n", "files in the changing set", set.size());
  print("faults", tally.faults);
  if (tally.faults) std::printf("first fault: %s\n", tally.first_fault.c_str());
  const bool steady = last <= first * 1.1 + 16;
  std::printf("memory %s: %.1f MiB after the first round, %.1f MiB at the end\n", steady ? "steady" : "grew", first,
              last);
  return tally.faults || !steady;
}

}  // namespace

int main(int argc, char** argv) {
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 300;
  if (argc > 3 || seconds < 1) {
    std::fprintf(stderr, "usage: soak [SECONDS [FOLDER]]\n");
    return 2;
  }
  std::string scratch = (fs::temp_directory_path() / "attnrt-soak-XXXXXX").string();
  if (!mkdtemp(scratch.data())) return 1;
  int status = 1;
  try {
    status = soak(seconds, argc > 2 ? argv[2] : "", scratch);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "soak: %s\n", e.what());
  }
  fs::remove_all(scratch);
  return status;
}
