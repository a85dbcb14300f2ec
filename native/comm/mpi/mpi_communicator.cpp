// Ranks by MPI. Compiled once for each binary interface, with its own header, and linked with none of the libraries:
// comm/join.cpp has loaded the one by then. One thread calls MPI, from its start to its end: MPI asks for that, and sessions,
// which come and go, have each a thread of their own.
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <limits>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "comm/communicator.h"

namespace margincore {

namespace {

using Clock = std::chrono::steady_clock;

/// That MPI may take, once all work is done or lost, for what it does with a launcher that may be out of reach.
constexpr std::chrono::seconds kLongestFinalize{30}, kLongestAbort{3};

Status failed(int error, const char* call) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(error, text, &length);
  return Status::failure(ErrorCode::RankFailed, "%s: %s", call, text);
}

/// Waits shortly at first: most calls are done by then.
class Patience {
 public:
  explicit Patience(double seconds) : begin_(Clock::now()), seconds_(seconds) {}

  bool is_over() const { return waited() > seconds_; }
  void wait() const {
    if (waited() < 1e-3) sched_yield();
    else usleep(50);
  }

 private:
  double waited() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  Clock::time_point begin_;
  double seconds_;
};

/// The thread that calls MPI. It waits for work until the process has ended.
class MpiThread {
 public:
  MpiThread() { std::thread(&MpiThread::loop, this).detach(); }

  /// From any thread, one at a time.
  Status run(std::function<Status()> work) {
    const std::lock_guard one_at_a_time(calling_);
    if (is_stuck_) return Status::failure(ErrorCode::RankFailed, "an earlier call of MPI has not returned");
    work_ = std::move(work);
    begun_.release();
    done_.acquire();
    return status_;
  }

  /// The last work, which need not be done when this returns: it may refer to nothing of the caller's.
  void run_last(std::function<Status()> work, std::chrono::seconds longest) {
    const std::lock_guard one_at_a_time(calling_);
    if (is_stuck_) return;
    work_ = std::move(work);
    begun_.release();
    is_stuck_ = !done_.try_acquire_for(longest);
  }

 private:
  [[noreturn]] void loop() {
    for (;;) {
      begun_.acquire();
      status_ = work_();
      done_.release();
    }
  }

  std::mutex calling_;
  // Not a condition variable: waiting on one needs a newer C++ library than this is shipped for.
  std::binary_semaphore begun_{0}, done_{0};
  std::function<Status()> work_;
  Status status_ = Status::success();
  bool is_stuck_ = false;
};

/// Never destroyed: a thread waits in it.
MpiThread& mpi_thread() {
  static MpiThread* const thread = new MpiThread;
  return *thread;
}

/// Ranks' parts of a whole, as MPI takes them.
struct Parts {
  std::vector<int> counts, places;
  int64_t whole = 0;

  Parts(const int64_t* sizes, int ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      counts.push_back(static_cast<int>(sizes[rank]));
      places.push_back(static_cast<int>(whole));
      whole += sizes[rank];
    }
  }
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(const CommunicatorInfo& info, double timeout_seconds) : info_(info), seconds_(timeout_seconds) {}

  const CommunicatorInfo& info() const override { return info_; }

  Status all_reduce(Tensor x, Reduction reduction) override {
    return unless_failed([&] { return reduce(x, reduction); });
  }
  Status reduce_scatter(float* part, const float* whole, const int64_t* counts) override {
    return unless_failed([&] { return sum_of_parts(part, whole, counts); });
  }
  Status all_gather(void* whole, const int64_t* bytes) override {
    return unless_failed([&] { return gather(whole, bytes); });
  }
  Status broadcast(void* values, int64_t bytes) override {
    return unless_failed([&] { return send_to_all(values, bytes, 0); });
  }
  double timeout_seconds() const override { return seconds_; }
  void abort(int32_t code) override {
    // MPICH's waits for its launcher for ever, also where a cable between the two is cut.
    std::thread([code] {
      std::this_thread::sleep_for(kLongestAbort);
      _exit(code);
    }).detach();
    MPI_Abort(MPI_COMM_WORLD, code);
  }
  Status finish() override {
    const Status status = unless_failed([&] { return wait_for_all(); });
    // All have done their work by now: a launcher that does not answer takes nothing of it away.
    if (status.ok()) mpi_thread().run_last([] { return finalize(); }, kLongestFinalize);
    return status;
  }

 private:
  /// After a failure MPI may still write to what the failed call was given, whenever it is called.
  Status unless_failed(const std::function<Status()>& work) {
    return mpi_thread().run([&] {
      if (has_failed_) return Status::failure(ErrorCode::RankFailed, "an exchange has failed before");
      const Status status = work();
      has_failed_ = !status.ok();
      return status;
    });
  }

  Status reduce(Tensor x, Reduction reduction) const {
    const MPI_Op operation = reduction == Reduction::Sum ? MPI_SUM : MPI_MAX;
    return in_pieces(x.count(), kMostAddedAtOnce, [&](int64_t first, int count, MPI_Request* request) {
      return MPI_Iallreduce(MPI_IN_PLACE, x.f32() + first, count, MPI_FLOAT, operation, MPI_COMM_WORLD, request);
    });
  }

