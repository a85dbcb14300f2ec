#include "addon/session_object.h"

#include "addon/convert.h"
#include "addon/guard.h"

namespace margincore {

namespace {

/// Sessions that are disposed, but still hold memory: what opens next waits for it, so that it finds that memory free.
std::atomic<int> releases{0};

/// One of them.
struct Release {
  Release() { ++releases; }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;
  ~Release() {
    --releases;
    releases.notify_all();
  }
};

void wait_for_releases() {
  for (int left = releases; left > 0; left = releases) releases.wait(left);
}

void check_labels(const std::vector<int32_t>& labels, int64_t classes) {
  for (int32_t label : labels)
    if (label < 0 || label >= classes)
      throw Error(ErrorCode::InvalidData, format("native: label %d is out of range", label));
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "Session",
      {InstanceAccessor<&SessionObject::summary>("summary"), InstanceMethod<&SessionObject::open>("open"),
       InstanceMethod<&SessionObject::memory>("memory"),
       InstanceMethod<&SessionObject::reserve_training_data>("reserveTrainingData"),
       InstanceMethod<&SessionObject::add_training_data>("addTrainingData"),
       InstanceMethod<&SessionObject::upload_training_data>("uploadTrainingData"),
       InstanceMethod<&SessionObject::run_steps>("runSteps"), InstanceMethod<&SessionObject::infer>("infer"),
       InstanceMethod<&SessionObject::cancel>("cancel"), InstanceMethod<&SessionObject::end_training>("endTraining"),
       InstanceMethod<&SessionObject::parameters>("parameters"),
       InstanceMethod<&SessionObject::read_parameter>("readParameter"),
       InstanceMethod<&SessionObject::write_parameter>("writeParameter"),
       InstanceMethod<&SessionObject::read_gradient>("readGradient"),
       InstanceMethod<&SessionObject::dispose>("dispose")});
}

SessionObject::SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
  guarded(info.Env(), [&] {
    state_ = std::make_shared<State>();
    state_->session = std::make_unique<Session>(to_session_spec(object_argument(info, 0)));
    worker_ = Worker::create(info.Env());
    return info.Env().Undefined();
  });
}

SessionObject::~SessionObject() { stop(); }

void SessionObject::stop() {
  if (!worker_) return;
  state_->cancelled = true;
  // Device memory is released on the thread that used it; much host memory takes a while.
  worker_->stop([state = state_, samples = std::move(samples_), release = std::make_shared<Release>()]() mutable {
    samples.reset();
    state->session.reset();
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

Napi::Value SessionObject::summary(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!state_ || !state_->session) throw Error(ErrorCode::Disposed, "the session was disposed");
    return from_summary(info.Env(), state_->session->network(), state_->session->table());
  });
}

Napi::Value SessionObject::open(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    expect_not_disposed();
    return worker_->run(info.Env(), [state = state_]() -> Worker::Result {
      wait_for_releases();
      state->session->open();
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
      return [use](Napi::Env env) {
        Napi::Object memory = Napi::Object::New(env);
        memory.Set("parameters", static_cast<double>(use.parameters));
        memory.Set("gradients", static_cast<double>(use.gradients));
        memory.Set("optimizer", static_cast<double>(use.optimizer));
        memory.Set("activations", static_cast<double>(use.activations));
        memory.Set("dataset", static_cast<double>(use.dataset));
        memory.Set("streamed", use.streamed);
        memory.Set("workspace", static_cast<double>(use.workspace));
        return memory;
      };
    });
  });
}

Napi::Value SessionObject::run_steps(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const StepsRequest request = to_steps_request(object_argument(info, 0));
    state_->cancelled = false;
    return run(info.Env(), [state = state_, request](Session& session) -> Worker::Result {
      auto result = std::make_shared<StepsResult>(session.run_steps(request, state->cancelled));
      return [result](Napi::Env env) {
        const size_t steps = result->reports.size();
        std::vector<float> losses, norms, logit_norms;
        Napi::Int32Array correct = Napi::Int32Array::New(env, steps), past_pi = Napi::Int32Array::New(env, steps);
        for (size_t i = 0; i < steps; ++i) {
          const StepReport& report = result->reports[i];
          losses.push_back(report.loss);
          norms.push_back(report.gradient_norm);
          logit_norms.push_back(report.logit_gradient_norm);
          correct[i] = report.correct;
          past_pi[i] = report.past_pi;
        }
        Napi::Object object = Napi::Object::New(env);
        object.Set("steps", static_cast<double>(steps));
        object.Set("loss", from_floats(env, std::move(losses)));
        object.Set("gradientNorm", from_floats(env, std::move(norms)));
        object.Set("logitGradientNorm", from_floats(env, std::move(logit_norms)));
        object.Set("correct", correct);
        object.Set("pastPi", past_pi);
        if (!result->non_finite.empty()) object.Set("nonFinite", result->non_finite);
        return object;
      };
    });
  });
}

