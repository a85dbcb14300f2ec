// Compiled three times: MARGINCORE_ISA is the namespace of the instruction set that the compiler may use.
#include "cpu/loops.h"

#include "cpu/loops/average_pooling.h"
#include "cpu/loops/batch_norm.h"
#include "cpu/loops/centers.h"
#include "cpu/loops/concat.h"
#include "cpu/loops/elementwise.h"
#include "cpu/loops/gather.h"
#include "cpu/loops/logits.h"
#include "cpu/loops/margin_softmax.h"
#include "cpu/loops/pooling.h"
#include "cpu/loops/prelu.h"
#include "cpu/loops/rows.h"
#include "cpu/loops/scaled_bn.h"
#include "cpu/loops/update.h"

namespace margincore::MARGINCORE_ISA {

const Loops loops = {
    .instruction_set = MARGINCORE_ISA_NAME,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .add = add,
    .dropout = dropout,
    .batch_norm_scratch = batch_norm_scratch,
    .batch_norm_stats = batch_norm_stats,
    .batch_norm_apply = batch_norm_apply,
    .batch_norm_backward = batch_norm_backward,
    .max_pool_forward = max_pool_forward,
    .max_pool_backward = max_pool_backward,
    .prelu_forward = prelu_forward,
    .prelu_backward = prelu_backward,
    .average_pool_forward = average_pool_forward,
    .average_pool_backward = average_pool_backward,
    .global_average_forward = global_average_forward,
    .global_average_backward = global_average_backward,
    .copy_channels = copy_channels,
    .row_norms = row_norms,
    .l2_scale_forward = l2_scale_forward,
    .l2_scale_backward = l2_scale_backward,
    .remove_radial = remove_radial,
    .add_scaled_rows = add_scaled_rows,
    .margin_softmax = margin_softmax,
    .scale_logits = scale_logits,
    .softmax = softmax,
    .column_sums = column_sums,
    .column_stats = column_stats,
    .scaled_bn_fold = scaled_bn_fold,
    .scaled_bn_backward = scaled_bn_backward,
    .running_average = running_average,
    .center_loss = center_loss,
    .center_update = center_update,
    .gather_images = gather_images,
    .sgd = sgd,
    .adam = adam,
    .sum_of_squares = sum_of_squares,
};

}  // namespace margincore::MARGINCORE_ISA
