// A job's keys as what descriptions are read from. Text has no kinds: it is taken for what is asked for, truth as 0 or 1.
#pragma once

#include "job.h"
#include "spec/value.h"

namespace margincore::jobs {

/// The keys that begin with a prefix, without it: an object in an object is "scaledBn.scale". A job refuses by itself
/// what nobody has read. Must not outlive the job.
class JobObject final : public Value {
 public:
  /// `instead`: the job's own word for a field.
  explicit JobObject(const Job& job, std::map<std::string, std::string> instead = {}, std::string prefix = "")
      : job_(job), instead_(std::move(instead)), prefix_(std::move(prefix)) {}

  std::optional<double> number() const override { return {}; }
  std::optional<bool> boolean() const override { return {}; }
  std::optional<std::string> text() const override { return {}; }
  std::optional<std::vector<float>> floats() const override { return {}; }
  std::optional<Values> list() const override { return {}; }
  bool is_object() const override { return true; }
  std::vector<std::string> names() const override { return {}; }
  std::unique_ptr<Value> at(const std::string& name) const override;
  std::string shown() const override { return "keys of a job"; }

 private:
  const Job& job_;
  std::map<std::string, std::string> instead_;
  std::string prefix_;
};

/// What lies under a key.
class JobText final : public Value {
 public:
  explicit JobText(std::string text) : text_(std::move(text)) {}

  std::optional<double> number() const override;
  std::optional<bool> boolean() const override;
  std::optional<std::string> text() const override { return text_; }
  std::optional<std::vector<float>> floats() const override;
  /// Separated by commas.
  std::optional<Values> list() const override;
  bool is_object() const override { return false; }
  std::vector<std::string> names() const override { return {}; }
  std::unique_ptr<Value> at(const std::string&) const override { return nullptr; }
  std::string shown() const override { return "'" + text_ + "'"; }

 private:
  std::string text_;
};

}  // namespace margincore::jobs
