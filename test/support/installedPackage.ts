import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';

/**
 * This package as npm installs it into `app/node_modules`, without prebuilds, and its dependencies.
 * @returns the package's folder
 */
export function installPackage(app: string): string {
  const modules = join(app, 'node_modules');
  const root = join(modules, 'margincore');
  copyPackage(root);
  mkdirSync(join(modules, '.bin'));
  symlinkSync('../margincore/dist/lib/cli/main.js', join(modules, '.bin/margincore'));
  chmodSync(join(root, 'dist/lib/cli/main.js'), 0o755);
  for (const name of Object.keys(manifest().dependencies).concat('file-uri-to-path'))
    symlinkSync(join(packageRoot(), 'node_modules', name), join(modules, name));
  return root;
}

/**
 * This checkout as `npm link` puts it into `app/node_modules`, with its program.
 * @param others Packages that are there, too
 */
export function linkPackage(app: string, others: readonly string[] = []): void {
  const modules = join(app, 'node_modules');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync(packageRoot(), join(modules, 'margincore'));
  symlinkSync('../margincore/dist/lib/cli/main.js', join(modules, '.bin/margincore'));
  chmodSync(join(packageRoot(), 'dist/lib/cli/main.js'), 0o755);
  for (const name of others) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(packageRoot(), 'node_modules', name), join(modules, name));
  }
}

/** The compiled facade and the manifest, in another folder. */
export function copyPackage(root: string): void {
  cpSync(join(packageRoot(), 'dist/lib'), join(root, 'dist/lib'), { recursive: true });
  writeFileSync(join(root, 'package.json'), JSON.stringify(manifest()));
}

/** The built addon with its CPU backend, as a build or a prebuild of the package in `root`. */
export function copyAddon(root: string, folder: string): void {
  const built = join(packageRoot(), 'build/Release');
  for (const name of readdirSync(built).filter((file) =>
    /^margincore\.node$|^libmargincore_cpu\.so$/.test(file),
  ))
    cpSync(join(built, name), join(root, folder, name));
}

export function manifest() {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
    files: string[];
    scripts: Record<string, string>;
    engines: Record<string, string>;
    devDependencies: Record<string, string>;
    dependencies: Record<string, string>;
  };
}
