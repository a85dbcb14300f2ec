// Center loss: the distance of each sample to its class's centre, and the step of the centres. A warp or a block per
// sample; x and the centre are read once, dx is written once. For the step the first sample of a class in the batch does
// the work for all of them: no two threads write one centre, and the order of the sum is that of the batch.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

using device::thread;
using device::threads;

/// False of labels of other ranks' classes, where those are sharded.
MARGINCORE_DEVICE bool has_center(int32_t label, int64_t classes) { return label >= 0 && label < classes; }

template <class Group>
MARGINCORE_KERNEL center_loss_kernel(float* dx, float* row_squares, const float* x, const float* centers,
                                     int64_t classes, const int32_t* labels, int64_t rows, int64_t columns,
                                     float share) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  const Group group{shared};
  const int64_t i = group.row();
  if (i >= rows) return;
  if (!has_center(labels[i], classes)) {
    for (int64_t k = group.first(); k < columns; k += group.stride()) dx[i * columns + k] = 0;
    if (group.first() == 0) row_squares[i] = 0;
    return;
  }
  const float* center = centers + labels[i] * columns;
  float squares = 0;
  for (int64_t k = group.first(); k < columns; k += group.stride()) {
    const float difference = x[i * columns + k] - center[k];
    squares += difference * difference;
    dx[i * columns + k] = share * difference;
  }
  squares = group.sum(squares);
  if (group.first() == 0) row_squares[i] = squares;
}

/// One block.
MARGINCORE_KERNEL add_loss_kernel(StepTotals* totals, StepReport* report, int32_t* halted, const float* row_squares,
                                  int64_t rows, float share, const StepBlock* step) {
  MARGINCORE_SHARED(float, shared, device::kWarp);
  float sum = 0;
  for (int64_t i = thread(); i < rows; i += threads()) sum += row_squares[i];
  sum = block_sum(sum, shared);
  if (thread() != 0) return;
  const float own = 0.5f * share * sum;
  if (totals != nullptr) {
    totals->center_loss = own;
    return;
  }
  const float loss = report[step->report_index].loss + own;
  report[step->report_index].loss = loss;
  if (!(loss - loss == 0)) *halted = 1;
}

/// A block per sample.
MARGINCORE_KERNEL center_update_kernel(float* centers, int64_t classes, const float* x, const int32_t* labels,
                                       int64_t rows, int64_t columns, float rate, const int32_t* halted) {
  const int64_t i = device::block();
  if (*halted != 0 || !has_center(labels[i], classes)) return;
  for (int64_t before = 0; before < i; ++before)
    if (labels[before] == labels[i]) return;
  float count = 0;
  for (int64_t other = i; other < rows; ++other) count += labels[other] == labels[i] ? 1 : 0;
  float* center = centers + labels[i] * columns;
  for (int64_t k = thread(); k < columns; k += threads()) {
    float sum = 0;
    for (int64_t other = i; other < rows; ++other)
      if (labels[other] == labels[i]) sum += center[k] - x[other * columns + k];
    center[k] -= rate / (1 + count) * sum;
  }
}

}  // namespace

void center_loss(float* dx, StepTotals* totals, StepReport* report, int32_t* halted, float* row_squares, const float* x,
                 const float* centers, int64_t classes, const int32_t* labels, int64_t rows, int64_t columns,
                 float weight, const StepBlock* step, cudaStream_t stream) {
  const float share = weight / static_cast<float>(rows);
  MARGINCORE_RUN_ROWS(center_loss_kernel, rows, columns, stream, dx, row_squares, x, centers, classes, labels, rows,
                      columns, share);
  MARGINCORE_RUN(add_loss_kernel, 1, kBlock, stream, totals, report, halted, row_squares, rows, share, step);
}

void center_update(float* centers, int64_t classes, const float* x, const int32_t* labels, int64_t rows,
                   int64_t columns, float rate, const int32_t* halted, cudaStream_t stream) {
  MARGINCORE_RUN(center_update_kernel, rows, kBlock, stream, centers, classes, x, labels, rows, columns, rate, halted);
}

}  // namespace margincore::cuda