  Status sum_of_parts(float* part, const float* whole, const int64_t* counts) const {
    const Parts parts(counts, info_.size);
    if (parts.whole > kMostAtOnce)
      return Status::failure(ErrorCode::Unsupported, "reduce_scatter: %lld elements are more than MPI takes at once",
                             static_cast<long long>(parts.whole));
    MPI_Request request;
    const int error =
        MPI_Ireduce_scatter(whole, part, parts.counts.data(), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    return error == MPI_SUCCESS ? done(&request, "MPI_Ireduce_scatter") : failed(error, "MPI_Ireduce_scatter");
  }

  Status gather(void* whole, const int64_t* bytes) const {
    const Parts parts(bytes, info_.size);
    if (parts.whole > kMostAtOnce) return gather_one_by_one(static_cast<char*>(whole), bytes);
    MPI_Request request;
    const int error = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, whole, parts.counts.data(),
                                      parts.places.data(), MPI_BYTE, MPI_COMM_WORLD, &request);
    return error == MPI_SUCCESS ? done(&request, "MPI_Iallgatherv") : failed(error, "MPI_Iallgatherv");
  }

  Status gather_one_by_one(char* whole, const int64_t* bytes) const {
    for (int rank = 0; rank < info_.size; whole += bytes[rank++])
      if (const Status status = send_to_all(whole, bytes[rank], rank); !status.ok()) return status;
    return Status::success();
  }

  Status send_to_all(void* values, int64_t bytes, int from) const {
    return in_pieces(bytes, kMostAtOnce, [&](int64_t first, int count, MPI_Request* request) {
      return MPI_Ibcast(static_cast<char*>(values) + first, count, MPI_BYTE, from, MPI_COMM_WORLD, request);
    });
  }

  Status wait_for_all() const {
    MPI_Request request;
    const int error = MPI_Ibarrier(MPI_COMM_WORLD, &request);
    if (error != MPI_SUCCESS) return failed(error, "MPI_Ibarrier");
    // However long others still have to do; where one ends otherwise, the launcher ends all.
    return done(&request, "MPI_Ibarrier", std::numeric_limits<double>::infinity());
  }

  static Status finalize() {
    MPI_Finalize();
    return Status::success();
  }

  static constexpr int64_t kMostAtOnce = std::numeric_limits<int>::max();
  /// Numbers that are added up by one call. MPI takes memory for as many, and what it takes of more goes back to the system after each
  /// call: of 44 MB, that is nine tenths of the time.
  static constexpr int64_t kMostAddedAtOnce = int64_t{1} << 20;

  template <class Begin>
  Status in_pieces(int64_t count, int64_t most, const Begin& begin) const {
    for (int64_t first = 0; first < count; first += most) {
      MPI_Request request;
      const int error = begin(first, static_cast<int>(std::min(most, count - first)), &request);
      const Status status = error == MPI_SUCCESS ? done(&request, "MPI") : failed(error, "MPI");
      if (!status.ok()) return status;
    }
    return Status::success();
  }

  /// Blocking calls would wait for a dead rank for ever.
  Status done(MPI_Request* request, const char* call) const { return done(request, call, seconds_); }
  Status done(MPI_Request* request, const char* call, double seconds) const {
    const Patience patience(seconds);
    for (;;) {
      int is_done = 0;
      if (const int error = MPI_Test(request, &is_done, MPI_STATUS_IGNORE); error != MPI_SUCCESS)
        return failed(error, call);
      if (is_done != 0) return Status::success();
      if (patience.is_over())
        return Status::failure(ErrorCode::RankFailed, "%s: another rank was waited for longer than %g s", call,
                               seconds);
      patience.wait();
    }
  }

  CommunicatorInfo info_;
  double seconds_;
  bool has_failed_ = false;  // the MPI thread's
};

Status start(Communicator** communicator, const CommunicatorOptions* options) {
  int provided = 0;
  // The main thread may have to abort while another one waits.
  if (const int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided); error != MPI_SUCCESS)
    return failed(error, "MPI_Init_thread");
  if (provided < MPI_THREAD_MULTIPLE)
    return Status::failure(ErrorCode::Unsupported, "this MPI takes calls of one thread alone");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  CommunicatorInfo info{};
  std::snprintf(info.engine, sizeof info.engine, "%s", MARGINCORE_ENGINE);
  char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(version, &length);
  std::snprintf(info.version, sizeof info.version, "%.*s", static_cast<int>(sizeof info.version - 1), version);
  gethostname(info.host, sizeof info.host - 1);
  MPI_Comm_rank(MPI_COMM_WORLD, &info.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &info.size);
  // Under another MPI's launcher each process is a world of its own.
  if (info.rank != options->rank || info.size != options->size)
    return Status::failure(ErrorCode::RankFailed,
                           "%s has started as rank %d of %d, but the launcher says %d of %d: is it another MPI's?",
                           MARGINCORE_ENGINE, info.rank, info.size, options->rank, options->size);
  *communicator = new MpiCommunicator(info, options->timeout_seconds);
  return Status::success();
}

Status join(Communicator** communicator, const CommunicatorOptions* options) {
  return mpi_thread().run([&] { return start(communicator, options); });
}

}  // namespace

}  // namespace margincore

extern "C" __attribute__((visibility("default"))) const margincore::CommunicatorPlugin* margincore_communicator() {
  static const margincore::CommunicatorPlugin plugin = {margincore::kCommunicatorAbiVersion, margincore::join};
  return &plugin;
}
