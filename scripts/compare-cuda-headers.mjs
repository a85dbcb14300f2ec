/**
 * Compares what the simulated CUDA device declares of CUDA, cuBLAS and cuDNN, or what is declared of NCCL, with NVIDIA's
 * headers: every value, every function's type, every member of a struct, and sizes. What differs is an error of the C++
 * compiler.
 *
 *   node scripts/compare-cuda-headers.mjs [FOLDER OF OURS] [FOLDERS OF THE REAL ONES…]
 *   node scripts/compare-cuda-headers.mjs native/comm/nccl [FOLDERS OF THE REAL ONES…]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const [ours = 'test/native/cuda_sim/include', ...given] = process.argv.slice(2);
const headers = ['cuda_runtime_api.h', 'cublas_v2.h', 'cudnn.h', 'nccl.h'].filter((header) =>
  existsSync(`${ours}/${header}`),
);
if (headers.length === 0) throw new Error(`There is nothing to compare in ${ours}`);
/** The toolkit's own come last: of the wheels, the runtime's lacks a folder that nvcc brings. */
const real =
  given.length > 0
    ? given
    : [
        '.cuda/nvidia/cudnn/include',
        '.cuda/nvidia/nccl/include',
        '.cuda/nvidia/cu13/include',
        '/usr/local/cuda/include',
      ];
/** Of a version only what decides about names and types: the major number. */
const majors = { CUDART_VERSION: 1000, CUBLAS_VERSION: 10000, CUDNN_VERSION: 10000 };

const found = { values: [], renamed: [], types: [], functions: [], members: [], structs: [] };
const kinds = [
  [/^#define (cublas\w+) (\w+)/, (name, stands) => found.renamed.push({ name, stands })],
  [/^#(pragma once|ifndef|endif|include|define (?:CUDA_SIM|NCCL)_API)\b.*/, () => {}],
  [/^using \w+ = \w+\*?;/, () => {}],
  [/^inline constexpr \w+ (\w+) = \w+;/, (name) => found.values.push(name)],
  [/^struct (\w+);/, (name) => found.types.push(name)],
  [/^(?:CUDA_SIM|NCCL)_API [^(;]*?(\w+)\([^)]*\);/, (name) => found.functions.push(name)],
  [/^enum (\w+) \{([^}]*)\};/, readEnum],
  [/^(\/\/ Some of its members\.\n)?struct (\w+) \{([^}]*)\};/, readStruct],
  [/^\/\/.*/, () => {}],
];

function readEnum(name, body) {
  found.types.push(name);
  for (const entry of body
    .split(',')
    .map((text) => text.trim())
    .filter(Boolean)) {
    found.values.push(/^(\w+) = [-\w]+$/.exec(entry)?.[1] ?? fail(entry));
  }
}

function readStruct(some, name, body) {
  found.types.push(name);
  const whole = some === undefined;
  if (whole) found.structs.push(name);
  for (const entry of body
    .split(';')
    .map((text) => text.trim())
    .filter(Boolean)) {
    const member = /^\w+ (\w+)(\[\d+\])?$/.exec(entry)?.[1] ?? fail(entry);
    found.members.push({ name, member, whole });
  }
}

function fail(text) {
  throw new Error(`This is no declaration that can be compared: ${text.slice(0, 200)}`);
}

/** Nothing is passed over: a line that no pattern knows ends the run. */
function read(text) {
  for (let rest = text.trimStart(); rest !== ''; rest = rest.trimStart()) {
    const kind = kinds.find(([pattern]) => pattern.test(rest)) ?? fail(rest);
    const [all, ...parts] = kind[0].exec(rest);
    kind[1](...parts);
    rest = rest.slice(all.length);
  }
}

for (const header of headers) read(readFileSync(`${ours}/${header}`, 'utf8'));

const lines = (list, line) => list.map(line).join('\n');
const program = `
#include <cstddef>
#include <string_view>
#include <type_traits>

#define CUDA_SIM_API
#define NCCL_API
namespace ours {
${lines(headers, (header) => `#include "${resolve(ours, header)}"`)}
// Some names are macros in the real headers, which come later.
namespace values {
${lines(found.values, (name) => `constexpr long long value_of_${name} = ours::${name};`)}
}
}
${lines(found.renamed, ({ name }) => `#undef ${name}`)}

${lines(headers, (header) => `#include <${header}>`)}

/// The real type in place of ours.
template <class T> struct Real { using type = T; };
template <class T> using real = typename Real<T>::type;
template <class T> struct Real<T*> { using type = real<T>*; };
template <class T> struct Real<const T> { using type = const real<T>; };
template <class T, size_t N> struct Real<T[N]> { using type = real<T>[N]; };
template <class T, class... P> struct Real<T(P...)> { using type = real<T>(real<P>...); };
${lines(found.types, (name) => `template <> struct Real<ours::${name}> { using type = ::${name}; };`)}

${lines(found.values, (name) => {
  const major = majors[name] ? ` / ${majors[name]}` : '';
  return `static_assert(ours::values::value_of_${name}${major} == static_cast<long long>(${name})${major}, "${name}");`;
})}
#define SPELLED(name) #name
#define SPELLED_OUT(name) SPELLED(name)
${lines(found.renamed, ({ name, stands }) => `static_assert(SPELLED_OUT(${name}) == std::string_view("${stands}"), "${name}");`)}
${lines(found.functions, (name) => `#line 1 "${name}"\nconstexpr real<decltype(ours::${name})>* type_of_${name} = &::${name};`)}
${lines(
  found.members,
  ({ name, member, whole }) => `
static_assert(std::is_same_v<real<decltype(ours::${name}::${member})>, decltype(::${name}::${member})>, "${name}");
${whole ? `static_assert(offsetof(ours::${name}, ${member}) == offsetof(::${name}, ${member}), "${name}");` : ''}`,
)}
${lines(found.structs, (name) => `static_assert(sizeof(ours::${name}) == sizeof(::${name}), "${name}");`)}
`;

const includes = real.flatMap((folder) => ['-isystem', folder]);
const { status, error } = spawnSync(
  process.env.CXX ?? 'c++',
  ['-std=c++20', '-fsyntax-only', ...includes, '-x', 'c++', '-'],
  { input: program, stdio: ['pipe', 'inherit', 'inherit'] },
);
if (error) throw error;
const { values, functions, members } = found;
if (status === 0) {
  console.log(
    `${values.length} values, ${functions.length} functions and ${members.length} members are as NVIDIA's headers have them`,
  );
}
process.exitCode = status === 0 ? 0 : 1;
