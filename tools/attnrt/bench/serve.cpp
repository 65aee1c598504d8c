// SPDX-License-Identifier: Apache-2.0
#include "bench/serve.hpp"

#include <spdlog/fmt/fmt.h>

#include <istream>
#include <memory>
#include <ostream>
#include <tuple>

#include "bench/timing.hpp"
#include "document.hpp"
#include "failure.hpp"
#include "setting.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

Setting setting_at(const json::value& request, const char* key, const char* otherwise) {
  const std::string text = text_at(request, key);
  return {text.empty() ? otherwise : text, fmt::format("request: {}", key)};
}

/// What stays between requests.
class Worker {
 public:
  Worker(Runtime& runtime, const BenchWish& wish) : runtime_(runtime), wish_(wish) {}

  json::object answer(const json::value& request) {
    const BenchCase c = bench_case(text_at(request, "case"), request, "request");
    const uint32_t dtype = word(setting_at(request, "dtype", "bf16"),
                                {{"fp32", ATTNRT_FP32}, {"fp16", ATTNRT_FP16}, {"bf16", ATTNRT_BF16}});
    const auto threads = static_cast<uint32_t>(whole(setting_at(request, "threads", "1"), 1, 1024));
    BenchEffort effort;
    effort.min_time = number(setting_at(request, "min_time", "0.4"), 0);
    effort.max_time = number(setting_at(request, "max_time", "6"), 0);
    effort.min_reps = whole(setting_at(request, "min_reps", "5"), 1, 1'000'000);

    const Key key{json::serialize(json::value{text_at(request, "case"), request.at("seqs"), c.num_heads, c.num_kv_heads,
                                              c.head_size, c.causal, c.mla, c.window, c.softcap, c.sinks, c.alibi,
                                              c.shared_prefix, c.hint}),
                  dtype, threads};
    const bool fresh = key != key_;
    if (fresh) prepare(c, dtype, threads);
    key_ = key;
    const BenchTimes times = measure_times([this] { return setup_->timed_run(); }, effort, !fresh);
    const double seconds = times.best();
    json::object reply{{"case", c.id}, {"dtype", sdk::dtype_name(dtype)}, {"threads", threads}, {"kind", c.kind}};
    reply["variant"] = setup_->variant();
    reply["layout"] = setup_->layout_id();
    reply["block"] = setup_->block_size();
    reply["ms_best"] = seconds * 1e3;
    reply["ms_median"] = times.median() * 1e3;
    reply["reps"] = times.seconds.size();
    reply["gflops"] = c.flops() / seconds * 1e-9;
    reply["kv_gbs"] = c.kv_bytes(sdk::dtype_bytes(setup_->kv_dtype())) / seconds * 1e-9;
    reply["err"] = error_;
    reply["other_cpus"] = times.other_cpus;
    reply["steal"] = times.steal;
    return reply;
  }

  void forget() {
    key_ = {};
    setup_.reset();
    data_.reset();
  }

 private:
  using Key = std::tuple<std::string, uint32_t, uint32_t>;

  /// The first run of a setup is its warm-up, and the one that is checked.
  void prepare(const BenchCase& c, uint32_t dtype, uint32_t threads) {
    forget();
    data_ = std::make_unique<BenchData>(c, dtype);
    setup_ = std::make_unique<BenchSetup>(runtime_, *data_, wish_, runtime_.executor(threads));
    setup_->run();
    error_ = data_->error(setup_->out());
  }

  Runtime& runtime_;
  const BenchWish& wish_;
  Key key_;
  std::unique_ptr<BenchData> data_;
  std::unique_ptr<BenchSetup> setup_;
  double error_ = 0;
};

json::object answer(Worker& worker, const std::string& line) {
  try {
    json::error_code error;
    const json::value request = json::parse(line, error);
    if (error) throw Failure(fmt::format("the request is no JSON: {}", error.message()));
    return worker.answer(request);
  } catch (const Error& e) {
    worker.forget();
    const char* key = e.status() == ATTNRT_UNSUPPORTED || e.status() == ATTNRT_UNAVAILABLE ? "unsupported" : "error";
    return {{key, e.what()}};
  } catch (const std::bad_alloc&) {
    worker.forget();
    return {{"error", "the memory of this machine is not enough, wanted less to compute"}};
  } catch (const std::exception& e) {
    worker.forget();
    return {{"error", e.what()}};
  }
}

}  // namespace

void serve_bench(Runtime& runtime, const BenchWish& wish, std::istream& in, std::ostream& out) {
  out << json::serialize(json::object{{"ready", "attnrt"}, {"version", attnrt_version()}}) << std::endl;
  Worker worker(runtime, wish);
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    out << json::serialize(answer(worker, line)) << std::endl;
  }
}

}  // namespace attnrt::cli
