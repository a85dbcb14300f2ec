#include "spec/augmentation.h"

#include "spec/fields.h"

namespace margincore {

namespace {

void expect_range(const char* name, float least, float most) {
  if (least > most)
    throw Error(ErrorCode::InvalidOption,
                format("augmentation: expected %s from least to most but received %.10g to %.10g", name, double{least},
                       double{most}));
}

}  // namespace

void validate(const Augmentation& augmentation) {
  check_ranges("augmentation", augmentation);
  expect_range("area", augmentation.area_least, augmentation.area_most);
  expect_range("aspect", augmentation.aspect_least, augmentation.aspect_most);
  expect_range("scale", augmentation.scale_least, augmentation.scale_most);
  expect_range("eraseArea", augmentation.erase_area_least, augmentation.erase_area_most);
  expect_range("eraseAspect", augmentation.erase_aspect_least, augmentation.erase_aspect_most);
}

}  // namespace margincore
