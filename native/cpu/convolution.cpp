#include "cpu/convolution.h"

namespace margincore {

using dnnl::memory;
using tag = dnnl::memory::format_tag;

namespace {

/// A weight descriptor with groups has one axis more; `layout` any lets the implementation choose.
memory::desc weight_desc(const Tensor& w, const Conv2d& conv, bool any) {
  const Shape& s = w.shape;  // (K, R, S, C/groups)
  const auto type = onednn::data_type(w.dtype);
  if (conv.groups == 1) return {{s[0], s[3], s[1], s[2]}, type, any ? tag::any : tag::ohwi};
  const memory::dims sizes{conv.groups, s[0] / conv.groups, s[3], s[1], s[2]};
  return {sizes, type, any ? tag::any : tag::gohwi};
}

memory::desc image_desc(const Tensor& image, tag layout) {
  const Shape& s = image.shape;
  return {{s[0], s[3], s[1], s[2]}, onednn::data_type(image.dtype), layout};
}

}  // namespace

Convolutions::Plan& Convolutions::plan(Pass pass, ConvolutionWay way, const Tensor& x, const Tensor& w, bool has_bias,
                                       const Tensor& y, Conv2d conv) {
  const PlanCache<Plan>::Key key = {static_cast<int64_t>(pass),
                                    x.shape[0],
                                    x.shape[1],
                                    x.shape[2],
                                    x.shape[3],
                                    w.shape[0],
                                    w.shape[1],
                                    w.shape[2],
                                    w.shape[3],
                                    conv.stride,
                                    conv.padding,
                                    conv.groups,
                                    has_bias,
                                    static_cast<int64_t>(x.dtype)};
  return plans_.get(key, [&] { return make(pass, way, x, w, has_bias, y, conv); });
}

void Convolutions::Staged::describe(const memory::desc& in_memory, const memory::desc& for_primitive, bool is_result) {
  stored = memory(in_memory, onednn::engine(), nullptr);
  wanted = memory(for_primitive, onednn::engine(), nullptr);
  if (in_memory == for_primitive) return;
  bytes = whole_lines(for_primitive.get_size());
  const memory &from = is_result ? wanted : stored, &to = is_result ? stored : wanted;
  reorder = dnnl::reorder(from, to);
  operands = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
}

void Convolutions::Staged::bind(void* data, char* copy) {
  stored.set_data_handle(data);
  wanted.set_data_handle(bytes > 0 ? copy : data);
}

void Convolutions::Staged::convert(const dnnl::stream& stream) const {
  if (bytes > 0) onednn::execute(reorder, stream, operands);
}

std::unique_ptr<Convolutions::Plan> Convolutions::make(Pass pass, ConvolutionWay way, const Tensor& x, const Tensor& w,
                                                       bool has_bias, const Tensor& y, Conv2d conv) {
  const tag layout = way == ConvolutionWay::Blocks ? tag::nChw16c : tag::nhwc;
  const onednn::ConvolutionShape shape = {image_desc(x, layout),
                                          weight_desc(w, conv, true),
                                          {{w.shape[0]}, memory::data_type::f32, tag::x},
                                          image_desc(y, layout),
                                          {conv.stride, conv.stride},
                                          {conv.padding, conv.padding},
                                          has_bias};
  auto plan = std::make_unique<Plan>();
  memory::desc w_desc, workspace_desc;
  const auto adopt = [&](const auto& description, const memory::desc& weights) {
    plan->implementation = description.impl_info_str();
    w_desc = weights;
    workspace_desc = description.scratchpad_desc();
  };
  if (pass == Pass::Forward) {
    const auto description = onednn::forward(shape);
    adopt(description, description.weights_desc());
    plan->primitive = dnnl::convolution_forward(description);
  } else if (pass == Pass::BackwardData) {
    const auto description = onednn::backward_data(shape);
    adopt(description, description.weights_desc());
    plan->primitive = dnnl::convolution_backward_data(description);
  } else {
    const auto description = onednn::backward_filter(shape);
    adopt(description, description.diff_weights_desc());
    plan->primitive = dnnl::convolution_backward_weights(description);
  }
  plan->x.describe(image_desc(x, tag::nhwc), shape.x, pass == Pass::BackwardData);
  plan->w.describe(weight_desc(w, conv, false), w_desc, pass == Pass::BackwardFilter);
  plan->y.describe(image_desc(y, tag::nhwc), shape.y, pass == Pass::Forward);
  plan->bias = memory(shape.bias, onednn::engine(), nullptr);
  plan->workspace = memory(workspace_desc, onednn::engine(), nullptr);
  plan->workspace_bytes = workspace_desc.get_size();
  const bool filter = pass == Pass::BackwardFilter;
  plan->operands = {{pass == Pass::BackwardData ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, plan->x.wanted.get()},
                    {pass == Pass::Forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, plan->y.wanted.get()},
                    {filter ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, plan->w.wanted.get()},
                    {DNNL_ARG_SCRATCHPAD, plan->workspace.get()}};
  if (has_bias) plan->operands.push_back({filter ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, plan->bias.get()});
  return plan;
}

void Convolutions::run(Plan& plan, Pass pass, Tensor x, Tensor w, Tensor bias, Tensor y) {
  char* scratch = static_cast<char*>(scratch_.take(plan.x.bytes + plan.w.bytes + plan.y.bytes + plan.workspace_bytes));
  plan.x.bind(x.data, scratch);
  plan.w.bind(w.data, scratch + plan.x.bytes);
  plan.y.bind(y.data, scratch + plan.x.bytes + plan.w.bytes);
  plan.workspace.set_data_handle(scratch + plan.x.bytes + plan.w.bytes + plan.y.bytes);
  if (bias) plan.bias.set_data_handle(bias.data);
  const Staged& result = pass == Pass::Forward ? plan.y : pass == Pass::BackwardData ? plan.x : plan.w;
  for (const Staged* operand : {&plan.x, &plan.w, &plan.y})
    if (operand != &result) operand->convert(stream_);
  onednn::execute(plan.primitive, stream_, plan.operands);
  result.convert(stream_);
}

void Convolutions::forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  const ConvolutionWay way = choose_convolution(Pass::Forward, x, w, y, conv, units_);
  if (way == ConvolutionWay::Im2col) return im2col_.forward(y, x, w, bias, conv);
  run(plan(Pass::Forward, way, x, w, bool(bias), y, conv), Pass::Forward, x, w, bias, y);
}

void Convolutions::backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv) {
  const ConvolutionWay way = choose_convolution(Pass::BackwardData, dx, w, dy, conv, units_);
  if (way == ConvolutionWay::Im2col) return im2col_.backward_data(dx, dy, w, conv);
  run(plan(Pass::BackwardData, way, dx, w, false, dy, conv), Pass::BackwardData, dx, w, {}, dy);
}

void Convolutions::backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) {
  const ConvolutionWay way = choose_convolution(Pass::BackwardFilter, x, dw, dy, conv, units_);
  if (way == ConvolutionWay::Im2col) return im2col_.backward_filter(dw, dbias, dy, x, conv);
  run(plan(Pass::BackwardFilter, way, x, dw, bool(dbias), dy, conv), Pass::BackwardFilter, x, dw, dbias, dy);
}

}  // namespace margincore
