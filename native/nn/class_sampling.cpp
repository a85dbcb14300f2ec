#include "nn/class_sampling.h"

#include <algorithm>

namespace margincore {

namespace {

/// visit(rows of the drawn classes, rows of all) for what belongs to classes and for its moments.
template <class Visit>
void each_tensor(const Parameters& parameters, const Optimizer& optimizer, const Visit& visit) {
  using Entry = ParameterTable::Entry;
  parameters.each_by_rows([&](const Entry& part, const Entry& whole) {
    visit(parameters.value(part), parameters.value(whole));
    for (int moment = 0; part.spec.is_trained() && moment < optimizer.moments(); ++moment)
      visit(optimizer.moment(parameters.table(), part, moment), optimizer.moment(parameters.table(), whole, moment));
  });
}

}  // namespace

ClassSampling::ClassSampling(Backend& backend, const Head& head, int64_t max_batch)
    : own_(*head.draw()),
      all_(*head.draw_of_all()),
      drawn_(backend, own_.slots() * sizeof(int32_t)),
      places_(backend, max_batch * sizeof(int32_t)) {}

Tensor ClassSampling::drawn() const { return {drawn_.data(), DType::I32, {own_.slots()}}; }
Tensor ClassSampling::places(int64_t batch) const { return {places_.data(), DType::I32, {batch}}; }

void ClassSampling::expect_room(const std::vector<int32_t>& labels) const {
  std::vector<int32_t> classes = labels;
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  for (auto begin = classes.begin(); begin != classes.end();) {
    const int64_t number = *begin / all_.block, first = number * all_.block, beyond = first + all_.size_of(number);
    const auto end = std::lower_bound(begin, classes.end(), beyond);
    if (end - begin > all_.drawn_of(number))
      throw Error(
          ErrorCode::InvalidOption,
          format("sampleClasses: of classes %lld to %lld a step compares %lld, but a batch has images of %lld of "
                 "them: raise it, take smaller batches, or shuffle the images",
                 static_cast<long long>(first), static_cast<long long>(beyond - 1),
                 static_cast<long long>(all_.drawn_of(number)), static_cast<long long>(end - begin)));
    begin = end;
  }
}

void ClassSampling::begin(Backend& backend, const Parameters& parameters, const Optimizer& optimizer, Tensor labels,
                          const StepBlock* step) const {
  check(backend.draw_classes(drawn(), places(labels.count()), labels, own_, step));
  each_tensor(parameters, optimizer,
              [&](Tensor part, Tensor whole) { check(backend.gather_rows(part, whole, drawn())); });
}

void ClassSampling::end(Backend& backend, const Parameters& parameters, const Optimizer& optimizer) const {
  each_tensor(parameters, optimizer,
              [&](Tensor part, Tensor whole) { check(backend.scatter_rows(whole, part, drawn())); });
}

}  // namespace margincore
