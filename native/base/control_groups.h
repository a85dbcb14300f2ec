// The control groups that this process is in, from its own up to the root of what it can see.
#pragma once

#include <string>
#include <vector>

namespace margincore {

struct ControlGroup {
  int version;         // 1 or 2
  std::string folder;  // with the group's files
  std::string name;    // '/a/b'; of a container's own root '/'
};

/// Of one controller ('memory', 'cpu'): innermost first, those of version 2 and, where it is mounted, of version 1.
/// `root` stands before every path, for tests.
std::vector<ControlGroup> control_groups(const std::string& controller, const std::string& root = "");

}  // namespace margincore
