#include "spec/nearest_word.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace margincore {

namespace {

std::string lower(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

/// Levenshtein's distance: the fewest insertions, deletions and replacements of letters.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j)
      current[j] = std::min({previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), previous[j] + 1, current[j - 1] + 1});
    previous.swap(current);
  }
  return previous[b.size()];
}

/// What other libraries have for layers, their options and words, without case and underscores. What ends in a point is said
/// as it is.
constexpr struct {
  const char* theirs;
  const char* ours;
} kOtherNames[] = {
    {"filters", "outChannels"},
    {"numfilters", "outChannels"},
    {"channels", "outChannels"},
    {"features", "outChannels"},
    {"units", "outFeatures"},
    {"features", "outFeatures"},
    {"outputs", "outFeatures"},
    {"size", "outFeatures"},
    {"size", "kernelSize"},
    {"poolsize", "kernelSize"},
    {"filtersize", "kernelSize"},
    {"kernel", "kernelSize"},
    {"window", "kernelSize"},
    {"subsample", "stride"},
    {"pad", "padding"},
    {"usebias", "bias"},
    {"eps", "epsilon"},
    {"p", "rate"},
    {"prob", "rate"},
    {"probability", "rate"},
    {"slope", "init"},
    {"skip", "shortcut"},
    {"downsample", "shortcut"},
    {"identity", "shortcut"},
    {"activation", "An activation is a layer of its own, such as relu()."},
    {"inchannels", "What goes in is known from the layer before."},
    {"infeatures", "What goes in is known from the layer before."},
    {"inputshape", "What goes in is known from the layer before."},
    {"numfeatures", "What goes in is known from the layer before."},
    {"valid", "Without padding it is 0."},
    {"dense", "linear"},
    {"fc", "linear"},
    {"fullyconnected", "linear"},
    {"conv", "conv2d"},
    {"convolution", "conv2d"},
    {"bn", "batchNorm"},
    {"batchnormalization", "batchNorm"},
    {"pool", "maxPool2d"},
    {"maxpooling2d", "maxPool2d"},
    {"avgpool2d", "averagePool2d"},
    {"averagepooling2d", "averagePool2d"},
    {"gap", "globalAveragePool"},
    {"adaptiveavgpool2d", "globalAveragePool"},
    {"add", "residual"},
    {"concatenate", "concat"},
    {"cat", "concat"},
    {"kernelinitializer", "init"},
    {"initializer", "init"},
    {"weightfiller", "init"},
    {"he", "heNormal"},
    {"kaiming", "heNormal"},
    {"kaimingnormal", "heNormal"},
    {"msra", "heNormal"},
    {"kaiminguniform", "heUniform"},
    {"lecun", "lecunUniform"},
    {"glorot", "xavierUniform"},
    {"glorotuniform", "xavierUniform"},
    {"glorotnormal", "xavierNormal"},
    {"xavier", "It is 'xavierUniform', or 'lecunUniform' where Caffe's is meant."},
    {"normal", "Normally distributed weights are { std: 0.01 }, say."},
    {"gaussian", "Normally distributed weights are { std: 0.01 }, say."},
    {"flatten", "A linear layer flattens what goes in."},
};

std::string other_name(const std::string& word, const std::vector<std::string>& known) {
  std::string bare = lower(word);
  std::erase(bare, '_');
  for (const auto& [theirs, ours] : kOtherNames) {
    if (bare != theirs) continue;
    const std::string answer = ours;
    if (answer.back() == '.') return answer;
    if (std::find(known.begin(), known.end(), answer) != known.end()) return "Did you mean '" + answer + "'?";
  }
  return "";
}

}  // namespace

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  constexpr size_t kLongest = 64;  // no name is nearly as long, and a stranger's may be very long
  if (word.size() > kLongest) return "";
  if (const std::string other = other_name(word, known); !other.empty()) return other;
  const std::string* nearest = nullptr;
  // A word may differ in a third of its letters before the guess would be noise.
  size_t nearest_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(lower(word), lower(candidate));
    if (distance >= nearest_distance || distance >= candidate.size()) continue;
    nearest = &candidate;
    nearest_distance = distance;
  }
  return nearest == nullptr ? "" : "Did you mean '" + *nearest + "'?";
}

}  // namespace margincore
