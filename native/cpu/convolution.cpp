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

memory::desc image_desc(const Tensor& image) {
  const Shape& s = image.shape;
  return {{s[0], s[3], s[1], s[2]}, onednn::data_type(image.dtype), tag::nhwc};
}

}  // namespace

Convolutions::Plan& Convolutions::plan(Pass pass, const Tensor& x, const Tensor& w, bool has_bias, const Tensor& y,
                                       Conv2d conv) {
  const PlanCache<Plan>::Key key = {static_cast<int64_t>(pass), x.shape[0], x.shape[1], x.shape[2], x.shape[3],
                                    w.shape[0],  w.shape[1], w.shape[2], w.shape[3], conv.stride,
                                    conv.padding, conv.groups, has_bias, static_cast<int64_t>(x.dtype)};
  return plans_.get(key, [&] { return make(pass, x, w, has_bias, y, conv); });
}

std::unique_ptr<Convolutions::Plan> Convolutions::make(Pass pass, const Tensor& x, const Tensor& w, bool has_bias,
                                                       const Tensor& y, Conv2d conv) {
  const onednn::ConvolutionShape shape = {
      image_desc(x), weight_desc(w, conv, true), {{w.shape[0]}, memory::data_type::f32, tag::x}, image_desc(y),
      {conv.stride, conv.stride}, {conv.padding, conv.padding}, has_bias};
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
  const memory::desc stored = weight_desc(w, conv, false);
  const auto unbound = [](const memory::desc& desc) { return memory(desc, onednn::engine(), nullptr); };
  plan->x = unbound(shape.x);
  plan->y = unbound(shape.y);
  plan->bias = unbound(shape.bias);
  plan->w = unbound(w_desc);
  plan->stored_w = unbound(stored);
  plan->workspace = unbound(workspace_desc);
  plan->workspace_bytes = workspace_desc.get_size();
  const bool backward_data = pass == Pass::BackwardData, filter = pass == Pass::BackwardFilter;
  plan->operands = {{backward_data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, plan->x.get()},
                    {pass == Pass::Forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, plan->y.get()},
                    {filter ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, plan->w.get()},
                    {DNNL_ARG_SCRATCHPAD, plan->workspace.get()}};
  if (has_bias) plan->operands.push_back({filter ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, plan->bias.get()});
  plan->reorders = w_desc != stored;
  if (plan->reorders) {
    plan->w_bytes = (w_desc.get_size() + 63) / 64 * 64;
    const memory &from = filter ? plan->w : plan->stored_w, &to = filter ? plan->stored_w : plan->w;
    plan->reorder = dnnl::reorder(from, to);
    plan->reordered = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
  }
  return plan;
}

void Convolutions::run(Plan& plan, Pass pass, Tensor x, Tensor w, Tensor bias, Tensor y) {
  const bool filter = pass == Pass::BackwardFilter;
  char* scratch = static_cast<char*>(scratch_.take(plan.w_bytes + plan.workspace_bytes));
  plan.x.set_data_handle(x.data);
  plan.y.set_data_handle(y.data);
  plan.stored_w.set_data_handle(w.data);
  plan.w.set_data_handle(plan.reorders ? scratch : w.data);
  plan.workspace.set_data_handle(scratch + plan.w_bytes);
  if (bias) plan.bias.set_data_handle(bias.data);
  if (plan.reorders && !filter) onednn::execute(plan.reorder, stream_, plan.reordered);
  onednn::execute(plan.primitive, stream_, plan.operands);
  if (plan.reorders && filter) onednn::execute(plan.reorder, stream_, plan.reordered);
}

void Convolutions::forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  if (patches_.forward_pays(y, w, conv)) return patches_.forward(y, x, w, bias, conv);
  run(plan(Pass::Forward, x, w, bool(bias), y, conv), Pass::Forward, x, w, bias, y);
}

void Convolutions::backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv) {
  if (patches_.backward_data_pays(dy, w, conv)) return patches_.backward_data(dx, dy, w, conv);
  run(plan(Pass::BackwardData, dx, w, false, dy, conv), Pass::BackwardData, dx, w, {}, dy);
}

void Convolutions::backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) {
  if (patches_.backward_filter_pays(dy, dw, conv)) return patches_.backward_filter(dw, dbias, dy, x, conv);
  run(plan(Pass::BackwardFilter, x, dw, bool(dbias), dy, conv), Pass::BackwardFilter, x, dw, dbias, dy);
}

}  // namespace margincore
