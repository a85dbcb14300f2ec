#!/usr/bin/env node
/** The program `margincore`: picks the command, and turns what goes wrong into a message and an exit status. */
import { nearestWord } from '../base/check.js';
import { type ErrorCode, MarginCoreError } from '../base/errors.js';
import { packageVersion } from '../base/packageRoot.js';
import { UsageError } from './arguments.js';
import type { Command } from './command.js';
import { augmentCommand } from './commands/augment.js';
import { buildCommand } from './commands/build.js';
import { calibrateCommand } from './commands/calibrate.js';
import { compareCommand } from './commands/compare.js';
import { dataCommand } from './commands/data.js';
import { doctorCommand } from './commands/doctor.js';
import { embedCommand } from './commands/embed.js';
import { enrolCommand } from './commands/enrol.js';
import { evaluateCommand } from './commands/evaluate.js';
import { findLrCommand } from './commands/findLr.js';
import { galleryCommand } from './commands/gallery.js';
import { identifyCommand } from './commands/identify.js';
import { mistakesCommand } from './commands/mistakes.js';
import { predictCommand } from './commands/predict.js';
import { recipeCommand } from './commands/recipe.js';
import { trainCommand } from './commands/train.js';
import { verifyCommand } from './commands/verify.js';
import { watchCommand } from './commands/watch.js';
import { Interrupted } from './interrupt.js';

const COMMANDS: Readonly<Record<string, Command>> = {
  train: trainCommand,
  'find-lr': findLrCommand,
  evaluate: evaluateCommand,
  predict: predictCommand,
  embed: embedCommand,
  verify: verifyCommand,
  calibrate: calibrateCommand,
  enrol: enrolCommand,
  identify: identifyCommand,
  gallery: galleryCommand,
  mistakes: mistakesCommand,
  data: dataCommand,
  augment: augmentCommand,
  compare: compareCommand,
  watch: watchCommand,
  recipe: recipeCommand,
  doctor: doctorCommand,
  build: buildCommand,
};

/** An interrupted command has the status of its signal. */
const EXIT = { failed: 1, usage: 2 } as const;

/** How the program ends, for its help. */
const STATUSES = [
  'Exit status: 0 done; 1 it failed, through the machine, a file or the numbers; 2 the command line has to be changed: what',
  'it asks for is unknown, out of range, nowhere to be found, or does not fit the data; 130 after Ctrl-C, 143 after SIGTERM.',
];

/** What the API refuses of what the command line said: options, and a network that does not fit the data. */
const REFUSALS: readonly string[] = ['INVALID_OPTION', 'SHAPE_MISMATCH'] satisfies ErrorCode[];

async function main(argv: readonly string[]): Promise<number> {
  const [name = '--help', ...rest] = argv;
  if (name === '--version') return print(packageVersion());
  if (isHelp(name)) return print(overview());
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : unknownCommand(name);
  return rest.some(isHelp) ? print(command.help()) : command.run(rest);
}

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h';
}

function overview(): string {
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(9)} ${summary}`);
  return [
    'usage: margincore <command> [options]',
    '',
    ...commands,
    '',
    'margincore <command> --help   the options of a command',
    'margincore --version',
    '',
    ...STATUSES,
  ].join('\n');
}

function unknownCommand(name: string): never {
  const guess = nearestWord(name, Object.keys(COMMANDS));
  throw new UsageError(`there is no command '${name}'.${guess ? ` Did you mean '${guess}'?` : ''}`);
}

function print(text: string): number {
  console.log(text);
  return 0;
}

function isUsageError(error: unknown, argv: readonly string[]): boolean {
  if (!(error instanceof MarginCoreError)) return error instanceof UsageError;
  const { code, details } = error;
  const isNamed = (path: unknown) => argv.some((each) => each === path || each.endsWith(`=${path}`));
  return REFUSALS.includes(code) || (code === 'FILE_NOT_FOUND' && isNamed(details.path));
}

/** Says what went wrong; the stack only where it was asked for. */
function fail(error: unknown, argv: readonly string[]): number {
  if (error instanceof Interrupted) {
    console.error(`margincore: ${error.message}`);
    return error.exitStatus;
  }
  const [summary, ...more] = (error as Error).message.split('\n');
  const code = error instanceof MarginCoreError ? ` [${error.code}]` : '';
  // Later lines stay as they are: a command at their end is there to be copied.
  console.error([`margincore: ${summary}${code}`, ...more].join('\n'));
  if (process.env.MARGINCORE_DEBUG === '1') console.error((error as Error).stack);
  if (!isUsageError(error, argv)) return EXIT.failed;
  const [command = ''] = argv;
  console.error(`See margincore ${Object.hasOwn(COMMANDS, command) ? `${command} ` : ''}--help`);
  return EXIT.usage;
}

// A reader that closes early, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const argv = process.argv.slice(2);
main(argv)
  .catch((error: unknown) => fail(error, argv))
  .then((status) => {
    process.exitCode = status;
  });
