#include "cpu/matmul.h"

namespace margincore {

using dnnl::memory;

namespace {

memory::desc matrix_desc(const Operand& operand) {
  const int64_t rows = operand.matrix.shape[0], columns = operand.matrix.shape[1];
  const auto type = onednn::data_type(operand.matrix.dtype);
  if (operand.transposed) return {{columns, rows}, type, memory::dims{1, columns}};
  return {{rows, columns}, type, memory::dims{columns, 1}};
}

}  // namespace

void Matmul::run(Tensor c, Operand a, Operand b, Tensor bias, bool adds) {
  const PlanCache<Plan>::Key key = {c.shape[0],
                                    c.shape[1],
                                    a.matrix.shape[0],
                                    a.matrix.shape[1],
                                    b.matrix.shape[0],
                                    b.matrix.shape[1],
                                    a.transposed,
                                    b.transposed,
                                    bool(bias),
                                    adds,
                                    static_cast<int64_t>(a.matrix.dtype),
                                    static_cast<int64_t>(c.dtype)};
  Plan& plan = plans_.get(key, [&] {
    auto made = std::make_unique<Plan>();
    const memory::desc c_desc = matrix_desc({c});
    const memory::desc bias_desc =
        bias ? memory::desc({1, c.shape[1]}, memory::data_type::f32, memory::dims{c.shape[1], 1}) : memory::desc();
    const auto description = onednn::matmul(matrix_desc(a), matrix_desc(b), bias_desc, c_desc, adds);
    made->implementation = description.impl_info_str();
    made->primitive = dnnl::matmul(description);
    const auto unbound = [](const memory::desc& desc) { return memory(desc, onednn::engine(), nullptr); };
    made->a = unbound(matrix_desc(a));
    made->b = unbound(matrix_desc(b));
    made->c = unbound(c_desc);
    if (bias) made->bias = unbound(bias_desc);
    made->workspace = unbound(description.scratchpad_desc());
    made->operands = {{DNNL_ARG_SRC, made->a.get()},
                      {DNNL_ARG_WEIGHTS, made->b.get()},
                      {DNNL_ARG_DST, made->c.get()},
                      {DNNL_ARG_SCRATCHPAD, made->workspace.get()}};
    if (bias) made->operands.push_back({DNNL_ARG_BIAS, made->bias.get()});
    made->workspace_bytes = description.scratchpad_desc().get_size();
    return made;
  });
  plan.a.set_data_handle(a.matrix.data);
  plan.b.set_data_handle(b.matrix.data);
  plan.c.set_data_handle(c.data);
  plan.workspace.set_data_handle(scratch_.take(plan.workspace_bytes));
  if (bias) plan.bias.set_data_handle(bias.data);
  onednn::execute(plan.primitive, stream_, plan.operands);
}

}  // namespace margincore
