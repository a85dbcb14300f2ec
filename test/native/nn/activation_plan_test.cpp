#include <doctest/doctest.h>

#include <algorithm>

#include "nn/activation_plan.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Life {
  int64_t bytes;
  int begin, end;
  int64_t offset = 0;
};

bool share_a_moment(const Life& a, const Life& b) { return a.begin <= b.end && b.begin <= a.end; }

bool overlap(const Life& a, const Life& b) {
  return a.bytes > 0 && b.bytes > 0 && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

/// The most memory that any one moment needs.
int64_t least_bytes(const std::vector<Life>& lives) {
  int64_t most = 0;
  for (const Life& at : lives) {
    int64_t alive = 0;
    for (const Life& other : lives)
      if (other.begin <= at.begin && at.begin <= other.end) alive += other.bytes;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace

TEST_CASE("activation plan: buffers alive at the same moment never overlap, over random lives") {
  Random random(1);
  double wasted = 0;
  const int plans = 500;
  for (int i = 0; i < plans; ++i) {
    CAPTURE(i);
    ActivationPlan plan;
    std::vector<Life> lives;
    const int64_t count = random.integer(1, 40), moments = random.integer(1, 20);
    for (int64_t k = 0; k < count; ++k) {
      const int begin = static_cast<int>(random.integer(0, moments));
      Life life{random.integer(0, 3) == 0 ? random.integer(0, 100) : random.integer(1, 100'000), begin,
                begin + static_cast<int>(random.integer(0, random.integer(0, 1) == 0 ? 2 : moments))};
      const ActivationPlan::Id id = plan.add(life.bytes, life.begin, life.end);
      CHECK(id == k);
      if (random.integer(0, 3) == 0) {  // works on in place, earlier and later
        life.begin = std::max(0, life.begin - 2);
        life.end += 1;
        plan.extend(id, life.begin, life.end - 1);
        plan.extend(id, life.end, life.end);
      }
      lives.push_back(life);
    }
    plan.arrange();
    for (size_t k = 0; k < lives.size(); ++k) {
      lives[k].offset = plan.offset(static_cast<int>(k));
      CHECK(lives[k].offset % 64 == 0);
      CHECK(lives[k].offset >= 0);
      CHECK(lives[k].offset + lives[k].bytes <= plan.bytes());
    }
    for (size_t a = 0; a < lives.size(); ++a)
      for (size_t b = 0; b < a; ++b)
        if (share_a_moment(lives[a], lives[b])) CHECK_FALSE(overlap(lives[a], lives[b]));
    wasted += static_cast<double>(plan.bytes()) / static_cast<double>(std::max<int64_t>(64, least_bytes(lives))) - 1;
  }
  CHECK(wasted / plans < 0.2);  // on average near what the fullest moment needs
}

TEST_CASE("activation plan: lives that follow one another use the same memory") {
  ActivationPlan plan;
  for (int moment = 0; moment < 10; ++moment) plan.add(1000 + moment, moment, moment);
  const auto kept = plan.add(640, 0, 9);
  plan.arrange();
  CHECK(plan.bytes() == 1024 + 640);
  CHECK(plan.offset(0) == plan.offset(9));
  CHECK(plan.offset(kept) == 1024);
}

TEST_CASE("activation plan: both ends of a life belong to it") {
  ActivationPlan plan;
  const auto a = plan.add(64, 0, 1), b = plan.add(64, 1, 2), c = plan.add(64, 2, 3);
  plan.arrange();
  CHECK(plan.offset(a) != plan.offset(b));
  CHECK(plan.offset(b) != plan.offset(c));
  CHECK(plan.offset(a) == plan.offset(c));
  CHECK(plan.bytes() == 128);
}

}  // namespace margincore::test
