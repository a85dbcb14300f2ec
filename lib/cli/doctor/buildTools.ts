/** What building the addon from source needs. Nothing of it is needed where a built addon is there. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join, normalize } from 'node:path';

export interface BuildTool {
  readonly name: string;
  readonly found: boolean;
  /** Version or place, or '' */
  readonly detail: string;
  /** Debian's package that brings it */
  readonly package: string;
}

export function findBuildTools(): BuildTool[] {
  const compiler = process.env.CXX || 'c++';
  return [
    tool('CMake', 'cmake', firstLine('cmake', ['--version'])),
    tool(
      'Ninja or make',
      'ninja-build',
      firstLine('ninja', ['--version']) ?? firstLine('make', ['--version']),
    ),
    tool(
      'C++20 compiler',
      'g++',
      compiles(compiler, '__cplusplus >= 202002L') && firstLine(compiler, ['--version']),
    ),
    tool(
      'oneDNN',
      'libdnnl-dev',
      oneDnnInPrefix() ??
        (compiles(compiler, '__has_include(<dnnl.hpp>)') && library(compiler, 'libdnnl.so')),
    ),
  ];
}

/** A sentence on how to get them, with the command to type where there is one. */
export function adviceToInstall(missing: readonly BuildTool[]): string {
  const packages = missing.map((tool) => tool.package).join(' ');
  if (!existsSync('/usr/bin/apt-get')) return `Install what these packages of Debian bring: ${packages}`;
  const install = `apt-get update && apt-get install -y --no-install-recommends ${packages}`;
  if (process.getuid?.() === 0) return `Install it with: ${install}`;
  return `Install it with: ${existsSync('/usr/bin/sudo') ? 'sudo sh' : 'su'} -c '${install}'`;
}

function tool(name: string, debianPackage: string, detail: string | undefined | false): BuildTool {
  return { name, found: Boolean(detail), detail: detail || '', package: debianPackage };
}

function firstLine(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}

/** CMake looks there too. */
function oneDnnInPrefix(): string | undefined {
  const prefixes = (process.env.CMAKE_PREFIX_PATH ?? '').split(delimiter).filter(Boolean);
  return prefixes.find((prefix) => existsSync(join(prefix, 'include/dnnl.hpp')));
}

/** Whether the compiler is there, takes C++20, and the preprocessor's condition holds. */
function compiles(compiler: string, condition: string): boolean {
  const { status } = spawnSync(compiler, ['-std=c++20', '-x', 'c++', '-fsyntax-only', '-'], {
    input: `#if !(${condition})\n#error no\n#endif\n`,
  });
  return status === 0;
}

/** Where the compiler finds a library; it answers with the bare name where it does not. */
function library(compiler: string, name: string): string | undefined {
  const path = firstLine(compiler, [`-print-file-name=${name}`]);
  return path === undefined || path === name ? undefined : normalize(path);
}
