// SPDX-License-Identifier: Apache-2.0
#include "conformance/pairwise.hpp"

#include "conformance/random.hpp"

namespace attnrt::conformance {
namespace {

// One bit for each pair of values of two axes.
class Pairs {
 public:
  explicit Pairs(const std::vector<std::size_t>& sizes) {
    std::size_t total = 0;
    for (const std::size_t size : sizes) {
      start_.push_back(total);
      total += size;
    }
    total_ = total;
    done_.assign(total * total, 0);
  }
  char& at(std::size_t axis_a, std::size_t a, std::size_t axis_b, std::size_t b) {
    return done_[(start_[axis_a] + a) * total_ + start_[axis_b] + b];
  }
  std::size_t gain(const Point& point) {
    std::size_t sum = 0;
    for (std::size_t a = 0; a < point.size(); ++a)
      for (std::size_t b = a + 1; b < point.size(); ++b) sum += !at(a, point[a], b, point[b]);
    return sum;
  }
  void cover(const Point& point) {
    for (std::size_t a = 0; a < point.size(); ++a)
      for (std::size_t b = a + 1; b < point.size(); ++b) at(a, point[a], b, point[b]) = 1;
  }

 private:
  std::vector<std::size_t> start_;
  std::size_t total_ = 0;
  std::vector<char> done_;
};

struct Pair {
  std::size_t axis_a, a, axis_b, b;
};

}  // namespace

std::vector<Point> pairwise_cover(const std::vector<std::size_t>& sizes, std::size_t limit, uint64_t seed,
                                  const std::function<bool(const Point&)>& admits) {
  Random random(seed);
  Pairs pairs(sizes);
  std::vector<Pair> missing;
  for (std::size_t a = 0; a < sizes.size(); ++a)
    for (std::size_t b = a + 1; b < sizes.size(); ++b)
      for (std::size_t i = 0; i < sizes[a]; ++i)
        for (std::size_t j = 0; j < sizes[b]; ++j) missing.push_back({a, i, b, j});
  random.shuffle(missing);

  std::vector<Point> out;
  Point point(sizes.size());
  for (const Pair& pair : missing) {
    if (out.size() >= limit) break;
    if (pairs.at(pair.axis_a, pair.a, pair.axis_b, pair.b)) continue;
    Point best;
    std::size_t most = 0;
    int found = 0;
    for (int tries = 0; tries < 400 && found < 24; ++tries) {
      for (std::size_t axis = 0; axis < sizes.size(); ++axis)
        point[axis] = static_cast<std::size_t>(random.below(static_cast<int64_t>(sizes[axis])));
      point[pair.axis_a] = pair.a;
      point[pair.axis_b] = pair.b;
      if (!admits(point)) continue;
      ++found;
      const std::size_t gain = pairs.gain(point);
      if (gain <= most) continue;
      most = gain;
      best = point;
    }
    if (best.empty()) continue;  // nothing admits this pair
    pairs.cover(best);
    out.push_back(best);
  }
  return out;
}

}  // namespace attnrt::conformance
