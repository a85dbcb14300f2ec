#include "addon/worker.h"

#include <memory>

#include "backend/memory.h"
#include "base/error.h"
#include "base/process_limits.h"

namespace margincore {

// Jobs and completions keep their worker alive until the promise is settled, on the JavaScript thread.
struct Worker::Job {
  std::shared_ptr<Worker> worker;
  std::function<Result()> work;
  Napi::Promise::Deferred deferred;
};

struct Worker::Completion {
  std::shared_ptr<Worker> worker;
  Napi::Promise::Deferred deferred;
  Result result;
  std::exception_ptr error;

  void settle(Napi::Env env) const {
    try {
      if (error) std::rethrow_exception(error);
      deferred.Resolve(result(env));
    } catch (...) {
      deferred.Reject(to_js_error(env, std::current_exception()).Value());
    }
  }
};

namespace {

Napi::Error error_with_code(Napi::Env env, const char* code, const char* message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  return error;
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const Napi::Error& thrown) {
    return thrown;
  } catch (const OutOfMemoryError& thrown) {
    Napi::Error error = error_with_code(env, error_code_name(thrown.code()), thrown.what());
    Napi::Object details = Napi::Object::New(env);
    details.Set("needed", static_cast<double>(thrown.needed));
    details.Set("free", static_cast<double>(thrown.free));
    if (thrown.batch > 0) details.Set("batchSize", static_cast<double>(thrown.batch));
    error.Value().Set("details", details);
    return error;
  } catch (const Error& thrown) {
    return error_with_code(env, error_code_name(thrown.code()), thrown.what());
  } catch (const std::bad_alloc&) {
    return error_with_code(env, error_code_name(ErrorCode::OutOfMemory),
                           ("out of host memory: " + describe_room()).c_str());
  } catch (const std::exception& thrown) {
    return error_with_code(env, error_code_name(ErrorCode::Internal), thrown.what());
  }
}

std::shared_ptr<Worker> Worker::create(Napi::Env env) {
  const auto worker = std::make_shared<Worker>(env);
  env.GetInstanceData<WorkerRegistry>()->add(worker);
  return worker;
}

Worker::Worker(Napi::Env env) {
  const napi_value name = Napi::String::New(env, "margincore");
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                                             nullptr, settle, &completions_);
  if (status != napi_ok) throw Error(ErrorCode::Internal, "cannot create a thread-safe function");
  napi_unref_threadsafe_function(env, completions_);  // an idle worker does not keep the process alive
  thread_ = std::thread(&Worker::loop, this);
}

Worker::~Worker() {
  stop();
  join();
}

Napi::Promise Worker::run(Napi::Env env, std::function<Result()> work) {
  Job job{shared_from_this(), std::move(work), Napi::Promise::Deferred::New(env)};
  const Napi::Promise promise = job.deferred.Promise();
  if (pending_++ == 0) napi_ref_threadsafe_function(env, completions_);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.release();
  return promise;
}

void Worker::stop(std::function<void()> last) {
  if (stopped_) return;
  stopped_ = true;
  if (cancel_) cancel_();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    last_ = std::move(last);
  }
  wake_.release();
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::loop() {
  bool open = true;  // false once the environment is closing: nobody is left to be told
  for (bool running = true; running;) {
    wake_.acquire();
    std::deque<Job> taken;
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      stopping = stopping_;
      if (stopping) {
        taken.swap(jobs_);
      } else if (!jobs_.empty()) {
        taken.push_back(std::move(jobs_.front()));
        jobs_.pop_front();
      }
    }
    for (Job& job : taken) {
      auto completion = std::make_unique<Completion>(Completion{std::move(job.worker), job.deferred, {}, {}});
      try {
        if (stopping) throw Error(ErrorCode::Disposed, "disposed before this call ran");
        completion->result = job.work();
      } catch (...) {
        completion->error = std::current_exception();
      }
      job.work = nullptr;
      open = open && napi_call_threadsafe_function(completions_, completion.get(), napi_tsfn_nonblocking) == napi_ok;
      if (open) completion.release();  // `settle` owns it now
    }
    running = !stopping;
  }
  if (last_) last_();
  if (open) napi_release_threadsafe_function(completions_, napi_tsfn_release);
}

void Worker::settle(napi_env raw_env, napi_value, void*, void* data) {
  const std::unique_ptr<Completion> completion(static_cast<Completion*>(data));
  if (raw_env == nullptr) return;  // the environment is closing
  Worker* worker = completion->worker.get();
  const Napi::Env env(raw_env);
  const Napi::HandleScope scope(env);
  if (--worker->pending_ == 0 && !worker->stopped_) napi_unref_threadsafe_function(env, worker->completions_);
  try {
    completion->settle(env);
  } catch (const Napi::Error&) {
    // JavaScript may run no more, as in a worker thread after process.exit(): nobody is left to be told.
  }
}

WorkerRegistry::WorkerRegistry(Napi::Env env) {
  env.AddCleanupHook([this] { stop_all(); });
}

void WorkerRegistry::add(const std::shared_ptr<Worker>& worker) {
  std::erase_if(workers_, [](const std::weak_ptr<Worker>& known) { return known.expired(); });
  workers_.push_back(worker);
}

Worker& WorkerRegistry::shared(Napi::Env env) {
  if (!shared_) shared_ = Worker::create(env);
  return *shared_;
}

void WorkerRegistry::stop_all() {
  for (const std::weak_ptr<Worker>& known : workers_) {
    const std::shared_ptr<Worker> worker = known.lock();
    if (!worker) continue;
    worker->stop();
    worker->join();
  }
}

}  // namespace margincore
