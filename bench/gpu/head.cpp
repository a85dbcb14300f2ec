#include "device_memory.h"
#include "kinds.h"
#include "repeat.h"
#include "specs.h"

namespace margincore::jobs {

Answer head(const Job& job) {
  const BackendPtr owner = open_backend(backend_of(job), options_of(job));
  Backend& backend = *owner;
  const int64_t batch = job.integer("batch"), size = job.integer("embedding");
  ParameterTable table;
  const Head head(head_of(job), size, table);
  table.arrange();
  Parameters parameters(backend, table, 1);
  parameters.allocate_gradients();
  ActivationPlan plan;
  HeadPass pass(head, batch, true, plan, 0, 0);
  plan.arrange();
  const Buffer arena(backend, plan.bytes());
  pass.bind(backend, plan, arena.data());

  DeviceMemory memory(backend);
  StepBlock block{};
  block.margin_ramp = 1;
  StepReport* report = memory.one(StepReport{});
  int32_t* halted = memory.one(int32_t{0});
  const HeadStep step{memory.integers(batch, head.num_classes()), memory.one(block), report, halted};
  const Tensor x = memory.floats({batch, size}), dx = memory.zeros({batch, size});
  const Timing timing = time_operation(backend, [&] {
    pass.train(backend, parameters, dx, x, step);
    return Status::success();
  });
  StepReport measured;
  check(backend.download(&measured, report, sizeof measured));
  return Answer().add("seconds", timing.seconds).add("repetitions", timing.repetitions).add("loss", measured.loss);
}

}  // namespace margincore::jobs
