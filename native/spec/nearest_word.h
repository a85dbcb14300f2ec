#pragma once

#include <string>
#include <vector>

namespace margincore {

/// "Did you mean 'stride'?" where a known word is near enough to the one that was found, or is what other libraries call by
/// it; a sentence where it stands for something that needs no word here; otherwise nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

}  // namespace margincore
