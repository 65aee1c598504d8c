// SPDX-License-Identifier: Apache-2.0
#include "bench/case.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <sstream>

#include "document.hpp"
#include "failure.hpp"
#include "regular_file.hpp"
#include "setting.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kMostTokens = 1 << 24;
constexpr uint64_t kMostBytes = 4 << 20;
constexpr int64_t kMostHeads = 1024, kMostWidth = 1024;

int64_t number_at(const json::object& o, const char* key, int64_t otherwise, int64_t high, const std::string& from) {
  const json::value* v = o.if_contains(key);
  return v ? whole({json::serialize(*v), fmt::format("{}: {}", from, key)}, 1, high) : otherwise;
}

bool flag_at(const json::object& o, const char* key, bool otherwise, const std::string& from) {
  const json::value* v = o.if_contains(key);
  return v ? truth({json::serialize(*v), fmt::format("{}: {}", from, key)}) : otherwise;
}

std::vector<BenchCase::Request> copies(std::size_t n, BenchCase::Request r) {
  return std::vector<BenchCase::Request>(n, r);
}

BenchCase::Request request_of(const json::value& pair, const std::string& from) {
  if (!pair.is_array() || pair.get_array().size() != 2)
    throw Failure(fmt::format("{}: a request is {}, wanted [queries, keys]", from, json::serialize(pair)));
  const auto at = [&](std::size_t i) { return Setting{json::serialize(pair.at(i)), from + ": seqs"}; };
  const int64_t keys = whole(at(1), 1, kMostTokens);
  return {whole(at(0), 1, kMostTokens), keys};
}

void check_case(const BenchCase& c, const std::string& from) {
  if (c.requests.empty()) throw Failure(fmt::format("{}: seqs is empty, wanted at least one request", from));
  if (c.num_tokens() > kMostTokens || c.num_keys() > kMostTokens)
    throw Failure(fmt::format("{}: {} queries and {} keys in all, wanted at most {}", from, c.num_tokens(),
                              c.num_keys(), kMostTokens));
  for (const auto& r : c.requests)
    if (r.queries > r.keys)
      throw Failure(fmt::format("{}: a request has {} queries and {} keys, wanted no more queries than keys", from,
                                r.queries, r.keys));
  if (c.shared_prefix > c.shortest_keys() || (c.shared_prefix > 0 && c.uncompressed()))
    throw Failure(fmt::format("{}: shared_prefix is {}, wanted at most the {} keys of the shortest request, in a cache",
                              from, c.shared_prefix, c.shortest_keys()));
  if (c.num_heads % c.num_kv_heads != 0)
    throw Failure(
        fmt::format("{}: num_heads is {}, wanted a multiple of num_kv_heads {}", from, c.num_heads, c.num_kv_heads));
  const int64_t kv_heads = c.latent() ? 1 : c.num_heads, width = c.latent() ? 576 : 192;
  if (c.mla && (c.num_kv_heads != kv_heads || c.head_size != width))
    throw Failure(fmt::format("{}: {} KV heads of {}, wanted {} of {} with mla", from, c.num_kv_heads, c.head_size,
                              kv_heads, width));
}

std::vector<BenchCase> make_grid() {
  const auto one = [](const char* id, std::vector<BenchCase::Request> requests, const char* kind = "prefill") {
    BenchCase c;
    c.id = id;
    c.requests = std::move(requests);
    c.kind = kind;
    return c;
  };
  std::vector<BenchCase::Request> mixed;
  for (const int64_t keys : {512, 1000, 2000, 3000, 4096, 6000, 700, 1500, 2500, 3500, 5000, 8000})
    mixed.push_back({1, keys});
  mixed.push_back({512, 512});
  mixed.push_back({256, 1280});
  BenchCase encoder = one("enc_12h64_512x4", copies(4, {512, 512}));
  encoder.num_heads = encoder.num_kv_heads = 12;
  encoder.head_size = 64;
  encoder.causal = false;
  const auto latent = [&one](const char* id, std::vector<BenchCase::Request> requests, int64_t heads) {
    BenchCase c = one(id, std::move(requests), "decode");
    c.mla = true;
    c.num_heads = heads;
    c.num_kv_heads = 1;
    c.head_size = 576;
    return c;
  };
  BenchCase uncompressed = one("mla_prefill_2048", {{2048, 2048}});
  uncompressed.mla = true;
  uncompressed.num_heads = uncompressed.num_kv_heads = 16;
  uncompressed.head_size = 192;
  return {one("prefill_512", {{512, 512}}),
          one("prefill_2048", {{2048, 2048}}),
          one("prefill_8192", {{8192, 8192}}),
          one("prefill_4x1024", copies(4, {1024, 1024})),
          encoder,
          one("decode_b1_4096", {{1, 4096}}, "decode"),
          one("decode_b1_32768", {{1, 32768}}, "decode"),
          one("decode_b16_4096", copies(16, {1, 4096}), "decode"),
          one("mixed_paged", mixed, "mixed"),
          latent("mla_decode_b1_32768", {{1, 32768}}, 16),
          latent("mla_decode_b16_4096", copies(16, {1, 4096}), 16),
          latent("mla_decode_b64_512", copies(64, {1, 512}), 16),
          latent("mla_decode_128h_b4_4096", copies(4, {1, 4096}), 128),
          uncompressed};
}

}  // namespace

