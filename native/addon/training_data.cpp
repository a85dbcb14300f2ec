// What a Session is given to train on.
#include "addon/guard.h"
#include "addon/mapped_file_object.h"
#include "addon/session_object.h"
#include "data/mapped_samples.h"

namespace margincore {

namespace {

int64_t count_argument(const Napi::CallbackInfo& info, size_t index) {
  const double count = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : 0;
  if (!(count >= 1 && count <= 9007199254740991.0))
    throw Error(ErrorCode::InvalidData, "native: expected a number of training images");
  return static_cast<int64_t>(count);
}

/// The elements where they lie, until JavaScript runs again. Those of a detached buffer are none.
template <class T>
std::span<const T> elements_argument(const Napi::CallbackInfo& info, size_t index, napi_typedarray_type type,
                                     const char* expected) {
  const Napi::Value value = info[index];
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    throw Error(ErrorCode::InvalidOption, format("native: expected %s as argument %zu", expected, index));
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return {array.Data(), array.ElementLength()};
}

}  // namespace

HostSamples& SessionObject::reserved() const {
  expect_not_disposed();
  if (!samples_) throw Error(ErrorCode::InvalidData, "native: no room was reserved for training images");
  return *samples_;
}

void SessionObject::reserve_training_data(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const Session& session = this->session();
    samples_.reset();  // both need not fit
    samples_ = std::make_shared<HostSamples>(count_argument(info, 0), session.input(), session.head().num_classes());
    return info.Env().Undefined();
  });
}

void SessionObject::add_training_data(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    reserved().add(elements_argument<uint8_t>(info, 0, napi_uint8_array, "a Uint8Array"),
                   elements_argument<int32_t>(info, 1, napi_int32_array, "an Int32Array"),
                   elements_argument<int32_t>(info, 2, napi_int32_array, "an Int32Array"));
    return info.Env().Undefined();
  });
}

Napi::Value SessionObject::upload_training_data(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    TrainingData data = reserved().data();
    data.owner = std::move(samples_);
    return set_training_data(info.Env(), data);
  });
}

Napi::Value SessionObject::view_training_data(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Session& session = this->session();
    samples_.reset();
    const auto labels = elements_argument<int32_t>(info, 2, napi_int32_array, "an Int32Array");
    return set_training_data(info.Env(), view_samples(MappedFileObject::from(info[0]), index_argument(info, 1), labels,
                                                      session.input(), session.head().num_classes()));
  });
}

Napi::Value SessionObject::set_training_data(Napi::Env env, const TrainingData& data) {
  return run(env, [data, cancelled = cancelled_](Session& session) -> Worker::Result {
    session.set_training_data(data, *cancelled);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

}  // namespace margincore
