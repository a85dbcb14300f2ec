#include "cuda/choice_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

namespace margincore {

namespace {

constexpr const char* kFormat = "margincore choices 1: ";
/// Of ResNet-50 at ten batch sizes 1,600 would be kept; and a file that is larger than these can take is not ours.
constexpr size_t kMaxChoices = 4096, kMaxBytes = size_t{1} << 20;

std::string text_of(const std::filesystem::path& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (error || bytes > kMaxBytes) return "";
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

ChoiceCache::ChoiceCache(std::filesystem::path file, std::string title)
    : file_(std::move(file)), title_(kFormat + std::move(title)), choices_(read()) {}

std::optional<std::string> ChoiceCache::find(const std::string& question) const {
  for (const auto& [asked, choice] : choices_)
    if (asked == question) return choice;
  return std::nullopt;
}

void ChoiceCache::keep(const std::string& question, const std::string& choice) {
  if (file_.empty()) return;
  if (Choices found = read(); !found.empty()) choices_ = std::move(found);
  std::erase_if(choices_, [&](const auto& old) { return old.first == question; });
  choices_.emplace_back(question, choice);
  if (choices_.size() > kMaxChoices) choices_.erase(choices_.begin());
  write();
}

ChoiceCache::Choices ChoiceCache::read() const {
  if (file_.empty()) return {};
  const std::string text = text_of(file_);
  if (text.empty() || text.back() != '\n') return {};
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || line != title_) return {};
  Choices choices;
  while (std::getline(lines, line)) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos || line.find('\t', tab + 1) != std::string::npos) return {};
    choices.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  return choices;
}

void ChoiceCache::write() const {
  std::string text = title_ + '\n';
  for (const auto& [question, choice] : choices_) text += question + '\t' + choice + '\n';
  std::error_code error;
  std::filesystem::create_directories(file_.parent_path(), error);
  std::string aside = file_.string() + ".XXXXXX";
  const int descriptor = mkstemp(aside.data());
  if (descriptor < 0) return;
  const bool is_written = write_all(descriptor, text);
  if (::close(descriptor) == 0 && is_written) std::filesystem::rename(aside, file_, error);
  if (!is_written || error) ::unlink(aside.c_str());
}

std::filesystem::path choice_folder(bool by_default) {
  if (const char* given = std::getenv("MARGINCORE_CUDA_CACHE"); given != nullptr && *given != '\0')
    return std::string_view(given) == "off" ? "" : given;
  if (!by_default) return {};
  // The specification has relative paths ignored.
  if (const char* given = std::getenv("XDG_CACHE_HOME"); given != nullptr && *given == '/')
    return std::filesystem::path(given) / "margincore";
  const char* home = std::getenv("HOME");
  return home != nullptr && *home == '/' ? std::filesystem::path(home) / ".cache" / "margincore"
                                         : std::filesystem::path();
}

}  // namespace margincore