int64_t BenchCase::num_tokens() const noexcept {
  int64_t n = 0;
  for (const Request& r : requests) n += r.queries;
  return n;
}
int64_t BenchCase::num_keys() const noexcept {
  int64_t n = 0;
  for (const Request& r : requests) n += r.keys;
  return n;
}
int64_t BenchCase::shortest_keys() const noexcept {
  int64_t n = longest_keys();
  for (const Request& r : requests) n = std::min(n, r.keys);
  return n;
}
int64_t BenchCase::longest_query() const noexcept {
  int64_t n = 0;
  for (const Request& r : requests) n = std::max(n, r.queries);
  return n;
}
int64_t BenchCase::longest_keys() const noexcept {
  int64_t n = 0;
  for (const Request& r : requests) n = std::max(n, r.keys);
  return n;
}

BenchCase::Keys BenchCase::seen(const Request& r, int64_t query) const noexcept {
  const int64_t at = r.keys - r.queries + query;
  Keys keys{0, causal ? at + 1 : r.keys};
  if (window > 0) keys = {std::max<int64_t>(0, at - window + 1), std::min(keys.last, at + window)};
  return keys;
}

double BenchCase::flops() const noexcept {
  double pairs = 0;
  for (const Request& r : requests) {
    for (int64_t i = 0; i < r.queries && window > 0; ++i) {
      const Keys keys = seen(r, i);
      pairs += static_cast<double>(keys.last - keys.first);
    }
    if (window > 0) continue;
    const auto q = static_cast<double>(r.queries), k = static_cast<double>(r.keys);
    pairs += q * k - (causal && r.queries > 1 ? q * q / 2 : 0);
  }
  return 2.0 * static_cast<double>((head_size + head_size_v()) * num_heads) * pairs;
}

double BenchCase::kv_bytes(int64_t element_bytes) const noexcept {
  const int64_t width = latent() ? head_size : head_size + head_size_v();
  int64_t keys = 0, shared = 0;
  for (const Request& r : requests) {
    const int64_t first = seen(r, 0).first, of_prefix = std::max<int64_t>(0, shared_prefix - first);
    keys += r.keys - first - of_prefix;
    shared = std::max(shared, of_prefix);
  }
  keys += shared;
  return static_cast<double>(keys * num_kv_heads * width * element_bytes);
}

const std::vector<BenchCase>& bench_grid() {
  static const std::vector<BenchCase> grid = make_grid();
  return grid;
}

BenchCase bench_case(const std::string& id, const json::value& value, const std::string& from) {
  if (!value.is_object()) throw Failure(fmt::format("{} is {}, wanted a JSON object", from, json::serialize(value)));
  const json::object& o = value.get_object();
  BenchCase c;
  c.id = id;
  for (const json::value& pair : array_at(value, "seqs")) c.requests.push_back(request_of(pair, from));
  c.mla = flag_at(o, "mla", false, from);
  if (o.contains("kind")) c.kind = lower(text_at(value, "kind"));
  word({c.kind, from + ": kind"}, {{"prefill", 0}, {"decode", 1}, {"mixed", 2}});
  c.num_heads = number_at(o, "hq", c.mla ? 16 : c.num_heads, kMostHeads, from);
  c.num_kv_heads = number_at(o, "hkv", c.latent() ? 1 : c.mla ? c.num_heads : c.num_kv_heads, kMostHeads, from);
  c.head_size = number_at(o, "d", c.latent() ? 576 : c.mla ? 192 : c.head_size, kMostWidth, from);
  c.causal = flag_at(o, "causal", true, from);
  c.window = number_at(o, "window", 0, kMostTokens, from);
  if (const json::value* cap = o.if_contains("softcap"))
    c.softcap = number({json::serialize(*cap), fmt::format("{}: softcap", from)}, 0);
  c.sinks = flag_at(o, "sinks", false, from);
  c.alibi = flag_at(o, "alibi", false, from);
  c.shared_prefix = number_at(o, "shared_prefix", 0, kMostTokens, from);
  c.hint = flag_at(o, "hint", true, from);
  check_case(c, from);
  return c;
}

std::vector<BenchCase> read_bench_grid(const std::string& path) {
  const core::Result<std::string> text = core::read_regular_file(path, kMostBytes);
  if (!text) throw Failure(text.error().text + ", wanted a grid of cases in JSON");
  json::error_code error;
  const json::value value = json::parse(*text, error);
  if (error || !value.is_object() || value.get_object().empty())
    throw Failure(
        fmt::format("{} is no JSON object of cases, wanted {{\"name\": {{\"seqs\": [[queries, keys]]}}}}", path));
  std::vector<BenchCase> cases;
  for (const auto& [key, item] : value.get_object()) {
    const std::string id(key);
    cases.push_back(bench_case(id, item, fmt::format("{}: {}", path, id)));
  }
  return cases;
}

std::vector<BenchCase::Request> bench_requests(const std::string& text) {
  std::vector<BenchCase::Request> requests;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');) {
    const std::size_t cross = item.find('x');
    if (cross == std::string::npos)
      throw Failure(fmt::format("--seqs is '{}', wanted queries x keys, such as 512x512,1x4096", text));
    const int64_t keys = whole({item.substr(cross + 1), "--seqs"}, 1, kMostTokens);
    requests.push_back({whole({item.substr(0, cross), "--seqs"}, 1, keys), keys});
  }
  return requests;
}

}  // namespace attnrt::cli
