// Convolutions by cuDNN's older interface: one configuration per algorithm, timed by cuDNN itself.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cuda/convolution_context.h"

namespace margincore {

class LegacyConvolutions {
 public:
  explicit LegacyConvolutions(ConvolutionContext& context);
  ~LegacyConvolutions();

  void run(const ConvolutionCall& call);

 private:
  struct Plan;

  template <class Functions, class First, class Second, class Result>
  void run(const ConvolutionCall& call, const First& first, const Second& second, const Result& result);
  template <class Functions, class First, class Second, class Result>
  void choose(Plan& plan, const ConvolutionCall& call, const First& first, const Second& second, const Result& result);
  Plan& plan(const ConvolutionCall& call);

  ConvolutionContext& context_;
  std::map<std::string, std::unique_ptr<Plan>> plans_;
};

}  // namespace margincore
