// The JavaScript class Session: a native session on a worker of its own.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "addon/worker.h"
#include "data/host_samples.h"
#include "train/session.h"

namespace margincore {

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit SessionObject(const Napi::CallbackInfo& info);
  ~SessionObject() override;

 private:
  Napi::Value summary(const Napi::CallbackInfo& info);
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  void reserve_training_data(const Napi::CallbackInfo& info);
  void add_training_data(const Napi::CallbackInfo& info);
  Napi::Value view_training_data(const Napi::CallbackInfo& info);
  Napi::Value upload_training_data(const Napi::CallbackInfo& info);
  Napi::Value run_steps(const Napi::CallbackInfo& info);
  Napi::Value infer(const Napi::CallbackInfo& info);
  Napi::Value end_training(const Napi::CallbackInfo& info);
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value read_parameter(const Napi::CallbackInfo& info);
  Napi::Value read_gradient(const Napi::CallbackInfo& info);
  Napi::Value write_parameter(const Napi::CallbackInfo& info);
  Napi::Value read_trained_parameter(const Napi::CallbackInfo& info);
  Napi::Value write_trained_parameter(const Napi::CallbackInfo& info);
  Napi::Value parameters_checksum(const Napi::CallbackInfo& info);
  Napi::Value take_parameters_of_first(const Napi::CallbackInfo& info);
  Napi::Value read_moment(const Napi::CallbackInfo& info);
  Napi::Value write_moment(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value set_step(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /// Refuses once disposed, otherwise queues work on an opened session.
  Napi::Value run(Napi::Env env, std::function<Worker::Result(Session&)> work);
  /// Queues the reading of a tensor; its values are the promise's.
  Napi::Value read(Napi::Env env, std::function<std::vector<float>(Session&)> values);
  /// Queues a change of a tensor, or of the step.
  Napi::Value write(Napi::Env env, std::function<void(Session&)> values);
  /// What is known without opening it; refuses once disposed.
  const Session& session() const;
  void expect_not_disposed() const;
  HostSamples& reserved() const;
  Napi::Value set_training_data(Napi::Env env, const TrainingData& data);
  void stop();

  struct State {
    std::unique_ptr<Session> session;
    bool opened = false;  // worker thread only
  };
  std::shared_ptr<State> state_;
  // Of the jobs that were queued since the last cancel: what is queued after one is another's, and takes nothing back.
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<HostSamples> samples_;  // from their reservation to their upload
  std::shared_ptr<Worker> worker_;
};

}  // namespace margincore
