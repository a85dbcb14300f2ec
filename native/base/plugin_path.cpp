#include "base/plugin_path.h"

#include <dlfcn.h>

#include <cctype>
#include <cstdlib>

namespace margincore {

namespace {

std::filesystem::path own_folder() {
  Dl_info own{};
  if (dladdr(reinterpret_cast<void*>(&own_folder), &own) == 0 || own.dli_fname == nullptr) return ".";
  std::error_code ignored;
  return std::filesystem::absolute(own.dli_fname, ignored).parent_path();
}

}  // namespace

std::filesystem::path plugin_path(const std::string& name) {
  std::string variable = "MARGINCORE_";
  for (char letter : name) variable += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  variable += "_LIBRARY";
  if (const char* path = std::getenv(variable.c_str()); path != nullptr && *path != '\0') return path;
  return own_folder() / ("libmargincore_" + name + ".so");
}

}  // namespace margincore
