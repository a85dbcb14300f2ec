#include "addon/mapped_file_object.h"

#include "addon/guard.h"

namespace margincore {

namespace { constexpr napi_type_tag kTag{0x6d617267696e636f, 0x6d61707065646669}; }  // namespace

Napi::Function MappedFileObject::define(Napi::Env env) {
  return DefineClass(
      env, "MappedFile",
      {InstanceAccessor<&MappedFileObject::size>("size"), InstanceMethod<&MappedFileObject::bytes>("bytes"),
       InstanceMethod<&MappedFileObject::expect_unchanged>("expectUnchanged")});
}

MappedFileObject::MappedFileObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MappedFileObject>(info) {
  guarded(info.Env(), [&] {
    file_ = std::make_shared<const MappedFile>(text_argument(info, 0));
    info.This().As<Napi::Object>().TypeTag(&kTag);
    return info.Env().Undefined();
  });
}

std::shared_ptr<const MappedFile> MappedFileObject::from(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag))
    throw Error(ErrorCode::InvalidOption, "native: expected a MappedFile as argument");
  return Unwrap(value.As<Napi::Object>())->file_;
}

Napi::Value MappedFileObject::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(file_->size()));
}

Napi::Value MappedFileObject::bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t length = index_argument(info, 1);
    uint8_t* begin = file_->range(index_argument(info, 0), length);
    // The array keeps the mapping, whatever becomes of this object.
    auto owner = std::make_unique<std::shared_ptr<const MappedFile>>(file_);
    const auto release = [](Napi::Env, void*, std::shared_ptr<const MappedFile>* held) { delete held; };
    const auto buffer = Napi::ArrayBuffer::New(info.Env(), begin, static_cast<size_t>(length), release, owner.get());
    owner.release();
    return Napi::Uint8Array::New(info.Env(), static_cast<size_t>(length), buffer, 0);
  });
}

Napi::Value MappedFileObject::expect_unchanged(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    file_->expect_unchanged();
    return info.Env().Undefined();
  });
}

}  // namespace margincore
