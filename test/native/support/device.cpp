#include "support/device.h"

#include <algorithm>

namespace margincore::test {

void* Device::add(const void* contents, size_t bytes, bool constant) {
  const auto* from = static_cast<const uint8_t*>(contents);
  auto block = std::make_unique<Block>(
      Block{Buffer(backend_, bytes + 2 * kGuard), from == nullptr ? Bytes() : Bytes(from, from + bytes), constant});
  Bytes guarded(bytes + 2 * kGuard, kGuardByte);
  std::copy(block->contents.begin(), block->contents.end(), guarded.begin() + kGuard);
  check(backend_.upload(block->buffer.data(), guarded.data(), guarded.size()));
  blocks_.push_back(std::move(block));
  return blocks_.back()->start();
}

void* Device::add(const Floats& values, DType dtype, bool constant) {
  if (dtype == DType::F32) return add(values.data(), values.size() * sizeof(float), constant);
  std::vector<BFloat16> stored;
  for (float value : values) stored.push_back(to_bfloat16(value));
  return add(stored.data(), stored.size() * sizeof(BFloat16), constant);
}

Floats Device::read(const Tensor& tensor) const {
  if (tensor.dtype != DType::BF16) return read<float>(tensor.data, tensor.count());
  Floats values;
  for (BFloat16 value : read<BFloat16>(tensor.data, tensor.count())) values.push_back(to_float(value));
  return values;
}

Device::Block& Device::block_of(const void* place) {
  for (auto& block : blocks_)
    if (block->start() == place) return *block;
  throw Error(ErrorCode::Internal, "no block of this test starts there");
}

std::string Device::damage() const {
  const auto is_guard = [](uint8_t byte) { return byte == kGuardByte; };
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = *blocks_[i];
    const Bytes now = read<uint8_t>(block.buffer.data(), static_cast<int64_t>(block.buffer.bytes()));
    const auto begin = now.begin() + kGuard, end = now.end() - kGuard;
    const char* fault = !std::all_of(now.begin(), begin, is_guard)                          ? "written before its start"
                        : !std::all_of(end, now.end(), is_guard)                            ? "written past its end"
                        : block.constant && !std::equal(begin, end, block.contents.begin()) ? "an input, was changed"
                                                                                            : nullptr;
    if (fault != nullptr)
      return format("block %zu of %zu (%zu bytes): %s", i, blocks_.size(), block.contents.size(), fault);
  }
  return "";
}

}  // namespace margincore::test
