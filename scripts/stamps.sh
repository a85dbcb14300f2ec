# Stamps: a file that holds the checksum of the sources from which something was built. To be sourced, in the root.

readonly native_sources=(CMakeLists.txt package.json native)
readonly dist_stamp=dist/typescript.checksum dist_sources=(tsconfig.json package-lock.json lib test examples)

stamp() { checksum "${@:2}" >"$1"; }

is_stamped() { [[ -f $1 && $(checksum "${@:2}") == "$(<"$1")" ]]; }

# checksum <file or folder…>: over the names and contents of all files.
checksum() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1; }
