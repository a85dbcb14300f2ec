#include "addon/session_object.h"

#include <chrono>
#include <thread>

#include "addon/convert.h"
#include "addon/guard.h"
#include "addon/requests.h"
#include "addon/results.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace margincore {

namespace {

/// Sessions that are disposed, but still hold memory: what opens next waits for it, so that it finds that memory free.
std::atomic<int> releases{0};

/// One of them.
struct Release {
  Release() { ++releases; }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;
  ~Release() { --releases; }
};

/// Throws Disposed once cancelled.
void wait_for_releases(const std::atomic<bool>& cancelled) {
  const Work work(1, &cancelled);
  while (releases > 0) {
    work.expect_wanted();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

/// Blocks that were freed stay with the process, in the arena of whatever thread had them, until malloc is asked. (Large
/// ones are the system's again already.)
void return_freed_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/// Computes what was asked for.
Inference compute(Session& session, const InferRequest& request, const std::atomic<bool>& cancelled) {
  const int64_t classes = session.head().num_classes(), size = session.head().embedding_size();
  Inference outputs;
  const auto room = [](std::optional<std::vector<float>>& output, bool wanted, int64_t values) {
    return wanted ? output.emplace(values).data() : nullptr;
  };
  PredictRequest predict;
  predict.images = request.images.data();
  predict.count = request.count;
  predict.probabilities = room(outputs.probabilities, request.probabilities, request.count * classes);
  predict.scores = room(outputs.scores, request.scores, request.count * classes);
  predict.cosines = room(outputs.cosines, request.cosines, request.count * classes);
  predict.embeddings = room(outputs.embeddings, request.embeddings, request.count * size);
  predict.normalize_embeddings = request.normalize_embeddings;
  if (request.labels) predict.labels = request.labels->data();
  predict.angles = room(outputs.angles, request.labels.has_value(), request.count * 2);
  predict.class_norms = room(outputs.class_norms, request.labels.has_value(), classes);
  if (session.predict(predict, cancelled).count < request.count)
    throw Error(ErrorCode::Disposed, "prediction was cancelled");
  return outputs;
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {InstanceAccessor<&SessionObject::summary>("summary"),
                      InstanceMethod<&SessionObject::plan>("plan"),
                      InstanceMethod<&SessionObject::progress>("progress"),
                      InstanceMethod<&SessionObject::open>("open"),
                      InstanceMethod<&SessionObject::memory>("memory"),
                      InstanceMethod<&SessionObject::reserve_training_data>("reserveTrainingData"),
                      InstanceMethod<&SessionObject::add_training_data>("addTrainingData"),
                      InstanceMethod<&SessionObject::view_training_data>("viewTrainingData"),
                      InstanceMethod<&SessionObject::upload_training_data>("uploadTrainingData"),
                      InstanceMethod<&SessionObject::run_steps>("runSteps"),
                      InstanceMethod<&SessionObject::infer>("infer"),
                      InstanceMethod<&SessionObject::cancel>("cancel"),
                      InstanceMethod<&SessionObject::end_training>("endTraining"),
                      InstanceMethod<&SessionObject::parameters>("parameters"),
                      InstanceMethod<&SessionObject::parameters_checksum>("parametersChecksum"),
                      InstanceMethod<&SessionObject::take_parameters_of_first>("takeParametersOfFirst"),
                      InstanceMethod<&SessionObject::read_parameter>("readParameter"),
                      InstanceMethod<&SessionObject::write_parameter>("writeParameter"),
                      InstanceMethod<&SessionObject::read_gradient>("readGradient"),
                      InstanceMethod<&SessionObject::read_trained_parameter>("readTrainedParameter"),
                      InstanceMethod<&SessionObject::write_trained_parameter>("writeTrainedParameter"),
                      InstanceMethod<&SessionObject::read_moment>("readMoment"),
                      InstanceMethod<&SessionObject::write_moment>("writeMoment"),
                      InstanceMethod<&SessionObject::step>("step"),
                      InstanceMethod<&SessionObject::set_step>("setStep"),
                      InstanceMethod<&SessionObject::dispose>("dispose")});
}

SessionObject::SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
  guarded(info.Env(), [&] {
    state_ = std::make_shared<State>();
    state_->session = std::make_unique<Session>(to_session_spec(object_argument(info, 0)));
    worker_ = Worker::create(info.Env());
    worker_->on_stop([this] { *cancelled_ = true; });
    return info.Env().Undefined();
  });
}

SessionObject::~SessionObject() { stop(); }

void SessionObject::stop() {
  if (!worker_) return;
  // Device memory is released on the thread that used it; much host memory takes a while.
  worker_->stop([state = state_, samples = std::move(samples_), release = std::make_shared<Release>()]() mutable {
    samples.reset();
    state->session.reset();
    if (state->opened) return_freed_memory();
    release.reset();
  });
}

void SessionObject::expect_not_disposed() const {
  if (!worker_ || worker_->stopped()) throw Error(ErrorCode::Disposed, "the session was disposed");
}

Napi::Value SessionObject::run(Napi::Env env, std::function<Worker::Result(Session&)> work) {
  expect_not_disposed();
  return worker_->run(env, [state = state_, work = std::move(work)]() -> Worker::Result {
    if (!state->opened) throw Error(ErrorCode::Internal, "native: the session was not opened");
    return work(*state->session);
  });
}

Napi::Value SessionObject::read(Napi::Env env, std::function<std::vector<float>(Session&)> values) {
  return run(env, [values = std::move(values)](Session& session) -> Worker::Result {
    auto result = std::make_shared<std::vector<float>>(values(session));
    return [result](Napi::Env env) { return from_floats(env, std::move(*result)); };
  });
}

Napi::Value SessionObject::write(Napi::Env env, std::function<void(Session&)> values) {
  return run(env, [values = std::move(values)](Session& session) -> Worker::Result {
    values(session);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

const Session& SessionObject::session() const {
  expect_not_disposed();  // from then on the worker may end it at any time
  return *state_->session;
}

Napi::Value SessionObject::summary(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return from_summary(info.Env(), session().network(), session().table()); });
}

Napi::Value SessionObject::plan(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    expect_not_disposed();
    const int64_t images = info[0].ToNumber().Int64Value();
    return worker_->run(info.Env(), [state = state_, cancelled = cancelled_, images]() -> Worker::Result {
      wait_for_releases(*cancelled);
      const MemoryUse use = state->session->plan(images);
      const BackendInfo device = state->session->backend_info();
      return [device, use](Napi::Env env) {
        Napi::Object plan = Napi::Object::New(env);
        plan.Set("device", from_device(env, device));
        plan.Set("memory", from_memory(env, use));
        return plan;
      };
    });
  });
}

