// The JavaScript class MappedFile: a file's bytes as memory that JavaScript sees and sessions train on.
#pragma once

#include <napi.h>

#include <memory>

#include "data/mapped_file.h"

namespace margincore {

class MappedFileObject : public Napi::ObjectWrap<MappedFileObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// Of an argument. Throws InvalidOption for anything else.
  static std::shared_ptr<const MappedFile> from(const Napi::Value& value);

  explicit MappedFileObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value expect_unchanged(const Napi::CallbackInfo& info);

  std::shared_ptr<const MappedFile> file_;
};

}  // namespace margincore
