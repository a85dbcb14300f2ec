// What users and files describe, spoiled at random (scripts/fuzz --native): whatever it is, it is taken, or refused by an Error. What
// is more than that would cross into Node.
#include <cctype>
#include <random>

#include "fuzz/json.h"
#include "spec/network_reader.h"
#include "spec/reader.h"
#include "train/memory_plan.h"
#include "train/session.h"

namespace margincore::test {

namespace {

std::unique_ptr<Value> part(const Value& object, const char* name) {
  std::unique_ptr<Value> found = object.at(name);
  return found ? std::move(found) : std::make_unique<Described>(Described::Object{});
}

void describe(const Value& config) {
  SessionSpec spec;
  spec.network = read_network(*part(config, "network"));
  spec.head = read_spec<HeadSpec>(*part(config, "head"), "head");
  spec.optimizer = read_spec<OptimizerSpec>(*part(config, "optimizer"), "optimizer");
  const Session session(spec);
  for (const RecomputePolicy policy : {RecomputePolicy::Never, RecomputePolicy::CheapLayers})
    plan_training(session.network(), session.head(), session.table(), spec.optimizer, {}, policy, 128);
}

/// At the limits of what sizes and their products may be.
constexpr const char* kNumbers[] = {"0",      "-1",         "1",          "2",          "3",          "15",
                                    "16",     "255",        "32768",      "65536",      "0.5",        "1e-9",
                                    "1e-300", "2147483647", "2147483648", "3037000500", "4294967296", "nan",
                                    "inf",    "1e300",      "1e10",       "9e15",       "9.2e18",     "1e19"};

/// A number of the text in place of another.
std::string with_other_number(const std::string& text, std::minstd_rand& random) {
  std::vector<std::pair<size_t, size_t>> found;
  const auto is_digit = [&](size_t i) { return std::isdigit(static_cast<unsigned char>(text[i])) != 0; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_digit(i) || (i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0)) continue;
    const size_t begin = i;
    while (i < text.size() && (is_digit(i) || text[i] == '.')) ++i;
    found.emplace_back(begin, i - begin);
  }
  if (found.empty()) return text;
  const auto [begin, length] = found[random() % found.size()];
  return std::string(text).replace(begin, length, kNumbers[random() % std::size(kNumbers)]);
}

/// A layer, or a list of them, once more behind itself.
std::string with_part_twice(const std::string& text, std::minstd_rand& random) {
  std::vector<size_t> ends;
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '}' || text[i] == ']') ends.push_back(i);
  if (ends.empty()) return text;
  const size_t end = ends[random() % ends.size()];
  size_t begin = end, open = 1;
  while (begin > 0 && open > 0) {
    const char letter = text[--begin];
    if (letter == '}' || letter == ']') ++open;
    else if (letter == '{' || letter == '[') --open;
  }
  return open > 0 ? text : std::string(text).insert(end + 1, "," + text.substr(begin, end - begin + 1));
}

}  // namespace

}  // namespace margincore::test

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

/// Bytes at random are seldom a description: mostly something of one is changed that leaves it one.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  using namespace margincore::test;
  std::minstd_rand random(seed + 1);
  const std::string text(reinterpret_cast<const char*>(data), size);
  const unsigned kind = random() % 8;
  if (kind >= 6) return LLVMFuzzerMutate(data, size, most);
  const std::string changed = kind >= 2 ? with_other_number(text, random) : with_part_twice(text, random);
  if (changed.empty() || changed.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::copy(changed.begin(), changed.end(), data);
  return changed.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace margincore;
  const std::optional<test::Described> config = test::Json::parse({reinterpret_cast<const char*>(data), size});
  if (!config || !config->is_object()) return -1;  // nothing to go on from
  try {
    test::describe(*config);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::Internal) throw;  // a fault of ours
  }
  return 0;
}
