// Compiled three times: MARGINCORE_ISA is the namespace of the instruction set that the compiler may use.
#include "cpu/loops.h"

#include "cpu/loops/average_pooling.h"
#include "cpu/loops/batch_norm.h"
#include "cpu/loops/centers.h"
#include "cpu/loops/class_draw.h"
#include "cpu/loops/concat.h"
#include "cpu/loops/elementwise.h"
#include "cpu/loops/gather.h"
#include "cpu/loops/im2col.h"
#include "cpu/loops/logits.h"
#include "cpu/loops/margin_softmax.h"
#include "cpu/loops/mixed_softmax.h"
#include "cpu/loops/pooling.h"
#include "cpu/loops/prelu.h"
#include "cpu/loops/rows.h"
#include "cpu/loops/scaled_bn.h"
#include "cpu/loops/sharded_softmax.h"
#include "cpu/loops/storage.h"
#include "cpu/loops/update.h"

namespace margincore::MARGINCORE_ISA {

template <class T>
static constexpr ActivationLoops<T> kActivationLoops = {
    .relu_forward = relu_forward<T>,
    .relu_backward = relu_backward<T>,
    .prelu_forward = prelu_forward<T>,
    .prelu_backward = prelu_backward<T>,
    .add = add<T>,
    .dropout = dropout<T>,
    .batch_norm_stats = batch_norm_stats<T>,
    .batch_norm_apply = batch_norm_apply<T>,
    .batch_norm_backward = batch_norm_backward<T>,
    .max_pool_forward = max_pool_forward<T>,
    .max_pool_backward = max_pool_backward<T>,
    .max_pool_bias_backward = max_pool_bias_backward<T>,
    .average_pool_forward = average_pool_forward<T>,
    .average_pool_backward = average_pool_backward<T>,
    .global_average_forward = global_average_forward<T>,
    .global_average_backward = global_average_backward<T>,
    .column_sums = column_sums<T>,
    .gather_images = gather_images<T>,
    .gather_mixed = gather_mixed<T>,
};

const Loops loops = {
    .instruction_set = MARGINCORE_ISA_NAME,
    .f32 = kActivationLoops<float>,
    .bf16 = kActivationLoops<BFloat16>,
    .narrow = convert<BFloat16, float>,
    .widen = convert<float, BFloat16>,
    .copy_channels = copy_channels,
    .im2col = im2col,
    .spread_pixels = spread_pixels,
    .batch_norm_scratch = batch_norm_scratch,
    .matrix_times_vector = matrix_times_vector,
    .row_norms = row_norms,
    .l2_scale_forward = l2_scale_forward,
    .scale_rows = scale_rows,
    .l2_scale_backward = l2_scale_backward,
    .remove_radial = remove_radial,
    .add_scaled_rows = add_scaled_rows,
    .gather_rows = gather_rows,
    .scatter_rows = scatter_rows,
    .draw_classes = draw_classes,
    .margin_softmax = margin_softmax,
    .mixed_margin_softmax = mixed_margin_softmax,
    .margin_softmax_sums = margin_softmax_sums,
    .margin_softmax_rebase = margin_softmax_rebase,
    .margin_softmax_gradients = margin_softmax_gradients,
    .scale_logits = scale_logits,
    .softmax = softmax,
    .column_stats = column_stats,
    .scaled_bn_fold = scaled_bn_fold,
    .scaled_bn_backward = scaled_bn_backward,
    .running_average = running_average,
    .center_loss = center_loss,
    .center_update = center_update,
    .sgd = sgd,
    .adam = adam,
    .sum_of_squares = sum_of_squares,
};

}  // namespace margincore::MARGINCORE_ISA
