// How far a result may be from the reference: one table, op × type, each row with its reason.
//
// Unit roundoff of fp32 is 6e-8, of bf16 4e-3. For an array of results with root mean square S
//   every entry:    |error| <= relative * |expected| + absolute * S
//   all entries:    root mean square of the errors <= mean * S
// The first limit finds a single wrong entry, the second a drift of all. Rows stand at 1.2 (the project's own gate) to
// ten times what correct code was seen to need with any instruction set (main.cpp prints the share in use), and all
// but those of bf16 refuse results rounded to 16 bits.
#pragma once

#include "base/error.h"
#include "base/tensor.h"

namespace margincore::test {

enum class Op {
  Conv2dForward,
  Conv2dBackwardData,
  Conv2dAddedGradient,
  Conv2dBackwardFilter,
  LinearForward,
  LinearBackwardData,
  LinearBackwardWeight,
  BiasedForward,
  BiasGradient,
  Dropout,
  BatchNormMean,
  BatchNormVariance,
  BatchNormApply,
  BatchNormBackward,
  BatchNormParameters,
  MaxPoolBackward,
  PRelu,
  PReluSlope,
  AveragePoolForward,
  AveragePoolBackward,
  RowNorms,
  L2ScaleForward,
  L2ScaleBackward,
  ScaleGradient,
  RemoveRadial,
  AddScaledRows,
  MarginLogits,
  MarginLoss,
  MarginGradient,
  MarginRadial,
  LogitGradientNorm,
  ColumnMean,
  ColumnVariance,
  ScaledBnFold,
  ScaledBnBackward,
  RunningAverage,
  CenterLoss,
  CenterGradient,
  CenterUpdate,
  HeadLoss,
  HeadGradient,
  WideHeadGradient,
  HeadScaleGradient,
  HeadCenterGradient,
  Angles,
  ScaleLogits,
  Softmax,
  ColumnSums,
  GatherImages,
  GatherChanged,
  Sgd,
  Adam,
  GradientNorm,
};

struct Tolerance {
  Op op;
  DType dtype;
  const char* name;
  double relative, absolute, mean;
  const char* reason;
};

inline constexpr Tolerance kTolerances[] = {
    {Op::Conv2dForward, DType::F32, "conv2d_forward", 1e-6, 6e-6, 1e-6, "sums of up to 800 products of either sign"},
    {Op::Conv2dBackwardData, DType::F32, "conv2d_backward_data", 1e-6, 6e-6, 1e-6, "as forward"},
    {Op::Conv2dAddedGradient, DType::F32, "conv2d_backward_data, added", 1e-6, 6e-6, 1e-6, "as forward"},
    {Op::Conv2dBackwardFilter, DType::F32, "conv2d_backward_filter", 1e-6, 1e-5, 2e-6,
     "sums over all pixels of a batch, up to 10,000 products"},
    {Op::LinearForward, DType::F32, "linear_forward", 1e-6, 6e-6, 1e-6, "sums of up to 1,600 products of either sign"},
    {Op::LinearBackwardData, DType::F32, "linear_backward_data", 1e-6, 6e-6, 1e-6, "as forward, over the outputs"},
    {Op::LinearBackwardWeight, DType::F32, "linear_backward_weight", 1e-6, 6e-6, 1e-6, "as forward, over the batch"},
    {Op::BiasedForward, DType::F32, "forward with bias", 1e-6, 6e-6, 1e-6, "as without"},
    {Op::BiasGradient, DType::F32, "dbias", 1e-6, 1e-5, 2e-6, "sums over a batch without products, often cancelling"},
    {Op::Dropout, DType::F32, "dropout", 3e-7, 0, 3e-7, "1/(1 - rate) and one product are rounded"},
    {Op::BatchNormMean, DType::F32, "batch norm mean", 1e-6, 2e-6, 8e-7, "sums of up to 131,072 numbers, in parts"},
    {Op::BatchNormVariance, DType::F32, "batch norm variance", 2e-6, 1e-7, 1e-6, "sums of as many squares, in parts"},
    {Op::BatchNormApply, DType::F32, "batch_norm_apply", 1e-6, 1e-6, 4e-7,
     "a root, a quotient, two products, and sums that may cancel"},
    {Op::BatchNormBackward, DType::F32, "batch_norm_backward", 1e-6, 1e-5, 2e-6,
     "dy without its mean and its part along x, which for few rows is most of it"},
    {Op::BatchNormParameters, DType::F32, "dgamma, dbeta", 1e-6, 6e-6, 2e-6, "sums over the rows, cancelling"},
    {Op::MaxPoolBackward, DType::F32, "max_pool_backward", 1e-6, 1e-6, 4e-7, "few windows overlap: sums of at most 9"},
    {Op::PRelu, DType::F32, "prelu", 1e-7, 0, 8e-8, "one product"},
    {Op::PReluSlope, DType::F32, "prelu dslope", 1e-6, 1e-5, 4e-6,
     "sums over all pixels of a batch, up to 370,000 products of either sign; with one slope, one number"},
    {Op::AveragePoolForward, DType::F32, "average_pool_forward", 1e-6, 1e-6, 4e-7,
     "sums of up to 1,073 numbers of either sign, and one product"},
    {Op::AveragePoolBackward, DType::F32, "average_pool_backward", 1e-6, 1e-6, 4e-7, "as forward, over windows"},
    {Op::RowNorms, DType::F32, "row_norms", 5e-6, 0, 5e-6, "a sum of up to 40,000 squares, in any order"},
    {Op::L2ScaleForward, DType::F32, "l2_scale_forward", 4e-7, 0, 3e-7, "a quotient and two products are rounded"},
    {Op::L2ScaleBackward, DType::F32, "l2_scale_backward", 1e-6, 4e-6, 5e-7, "dy - x^ (x^·dy): the sum's error"},
    {Op::ScaleGradient, DType::F32, "dscale", 1e-6, 4e-6, 4e-6, "one number: the sum of x^·dy over rows, cancelling"},
    {Op::RemoveRadial, DType::F32, "remove_radial", 1e-6, 4e-6, 5e-7, "as l2_scale_backward"},
    {Op::AddScaledRows, DType::F32, "add_scaled_rows", 4e-7, 4e-7, 2e-7, "one product and one sum"},
    {Op::MarginLogits, DType::F32, "margin_logits", 1e-6, 6e-6, 3e-6,
     "a product, and for the target |f| (psi(c) - c), which may cancel it"},
    {Op::MarginLoss, DType::F32, "margin loss", 1e-6, 1e-6, 1e-6, "one number: a mean of positive terms"},
    {Op::MarginGradient, DType::F32, "margin gradient", 1e-5, 1e-5, 5e-6,
     "e^z of logits up to 40, whose own rounding is 2e-6"},
    {Op::MarginRadial, DType::F32, "margin radial", 1e-5, 1e-5, 1e-5, "phi - c*phi' cancels near the class centre"},
    {Op::LogitGradientNorm, DType::F32, "logit_gradient_norm", 1e-6, 0, 1e-6, "as the gradient, over a batch of rows"},
    {Op::ColumnMean, DType::F32, "column mean", 1e-6, 4e-6, 1e-6, "sums of up to 300 numbers of either sign"},
    {Op::ColumnVariance, DType::F32, "column variance", 4e-6, 1e-7, 2e-6,
     "sums of up to 300 squares, and the square of the mean's rounding"},
    {Op::ScaledBnFold, DType::F32, "scaled_bn_fold", 4e-7, 4e-7, 2e-7, "a root, a quotient and a product"},
    {Op::ScaledBnBackward, DType::F32, "scaled_bn_backward", 1e-6, 1e-5, 2e-6, "two sums over the batch"},
    {Op::RunningAverage, DType::F32, "running_average", 4e-7, 4e-7, 2e-7, "two products and two sums"},
    {Op::CenterLoss, DType::F32, "center loss", 1e-6, 0, 1e-6, "one number: a sum of squares"},
    {Op::CenterGradient, DType::F32, "center gradient", 4e-7, 4e-7, 2e-7, "one difference and one product"},
    {Op::CenterUpdate, DType::F32, "center_update", 1e-6, 1e-6, 4e-7, "a sum over a class's samples"},
    {Op::HeadLoss, DType::F32, "head loss", 1e-5, 0, 1e-5,
     "one number; near certainty it is e^z, and z up to 100 is rounded to 4e-6"},
    {Op::HeadGradient, DType::F32, "head gradient", 1e-4, 1e-3, 1e-5, "the project's gate: 1e-5 of the length"},
    {Op::WideHeadGradient, DType::F32, "head gradient, wide", 1e-4, 3e-3, 5e-5,
     "at 1 degree the target's term is 1/sin(theta) times the result; here 1,009 classes are summed beside it, or two "
     "dimensions leave nothing to average over"},
    {Op::HeadScaleGradient, DType::F32, "head dscale", 1e-4, 0, 1e-4,
     "one number in which classes cancel, and at 1 degree the target's term with its own part along f"},
    {Op::HeadCenterGradient, DType::F32, "head dcenters", 1e-6, 1e-5, 2e-6,
     "the difference of a centre before and after, each rounded; most classes have no sample"},
    {Op::Angles, DType::F32, "angles", 4e-6, 4e-6, 1e-6, "acos of a rounded cosine: its error by 1/sin, here up to 5"},
    {Op::ScaleLogits, DType::F32, "scale_logits", 4e-7, 4e-7, 3e-7, "two quotients, three products and a sum"},
    {Op::Softmax, DType::F32, "softmax", 8e-6, 0, 1e-6, "z - max up to 80 is rounded to 4e-6, and e^x multiplies that"},
    {Op::ColumnSums, DType::F32, "column_sums", 1e-6, 4e-6, 1e-6, "sums of up to 128 numbers of either sign"},
    {Op::GatherImages, DType::F32, "gather_images", 4e-7, 4e-7, 2e-7, "one product and one sum"},
    {Op::GatherChanged, DType::F32, "gather_images, changed", 1e-5, 1e-4, 2e-5, "places in pixels are rounded"},
    {Op::Sgd, DType::F32, "sgd", 4e-7, 4e-7, 2e-7, "two products and sums"},
    {Op::Adam, DType::F32, "adam", 2e-6, 1e-6, 5e-7, "a step is a quotient of rounded moments"},
    {Op::GradientNorm, DType::F32, "gradient_norm", 5e-6, 0, 5e-6, "sums of 32,768 squares, in any order"},
    // Operands that are bf16 numbers: products and sums as in fp32, then one rounding of the result.
    {Op::Conv2dForward, DType::BF16, "conv2d_forward bf16", 4.7e-3, 1e-5, 4.7e-3, "one rounding"},
    {Op::Conv2dBackwardData, DType::BF16, "conv2d_backward_data bf16", 4.7e-3, 1e-5, 4.7e-3, "one rounding"},
    {Op::Conv2dAddedGradient, DType::BF16, "conv2d_backward_data bf16, added", 4.7e-3, 1.6e-2, 4.7e-3,
     "two roundings, as forward with a bias"},
    {Op::Conv2dBackwardFilter, DType::BF16, "conv2d_backward_filter bf16", 4.7e-3, 2e-5, 4.7e-3,
     "one rounding: cuDNN gives the gradient in its operands' type"},
    {Op::BiasedForward, DType::BF16, "forward bf16 with bias", 4.7e-3, 1.6e-2, 4.7e-3,
     "two roundings: of a sum up to 4 S, and of what the bias makes of it, which may be small"},
    {Op::LinearForward, DType::BF16, "linear_forward bf16", 4.7e-3, 1e-5, 4.7e-3, "one rounding"},
    {Op::LinearBackwardData, DType::BF16, "linear_backward_data bf16", 4.7e-3, 1e-5, 4.7e-3, "one rounding"},
    {Op::LinearBackwardWeight, DType::BF16, "linear_backward_weight bf16", 4.7e-3, 1e-5, 4.7e-3, "one rounding"},
    {Op::Dropout, DType::BF16, "dropout bf16", 4.7e-3, 0, 4.7e-3, "one rounding"},
    {Op::BatchNormApply, DType::BF16, "batch_norm_apply bf16", 4.7e-3, 2e-6, 4.7e-3, "one rounding"},
    {Op::BatchNormBackward, DType::BF16, "batch_norm_backward bf16", 4.7e-3, 2e-5, 4.7e-3, "one rounding"},
    {Op::MaxPoolBackward, DType::BF16, "max_pool_backward bf16", 4.7e-3, 1e-6, 4.7e-3, "one rounding"},
    {Op::PRelu, DType::BF16, "prelu bf16", 4.7e-3, 0, 4.7e-3, "one rounding"},
    {Op::AveragePoolForward, DType::BF16, "average_pool_forward bf16", 4.7e-3, 1e-6, 4.7e-3, "one rounding"},
    {Op::AveragePoolBackward, DType::BF16, "average_pool_backward bf16", 4.7e-3, 1e-6, 4.7e-3, "one rounding"},
    {Op::GatherImages, DType::BF16, "gather_images bf16", 4.7e-3, 4e-7, 4.7e-3, "one rounding"},
    {Op::GatherChanged, DType::BF16, "gather_images bf16, changed", 4.7e-3, 1e-4, 4.7e-3, "one rounding"},
};

inline const Tolerance& tolerance(Op op, DType dtype) {
  for (const Tolerance& row : kTolerances)
    if (row.op == op && row.dtype == dtype) return row;
  throw Error(ErrorCode::Internal, "tolerances.h has no row for this op and type");
}

}  // namespace margincore::test
