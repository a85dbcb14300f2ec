import { readFileSync } from 'node:fs';
import { margincore } from '../../support/margincore.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const SMALL = [
  '--device',
  'cpu',
  '--embedding-size',
  '8',
  '--take',
  '200',
  '--batch-size',
  '20',
  '--no-progress',
];
const SEARCH = [...SMALL, '--steps', '40', '--max-rate', '1'];

test('a table, the suggestions by their names, the curve as JSON and as a picture', async () => {
  const files = ['--json', inFolder('found.json'), '--svg', inFolder('rates.svg')];
  const { status, stdout } = await margincore(['find-lr', ...SEARCH, '--head', 'arcface', ...files]);
  expect(status).toBe(0);
  const found = JSON.parse(readFileSync(inFolder('found.json'), 'utf8'));
  expect(found.rates.length).toBeGreaterThan(20);
  expect(found.smoothed).toHaveLength(found.rates.length);
  expect(stdout).toContain(`${found.rates.length} steps; `);
  expect(stdout).toMatch(/minimum \/ 10 [\d.e-]+\n$/);
  expect(stdout).toContain('1.00e-7');
  const svg = readFileSync(inFolder('rates.svg'), 'utf8');
  expect(svg).toContain('arcface: the loss over a rising learning rate');
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

test('JSON alone on standard output', async () => {
  const { stdout } = await margincore(['find-lr', ...SEARCH, '--json', '-']);
  expect(JSON.parse(stdout).ended).toMatch(/^(steps|diverged|nonFinite)$/);
});

test.each([
  [['--epochs', '3'], /no option --epochs/],
  [['--learning-rate', '0.1'], /no option --learning-rate/],
  [['--steps', '3'], /steps/],
])('%j is a usage error', async (flags, message) => {
  const { status, stderr } = await margincore(['find-lr', ...SMALL, ...flags]);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});
