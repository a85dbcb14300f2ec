#include "api.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

namespace margincore::cuda_sim {
namespace {

template <class T>
void read_environment(const char* name, T& value) {
  if (const char* text = std::getenv(name)) value = static_cast<T>(std::strtoull(text, nullptr, 10));
}

Settings settings_of_environment() {
  Settings settings;
  read_environment("MARGINCORE_SIM_DEVICES", settings.devices);
  read_environment("MARGINCORE_SIM_CAPABILITY", settings.capability);
  read_environment("MARGINCORE_SIM_MEMORY", settings.memory);
  read_environment("MARGINCORE_SIM_CUDNN_CUDA", settings.cudnn_cuda);
  read_environment("MARGINCORE_SIM_SHUFFLE", settings.shuffle);
  if (const char* kernel = std::getenv("MARGINCORE_SIM_FAIL"); kernel != nullptr) settings.fail = kernel;
  return settings;
}

struct State {
  std::mutex mutex;
  Statistics counters;
  std::string message;
  bool broken = false;
  std::unordered_map<const void*, const char*> objects;
  uint64_t seed = 0, random = 0;
};

// Never destroyed: a plugin's statics may outlive ours.
State& state() {
  static State& state = *new State;
  return state;
}

}  // namespace

Settings& settings() {
  static Settings settings = settings_of_environment();
  return settings;
}

Statistics statistics() {
  const std::lock_guard lock(mutex());
  return counters();
}

void reset_statistics() {
  const std::lock_guard lock(mutex());
  Statistics fresh;
  fresh.live_bytes = counters().live_bytes;
  fresh.live_objects = counters().live_objects;
  counters() = fresh;
}

std::string last_message() {
  const std::lock_guard lock(mutex());
  return state().message;
}

void reset_device() {
  const std::lock_guard lock(mutex());
  state().broken = false;
  state().message.clear();
  state().seed = 0;
}

std::mutex& mutex() { return state().mutex; }

Statistics& counters() { return state().counters; }

void report(const std::string& message) {
  state().message = message;
  std::fprintf(stderr, "cuda_sim: %s\n", message.c_str());
}

void break_device(const std::string& message) {
  state().broken = true;
  report(message);
}

bool device_broken() { return state().broken; }

int& current_device() {
  thread_local int device = 0;
  return device;
}

uint64_t random_below(uint64_t bound) {
  State& now = state();
  if (now.seed != settings().shuffle) now.seed = now.random = settings().shuffle;
  // SplitMix64 (Steele, Lea and Flood 2014): orders are drawn at every switch, and this takes a few cycles.
  uint64_t bits = now.random += 0x9E3779B97F4A7C15u;
  bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u;
  bits = (bits ^ bits >> 27) * 0x94D049BB133111EBu;
  return (bits >> 32) * bound >> 32;
}

void add_object(const void* object, const char* kind) {
  state().objects[object] = kind;
  ++counters().live_objects[kind];
}

void remove_object(const void* object) {
  const auto found = state().objects.find(object);
  const auto count = counters().live_objects.find(found->second);
  if (--count->second == 0) counters().live_objects.erase(count);
  state().objects.erase(found);
}

bool is_object(const void* object, const char* kind) {
  const auto found = state().objects.find(object);
  return found != state().objects.end() && std::string_view(found->second) == kind;
}

}  // namespace margincore::cuda_sim
