import { execFileSync } from 'node:child_process';
import { packageRoot } from '../../lib/base/packageRoot.js';

const evaluate = (program: string) =>
  execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: packageRoot(),
    encoding: 'utf8',
  });

test('import has every name that require has, and the same objects', () => {
  const output = evaluate(`
    import { createRequire } from 'node:module';
    import * as imported from 'margincore';
    import { MarginCoreError, headLoss, models, schedules, train } from 'margincore';
    const required = createRequire(import.meta.url)('margincore');
    const names = Object.keys(required).sort();
    console.log(JSON.stringify({
      names,
      same: names.every((name) => imported[name] === required[name]),
      types: [MarginCoreError, headLoss, models, schedules, train].map((value) => typeof value),
    }));
  `);
  const { names, same, types } = JSON.parse(output);
  expect(names).toEqual(expect.arrayContaining(['MarginCoreError', 'Model', 'datasets', 'train']));
  expect(same).toBe(true);
  expect(types).toEqual(['function', 'function', 'object', 'object', 'function']);
});
