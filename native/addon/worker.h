// A thread of its own for native work, and the way back: promises are settled on the JavaScript thread. Node's shared
// thread pool stays free, and the event loop never waits.
#pragma once

#include <napi.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

namespace margincore {

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  /// Makes a promise's value on the JavaScript thread.
  using Result = std::function<Napi::Value(Napi::Env)>;

  /// Every worker is stopped and joined when its environment ends.
  static std::shared_ptr<Worker> create(Napi::Env env);

  explicit Worker(Napi::Env env);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// Runs `work` on the thread; the promise becomes the value of what it returns, or is rejected with its exception.
  /// The event loop stays alive until then.
  Napi::Promise run(Napi::Env env, std::function<Result()> work);

  /// What makes the job in hand end soon: called once, when the worker is told to stop.
  void on_stop(std::function<void()> cancel) { cancel_ = std::move(cancel); }
  /// Runs `last` after the job in hand, rejects the jobs still waiting, and ends the thread. Does not wait.
  void stop(std::function<void()> last = {});
  bool stopped() const { return stopped_; }
  /// Waits for the end of the thread; for the end of the environment only.
  void join();

 private:
  struct Job;
  struct Completion;

  void loop();
  static void settle(napi_env env, napi_value callback, void* worker, void* completion);

  std::mutex mutex_;
  std::deque<Job> jobs_;
  std::counting_semaphore<> wake_{0};
  std::function<void()> last_;
  std::function<void()> cancel_;  // JavaScript thread only
  bool stopping_ = false;         // guarded by mutex_
  bool stopped_ = false;          // JavaScript thread only
  int64_t pending_ = 0;           // JavaScript thread only
  napi_threadsafe_function completions_ = nullptr;
  std::thread thread_;
};

/// The workers of one environment (a thread that outlives its environment would call into nothing). Kept as the
/// addon's instance data.
class WorkerRegistry {
 public:
  explicit WorkerRegistry(Napi::Env env);
  void add(const std::shared_ptr<Worker>& worker);
  /// A worker for calls that belong to no session.
  Worker& shared(Napi::Env env);

  /// Ends and joins all. Called again it does nothing.
  void stop_all();

 private:
  std::vector<std::weak_ptr<Worker>> workers_;
  std::shared_ptr<Worker> shared_;
};

/// The current C++ exception as a JavaScript Error with a `code`.
Napi::Error to_js_error(Napi::Env env, std::exception_ptr error);

}  // namespace margincore
