#include "nccl_room.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace margincore::cuda_sim {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

}  // namespace

Room::Room(const std::string& name, int rank, int ranks, int device)
    : path_((std::filesystem::temp_directory_path() / name).string()),
      rank_(rank),
      ranks_(ranks),
      size_(sizeof(Shared) + static_cast<size_t>(ranks) * kPieceBytes) {
  const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) fail(path_);
  // Zeros, whoever comes first.
  void* memory = ftruncate(file, static_cast<off_t>(size_)) == 0
                     ? mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                     : MAP_FAILED;
  close(file);
  if (memory == MAP_FAILED) fail(path_);
  room_ = static_cast<Shared*>(memory);
  room_->seats[rank].device = device;
  room_->present.fetch_add(1, std::memory_order_acq_rel);
}

Room::~Room() {
  unlink(path_.c_str());  // where it was never complete
  munmap(room_, size_);
}

bool Room::is_complete() {
  if (room_->present.load(std::memory_order_acquire) < ranks_) return false;
  if (rank_ == 0) unlink(path_.c_str());
  return true;
}

int Room::rank_on_same_device() const {
  for (int rank = 0; rank < ranks_; ++rank)
    if (rank != rank_ && room_->seats[rank].device == room_->seats[rank_].device) return rank;
  return -1;
}

void Room::show(const Called& called) {
  Seat& own = room_->seats[rank_];
  own.called = called;
  own.shown.store(piece_ + 1, std::memory_order_release);
}

void Room::leave() { room_->seats[rank_].left.store(++piece_, std::memory_order_release); }

}  // namespace margincore::cuda_sim