Napi::Value SessionObject::infer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!state_->session) throw Error(ErrorCode::Disposed, "the session was disposed");
    const Napi::Object request = object_argument(info, 0);
    struct Work {
      std::vector<uint8_t> images;
      std::vector<int32_t> labels;
      std::vector<float> probabilities, scores, embeddings, angles, class_norms;
    };
    auto work = std::make_shared<Work>();
    work->images = to_bytes(request.Get("images"), "images");
    const int64_t count = to_integer(request, "count");
    const Session& session = *state_->session;
    if (count < 1 || static_cast<int64_t>(work->images.size()) != count * session.input().count())
      throw Error(ErrorCode::InvalidData,
                  format("native: %zu bytes of images do not hold %lld images of %s", work->images.size(),
                         static_cast<long long>(count), to_string(session.input()).c_str()));
    const bool probabilities = to_boolean(request, "probabilities"), scores = to_boolean(request, "scores");
    const bool embeddings = to_boolean(request, "embeddings");
    const bool normalize = to_boolean(request, "normalizeEmbeddings");
    const bool angles = request.Has("labels") && !request.Get("labels").IsUndefined();
    if (angles) {
      work->labels = to_ints(request.Get("labels"), "labels");
      if (static_cast<int64_t>(work->labels.size()) != count)
        throw Error(ErrorCode::InvalidData, "native: expected a label per image");
      check_labels(work->labels, session.head().num_classes());
    }
    state_->cancelled = false;
    return run(info.Env(), [=, state = state_](Session& opened) -> Worker::Result {
      const int64_t classes = opened.head().num_classes(), size = opened.head().embedding_size();
      PredictRequest predict;
      const auto room = [&](std::vector<float>& values, bool wanted, int64_t columns) -> float* {
        if (!wanted) return nullptr;
        values.resize(count * columns);
        return values.data();
      };
      predict.images = work->images.data();
      predict.count = count;
      predict.probabilities = room(work->probabilities, probabilities, classes);
      predict.scores = room(work->scores, scores, classes);
      predict.embeddings = room(work->embeddings, embeddings, size);
      predict.normalize_embeddings = normalize;
      predict.labels = work->labels.data();
      predict.angles = room(work->angles, angles, 2);
      if (angles) {
        work->class_norms.resize(classes);
        predict.class_norms = work->class_norms.data();
      }
      if (opened.predict(predict, state->cancelled).count < count)
        throw Error(ErrorCode::Disposed, "prediction was cancelled");
      work->images = {};
      return [=](Napi::Env env) {
        Napi::Object object = Napi::Object::New(env);
        if (probabilities) object.Set("probabilities", from_floats(env, std::move(work->probabilities)));
        if (scores) object.Set("scores", from_floats(env, std::move(work->scores)));
        if (embeddings) object.Set("embeddings", from_floats(env, std::move(work->embeddings)));
        if (angles) {
          object.Set("angles", from_floats(env, std::move(work->angles)));
          object.Set("classNorms", from_floats(env, std::move(work->class_norms)));
        }
        return object;
      };
    });
  });
}

Napi::Value SessionObject::end_training(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return run(info.Env(), [](Session& session) -> Worker::Result {
      session.end_training();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionObject::parameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!state_->session) throw Error(ErrorCode::Disposed, "the session was disposed");
    Napi::Array list = Napi::Array::New(info.Env());
    uint32_t index = 0;
    for (const ParameterTable::Entry& entry : state_->session->table().entries()) {
      Napi::Object parameter = Napi::Object::New(info.Env());
      parameter.Set("name", entry.spec.name);
      parameter.Set("shape", from_shape(info.Env(), entry.spec.shape));
      list.Set(index++, parameter);
    }
    return list;
  });
}

Napi::Value SessionObject::read_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = text_argument(info, 0);
    return run(info.Env(), [name](Session& session) -> Worker::Result {
      auto values = std::make_shared<std::vector<float>>(session.parameters().read_value(name));
      return [values](Napi::Env env) { return from_floats(env, std::move(*values)); };
    });
  });
}

Napi::Value SessionObject::read_gradient(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = text_argument(info, 0);
    return run(info.Env(), [name](Session& session) -> Worker::Result {
      auto values = std::make_shared<std::vector<float>>(session.parameters().read_gradient(name));
      return [values](Napi::Env env) { return from_floats(env, std::move(*values)); };
    });
  });
}

Napi::Value SessionObject::write_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = text_argument(info, 0);
    const std::vector<float> values = to_floats(info[1], "values");
    return run(info.Env(), [name, values](Session& session) -> Worker::Result {
      session.parameters().write_value(name, values.data(), static_cast<int64_t>(values.size()));
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

void SessionObject::cancel(const Napi::CallbackInfo&) { state_->cancelled = true; }

void SessionObject::dispose(const Napi::CallbackInfo&) { stop(); }

}  // namespace margincore
