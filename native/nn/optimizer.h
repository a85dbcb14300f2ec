// The optimizer: its state has the layout of what is trained in the parameter arena, and a step is one operation, which
// finds in a table how each parameter is updated.
#pragma once

#include "nn/parameters.h"
#include "spec/optimizer.h"

namespace margincore {

class Optimizer {
 public:
  Optimizer(Backend& backend, const OptimizerSpec& spec, const Parameters& parameters, const Work& work = Work());

  /// Before the update: the gradients' norm, whether it is finite, and by how much they are clipped. totals, or none: with
  /// what ranks have by themselves.
  void measure(Backend& backend, const Parameters& parameters, StepReport* reports, int32_t* halted,
               const StepTotals* totals, const StepBlock* step) const;
  /// Of a step that has none of its own: SGD's, or Adam's beta1.
  float momentum() const { return spec_.type == OptimizerSpec::Type::Sgd ? spec_.momentum : spec_.beta1; }

  void update(Backend& backend, const Parameters& parameters, const StepBlock* step, const int32_t* halted) const;
  /// After the update of step `steps`, counted from 1: `average` becomes the mean of what each step so far left, where a
  /// step weighs `average_decay` times what the one after it weighs (Kingma & Ba 2015, section 3, of parameters).
  void average(Backend& backend, const Parameters& average, const Parameters& parameters, uint64_t steps,
               const int32_t* halted) const;

  /// What is kept of each trained parameter: SGD's velocity; Adam's mean and mean square of the gradient.
  int moments() const { return second_.data() == nullptr ? 1 : 2; }
  std::vector<float> read_moment(Backend& backend, const ParameterTable& table, const std::string& name,
                                 int64_t moment) const;
  void write_moment(Backend& backend, const ParameterTable& table, const std::string& name, int64_t moment,
                    const std::vector<float>& values);

  /// What is kept of one, as a tensor like the parameter.
  Tensor moment(const ParameterTable& table, const ParameterTable::Entry& entry, int64_t moment) const;

  size_t bytes() const { return first_.bytes() + second_.bytes() + first_by_rows_.bytes() + second_by_rows_.bytes(); }

 private:
  /// Where a parameter's moment lies. Throws InvalidOption where there is none.
  Tensor moment_of(const ParameterTable& table, const std::string& name, int64_t moment) const;

  OptimizerSpec spec_;
  /// In device memory; none where gradients are not clipped.
  float* clip_factor() const { return clip_factor_.f32(); }

  Buffer first_, second_;                  // velocity, or Adam's two moments
  Buffer first_by_rows_, second_by_rows_;  // of what is trained by rows
  Buffer clip_factor_;
  Buffer groups_;  // UpdateGroups
};

}  // namespace margincore
