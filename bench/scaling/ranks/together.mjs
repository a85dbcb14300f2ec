// node together.mjs JOB: starts the processes of one job, and passes on what the first of them says, with the processor time
// and the memory of all.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import protocol from '../../shared/protocol.cjs';
import { descendants } from './descendants.mjs';

/** Less than the one that started this waits for it: nobody would end the others then. */
const LIMIT_SECONDS = 240;

const job = protocol.job();
const { command, copies } = job.start;
const [program, ...args] = [...command, process.argv[2]];
const port = await freePort();
let complaints = '';

const children = Array.from({ length: copies }, (_, rank) =>
  spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As torchrun has it.
    env: { ...process.env, RANK: rank, WORLD_SIZE: copies, MASTER_ADDR: '127.0.0.1', MASTER_PORT: port },
  }),
);
const endAll = () => {
  for (const child of children) child.kill();
};
const timer = setTimeout(() => {
  complaints += `\nerror: not done within ${LIMIT_SECONDS} s`;
  endAll();
}, 1000 * LIMIT_SECONDS);

for (const child of children) {
  createInterface(child.stdout).on('line', pass);
  child.stderr.on('data', (text) => {
    complaints += text;
  });
}
const statuses = await Promise.all(children.map(ended));
clearTimeout(timer);
if (statuses.some((status) => status !== 0)) {
  process.stderr.write(`${reasonOf(complaints)}\n`);
  process.exitCode = 1;
}

function pass(line) {
  if (!line.startsWith('@bench ')) return;
  const said = JSON.parse(line.slice('@bench '.length));
  const all = descendants(process.pid);
  const cpuSeconds = all.reduce((sum, each) => sum + each.cpuSeconds, 0);
  const peaks = all.filter(({ isLeaf }) => isLeaf).map(({ peakBytes }) => peakBytes);
  process.stdout.write(`@bench ${JSON.stringify({ ...said, cpuSeconds, peaks })}\n`);
}

/** One that fails leaves the others waiting. */
function ended(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      complaints += `\nerror: ${error.message}`;
      resolve(error.code);
    });
    child.once('close', (code, signal) => {
      if (code !== 0) {
        complaints ||= `error: a process ended with ${signal ?? code}`;
        endAll();
      }
      resolve(code);
    });
  });
}

/** The first process's reason: the others' follow from it. Else what the launcher says, in one line. */
function reasonOf(said) {
  const lines = said.split('\n').map((line) => line.trim());
  const error = lines.find((line) => /^(?:\[rank\d+\]: |Rank \d+ .*?: )?(?:[\w.]*Error\b|error:)/.test(line));
  return error ?? lines.filter((line) => /\w/.test(line)).join(' ');
}

function freePort() {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
