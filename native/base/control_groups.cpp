#include "base/control_groups.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace margincore {

namespace {

/// Whether a list 'a,b,c' has this entry.
bool lists(const std::string& text, const std::string& entry) {
  return ("," + text + ",").find("," + entry + ",") != std::string::npos;
}

/// A hierarchy of groups: where it is mounted, and which of its groups that mount begins with.
struct Mount {
  int version;
  std::string point, begins_with;
};

/// A path as it is: mountinfo writes a space, a tab, a line's end and a backslash as \ and three octal digits.
std::string unescaped(const std::string& text) {
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    path += escaped ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (escaped) i += 3;
  }
  return path;
}

/// /proc/self/mountinfo: id parent device root point options [optional…] - type source superoptions
std::vector<Mount> mounts(const std::string& controller, const std::string& root) {
  std::vector<Mount> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string skipped, begins_with, point, word, type, source, options;
    words >> skipped >> skipped >> skipped >> begins_with >> point;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> options;
    point = unescaped(point);
    begins_with = unescaped(begins_with);
    if (type == "cgroup2") found.push_back({2, point, begins_with});
    if (type == "cgroup" && lists(options, controller)) found.push_back({1, point, begins_with});
  }
  return found;
}

/// /proc/self/cgroup: 'number:controllers:path', of version 2 '0::path'.
std::optional<std::string> own_path(const std::string& controller, int version, const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version == 2 ? controllers.empty() : lists(controllers, controller)) return line.substr(second + 1);
  }
  return {};
}

/// The path below what is mounted: a container sees its own group as the root, whatever its path outside.
std::string path_in(const Mount& mount, const std::string& path) {
  if (mount.begins_with == "/") return path;
  const size_t length = mount.begins_with.size();
  const bool starts_so = path.compare(0, length, mount.begins_with) == 0;
  const bool below = starts_so && (path.size() == length || path[length] == '/');  // '/a.b' is not in '/a'
  return below ? path.substr(length) : "";
}

}  // namespace

std::vector<ControlGroup> control_groups(const std::string& controller, const std::string& root) {
  std::vector<ControlGroup> groups;
  for (const Mount& mount : mounts(controller, root)) {
    const std::optional<std::string> path = own_path(controller, mount.version, root);
    if (!path) continue;
    std::string name = path_in(mount, *path);
    while (!name.empty() && name.back() == '/') name.pop_back();
    for (;;) {
      std::error_code ignored;
      const std::string folder = root + mount.point + name;
      if (std::filesystem::is_directory(folder, ignored))
        groups.push_back({mount.version, folder, name.empty() ? "/" : name});
      if (name.empty()) break;
      const size_t parent = name.rfind('/');
      name.resize(parent == std::string::npos ? 0 : parent);
    }
  }
  return groups;
}

}  // namespace margincore