Napi::Value SessionObject::progress(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), session().fraction_done()); });
}

Napi::Value SessionObject::open(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    expect_not_disposed();
    return worker_->run(info.Env(), [state = state_, cancelled = cancelled_]() -> Worker::Result {
      wait_for_releases(*cancelled);
      state->session->open(*cancelled);
      state->opened = true;
      const BackendInfo device = state->session->backend_info();
      return [device](Napi::Env env) { return from_device(env, device); };
    });
  });
}

Napi::Value SessionObject::memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(info.Env(), [](Session& session) -> Worker::Result {
      const MemoryUse use = session.memory();
      return [use](Napi::Env env) { return from_memory(env, use); };
    });
  });
}

Napi::Value SessionObject::run_steps(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const StepsRequest request = to_steps_request(object_argument(info, 0));
    return run(info.Env(), [cancelled = cancelled_, request](Session& session) -> Worker::Result {
      const auto result = std::make_shared<const StepsResult>(session.run_steps(request, *cancelled));
      return [result](Napi::Env env) { return from_steps(env, *result); };
    });
  });
}

Napi::Value SessionObject::infer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto request = std::make_shared<const InferRequest>(to_infer_request(object_argument(info, 0), session()));
    return run(info.Env(), [request, cancelled = cancelled_](Session& session) -> Worker::Result {
      const auto result = std::make_shared<Inference>(compute(session, *request, *cancelled));
      return [result](Napi::Env env) { return from_inference(env, std::move(*result)); };
    });
  });
}

Napi::Value SessionObject::end_training(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(info.Env(), [](Session& session) -> Worker::Result {
      session.end_training();
      return_freed_memory();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionObject::parameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return from_parameters(info.Env(), session().table()); });
}

Napi::Value SessionObject::parameters_checksum(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(info.Env(), [](Session& session) -> Worker::Result {
      const std::string text = format("%016llx", static_cast<unsigned long long>(session.checksum()));
      return [text](Napi::Env env) { return Napi::String::New(env, text); };
    });
  });
}

Napi::Value SessionObject::take_parameters_of_first(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return write(info.Env(), [](Session& session) { session.take_parameters_of_first(); }); });
}

Napi::Value SessionObject::read_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return read(info.Env(), [name = text_argument(info, 0)](Session& session) { return session.read_parameter(name); });
  });
}

Napi::Value SessionObject::read_gradient(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return read(info.Env(), [name = text_argument(info, 0)](Session& session) { return session.read_gradient(name); });
  });
}

Napi::Value SessionObject::read_moment(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return read(info.Env(), [name = text_argument(info, 0), moment = index_argument(info, 1)](Session& session) {
      return session.read_moment(name, moment);
    });
  });
}

Napi::Value SessionObject::write_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return write(info.Env(), [name = text_argument(info, 0), values = to_floats(info[1], "values")](Session& session) {
      session.write_parameter(name, values.data(), static_cast<int64_t>(values.size()));
    });
  });
}

Napi::Value SessionObject::read_trained_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return read(info.Env(),
                [name = text_argument(info, 0)](Session& session) { return session.read_trained_parameter(name); });
  });
}

Napi::Value SessionObject::write_trained_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return write(info.Env(), [name = text_argument(info, 0), values = to_floats(info[1], "values")](Session& session) {
      session.write_trained_parameter(name, values.data(), static_cast<int64_t>(values.size()));
    });
  });
}

Napi::Value SessionObject::write_moment(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return write(info.Env(), [name = text_argument(info, 0), moment = index_argument(info, 1),
                              values = to_floats(info[2], "values")](Session& session) {
      session.write_moment(name, moment, values);
    });
  });
}

Napi::Value SessionObject::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(info.Env(), [](Session& session) -> Worker::Result {
      const uint64_t step = session.trainer().step();
      return [step](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(step)); };
    });
  });
}

Napi::Value SessionObject::set_step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return write(info.Env(), [step = index_argument(info, 0)](Session& session) {
      session.trainer().set_step(static_cast<uint64_t>(step));
    });
  });
}

void SessionObject::cancel(const Napi::CallbackInfo&) {
  *cancelled_ = true;
  cancelled_ = std::make_shared<std::atomic<bool>>(false);
}

void SessionObject::dispose(const Napi::CallbackInfo&) { stop(); }

}  // namespace margincore
