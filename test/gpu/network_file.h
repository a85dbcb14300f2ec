// Networks as text, for programs without JavaScript: networkFiles.ts writes them.
#pragma once

#include <string>

#include "spec/network.h"

namespace margincore::jobs {

/// The first line is the input, `input` and size=H,W,C; the others are the layers, in order: type, then its fields as in
/// spec/fields.h, and name and inputs: the layers that it reads by index, -1 for the image. Fields are separated by tabs.
/// Throws InvalidData or InvalidOption.
NetworkSpec read_network(const std::string& path);

}  // namespace margincore::jobs
