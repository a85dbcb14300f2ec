// Training images that stay in a mapped file: nothing of them is copied.
#pragma once

#include <memory>
#include <span>

#include "data/mapped_file.h"
#include "data/training_set.h"

namespace margincore {

/// Image i (H, W, C) lies i images behind byte `begin` of the file, and has the class labels[i]. The data keeps the file, and a
/// copy of the labels. Throws InvalidData where the file ends before the last image, or a label is no class.
TrainingData view_samples(std::shared_ptr<const MappedFile> file, int64_t begin, std::span<const int32_t> labels,
                          const Shape& image, int64_t classes);

}  // namespace margincore
