// Where simulated ranks meet, be they processes or threads of one: a file in shared memory, named by the unique id. Each
// shows the others what it calls and, piece by piece, what it sends.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace margincore::cuda_sim {

/// What a rank calls, as the others compare it.
struct Called {
  uint64_t number;  // of the communicator's operations, from 1
  int32_t operation, type, reduction, root;
  uint64_t count;

  bool operator==(const Called&) const = default;
};

inline constexpr int kMostRanks = 16;
inline constexpr size_t kPieceBytes = size_t{128} << 10;

class Room {
 public:
  /// Waits for nobody. Throws std::runtime_error where it cannot be made.
  Room(const std::string& name, int rank, int ranks, int device);
  ~Room();
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  /// Whether all have come; from then on no other can.
  bool is_complete();
  /// Of another rank on this one's device: real NCCL refuses that. -1: there is none.
  int rank_on_same_device() const;

  // A piece: each shows, sees what all have shown, and leaves; nobody shows the next before all have left.
  bool may_show() const { return all_have(&Seat::left, piece_); }
  void* own_bytes() { return bytes_of(rank_); }
  void show(const Called& called);
  bool has_been_shown_all() const { return all_have(&Seat::shown, piece_ + 1); }
  const Called& called_by(int rank) const { return room_->seats[rank].called; }
  const void* shown_by(int rank) const { return bytes_of(rank); }
  void leave();

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

 private:
  struct Seat {
    std::atomic<uint64_t> shown, left;  // pieces
    Called called;
    int32_t device;
  };
  struct Shared {
    std::atomic<int32_t> present;
    Seat seats[kMostRanks];
  };

  bool all_have(std::atomic<uint64_t> Seat::* what, uint64_t pieces) const {
    for (int rank = 0; rank < ranks_; ++rank)
      if ((room_->seats[rank].*what).load(std::memory_order_acquire) < pieces) return false;
    return true;
  }
  void* bytes_of(int rank) const {
    return reinterpret_cast<char*>(room_ + 1) + static_cast<size_t>(rank) * kPieceBytes;
  }

  std::string path_;
  int rank_, ranks_;
  size_t size_;
  Shared* room_;
  uint64_t piece_ = 0;  // that the next one is
};

}  // namespace margincore::cuda_sim
